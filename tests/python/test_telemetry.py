# SPDX-License-Identifier: Apache-2.0
"""fastqueue.telemetry: without OpenTelemetry it does nothing, with it it hands through; trace context always travels."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest

from fastqueue import task_registry
from fastqueue.clients.convert import Submit
from fastqueue.tasks.registry import task
from fastqueue.tasks.serializer import SerializationFormat
from fastqueue.telemetry import (
    NoOpMeter,
    NoOpTracer,
    get_meter,
    get_tracer,
    record_task_metric,
    record_worker_metric,
    trace_operation,
    trace_task,
)
from fastqueue.telemetry.metrics import record_queue_size


@pytest.fixture(scope="module")
def exporters() -> tuple[Any, Any]:
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    return spans, reader


def test_off_means_nothing_happens() -> None:
    assert isinstance(get_tracer(), NoOpTracer) and isinstance(get_meter(), NoOpMeter)
    with trace_operation("x", attributes={"a": 1}) as span:
        assert span is None
    with get_tracer().start_as_current_span("x") as span:
        span.set_attribute("a", 1)
        span.record_exception(ValueError())
    get_meter().create_counter("c").add(1)
    get_meter().create_histogram("h").record(1.5)
    get_meter().create_up_down_counter("u").add(-1)
    record_task_metric("submitted", "t", priority="high")
    record_worker_metric("active", "w")
    record_queue_size("w", "high", 3)


@pytest.mark.parametrize(
    "call",
    [
        lambda: record_task_metric("sumbitted", "t"),
        lambda: record_worker_metric("busy", "w"),
        lambda: record_task_metric("completed", "t", duration_ms=-1),
        lambda: record_task_metric("completed", "t", duration_ms=float("nan")),
        lambda: record_task_metric("completed", "t", duration_ms="1"),  # type: ignore[arg-type]
        lambda: record_worker_metric("active", "w", "1"),  # type: ignore[arg-type]
        lambda: record_queue_size("w", "high", True),
    ],
)
def test_mistakes_are_told_whether_telemetry_is_on_or_off(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for enabled in ("false", "true"):
        monkeypatch.setenv("FASTQUEUE_TELEMETRY_ENABLED", enabled)
        with pytest.raises(ValueError):
            call()


def test_trace_task_in_either_order(exporters: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTQUEUE_TELEMETRY_ENABLED", "true")
    spans, _ = exporters
    spans.clear()

    @task("order.inner")
    @trace_task
    def inner(a: int, *, b: int) -> int:
        return a + b

    @trace_task
    @task("order.outer")
    def outer() -> None:
        raise ValueError("Invalid data format")

    @trace_task
    @task("order.coroutine")
    async def coroutine(value: str) -> str:
        return value

    for name, call in (("order.inner", inner), ("order.outer", outer), ("order.coroutine", coroutine)):
        assert task_registry.get_task(name) is call, "the worker runs the traced function"
    assert inner(1, b=2) == 3
    with pytest.raises(ValueError):
        outer()
    assert asyncio.run(coroutine("x")) == "x"
    assert asyncio.iscoroutinefunction(coroutine) and inner.__name__ == "inner"
    done = {span.name: span for span in spans.get_finished_spans()}
    assert set(done) == {"task.inner", "task.outer", "task.coroutine"}
    assert dict(done["task.inner"].attributes) == {"task.name": "inner", "task.args_count": 1, "task.kwargs_count": 1}
    assert done["task.inner"].status.status_code.name == done["task.coroutine"].status.status_code.name == "OK"
    failed = done["task.outer"]
    assert failed.status.status_code.name == "ERROR" and failed.events[0].attributes["exception.type"] == "ValueError"


def test_trace_operation_and_metrics_go_to_the_provider(
    exporters: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTQUEUE_TELEMETRY_ENABLED", "true")
    spans, reader = exporters
    spans.clear()
    with pytest.raises(KeyError), trace_operation("custom_operation", attributes={"key": "value"}):
        raise KeyError("x")
    (span,) = spans.get_finished_spans()
    assert (span.name, dict(span.attributes), span.status.status_code.name) == (
        "custom_operation",
        {"key": "value"},
        "ERROR",
    )
    record_task_metric("submitted", "my_task", priority="high")
    record_task_metric("completed", "my_task", worker_id="worker1", duration_ms=150.5)
    record_task_metric("failed", "my_task", worker_id="worker1")
    record_worker_metric("active", "worker1")
    record_queue_size("worker1", "high", 3)
    data = reader.get_metrics_data()
    found = {metric.name: metric for metric in data.resource_metrics[0].scope_metrics[0].metrics}
    assert set(found) == {
        "fastqueue.tasks.submitted",
        "fastqueue.tasks.completed",
        "fastqueue.tasks.failed",
        "fastqueue.tasks.duration",
        "fastqueue.workers.active",
        "fastqueue.queue.size",
    }
    assert found["fastqueue.tasks.duration"].unit == "{millisecond}"
    point = found["fastqueue.tasks.submitted"].data.data_points[0]
    assert (point.value, dict(point.attributes)) == (1, {"task.name": "my_task", "task.priority": "high"})


def test_a_submit_carries_the_current_span(exporters: tuple[Any, Any]) -> None:
    from opentelemetry import baggage, context, trace

    plain = Submit("x", (), {}, {}, SerializationFormat.JSON)
    assert "traceparent" not in plain.options
    with trace.get_tracer("test").start_as_current_span("caller") as span:
        attached = context.attach(baggage.set_baggage("tenant", "7"))
        options = Submit("x", (), {}, {}, SerializationFormat.JSON).options
        context.detach(attached)
    version, trace_id, span_id, flags = options["traceparent"].split("-")
    assert (int(trace_id, 16), int(span_id, 16)) == (span.get_span_context().trace_id, span.get_span_context().span_id)
    assert (version, int(flags, 16) & 1, options["baggage"]) == ("00", 1, "tenant=7")


def test_without_the_opentelemetry_package_everything_is_a_no_op() -> None:
    code = (
        f"import os, sys; sys.path[:] = {sys.path!r}; sys.modules['opentelemetry'] = None\n"
        "os.environ['FASTQUEUE_TELEMETRY_ENABLED'] = 'true'\n"
        "from fastqueue.telemetry import *\n"
        "from fastqueue import task\n"
        "@task\n@trace_task\ndef f(x): return x\n"
        "assert f(1) == 1 and type(get_tracer()).__name__ == 'NoOpTracer'\n"
        "with trace_operation('x'): record_task_metric('submitted', 't')\n"
        "print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr
