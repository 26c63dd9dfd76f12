# SPDX-License-Identifier: Apache-2.0
"""FastQueue: a durable task queue with OpenTelemetry built in.

Names are loaded when they are first used, so that a process that only runs tasks does not pay for a client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._core import VERSION as __version__
from .context import RunningTask, current_task
from .tasks.registry import task, task_registry

if TYPE_CHECKING:
    from .clients.client import Client
    from .clients.sync import SyncClient
    from .errors import (
        ConnectError,
        EncodingError,
        FastQueueError,
        IdConflict,
        NoRetry,
        SoftTimeLimit,
        TaskCancelled,
        TaskFailed,
        TaskTimeout,
    )
    from .tasks.models import CallbackInfo, Task, TaskPriority, TaskResult, TaskStatus
    from .tasks.serializer import SerializationFormat

__all__ = [
    "CallbackInfo",
    "Client",
    "ConnectError",
    "EncodingError",
    "FastQueueError",
    "IdConflict",
    "NoRetry",
    "RunningTask",
    "SerializationFormat",
    "SoftTimeLimit",
    "SyncClient",
    "Task",
    "TaskCancelled",
    "TaskFailed",
    "TaskPriority",
    "TaskResult",
    "TaskStatus",
    "TaskTimeout",
    "__version__",
    "current_task",
    "task",
    "task_registry",
]

_HOMES = {
    "Client": "clients.client",
    "SyncClient": "clients.sync",
    "CallbackInfo": "tasks.models",
    "Task": "tasks.models",
    "TaskPriority": "tasks.models",
    "TaskResult": "tasks.models",
    "TaskStatus": "tasks.models",
    "SerializationFormat": "tasks.serializer",
    "ConnectError": "errors",
    "EncodingError": "errors",
    "FastQueueError": "errors",
    "IdConflict": "errors",
    "NoRetry": "errors",
    "SoftTimeLimit": "errors",
    "TaskCancelled": "errors",
    "TaskFailed": "errors",
    "TaskTimeout": "errors",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fastqueue' has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
