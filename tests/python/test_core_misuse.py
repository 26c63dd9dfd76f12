# SPDX-License-Identifier: Apache-2.0
"""The extension told things that make no sense: each is an exception that says so, and what was there before stays."""

from __future__ import annotations

import pytest

from conftest import ControlPlane, Worker
from fastqueue import SyncClient, TaskStatus
from telemetry_support import ON, run

QUIET = {**ON, "OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none",
         "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "0", "OTEL_LOG_LEVEL": "none"}


REFUSED = {
    "_core.trace_operation()": "TypeError",
    "_core.trace_operation(1)": "TypeError",
    "_core.trace_operation('x', None, None)": "TypeError",
    "_core.trace_operation('x', other=1)": "TypeError",
    "_core.trace_operation('x', operation_name='y')": "TypeError",
    "_core.trace_operation('x').__exit__()": "TypeError",
    "_core.trace_operation('x')(len, other=1)": "TypeError",
    "_core.trace_operation('x')()": "TypeError",
    "_core.tracer(1)": "TypeError",
    "_core.meter(1)": "TypeError",
    "_core.meter('m', None, None, None).instrument(0)": "TypeError",
    "_core.meter('m', None, None, None).instrument(99, 'n', '', '', None, None, False)": "ValueError",
    "_core.meter('m', None, None, None).instrument(0, 'n', '', '', None, None, False).add()": "TypeError",
    "span.set_attribute(1)": "TypeError",
    "span.add_event()": "TypeError",
    "span.add_link()": "TypeError",
    "span.set_status()": "TypeError",
    "span.record_exception()": "TypeError",
    "span.end(1, 2)": "TypeError",
    "span.__exit__(None)": "TypeError",
    "_core.telemetry_flush('soon')": "TypeError",
    "_core.telemetry_shutdown('soon')": "TypeError",
    "_core.telemetry_shutdown(0, 1, 2)": "TypeError",
    "_core.start_submit('x')": "TypeError",
    "_core.finish_submit('x')": "TypeError",
    "_core.log_emit('x')": "TypeError",
    "_core.set_error_factory(1)": "TypeError",
    "_core.Runner(1)": "TypeError",
    "inside.__enter__()": "RuntimeError",
}  # fmt: skip


def test_refused() -> None:
    """With telemetry on: nothing that was refused has ended the span or the operation that was open."""
    done = run(f"CALLS = {list(REFUSED)!r}" + """
from fastqueue import _core
inside = _core.trace_operation("open")
span = inside.__enter__()
for call in CALLS:
    try: print(eval(call))
    except Exception as error: print(error.__class__.__name__)
print("still recording", span.is_recording() and _core.current_span() is span)
""", QUIET)
    assert dict(zip(REFUSED, done.lines)) == REFUSED
    assert done.lines[-1] == "still recording True"


def test_words_of_operations() -> None:
    done = run("""
from fastqueue import _core
operation = _core.trace_operation(operation_name="named", attributes={"a": 1})
with operation as span: print(span.name)
with operation.again() as span: print(span.name)
with _core.tracer("t", None, None, None).start_span("with") as span: print(span.name)
try:
    with _core.tracer("t", None, None, None).start_span("failed") as span: raise ValueError("no")
except ValueError: pass
def generator():
    with _core.tracer("t", None, None, None).start_span("left") as span: yield
next(it := generator(), None); it.close()
counter = _core.meter("m", None, None, None).instrument(0, "n", "{x}", "", None, None, True)
counter.add(amount=2, attributes={"k": 1}); print(counter.name)
""")
    assert done.lines[:4] == ["named", "named", "with", "n"]
    assert done.span("failed").status == 2 and done.span("failed").message == "no"
    assert done.span("left").status == 0 and not done.span("left").events
    assert done.points("n") == [({"k": 1}, 2)]


def test_after_its_end_a_span_takes_nothing() -> None:
    done = run("""
from fastqueue import _core
span = _core.tracer("t", None, None, None).start_span("over")
span.record_exception(ValueError("kept"), {"exception.message": "mine"}, 5)
span.end()
span.set_attribute("a", 1); span.set_attributes({"a": 1}); span.add_event("e"); span.update_name("other")
span.add_link(_core.tracer("t", None, None, None).start_span("far").get_span_context()); span.set_status("error")
span.record_exception(ValueError("late")); span.end(7); print(span.is_recording())
""")
    over = done.span("over")
    assert done.lines[0] == "False"
    assert (over.attributes, over.links, over.status) == ({}, [], 0)
    [(name, attributes)] = over.events
    assert name == "exception" and attributes["exception.message"] == "mine" and attributes["exception.type"] == "ValueError"


def test_the_collector_is_told_of_everything_held() -> None:
    """gc.get_referrers() asks each object whether it holds another: what is not visited could never be collected."""
    done = run("""
import gc
from fastqueue import _core
import fastqueue.telemetry
class Thing(dict): pass
class Context(dict): pass
attributes, context, links = Thing(a=1), Context(), [1]
operation = _core.tracer("t", None, None, None).start_as_current_span("x", context, None, attributes, links)
print(*(any(holder is operation for holder in gc.get_referrers(held)) for held in (attributes, context, links, type(operation))))
for kind in ("Session", "Runner", "RunningTask", "Steps", "Span", "Operation", "Tracer", "Meter", "Instrument"):
    held = getattr(_core, kind)
    print(kind, any(holder is _core for holder in gc.get_referrers(held)))
def made(code, error): return ValueError(code)
_core.set_error_factory(made)
print("factory", any(holder is _core for holder in gc.get_referrers(made)))
""", QUIET)
    assert done.lines[0] == "True True True True"
    assert [line for line in done.lines if line.endswith("False")] == [] and done.lines[-1] == "factory True"


def test_a_runner_refuses_what_makes_no_sense(server: ControlPlane) -> None:
    """Inside of a real runner, by one of its tasks; the runner goes on with the next one."""
    worker = Worker(server, "misusing_tasks", options=("--concurrency", "1")).wait_active(server)
    with SyncClient(server.address, timeout=40) as client:
        refused = client.submit_task("misuse").unwrap()
        assert refused == {
            "declare(1)": "TypeError",
            "declare([1])": "TypeError",
            "set_defaults(1)": "TypeError",
            "set_defaults(99, 0, 0, 0)": "IndexError",
            "declare_failed(1)": "TypeError",
            "bind(1)": "TypeError",
            "run_ready('soon')": "TypeError",
            "flush('soon')": "TypeError",
            "wish('x')": "TypeError",
            "finish_value(1)": "TypeError",
            "finish_value(1, 2)": "TypeError",
            "finish_error(1)": "TypeError",
            "finish_error(1, 2)": "TypeError",
            "steps(1)": "TypeError",
            "steps(1, 2)": "TypeError",
        }
        assert client.submit_task("look").unwrap() == {"stop": False, "slot": True, "repr": True, "held": True, "flushed": None}
        pid = client.submit_task("forked_child").unwrap()
        assert pid == ["ClientClosed"] * 6 + ["stop False", "wish 0", "exit True", "slot None"]
        assert client.submit_task("look").unwrap()["stop"] is False
    assert worker.stop() == 0


def test_results_that_find_no_memory(server: ControlPlane) -> None:
    """One allocation after another fails between a task's return and its report: there is an answer each time."""
    pytest.importorskip("_testcapi", reason="this Python comes without its test modules")
    worker = Worker(server, "misusing_tasks", options=("--concurrency", "1")).wait_active(server)
    with SyncClient(server.address, timeout=40) as client:
        for allocation in range(10):
            result = client.submit_task("starved", (allocation,))
            assert result.status == TaskStatus.SUCCESS or result.error_type in ("MemoryError", "WorkerLost"), (allocation, result)
            result = client.submit_task("starved_error", (allocation,))
            assert result.status == TaskStatus.FAILURE and result.error_type, (allocation, result)
            assert client.submit_task("fed").unwrap() > 0
    assert worker.stop() == 0
