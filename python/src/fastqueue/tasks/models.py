# SPDX-License-Identifier: Apache-2.0
"""Priorities, states, tasks and results."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any


class TaskPriority(str, Enum):
    """Tasks of a higher priority always start first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class TaskStatus(str, Enum):
    """How a task stands. SUCCESS, FAILURE, CANCELLED and EXPIRED are final."""

    SCHEDULED = "scheduled"
    PENDING = "pending"
    STARTED = "started"
    SUCCESS = "success"
    FAILURE = "failure"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RUNNING = "started"  # another name of STARTED

    @property
    def is_final(self) -> bool:
        return self in _FINAL


_FINAL = frozenset((TaskStatus.SUCCESS, TaskStatus.FAILURE, TaskStatus.CANCELLED, TaskStatus.EXPIRED))


def _now() -> datetime:
    return datetime.now(timezone.utc)


@dataclass
class CallbackInfo:
    """Whom to tell when the task has ended."""

    address: str
    data: dict[str, Any] | None = None


@dataclass
class Task:
    """A task as it was submitted."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    priority: TaskPriority = TaskPriority.NORMAL
    created_at: datetime = field(default_factory=_now)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    status: TaskStatus = TaskStatus.PENDING
    result: Any = None
    error: str | None = None
    callback: CallbackInfo | None = None

    def model_dump(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class TaskResult:
    """How a task stands, or how it has ended. Moments are in UTC."""

    task_id: str
    status: TaskStatus
    result: Any = None
    error: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    callback: CallbackInfo | None = None
    name: str | None = None
    priority: TaskPriority | None = None
    attempt: int = 0
    worker_id: str | None = None
    submitted_at: datetime | None = None
    error_type: str | None = None
    traceback: str | None = None
    result_state: str | None = None  # of an ended task: "stored", "evicted" or "not_stored"

    @property
    def ok(self) -> bool:
        return self.status is TaskStatus.SUCCESS

    def unwrap(self) -> Any:
        """The result; TaskFailed if the task has not succeeded, or its result is not kept any more."""
        from ..errors import TaskFailed

        if self.status is TaskStatus.SUCCESS:
            if self.result_state in ("evicted", "not_stored"):
                raise TaskFailed(
                    f"task {self.task_id} has succeeded, but its result is no longer there ({self.result_state})", self
                )
            return self.result

        reason = f": {self.error_type or 'error'}: {self.error}" if self.error else ""
        raise TaskFailed(f"task {self.task_id} is {self.status.value}{reason}", self)

    def model_dump(self) -> dict[str, Any]:
        return asdict(self)
