# SPDX-License-Identifier: Apache-2.0
"""The telemetry interface of tasks and clients.

Trace context travels with every task, whatever is switched on: a submit carries the current span, else the trace of the
task in which it is made. With FASTQUEUE_TELEMETRY_ENABLED=true, spans, measurements and log records leave through the
native pipeline, which needs no other package; otherwise the calls do nothing. Where the program has loaded the OpenTelemetry
API, both share one context, and where it has set a provider of its own, spans made here go there.
"""

from typing import TYPE_CHECKING

from .kinds import SpanKind, StatusCode
from .lifecycle import flush, shutdown
from .meter import Observation
from .metrics import get_meter, record_queue_size, record_task_metric, record_worker_metric
from .noop import NoOpCounter, NoOpHistogram, NoOpMeter, NoOpSpan, NoOpTracer, NoOpUpDownCounter
from .tracing import current_span, get_tracer, trace_operation, trace_task

if TYPE_CHECKING:
    from .logs import LoggingHandler

__all__ = [
    "LoggingHandler",
    "NoOpCounter",
    "NoOpHistogram",
    "NoOpMeter",
    "NoOpSpan",
    "NoOpTracer",
    "NoOpUpDownCounter",
    "Observation",
    "SpanKind",
    "StatusCode",
    "current_span",
    "flush",
    "get_meter",
    "get_tracer",
    "record_queue_size",
    "record_task_metric",
    "record_worker_metric",
    "shutdown",
    "trace_operation",
    "trace_task",
]


def __getattr__(name: str) -> object:
    if name != "LoggingHandler":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .logs import LoggingHandler  # and with it logging, which not every program needs

    return LoggingHandler
