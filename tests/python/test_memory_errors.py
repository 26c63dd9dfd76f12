# SPDX-License-Identifier: Apache-2.0
"""Python without memory: every single allocation of a piece of work fails once. There is a MemoryError or the work goes on
without what could not be had; nothing crashes, no function fails without a word (SystemError), nothing stays behind, and the
same work goes well right after."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from telemetry_support import ON, run

pytest.importorskip("_testcapi", reason="this Python comes without its test modules")

QUIET = {
    **ON,
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "0",
    "OTEL_LOG_LEVEL": "none",
}
WALK = """
import _testcapi, gc, sys
unraisable = []
sys.unraisablehook = lambda what: unraisable.append(what.exc_type)
def walk(work, allowed=(MemoryError,), most=4000):
    '''How many allocations `work` makes, each of which has failed once.'''
    for n in range(most):
        spent = False
        _testcapi.set_nomemory(n, n + 1)
        try:
            try:
                work()
            except allowed:
                pass
            try:
                bytes(1000)
                spent = True
            except MemoryError:
                pass
        finally:
            _testcapi.remove_mem_hooks()
        work()
        if not spent:
            assert set(unraisable) <= {*allowed}, unraisable
            return n
    raise AssertionError("the work has no end")
"""
TELEMETRY = """
from fastqueue import _core
from fastqueue.telemetry import current_span, get_meter, get_tracer, trace_operation
class Link:
    def __init__(self, context): self.context, self.attributes = context, {"why": "because"}
attributes = {"a": "text", "b": [1, "x", {"c": 2.5}], "n": 1 << 90, "s": "\\ud800", "t": (True, None)}
counter = get_meter().create_counter("c")
tracer = get_tracer()
far = tracer.start_span("far")
error = ValueError("no")
"""
WORK = {
    "operation": """
    with trace_operation("x", attributes) as span:
        current_span(); _core.current_trace()
    """,
    "span": """
    span = tracer.start_span("x", links=[Link(far.get_span_context())], attributes=attributes, start_time=1)
    span.set_attributes(attributes); span.add_event("e", attributes, 5); span.add_link(far.get_span_context(), {"a": 1})
    span.update_name("y"); span.set_status("error", "so"); span.record_exception(ValueError("no"), {"a": 1}, 7)
    span.traceparent, span.identity(), repr(span), _core.trace_of(span)
    span.end(9)
    """,
    "failing block": """
    try:
        with trace_operation("x"): raise ValueError("no")
    except ValueError: pass
    """,
    "coroutine": """
    async def main():
        async with trace_operation("x"): pass
    try: main().send(None)
    except StopIteration: pass
    """,
    "measurement": """
    counter.add(1, attributes); counter.add(2.5)
    _core.meter("m", "1", "https://example.org", {"k": 1}).instrument(2, "h", "s", "d", [1, 2.5], None, False).record(1)
    """,
    "record": """
    _core.log_emit("scope", 9, "INFO", {"text": ["x", 1]}, attributes, 5, "event")
    """,
    "submission": """
    span = _core.start_submit("name", "normal", "host", 5555)
    _core.finish_submit(span, "name", "host", 5555, None, error, "ERR")
    span = _core.start_submit("name", "normal", "host", 0)
    _core.finish_submit(span, "name", "host", 0, "00000000-0000-4000-8000-000000000001", None, None)
    """,
    "figures": """
    _core.telemetry_stats(), _core.telemetry_state(), _core.error_rows(), _core.parse_address("tls://user:pass@host:1")
    """,
}


@pytest.mark.parametrize("bridge", [False, True])
@pytest.mark.parametrize("name", list(WORK))
def test_telemetry(name: str, bridge: bool) -> None:
    done = run(
        ("import opentelemetry.trace\n" if bridge else "") + WALK + TELEMETRY + "def work():" + WORK[name] + """
work()
failed = walk(work)
gc.collect(); before = sys.getallocatedblocks()
again = walk(work)
unraisable.clear(); gc.collect()
print(failed, again, sys.getallocatedblocks() - before, _core.current_trace())
""",
        QUIET,
        without=() if bridge else ("opentelemetry",),
    )
    failed, again, left, *current = done.lines[-1].split(maxsplit=3)
    assert int(failed) > 3 and int(again) > 3
    assert int(left) < 200 + 2 * int(again), "blocks left behind by failed allocations"
    # What the API's own context keeps when it finds no memory is its own affair.
    assert bridge or current == ["(None, None)"], "no span stays current"


def test_session() -> None:
    """A protocol session that could not take something in says so and is used no further; the next one starts clean."""
    done = run(WALK + """
from fastqueue import _core
HELLO = b"%1\\r\\n$5\\r\\nproto\\r\\n:3\\r\\n"
MAP = (b"%6\\r\\n+a\\r\\n*3\\r\\n:1\\r\\n,1.5\\r\\n#t\\r\\n+b\\r\\n_\\r\\n+c\\r\\n$2\\r\\nhi\\r\\n+d\\r\\n$1\\r\\n\\xff\\r\\n"
       b"+e\\r\\n:-5\\r\\n+f\\r\\n~1\\r\\n#f\\r\\n")
def work():
    session = _core.Session(user="u", token="t", client_name="n")
    session.connected(1.0)
    session.take_output(), session.deadline()
    session.feed(HELLO, 1.1)
    session.command(("FQ.STATS", b"x"), 7, True)
    session.submit("add", b"{}", 8, True, priority="high", unique="u", traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")
    session.take_output()
    events = session.feed(MAP + b"-ERR no\\r\\n", 1.2)
    assert [event[1:3] for event in events] == [(7, 0), (8, -31)], events
    assert events[0][5] == {"a": [1, 1.5, True], "b": None, "c": "hi", "d": b"\\xff", "e": -5, "f": [False]}, events
    session.error, session.ready
    session.disconnected(1.3)
work()
print(walk(work), walk(lambda: _core.json_encode(value)) if (value := {"a": [1, 1 << 90, 2.5, None, True, "\\n\\"é"]}) else 0)
""", QUIET)
    session, encoding = done.lines[-1].split()
    assert int(session) > 20 and int(encoding) > 3


def test_import() -> None:
    """The module is made anew, with each allocation of that failing: an import that fails leaves nothing half made."""
    done = run(WALK + """
import importlib.util
import fastqueue._core
spec = importlib.util.spec_from_file_location("fastqueue._core", fastqueue._core.__file__)
def work():
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.telemetry_state()[0] is False and module.error_rows()
work(); work()
failed = walk(work, (MemoryError, ImportError))
gc.collect(); before = len(gc.get_objects())
work(); gc.collect()
print(failed, len(gc.get_objects()) - before)
""", {})
    failed, left = done.lines[-1].split()
    assert int(failed) > 100 and int(left) < 20


def test_finding_out_whether_telemetry_is_on() -> None:
    """A start that failed may be tried again, and spans are made after it."""
    done = run(WALK + """
from fastqueue import _core
import fastqueue.telemetry
def work():
    _core.telemetry_start()
    with _core.trace_operation("x") as span: pass
    _core.telemetry_shutdown(0)
work()
failed = walk(work)
assert _core.telemetry_start()
with _core.trace_operation("x") as span: print(failed, span.traceparent)
""", QUIET)
    failed, traceparent = done.lines[-1].split()
    assert int(failed) > 3 and traceparent.startswith("00-")
