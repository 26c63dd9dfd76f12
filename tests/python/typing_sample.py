# SPDX-License-Identifier: Apache-2.0
"""A user's file. mypy --strict and pyright read it; nothing here is run."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from fastqueue import Client, SyncClient, TaskPriority, TaskResult, TaskStatus, current_task, task
from fastqueue.telemetry import record_task_metric, trace_operation, trace_task


@task
def add(x: int, y: int = 1) -> int:
    return x + y


@task("mail.send")
def send_mail(to: str, *, subject: str) -> None: ...


@task(name="fetch", retries=3, timeout=timedelta(seconds=30), priority=TaskPriority.HIGH)
async def fetch(url: str) -> bytes:
    running = current_task()
    if running is not None and running.should_stop():
        return b""
    return url.encode()


@task()
@trace_task
def traced(data: dict[str, int]) -> dict[str, int]:
    with trace_operation("part", attributes={"size": len(data)}):
        return data


@trace_task
@task
async def traced_too(data: str) -> str:
    return data


async def submit() -> None:
    assert_type(add(1, y=2), int)
    assert_type(await fetch("x"), bytes)
    assert_type(traced({}), dict[str, int])
    assert_type(await traced_too("x"), str)
    async with Client(timeout=5, retries=0) as client:
        assert_type(await client.delay("add", 1, 2, priority="high", y=3), str)
        assert_type(await client.delay(add, 1, countdown=5), str)
        assert_type(await client.submit("add", (1, 2), unique="k", result_ttl=timedelta(hours=1)), str)
        result = await client.submit_task("add", args=(1, 2), kwargs={"y": 1}, priority=TaskPriority.LOW, retries=2)
        assert_type(result, TaskResult)
        assert_type(result.status, TaskStatus)
        assert_type(await client.get_task_result("id", wait=1.5), TaskResult | None)
        assert_type(await client.submit_batch([{"task_name": "add", "args": (1,)}]), list[str])
        assert_type(await client.cancel_task("id"), bool)
        called = await client.delay_with_callback("add", "tcp://127.0.0.1:1", 1, callback_data={"a": 1})
        assert_type(called.task_id, str)
        assert_type(client.get_status("id"), TaskStatus | None)
        assert_type(client.workers, set[tuple[str, str]])


def submit_blocking() -> None:
    with SyncClient("unix:///run/fastqueue.sock") as client:
        assert_type(client.delay("add", 1), str)
        assert_type(client.submit_task(add, (1,), wait=10), TaskResult)
    record_task_metric("completed", "add", worker_id="w", duration_ms=150.5)


def mistakes() -> None:
    add("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    send_mail("a", "b")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    task(retires=3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    SyncClient(timeout="soon")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    SyncClient().submit("add", retries="many")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
