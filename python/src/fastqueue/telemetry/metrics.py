# SPDX-License-Identifier: Apache-2.0
"""Measurements of the user's own, under FastQueue's metric names.

The control plane counts every task by itself. What is recorded here is added by the program that calls, through the
OpenTelemetry API; it is for tasks that do not run through the queue.
"""

from __future__ import annotations

from typing import Any

from .noop import NoOpMeter
from .switch import api
from .tracing import SCOPE

_TASK_TYPES = ("submitted", "completed", "failed")
_WORKER_TYPES = ("active", "queue_size")

_instruments: dict[tuple[int, str], Any] = {}


def get_meter() -> Any:
    """The OpenTelemetry meter of FastQueue; a NoOpMeter when telemetry is off or the API is not installed."""
    metrics = api("metrics")
    return NoOpMeter() if metrics is None else metrics.get_meter(SCOPE)


def _instrument(kind: str, name: str, unit: str, description: str) -> Any:
    metrics = api("metrics")
    if metrics is None:
        return None
    key = (id(metrics.get_meter_provider()), name)
    found = _instruments.get(key)
    if found is None:
        found = getattr(metrics.get_meter(SCOPE), f"create_{kind}")(name, unit=unit, description=description)
        _instruments[key] = found
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value


def record_task_metric(
    metric_type: str,
    task_name: str,
    priority: str | None = None,
    worker_id: str | None = None,
    duration_ms: float | None = None,
) -> None:
    """Counts one task as `submitted`, `completed` or `failed`, and its duration if it is given."""
    if metric_type not in _TASK_TYPES:
        raise ValueError(f"{metric_type!r} is no metric of tasks: {', '.join(_TASK_TYPES)}")
    if duration_ms is not None and (not _is_number(duration_ms) or duration_ms < 0):
        raise ValueError(f"duration_ms is a number of milliseconds, not {duration_ms!r}")
    given = {"task.name": task_name, "task.priority": getattr(priority, "value", priority), "worker.id": worker_id}
    attributes = {key: value for key, value in given.items() if value is not None}
    counter = _instrument("counter", f"fastqueue.tasks.{metric_type}", "{task}", f"Number of tasks {metric_type}")
    if counter is not None:
        counter.add(1, attributes)
    if duration_ms is not None and metric_type != "submitted":
        histogram = _instrument("histogram", "fastqueue.tasks.duration", "{millisecond}", "Duration of tasks")
        if histogram is not None:
            histogram.record(duration_ms, attributes)


def record_worker_metric(metric_type: str, worker_id: str, count: int = 1) -> None:
    """Adds `count` to the number of `active` workers, or to the `queue_size`."""
    if metric_type not in _WORKER_TYPES:
        raise ValueError(f"{metric_type!r} is no metric of workers: {', '.join(_WORKER_TYPES)}")
    if not _is_number(count):
        raise ValueError(f"count is a number, not {count!r}")
    active = metric_type == "active"
    name = "fastqueue.workers.active" if active else "fastqueue.queue.size"
    counter = _instrument(
        "up_down_counter", name, "{worker}" if active else "{task}", "Active workers" if active else "Tasks in queue"
    )
    if counter is not None:
        counter.add(count, {"worker.id": worker_id})


def record_queue_size(worker_id: str, priority: str, size: int) -> None:
    """Adds `size` to the number of tasks queued with this priority."""
    if not _is_number(size):
        raise ValueError(f"size is a number, not {size!r}")
    counter = _instrument("up_down_counter", "fastqueue.queue.size", "{task}", "Tasks in queue")
    if counter is not None:
        counter.add(size, {"worker.id": worker_id, "queue.priority": getattr(priority, "value", priority)})
