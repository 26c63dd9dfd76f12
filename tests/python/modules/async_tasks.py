# SPDX-License-Identifier: Apache-2.0
"""Coroutine functions beside functions."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import sys
import time
from typing import Any

from fastqueue import current_task, task

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
running_now = 0
most_at_once = 0


@task
async def async_add(x: float, y: float) -> float:
    await asyncio.sleep(0)
    return x + y


@task
async def meet(seconds: float) -> int:
    global running_now, most_at_once
    running_now += 1
    most_at_once = max(most_at_once, running_now)
    await asyncio.sleep(seconds)
    running_now -= 1
    return most_at_once


@task
async def remember(name: str) -> dict[str, Any]:
    before = who.get()
    who.set(name)
    await asyncio.sleep(0.02)
    seen = await asyncio.create_task(read_who())
    running = current_task()
    assert running is not None
    return {"before": before, "after": who.get(), "in_subtask": seen, "task_id": running.id}


async def read_who() -> str:
    return who.get()


@task
async def async_fail(message: str) -> None:
    await asyncio.sleep(0)
    raise LookupError(message)


@task
async def async_sleep(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "slept"


@task
async def async_exit() -> None:
    sys.exit(3)


@task
async def clean_up_when_cancelled() -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return "cleaned up"
    return "slept"


@task
async def block_the_loop(seconds: float) -> str:
    time.sleep(seconds)
    return "blocked"


@task
def plain_beside_coroutines(value: int) -> int:
    # A function may run an event loop of its own: none is running around it.
    return asyncio.run(double(value))


async def double(value: int) -> int:
    await asyncio.sleep(0.001)
    return value * 2


async def _scaled(factor: int, value: int) -> int:
    return factor * value


triple = functools.partial(_scaled, 3)
task(name="triple")(triple)


@task
async def leave_something_behind() -> str:
    async def later() -> None:
        await asyncio.sleep(0.05)
        sys.exit(5)

    asyncio.get_running_loop().create_task(later())
    return "left"


@task
async def fork_in_a_coroutine(way: str) -> int:
    child = os.fork()
    if child == 0:
        if way == "raise":
            raise RuntimeError("in the child")
        return -1
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        await asyncio.sleep(0.01)
    return os.getpid()
