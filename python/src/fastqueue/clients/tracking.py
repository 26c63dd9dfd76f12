# SPDX-License-Identifier: Apache-2.0
"""What a client remembers of the tasks that it submitted, for get_result() and get_status()."""

from __future__ import annotations

from ..tasks.models import TaskResult, TaskStatus

REMEMBERED = 10_000


class ResultStore(dict[str, TaskResult]):
    """Results by task id; the oldest leave when there are more than `limit`."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        super().__init__()
        self.limit = limit

    def __setitem__(self, task_id: str, result: TaskResult) -> None:
        self.pop(task_id, None)
        super().__setitem__(task_id, result)
        while len(self) > self.limit:
            del self[next(iter(self))]


class Tracker:
    """Tasks whose end is still awaited, and results. Bounded: tasks beyond the limit are not tracked."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self.limit = limit
        self.results = ResultStore(limit)
        self.open: set[str] = set()

    @property
    def has_room(self) -> bool:
        return len(self.open) < self.limit

    def result(self, task_id: str) -> TaskResult | None:
        return self.results.get(task_id)

    def status(self, task_id: str) -> TaskStatus | None:
        known = self.results.get(task_id)
        if known is not None:
            return known.status
        return TaskStatus.PENDING if task_id in self.open else None

    def renamed(self, task_id: str, acknowledged: str) -> None:
        """A submit with a unique key was answered with the id of a task that was there."""
        if acknowledged != task_id and task_id in self.open:
            self.open.discard(task_id)
            if acknowledged not in self.results:
                self.open.add(acknowledged)

    def ended(self, task_id: str, result: TaskResult | None) -> None:
        self.open.discard(task_id)
        if result is not None:
            self.results[task_id] = result
