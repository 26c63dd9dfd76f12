# SPDX-License-Identifier: Apache-2.0
"""fastqueue.telemetry on the native pipeline, with nothing else installed."""

from __future__ import annotations

from typing import Any

import pytest

from fastqueue.telemetry import (
    NoOpMeter,
    NoOpTracer,
    get_meter,
    get_tracer,
    record_queue_size,
    record_task_metric,
    record_worker_metric,
    trace_operation,
)
from telemetry_support import ON, run

WITHOUT = ("opentelemetry",)


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


@pytest.mark.parametrize(("prefix", "count"), [("FASTQUEUE_", 1), ("FASTWORKER_", 1), ("FASTSOMETHING_", 0)])
def test_variables_are_known_under_their_older_prefix(prefix: str, count: int) -> None:
    own = {name.replace("FASTQUEUE_", prefix): text for name, text in ON.items()}
    done = run(
        """
        from fastqueue.telemetry import trace_operation
        with trace_operation("outer"):
            pass
        """,
        own,
        without=WITHOUT,
    )
    assert len(done.spans) == count


@pytest.mark.parametrize(
    "call",
    [
        "record_task_metric('sumbitted', 't')",
        "record_worker_metric('busy', 'w')",
        "record_task_metric('completed', 't', duration_ms=-1)",
        "record_task_metric('completed', 't', duration_ms=float('nan'))",
        "record_task_metric('completed', 't', duration_ms='1')",
        "record_worker_metric('active', 'w', '1')",
        "record_queue_size('w', 'high', True)",
    ],
)
@pytest.mark.parametrize("enabled", ["true", "false"])
def test_mistakes_are_told_whether_telemetry_is_on_or_off(call: str, enabled: str) -> None:
    done = run(
        f"""
        from fastqueue.telemetry import *
        try:
            {call}
        except ValueError as error:
            print("told", error)
        """,
        {**ON, "FASTQUEUE_TELEMETRY_ENABLED": enabled, "OTEL_METRICS_EXPORTER": "none"},
    )
    assert done.lines and done.lines[0].startswith("told")


def test_trace_operation_makes_nested_spans() -> None:
    done = run(
        """
        from fastqueue.telemetry import trace_operation
        with trace_operation("outer", attributes={"key": "value", "count": 3, "ratio": 0.5, "flag": True}) as outer:
            outer.set_attribute("late", ["a", "b"])
            with trace_operation("inner"):
                pass
            with trace_operation("second"):
                pass
        """,
        without=WITHOUT,
    )
    outer, inner, second = done.span("outer"), done.span("inner"), done.span("second")
    assert outer.attributes == {"key": "value", "count": 3, "ratio": 0.5, "flag": True, "late": ["a", "b"]}
    assert (outer.parent, inner.parent, second.parent) == ("", outer.id, outer.id)
    assert outer.trace == inner.trace == second.trace
    assert outer.start <= inner.start <= inner.end <= second.start <= outer.end
    assert outer.scope == "fastqueue" and outer.resource["service.name"] == "fastqueue" and outer.kind == 1


def test_an_exception_is_recorded_and_goes_on_its_way() -> None:
    done = run(
        """
        from fastqueue.telemetry import trace_operation
        try:
            with trace_operation("failing"):
                raise ValueError("Invalid data format")
        except ValueError as error:
            print("caught", error)
        """,
        without=WITHOUT,
    )
    span = done.span("failing")
    assert done.lines == ["caught Invalid data format"]
    assert (span.status, span.message, span.attributes["error.type"]) == (2, "Invalid data format", "ValueError")
    ((name, described),) = span.events
    assert name == "exception" and described["exception.type"] == "ValueError"
    assert described["exception.message"] == "Invalid data format"
    assert "raise ValueError" in described["exception.stacktrace"] or "ValueError: Invalid" in described["exception.stacktrace"]


def test_coroutines_have_contexts_of_their_own() -> None:
    done = run(
        """
        import asyncio
        from fastqueue.telemetry import trace_operation
        async def work(name):
            async with trace_operation(f"work {name}") as span:
                span.set_attribute("name", name)
                await asyncio.sleep(0.01)
                with trace_operation(f"part {name}"):
                    await asyncio.sleep(0.01)
        async def main():
            async with trace_operation("main"):
                await asyncio.gather(*(work(name) for name in "abc"))
        asyncio.run(main())
        """,
        without=WITHOUT,
    )
    main = done.span("main")
    for name in "abc":
        work, part = done.span(f"work {name}"), done.span(f"part {name}")
        assert (work.parent, part.parent, work.attributes["name"]) == (main.id, work.id, name)


def test_trace_operation_decorates_functions_and_coroutines() -> None:
    done = run(
        """
        import asyncio
        from fastqueue.telemetry import trace_operation
        @trace_operation("plain", {"a": 1})
        def plain(x):
            return x + 1
        @trace_operation("async")
        async def coroutine():
            return "y"
        assert plain(1) == 2 and plain(x=2) == 3 and plain.__name__ == "plain"
        assert asyncio.run(coroutine()) == "y" and asyncio.iscoroutinefunction(coroutine)
        """,
        without=WITHOUT,
    )
    assert sorted(span.name for span in done.spans) == ["async", "plain", "plain"]


def test_trace_task_in_either_order() -> None:
    done = run(
        """
        import asyncio
        from fastqueue import task, task_registry
        from fastqueue.telemetry import trace_task
        @task("order.inner")
        @trace_task
        def inner(a, *, b):
            return a + b
        @trace_task
        @task("order.outer")
        def outer():
            raise ValueError("Invalid data format")
        @trace_task
        @task("order.coroutine")
        async def coroutine(value):
            return value
        for name, call in (("order.inner", inner), ("order.outer", outer), ("order.coroutine", coroutine)):
            assert task_registry.get_task(name) is call, "the worker runs the traced function"
        assert inner(1, b=2) == 3
        try:
            outer()
        except ValueError:
            print("raised")
        assert asyncio.run(coroutine("x")) == "x"
        assert asyncio.iscoroutinefunction(coroutine) and inner.__name__ == "inner"
        """,
        without=WITHOUT,
    )
    assert {span.name for span in done.spans} == {"task.inner", "task.outer", "task.coroutine"}
    inner = done.span("task.inner")
    assert inner.attributes == {"task.name": "inner", "task.args_count": 1, "task.kwargs_count": 1}
    assert inner.status == done.span("task.coroutine").status == 1
    failed = done.span("task.outer")
    assert failed.status == 2 and failed.events[0][1]["exception.type"] == "ValueError" and done.lines == ["raised"]


def test_metrics_of_tasks_and_workers() -> None:
    done = run(
        """
        from fastqueue.telemetry import record_task_metric, record_worker_metric, record_queue_size
        record_task_metric("submitted", "my_task", priority="high")
        record_task_metric("submitted", "my_task", priority="high")
        record_task_metric("completed", "my_task", worker_id="worker1", duration_ms=150.5)
        record_task_metric("failed", "my_task", worker_id="worker1")
        record_worker_metric("active", "worker1")
        record_queue_size("worker1", "high", 3)
        """,
        without=WITHOUT,
    )
    assert done.points("fastqueue.tasks.submitted") == [({"task.name": "my_task", "task.priority": "high"}, 2)]
    assert done.points("fastqueue.tasks.completed") == [({"task.name": "my_task", "worker.id": "worker1"}, 1)]
    assert done.points("fastqueue.tasks.failed")[0][1] == 1
    ((_, duration),) = done.points("fastqueue.tasks.duration")
    assert (duration["sum"], int(duration["count"])) == (150.5, 1)
    assert done.metrics["fastqueue.tasks.duration"]["unit"] == "{millisecond}"
    assert done.points("fastqueue.workers.active") == [({"worker.id": "worker1"}, 1)]
    assert done.points("fastqueue.queue.size") == [({"worker.id": "worker1", "queue.priority": "high"}, 3)]
    assert done.metrics["fastqueue.workers.active"]["sum"].get("isMonotonic", False) is False


def test_the_tracer_has_the_methods_of_the_api() -> None:
    done = run(
        """
        from fastqueue.telemetry import SpanKind, StatusCode, current_span, get_tracer
        tracer = get_tracer()
        first = tracer.start_span("first", kind=SpanKind.CLIENT, attributes={"a": 1}, start_time=1_700_000_000_000_000_000)
        assert first.is_recording() and first.get_span_context().is_valid and current_span() is None
        first.update_name("renamed")
        first.add_event("event", {"x": "y"}, timestamp=1_700_000_000_500_000_000)
        first.set_status(StatusCode.ERROR, "so it is")
        first.end(end_time=1_700_000_001_000_000_000)
        first.set_attribute("too", "late")
        assert not first.is_recording()
        class Link:
            context, attributes = first.get_span_context(), {"why": "because"}
        with tracer.start_as_current_span("second", links=[Link()], kind=SpanKind.SERVER) as second:
            assert current_span() is second
            second.add_link(first.get_span_context(), {"more": 1})
            try:
                raise KeyError("x")
            except KeyError as error:
                second.record_exception(error, {"exception.message": "mine"})
        """,
        without=WITHOUT,
    )
    first, second = done.span("renamed"), done.span("second")
    assert (first.kind, first.attributes, first.status, first.message) == (3, {"a": 1}, 2, "so it is")
    assert (first.start, first.end) == (1_700_000_000_000_000_000, 1_700_000_001_000_000_000)
    assert first.events == [("event", {"x": "y"})]
    assert second.links == [(first.trace, first.id, {"why": "because"}), (first.trace, first.id, {"more": 1})]
    assert second.events[0][1]["exception.message"] == "mine" and second.status == 0 and second.kind == 2


def test_bad_input_never_fails_a_program() -> None:
    done = run(
        r"""
        from fastqueue.telemetry import trace_operation, get_meter, get_tracer
        class Odd:
            def __index__(self): return 7
        class Broken(Exception):
            def __str__(self): raise RuntimeError("no")
        values = {"surrogate": "a\ud800b", "big": 1 << 80, "nan": float("nan"), "none": None, "object": object(),
                  "odd": Odd(), "nested": {"x": [1, "two", None]}, "bytes": b"\xff", "": "empty key", 5: "no str",
                  "long": "x" * 100_000, "list": [1, "a", 2.5, True]}
        with trace_operation("\udcffname", values) as span:
            span.set_attribute("later", object())
            span.set_attributes({"a": 1, 3: 4})
            span.set_status("nonsense")
            span.add_event("e", {"x": object()})
            span.record_exception(Broken())
        try:
            with trace_operation("broken"):
                raise Broken()
        except Broken:
            pass
        trace_operation("never entered", None)
        get_tracer().start_span("never ended")
        counter = get_meter().create_counter("not a good name!", "u" * 100)
        counter.add(-1); counter.add(float("nan")); counter.add(1, {"a": object()})
        print("fine")
        """,
        without=WITHOUT,
    )
    assert done.lines == ["fine"]
    (span,) = [span for span in done.spans if span.name.endswith("name")]
    assert span.attributes["odd"] == 7 and span.attributes["big"] == str(1 << 80)
    assert span.attributes["nested"]["x"][:2] == [1, "two"] and span.attributes["list"] == [1, "a", 2.5, True]
    assert not {"none", "object", "later", ""} & set(span.attributes)
    assert done.span("broken").status == 2


def test_variables_set_after_the_import_and_before_the_client_count() -> None:
    done = run(
        """
        import os
        from fastqueue import SyncClient
        from fastqueue.telemetry import trace_operation
        with trace_operation("too early") as span:
            assert span is None
        for name, text in {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_SERVICE_NAME": "my-service",
                           "OTEL_TRACES_EXPORTER": "otlp/stdout", "OTEL_METRICS_EXPORTER": "none"}.items():
            os.environ[name] = text
        client = SyncClient("tcp://127.0.0.1:1")
        with trace_operation("now"):
            pass
        """,
        {},
        without=WITHOUT,
    )
    assert [span.name for span in done.spans] == ["now"]
    assert done.span("now").resource["service.name"] == "my-service"


def test_the_debug_message_on_start() -> None:
    done = run(
        """
        import logging
        logging.basicConfig(level=logging.DEBUG)
        from fastqueue.telemetry import trace_operation
        with trace_operation("x"): pass
        """,
        {**ON, "OTEL_LOGS_EXPORTER": "none"},
        without=WITHOUT,
    )
    assert "DEBUG:fastqueue.telemetry:OpenTelemetry tracer initialized" in done.errors


def test_logging_leaves_with_the_span_it_was_written_in() -> None:
    done = run(
        """
        import logging
        from fastqueue.telemetry import trace_operation
        logger = logging.getLogger("app.part")
        with trace_operation("x"):
            logger.warning("watch %s", "out", extra={"tenant": "7"})
            try:
                1 / 0
            except ZeroDivisionError:
                logger.exception("gone wrong")
        logging.getLogger("quiet").info("below the level")
        logging.basicConfig(level=logging.INFO, format="%(message)s")
        logging.getLogger("loud").info("after basicConfig")
        """,
        without=WITHOUT,
    )
    span = done.span("x")
    watch, wrong, loud = done.logs
    assert (watch.body, watch.severity, watch.text, watch.scope) == ("watch out", 13, "WARNING", "app.part")
    assert (watch.trace, watch.span, watch.attributes["tenant"]) == (span.trace, span.id, "7")
    assert wrong.severity == 17 and wrong.attributes["exception.type"] == "ZeroDivisionError"
    assert loud.body == "after basicConfig" and loud.trace == ""
    assert "watch out" in done.errors and "after basicConfig" in done.errors, "logging itself goes on as without us"


@pytest.mark.parametrize("exporter", ["", "none"])
def test_logging_stays_where_it_is_unless_an_exporter_is_named(exporter: str) -> None:
    done = run(
        """
        import logging
        from fastqueue.telemetry import trace_operation
        with trace_operation("x"):
            logging.warning("not for everybody")
        """,
        {**ON, "OTEL_LOGS_EXPORTER": exporter},
        without=WITHOUT,
    )
    assert done.logs == [] and done.spans and "not for everybody" in done.errors


def test_observable_instruments_are_asked_when_metrics_are_collected() -> None:
    done = run(
        """
        from fastqueue.telemetry import Observation, get_meter
        def callback(options):
            yield Observation(3, {"a": "b"})
            yield Observation(4.5)
        def bad(options):
            raise RuntimeError("the callback's own fault")
        gauge = get_meter().create_observable_gauge("depth", [callback, bad], unit="{x}")
        """,
        {**ON, "OTEL_TRACES_EXPORTER": "none"},
        without=WITHOUT,
    )
    found: Any = {tuple(sorted(attributes.items())): number for attributes, number in done.points("depth")}
    assert found == {(("a", "b"),): 3, (): 4.5}
    assert "the callback's own fault" in done.errors


def test_flush_and_shutdown() -> None:
    done = run(
        """
        from fastqueue.telemetry import flush, shutdown, trace_operation
        with trace_operation("one"): pass
        assert flush(5) is True
        print("after one", flush=True)
        with trace_operation("two"): pass
        assert shutdown(5) is True
        with trace_operation("three"): pass
        """,
        {**ON, "OTEL_METRICS_EXPORTER": "none"},
        without=WITHOUT,
    )
    assert [span.name for span in done.spans] == ["one", "two", "three"]


@pytest.mark.parametrize("sampler, ratio, expected", [("always_off", "", 0), ("traceidratio", "0", 0), ("always_on", "", 2)])
def test_samplers_of_the_environment(sampler: str, ratio: str, expected: int) -> None:
    done = run(
        """
        from fastqueue.telemetry import trace_operation
        with trace_operation("x") as span:
            print(span.get_span_context().is_valid, span.is_recording())
            with trace_operation("y"): pass
        """,
        {**ON, "OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": ratio, "OTEL_METRICS_EXPORTER": "none"},
        without=WITHOUT,
    )
    assert (len(done.spans), done.lines) == (expected, [f"True {expected > 0}"])
