# SPDX-License-Identifier: Apache-2.0
"""The telemetry interface of tasks and clients.

Trace context travels with every task, whatever is switched on: a submit carries the current OpenTelemetry span, else
the trace of the task in which it is made. With FASTQUEUE_TELEMETRY_ENABLED=true and the `opentelemetry` package
installed, spans and instruments made here are those of its API, and go where the program's provider sends them;
otherwise the calls do nothing.
"""

from .metrics import get_meter, record_task_metric, record_worker_metric
from .noop import NoOpCounter, NoOpHistogram, NoOpMeter, NoOpSpan, NoOpTracer, NoOpUpDownCounter
from .tracing import get_tracer, trace_operation, trace_task

__all__ = [
    "NoOpCounter",
    "NoOpHistogram",
    "NoOpMeter",
    "NoOpSpan",
    "NoOpTracer",
    "NoOpUpDownCounter",
    "get_meter",
    "get_tracer",
    "record_task_metric",
    "record_worker_metric",
    "trace_operation",
    "trace_task",
]
