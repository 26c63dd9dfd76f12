# SPDX-License-Identifier: Apache-2.0
"""What a running task knows of itself."""

from __future__ import annotations

from . import _core
from ._core import RunningTask as RunningTask

current = _core.current_task


def current_task() -> RunningTask | None:
    """The task that runs in this context, None outside of tasks.

    `id`, `name`, `attempt` (1 for the first), `token` (the fencing token: only grows per task), `priority`, `timeout`
    and `should_stop()`, which turns true when the task was cancelled or its time is up.
    """
    return current.get()
