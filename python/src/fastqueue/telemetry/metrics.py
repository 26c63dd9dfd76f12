# SPDX-License-Identifier: Apache-2.0
"""Measurements of the user's own, under FastQueue's metric names.

The control plane counts every task by itself. What is recorded here is added by the program that calls; it is for tasks
that do not run through the queue.
"""

from __future__ import annotations

import sys
from typing import Any

from .. import _core
from .bridge import is_delegated
from .meter import COUNTER, HISTOGRAM, UP_DOWN_COUNTER, Meter
from .noop import NoOpMeter

_TASK_TYPES = ("submitted", "completed", "failed")
_WORKER_TYPES = ("active", "queue_size")

_PLACE = "opentelemetry.metrics"
_meter = Meter()
_delegated: dict[tuple[int, str], Any] = {}

_KINDS = {"counter": COUNTER, "up_down_counter": UP_DOWN_COUNTER, "histogram": HISTOGRAM}


def get_meter() -> Any:
    """A meter with the methods of the OpenTelemetry API; a NoOpMeter when telemetry is off."""
    return _meter if _core.telemetry_start() else NoOpMeter()


def _instrument(kind: str, name: str, unit: str, description: str) -> Any:
    """Ours, or one of the provider that the program has set; None when telemetry is off."""
    if not _core.telemetry_is_on():
        return None
    if _PLACE in sys.modules and is_delegated(_PLACE):
        return _delegated_instrument(kind, name, unit, description)
    return _meter._make(_KINDS[kind], name, unit, description, integer=kind != "histogram")


def _delegated_instrument(kind: str, name: str, unit: str, description: str) -> Any:
    from opentelemetry import metrics

    provider = metrics.get_meter_provider()
    key = (id(provider), name)
    found = _delegated.get(key)
    if found is None:
        make = getattr(provider.get_meter("fastqueue", _core.VERSION), f"create_{kind}")
        found = _delegated[key] = make(name, unit=unit, description=description)
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
