# SPDX-License-Identifier: Apache-2.0
"""Spans, measurements and log records leave nothing behind in the process that makes them."""

from __future__ import annotations

import pytest

from telemetry_support import ON, run

SETUP = """
import asyncio, gc, logging, resource, sys
from fastqueue.telemetry import current_span, get_meter, get_tracer, trace_operation, trace_task
counter = get_meter().create_counter("c")
logger = logging.getLogger("app")
tracer = get_tracer()
attributes = {"a": "text", "b": [1, "x", {"c": 2.5}], "n": 1 << 90, "s": "\\ud800"}
class Link:
    def __init__(self, context): self.context, self.attributes = context, {"why": "because"}
@trace_task
def traced(x): return x
"""
WORK = {
    "operations": """
    with trace_operation("x", attributes) as span:
        span.set_attribute("late", [1, 2]); span.add_event("e", attributes); span.update_name("y")
        with trace_operation("inner", {"a": 1}): current_span()
    traced(1)
    """,
    "failures": """
    try:
        with trace_operation("x"): raise ValueError("no")
    except ValueError: pass
    """,
    "tracer": """
    span = tracer.start_span("x", links=[Link(tracer.start_span("y").get_span_context())], attributes=attributes)
    span.set_status("error", "so"); span.end(); span.end(); repr(span)
    """,
    "coroutines": """
    async def main():
        async with trace_operation("x"): await asyncio.sleep(0)
    loop.run_until_complete(main())
    """,
    "metrics and logs": """
    counter.add(1, {"a": "b"}); logger.warning("text %s", "x", extra={"y": [1]})
    """,
}


@pytest.mark.parametrize("bridge", [False, True])
@pytest.mark.parametrize("name", list(WORK))
def test_nothing_is_left_behind(name: str, bridge: bool) -> None:
    done = run(
        ("import opentelemetry.trace\n" if bridge else "")
        + SETUP
        + "logging.disable(logging.NOTSET); logger.propagate = False; logger.addHandler(logging.NullHandler())\n"
        + "loop = asyncio.new_event_loop()\ndef work():"
        + WORK[name]
        + """
def blocks(times):
    for _ in range(times): work()
    gc.collect()
    return sys.getallocatedblocks(), len(gc.get_objects())
blocks(300)
before, after = blocks(200), blocks(2000)
loop.close()
print(after[0] - before[0], after[1] - before[1])
""",
        {**ON, "OTEL_TRACES_EXPORTER": "none" if name == "nothing" else "otlp", "OTEL_METRICS_EXPORTER": "none",
         "OTEL_LOGS_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
         "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "0.1", "OTEL_LOG_LEVEL": "none"},
        without=() if bridge else ("opentelemetry",),
    )
    blocks, objects = (int(word) for word in done.lines[0].split())
    assert blocks < 500 and objects < 100, "2,000 rounds"
