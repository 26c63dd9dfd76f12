# SPDX-License-Identifier: Apache-2.0
"""Functions as tasks: no coroutine here, so that the runner makes no event loop."""

from __future__ import annotations

import contextvars
import os
import sys
import time
from typing import Any

from fastqueue import NoRetry, SoftTimeLimit, SyncClient, TaskCancelled, current_task, task

leftover: contextvars.ContextVar[str] = contextvars.ContextVar("leftover", default="clean")


@task
def process_data(data: dict[str, Any]) -> dict[str, Any]:
    return {"processed": data}


@task
def echo(*args: Any, **kwargs: Any) -> Any:
    return {"args": list(args), "kwargs": kwargs}


@task("named.task")
def under_another_name() -> str:
    return "named"


@task
def no_operation() -> None:
    pass


@task
def fail(message: str) -> None:
    raise ValueError(message)


@task
def fail_for_good() -> None:
    raise NoRetry("never again")


@task
def attempts_needed(count: int) -> int:
    running = current_task()
    assert running is not None
    if running.attempt < count:
        raise RuntimeError(f"attempt {running.attempt}")
    return running.attempt


@task(retries=2, backoff=0.01, timeout=30)
def declared_attempts(count: int) -> list[object]:
    running = current_task()
    assert running is not None
    if running.attempt < count:
        raise RuntimeError(f"attempt {running.attempt}")
    return [running.attempt, running.timeout]


@task
def call_exit(code: Any) -> None:
    sys.exit(code)


@task
def interrupt() -> None:
    raise KeyboardInterrupt("by hand")


@task
def unencodable(kind: str) -> Any:
    return {"set": {1, 2}, "nan": float("nan"), "bytes": b"x", "key": {1: "one"}, "object": object()}[kind]


@task
def who_am_i() -> dict[str, Any]:
    running = current_task()
    assert running is not None
    return {
        "id": running.id,
        "name": running.name,
        "attempt": running.attempt,
        "token": running.token,
        "priority": running.priority,
        "timeout": running.timeout,
        "pid": os.getpid(),
        "traceparent": running.traceparent,
    }


@task
def context_leak(value: str) -> str:
    before = leftover.get()
    leftover.set(value)
    return before


@task
def sleep_until_stopped(seconds: float) -> str:
    try:
        time.sleep(seconds)
    except TaskCancelled:
        return "cancelled"
    except SoftTimeLimit:
        return "out of time"
    return "slept"


@task
def busy(seconds: float) -> str:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(1000))
    return "done"


@task
def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


@task
def sleep_ms(milliseconds: float) -> float:
    time.sleep(milliseconds / 1000)
    return milliseconds


@task
def fork_a_child(way: str) -> dict[str, Any]:
    child = os.fork()
    if child == 0:
        if way == "return":
            return {"child": "must not be seen"}
        if way == "raise":
            raise RuntimeError("in the child")
        if way == "exit":
            sys.exit(7)
        os._exit(9)
    _, status = os.waitpid(child, 0)
    return {"pid": os.getpid(), "child_code": os.waitstatus_to_exitcode(status)}


@task
def submit_another(address: str) -> str:
    with SyncClient(address) as client:
        result = client.get_task_status(client.delay("who_am_i"))
        assert result is not None
        return result.task_id


@task
def die(signal_number: int) -> None:
    os.kill(os.getpid(), signal_number)
    time.sleep(60)


@task
def size_of(data: bytes) -> int:
    return len(data)
