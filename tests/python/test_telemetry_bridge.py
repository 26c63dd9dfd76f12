# SPDX-License-Identifier: Apache-2.0
"""With the OpenTelemetry packages: one context, our provider until the program sets one, each span through one pipeline."""

from __future__ import annotations

from telemetry_support import ON, run

NO_METRICS = {**ON, "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
SDK = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory = InMemorySpanExporter()
def provider():
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(memory))
    return made
def show():
    for span in memory.get_finished_spans():
        parent = format(span.parent.span_id, "016x") if span.parent else "-"
        print(span.name, format(span.context.trace_id, "032x"), format(span.context.span_id, "016x"), parent)
"""


def test_without_a_provider_ours_implements_the_api() -> None:
    done = run(
        """
        from opentelemetry import trace
        early = trace.get_tracer("early", "1.0")
        from fastqueue.telemetry import trace_operation
        with trace_operation("outer") as outer:
            assert trace.get_current_span() is outer and isinstance(outer, trace.Span)
            with early.start_as_current_span("early span", kind=trace.SpanKind.CLIENT) as span:
                assert trace.get_current_span() is span
                span.set_status(trace.Status(trace.StatusCode.ERROR, "so it is"))
                with trace_operation("inner"):
                    pass
            late = trace.get_tracer("late").start_span("late", links=[trace.Link(span.get_span_context(), {"a": 1})])
            late.end()
            alone = trace.get_tracer("late").start_span("alone", context=trace.set_span_in_context(trace.INVALID_SPAN))
            alone.end()
        assert not trace.get_current_span().get_span_context().is_valid
        """,
        NO_METRICS,
    )
    outer, early, inner = done.span("outer"), done.span("early span"), done.span("inner")
    assert (early.parent, inner.parent, done.span("late").parent) == (outer.id, early.id, outer.id)
    assert (early.scope, early.kind, early.status, early.message) == ("early", 3, 2, "so it is")
    assert done.span("late").links == [(early.trace, early.id, {"a": 1})] and done.span("alone").parent == ""


def test_the_api_loaded_later_than_telemetry_is_noticed() -> None:
    done = run(
        """
        from fastqueue.telemetry import trace_operation
        with trace_operation("outer") as outer:
            from opentelemetry import trace
            assert trace.get_current_span() is outer
            with trace.get_tracer("app").start_as_current_span("from the api"):
                with trace_operation("inner"):
                    pass
        """,
        NO_METRICS,
    )
    assert done.span("from the api").parent == done.span("outer").id
    assert done.span("inner").parent == done.span("from the api").id


def test_the_batch_span_processor_of_the_guide_attaches() -> None:
    done = run(
        """
        from opentelemetry import trace
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        from fastqueue.telemetry import get_tracer, trace_operation
        exporter = InMemorySpanExporter()
        processor = BatchSpanProcessor(
            exporter,
            max_queue_size=2048,
            max_export_batch_size=512,
            schedule_delay_millis=5000
        )
        get_tracer()
        trace.get_tracer_provider().add_span_processor(processor)
        try:
            with trace_operation("outer", {"a": 1, "list": [1, 2]}) as outer:
                outer.add_event("event", {"x": "y"})
                with trace.get_tracer("app").start_as_current_span("inner", kind=trace.SpanKind.SERVER) as inner:
                    inner.set_attribute("later", "yes")
                raise ValueError("no")
        except ValueError:
            pass
        assert trace.get_tracer_provider().force_flush()
        inner, outer = exporter.get_finished_spans()
        assert (inner.name, outer.name, inner.parent.span_id) == ("inner", "outer", outer.context.span_id)
        assert dict(outer.attributes) == {"a": 1, "list": [1, 2], "error.type": "ValueError"}
        assert dict(inner.attributes) == {"later": "yes"} and inner.kind is trace.SpanKind.SERVER
        assert [event.name for event in outer.events] == ["event", "exception"]
        assert outer.events[1].attributes["exception.type"] == "ValueError"
        assert outer.status.status_code is trace.StatusCode.ERROR and outer.status.description == "no"
        assert outer.start_time <= inner.start_time <= inner.end_time <= outer.end_time
        assert outer.resource.attributes["service.name"] == "fastqueue"
        assert (inner.instrumentation_scope.name, outer.instrumentation_scope.name) == ("app", "fastqueue")
        print(inner.to_json() != "")
        """,
        NO_METRICS,
    )
    assert done.lines == ["True"] and {span.name for span in done.spans} == {"outer", "inner"}, "and natively, too"


def test_a_provider_set_by_the_program_gets_the_spans_and_only_it() -> None:
    done = run(
        SDK
        + """
trace.set_tracer_provider(provider())
from fastqueue.telemetry import get_tracer, trace_operation, trace_task
@trace_task
def work(x): return x
with trace.get_tracer("app").start_as_current_span("caller"):
    with trace_operation("ours", {"a": 1}) as ours:
        assert trace.get_current_span() is ours
        work(1)
with get_tracer().start_as_current_span("by get_tracer"):
    pass
show()
""",
        NO_METRICS,
    )
    rows = {words[0]: words for words in (line.rsplit(" ", 3) for line in done.lines)}
    assert set(rows) == {"caller", "ours", "task.work", "by get_tracer"} and done.spans == []
    assert rows["ours"][3] == rows["caller"][2] and rows["task.work"][3] == rows["ours"][2]


def test_a_provider_may_be_set_after_telemetry_has_started() -> None:
    done = run(
        SDK
        + """
from fastqueue.telemetry import trace_operation
with trace_operation("before"): pass
trace.set_tracer_provider(provider())
with trace_operation("after"): pass
show()
""",
        NO_METRICS,
    )
    assert [span.name for span in done.spans] == ["before"] and [line.split()[0] for line in done.lines] == ["after"]
    assert "Overriding" not in done.errors


def test_the_native_pipeline_on_request_beside_a_provider() -> None:
    done = run(
        SDK
        + """
trace.set_tracer_provider(provider())
from fastqueue.telemetry import trace_operation
with trace.get_tracer("app").start_as_current_span("caller"):
    with trace_operation("ours"):
        with trace.get_tracer("app").start_as_current_span("within"): pass
show()
""",
        {**NO_METRICS, "FASTQUEUE_TELEMETRY_PIPELINE": "native"},
    )
    rows = {words[0]: words for words in (line.split() for line in done.lines)}
    ours = done.span("ours")
    assert set(rows) == {"caller", "within"} and len(done.spans) == 1
    assert (ours.parent, ours.trace) == (rows["caller"][2], rows["caller"][1]) and rows["within"][3] == ours.id


def test_metrics_of_the_api_without_and_with_a_provider() -> None:
    done = run(
        """
        from opentelemetry import metrics
        from fastqueue.telemetry import record_task_metric, trace_operation
        record_task_metric("submitted", "native")
        meter = metrics.get_meter("app", "1.0")
        meter.create_counter("items").add(2, {"a": "b"})
        meter.create_histogram("sizes", explicit_bucket_boundaries_advisory=[1, 2]).record(1.5)
        meter.create_observable_gauge("depth", [lambda options: [metrics.Observation(7)]])
        """,
        {**ON, "OTEL_TRACES_EXPORTER": "none"},
    )
    assert done.points("items") == [({"a": "b"}, 2)] and done.points("depth") == [({}, 7)]
    ((_, sizes),) = done.points("sizes")
    assert sizes["explicitBounds"] == [1, 2] and [int(count) for count in sizes["bucketCounts"]] == [0, 1, 0]
    done = run(
        """
        from opentelemetry import metrics
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        reader = InMemoryMetricReader()
        metrics.set_meter_provider(MeterProvider([reader]))
        from fastqueue.telemetry import record_task_metric
        record_task_metric("submitted", "delegated", priority="high")
        (scope,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
        (metric,) = [metric for metric in scope.metrics if metric.name == "fastqueue.tasks.submitted"]
        print(metric.unit, metric.data.data_points[0].value, dict(metric.data.data_points[0].attributes))
        """,
        {**ON, "OTEL_TRACES_EXPORTER": "none"},
    )
    assert done.lines == ["{task} 1 {'task.name': 'delegated', 'task.priority': 'high'}"]
    assert "fastqueue.tasks.submitted" not in done.metrics


def test_log_records_of_the_api() -> None:
    done = run(
        """
        from opentelemetry import _logs
        from fastqueue.telemetry import trace_operation
        with trace_operation("x"):
            logger = _logs.get_logger("app")
            logger.emit(_logs.LogRecord(body="hello", severity_number=_logs.SeverityNumber.WARN, attributes={"a": 1}))
        """,
        {**ON, "OTEL_METRICS_EXPORTER": "none"},
    )
    (log,) = done.logs
    assert (log.body, log.severity, log.attributes["a"], log.span) == ("hello", 13, 1, done.span("x").id)


def test_with_telemetry_off_the_api_is_left_alone() -> None:
    done = run(
        """
        from opentelemetry import trace
        from fastqueue.telemetry import trace_operation
        with trace_operation("x") as span:
            assert span is None
        assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
        trace.set_tracer_provider(trace.NoOpTracerProvider())
        """,
        {},
    )
    assert done.spans == [] and done.errors == ""
