# SPDX-License-Identifier: Apache-2.0
"""Tasks that trace, measure and log."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal

from fastqueue import SyncClient, current_task, task
from fastqueue.telemetry import current_span, get_meter, record_task_metric, trace_operation, trace_task

logging.basicConfig(level=logging.INFO, format="%(message)s", stream=open(os.devnull, "w"))
counter = get_meter().create_counter("app.items")


@task("traced.plain")
@trace_task
def plain(x: int) -> str | None:
    with trace_operation("inside", {"x": x}):
        counter.add(x, {"kind": "plain"})
        logging.getLogger("app").info("working on %d", x)
    record_task_metric("completed", "by hand", worker_id="me", duration_ms=2.5)
    span = current_span()
    return span.traceparent if span is not None else None


@trace_task
@task("traced.coroutine")
async def coroutine(x: int) -> int:
    async with trace_operation(f"async {x}"):
        await asyncio.sleep(0.02)
        logging.getLogger("app").warning("coroutine %d", x)
        await asyncio.gather(part(x), part(x + 1))
    return x


async def part(x: int) -> None:
    async with trace_operation(f"part {x}"):
        await asyncio.sleep(0.01)


@task("traced.failing")
def failing() -> None:
    raise ValueError("Invalid data format")


@task("traced.submits")
def submits() -> str:
    running = current_task()
    assert running is not None
    with SyncClient() as client:
        return client.delay("traced.plain", 1)


@task("traced.bare")
def bare() -> None:
    pass


def _child(name: str) -> None:
    with trace_operation(name):
        pass


@task("traced.forks")
def forks() -> int:
    process = multiprocessing.get_context("fork").Process(target=_child, args=("in a child",))
    process.start()
    process.join()
    pid = os.fork()
    if pid == 0:
        with trace_operation("in a raw child"):
            pass
        raise SystemExit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) or process.exitcode or 0


@task("traced.dies")
def dies() -> None:
    with trace_operation("finished"):
        counter.add(100, {"kind": "dying"})
    with trace_operation("unfinished"):
        os.kill(os.getpid(), signal.SIGKILL)


@task("traced.threads")
def threads() -> int:
    with trace_operation("x"):
        return len(os.listdir("/proc/self/task"))
