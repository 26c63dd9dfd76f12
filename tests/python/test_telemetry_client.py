# SPDX-License-Identifier: Apache-2.0
"""client.submit_task: its attributes, its end, and the context that travels with the task, telemetry on or off."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from conftest import ControlPlane
from telemetry_support import ON, run

SUBMITS = {
    "async": """
        import asyncio
        from fastqueue import Client
        async def main():
            client = Client({address!r})
            await client.start()
            print(await client.delay("process_data", [1], priority="high"))
        asyncio.run(main())
        """,
    "sync": """
        from fastqueue import SyncClient
        print(SyncClient({address!r}).delay("process_data", [1], priority="high"))
        """,
}


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_submit_is_a_producer_span_that_is_delivered_without_stop(shared_server: ControlPlane, kind: str) -> None:
    done = run(SUBMITS[kind].format(address=shared_server.address), without=("opentelemetry",))
    span = done.span("client.submit_task")
    assert span.kind == 4 and span.parent == "" and span.status == 0 and span.end > span.start
    assert span.attributes == {
        "task.name": "process_data",
        "task.priority": "high",
        "task.id": done.lines[0],
        "messaging.system": "fastqueue",
        "messaging.operation.name": "submit",
        "messaging.operation.type": "send",
        "messaging.destination.name": "process_data",
        "messaging.message.id": done.lines[0],
        "server.address": "127.0.0.1",
        "server.port": shared_server.port,
    }
    ((attributes, sent),) = done.points("messaging.client.sent.messages")
    assert (attributes["messaging.destination.name"], sent) == ("process_data", 1)
    ((_, duration),) = done.points("messaging.client.operation.duration")
    assert int(duration["count"]) == 1 and 0 < duration["sum"] < 30


@pytest.mark.parametrize("on", [True, False])
def test_the_task_carries_the_context(shared_server: ControlPlane, on: bool) -> None:
    done = run(
        f"""
        from opentelemetry import baggage, context, trace
        from opentelemetry.sdk.trace import TracerProvider
        from fastqueue import SyncClient
        client = SyncClient({shared_server.address!r})
        trace.set_tracer_provider(TracerProvider())
        with trace.get_tracer("app").start_as_current_span("caller") as caller:
            context.attach(baggage.set_baggage("tenant", "7"))
            print(format(caller.get_span_context().trace_id, "032x"), format(caller.get_span_context().span_id, "016x"))
            client.delay("carries")
        lease = client.command("FQ.FETCH", "WORKER", "w", "TASKS", "carries", "COUNT", 1)[0]
        client.command("FQ.COMPLETE", lease["id"], lease["token"], "null")
        print(lease["traceparent"], lease["baggage"])
        """,
        {**ON, "FASTQUEUE_TELEMETRY_ENABLED": str(on).lower(), "FASTQUEUE_TELEMETRY_PIPELINE": "native"},
    )
    (trace, caller), (traceparent, baggage) = done.lines[0].split(), done.lines[1].split()
    parts = traceparent.split("-")
    assert (parts[0], parts[1], parts[3][-1] in "13", baggage) == ("00", trace, True, "tenant=7")
    if on:
        assert done.span("client.submit_task").id == parts[2] and done.span("client.submit_task").parent == caller
    else:
        assert parts[2] == caller and done.spans == []


def test_a_refused_submit_is_an_error(shared_server: ControlPlane) -> None:
    done = run(
        f"""
        from fastqueue import SyncClient, FastQueueError
        client = SyncClient({shared_server.address!r})
        try:
            client.submit("x" * 10_000)
        except FastQueueError as error:
            print(error.name)
        client.submit("once", id="11111111-1111-4111-8111-111111111111")
        try:
            client.submit("another", id="11111111-1111-4111-8111-111111111111")
        except FastQueueError as error:
            print(error.name)
        """,
    )
    refused = [span for span in done.spans if span.status == 2]
    assert [span.attributes["error.type"] for span in refused] == done.lines and len(refused) == 2
    assert all(span.events[0][0] == "exception" for span in refused)
    failed = [number for attributes, number in done.points("messaging.client.sent.messages") if "error.type" in attributes]
    assert failed == [1, 1]


def test_no_control_plane_is_an_error_of_the_span() -> None:
    done = run(
        """
        import asyncio
        from fastqueue import Client, ConnectError, FastQueueError, SyncClient
        async def main():
            client = Client("tcp://127.0.0.1:1", timeout=0.2)
            try:
                await client.delay("nobody")
            except ConnectError:
                print("async")
        asyncio.run(main())
        try:
            SyncClient("tcp://127.0.0.1:1", timeout=0.2).delay("nobody")
        except FastQueueError:
            print("sync")
        """,
    )
    assert done.lines == ["async", "sync"] and [span.status for span in done.spans] == [2, 2]


def test_a_batch_has_a_span_for_each_task(shared_server: ControlPlane) -> None:
    done = run(
        f"""
        from fastqueue import SyncClient
        from fastqueue.telemetry import trace_operation
        with trace_operation("request"), SyncClient({shared_server.address!r}) as client:
            print(*client.submit_batch([{{"task_name": f"b{{i}}"}} for i in range(3)]))
        """,
    )
    spans = [span for span in done.spans if span.name == "client.submit_task"]
    assert [span.attributes["task.id"] for span in spans] == done.lines[0].split()
    assert {span.parent for span in spans} == {done.span("request").id}


def test_a_submit_goes_through_the_provider_of_the_program(shared_server: ControlPlane) -> None:
    done = run(
        f"""
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
        memory = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(memory))
        trace.set_tracer_provider(provider)
        from fastqueue import FastQueueError, SyncClient
        client = SyncClient({shared_server.address!r})
        with trace.get_tracer("app").start_as_current_span("caller") as caller:
            task_id = client.delay("delegated", 1)
            try:
                client.submit("x" * 10_000)
            except FastQueueError:
                pass
        sent, refused, _ = memory.get_finished_spans()
        assert sent.name == refused.name == "client.submit_task" and sent.kind is trace.SpanKind.PRODUCER
        assert sent.parent.span_id == caller.get_span_context().span_id
        assert sent.attributes["task.id"] == task_id and sent.attributes["server.port"] == {shared_server.port}
        assert refused.status.status_code is trace.StatusCode.ERROR and refused.events[0].name == "exception"
        lease = client.command("FQ.FETCH", "WORKER", "w", "TASKS", "delegated", "COUNT", 1)[0]
        client.command("FQ.COMPLETE", lease["id"], lease["token"], "null")
        print(lease["traceparent"].split("-")[2] == format(sent.context.span_id, "016x"))
        """,
    )
    assert done.lines == ["True"] and done.spans == []


EXIT = """
from fastqueue.telemetry import trace_operation
with trace_operation("x"): pass
"""


def _run_to_exit(env: dict[str, str]) -> tuple[float, Any]:
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", EXIT],
        env={**os.environ, **ON, "OTEL_METRICS_EXPORTER": "otlp", "OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "none", **env},
        capture_output=True,
        text=True,
        timeout=30,
    )
    return time.monotonic() - begin, done


def test_a_collector_that_says_nothing_holds_up_the_exit_for_the_exit_timeout_only() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(8)
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        short, done = _run_to_exit({**endpoint, "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "0.2"})
        assert done.returncode == 0, done.stderr
        longer, done = _run_to_exit({**endpoint, "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "2"})
        assert done.returncode == 0, done.stderr
    assert longer - short > 1.0, "each waits as long as it was told"
    assert longer < 6


def test_a_collector_that_refuses_does_not_hold_up_the_exit() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "20"}
    seconds, done = _run_to_exit(env)
    assert done.returncode == 0 and seconds < 10, "it does not wait for the timeout"
