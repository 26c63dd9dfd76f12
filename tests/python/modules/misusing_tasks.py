# SPDX-License-Identifier: Apache-2.0
"""Tasks that get hold of the runner below them and ask it for what makes no sense."""

from __future__ import annotations

import gc
import json
import os
from typing import Any

from fastqueue import _core, current_task, task

CALLS = (
    "declare(1)", "declare([1])", "set_defaults(1)", "set_defaults(99, 0, 0, 0)", "declare_failed(1)", "bind(1)", "run_ready('soon')",
    "flush('soon')", "wish('x')", "finish_value(1)", "finish_value(1, 2)", "finish_error(1)", "finish_error(1, 2)", "steps(1)", "steps(1, 2)",
)  # fmt: skip


def runner() -> _core.Runner:
    (found,) = [held for held in gc.get_referents(current_task()) if isinstance(held, _core.Runner)]
    return found


def outcome(call: str) -> str:
    try:
        return repr(eval(f"it.{call}", {"it": runner()}))
    except Exception as error:
        return type(error).__name__


@task
def misuse() -> dict[str, str]:
    return {call: outcome(call) for call in CALLS}


@task
def look() -> dict[str, Any]:
    running = current_task()
    assert running is not None
    return {
        "stop": running.should_stop(),
        "slot": runner().sync_slot == running.slot,
        "repr": running.id in repr(running),
        "held": any(holder is running for holder in gc.get_referrers(runner())),
        "flushed": runner().flush(0.01),
    }


@task
def forked_child() -> list[str]:
    """What the runner says to a process that user code forked."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        running = current_task()
        assert running is not None
        said = [outcome(call) for call in ("declare([])", "run()", "run_ready(0)", "start_ready()", "flush(0)", "fd")]
        said += [f"stop {running.should_stop()}", f"wish {runner().wish(0)}", f"exit {runner().should_exit}", f"slot {runner().sync_slot}"]
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as text:
        answer: list[str] = json.load(text)
    os.waitpid(pid, 0)
    return answer


@task
def starved(allocation: int) -> dict[str, Any]:
    """From its return on, one allocation of Python's fails."""
    import _testcapi

    result = {"allocation": allocation, "items": [1, 2.5, "é" * 10]}
    _testcapi.set_nomemory(allocation, allocation + 1)
    return result


@task
def starved_error(allocation: int) -> None:
    import _testcapi

    error = ValueError("no")
    _testcapi.set_nomemory(allocation, allocation + 1)
    raise error


@task
def fed() -> int:
    import _testcapi

    _testcapi.remove_mem_hooks()
    return os.getpid()
