# SPDX-License-Identifier: Apache-2.0
"""What telemetry costs a Python program: fastqueue.telemetry beside the OpenTelemetry packages, in one run.

    python bench/otel_python.py            needs fastqueue[telemetry]; prints CPU of the calling thread, medians of 7 rounds, to standard error

Both have a batch processor at work whose exporter's output is thrown away; each side is measured in a process of its own, and
with the OpenTelemetry API loaded beside FastQueue a third time, since then two contexts are kept in step.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from typing import Any, Callable

ROUNDS, CALLS = 7, 20_000


def measure(call: Callable[[], Any], calls: int = CALLS) -> float:
    """Microseconds of this thread's CPU for one call."""
    rounds = []
    for _ in range(ROUNDS + 1):
        begin = time.thread_time_ns()
        for _ in range(calls):
            call()
        rounds.append((time.thread_time_ns() - begin) / calls / 1e3)
        time.sleep(0.02)
    return statistics.median(rounds[1:])


def empty() -> None:
    pass


def show(rows: dict[str, Callable[[], Any]], title: str) -> None:
    base = measure(empty)
    print(title, file=sys.stderr)
    for name, call in rows.items():
        print(f"  {name:<44} {max(0.0, measure(call) - base):8.2f} µs", file=sys.stderr)


def fastqueue_rows() -> dict[str, Callable[[], Any]]:
    from fastqueue.telemetry import get_meter, record_task_metric, trace_operation, trace_task

    counter = get_meter().create_counter("bench.items")
    histogram = get_meter().create_histogram("bench.sizes")

    def operation() -> None:
        with trace_operation("operation", {"user.id": "u-1234567", "tenant.id": "t-42"}):
            pass

    def nested() -> None:
        with trace_operation("outer", {"user.id": "u-1234567", "tenant.id": "t-42"}):
            with trace_operation("inner", {"user.id": "u-1234567", "tenant.id": "t-42"}):
                pass

    @trace_task
    def task(x: int) -> int:
        return x

    return {
        "trace_operation, 2 attributes": operation,
        "two of them, nested": nested,
        "a function with @trace_task": lambda: task(1),
        "counter.add, 2 attributes": lambda: counter.add(1, {"a": "b", "c": "d"}),
        "histogram.record, 2 attributes": lambda: histogram.record(1.5, {"a": "b", "c": "d"}),
        "record_task_metric, with a duration": lambda: record_task_metric("completed", "t", "high", "w", 1.5),
    }


def run_fastqueue() -> None:
    show(fastqueue_rows(), "fastqueue.telemetry")


def run_off() -> None:
    from fastqueue.telemetry import trace_operation, trace_task

    def operation() -> None:
        with trace_operation("operation"):
            pass

    @trace_task
    def task() -> None:
        pass

    show({"trace_operation": operation, "a function with @trace_task": task}, "fastqueue.telemetry, off")


def run_bridged() -> None:
    import opentelemetry.trace  # noqa: F401

    show(fastqueue_rows(), "fastqueue.telemetry, the OpenTelemetry API loaded")


def run_opentelemetry() -> None:
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Discard(SpanExporter):
        def export(self, spans: Any) -> Any:
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Discard()))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))
    tracer, meter = trace.get_tracer("bench"), metrics.get_meter("bench")
    counter, histogram = meter.create_counter("bench.items"), meter.create_histogram("bench.sizes")

    def operation() -> None:
        with tracer.start_as_current_span("operation", attributes={"user.id": "u-1234567", "tenant.id": "t-42"}):
            pass

    def nested() -> None:
        with tracer.start_as_current_span("outer", attributes={"user.id": "u-1234567", "tenant.id": "t-42"}):
            with tracer.start_as_current_span("inner", attributes={"user.id": "u-1234567", "tenant.id": "t-42"}):
                pass

    show(
        {
            "start_as_current_span, 2 attributes": operation,
            "two of them, nested": nested,
            "counter.add, 2 attributes": lambda: counter.add(1, {"a": "b", "c": "d"}),
            "histogram.record, 2 attributes": lambda: histogram.record(1.5, {"a": "b", "c": "d"}),
        },
        "opentelemetry-python",
    )


SIDES = {"off": run_off, "fastqueue": run_fastqueue, "bridged": run_bridged, "opentelemetry": run_opentelemetry}


def main() -> None:
    if len(sys.argv) > 1:
        SIDES[sys.argv[1]]()
        return
    with open(os.devnull, "w") as nowhere:
        for side in SIDES:
            env = {
                **os.environ,
                "FASTQUEUE_TELEMETRY_ENABLED": str(side != "off").lower(),
                "OTEL_TRACES_EXPORTER": "otlp/stdout",
                "OTEL_METRICS_EXPORTER": "otlp/stdout",
                "OTEL_METRIC_EXPORT_INTERVAL": "60000",
            }
            subprocess.run([sys.executable, __file__, side], env=env, stdout=nowhere, check=True)


if __name__ == "__main__":
    main()
