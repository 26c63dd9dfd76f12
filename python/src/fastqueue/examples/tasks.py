# SPDX-License-Identifier: Apache-2.0
"""Tasks to try: `fastqueue subworker --task-modules fastqueue.examples.tasks`."""

from __future__ import annotations

import asyncio
import time

from fastqueue import task


@task
def add(x: float, y: float) -> float:
    return x + y


@task
def multiply(x: float, y: float) -> float:
    return x * y


@task
async def async_add(x: float, y: float) -> float:
    await asyncio.sleep(0.1)
    return x + y


@task
def slow_task(seconds: float) -> str:
    time.sleep(seconds)
    return f"slept {seconds:g} s"


@task
def divide(x: float, y: float) -> float:
    if y == 0:
        raise ValueError("Cannot divide by zero")
    return x / y
