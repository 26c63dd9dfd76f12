# SPDX-License-Identifier: Apache-2.0
"""The examples of the integration guide as they stand there, against a collector that speaks gRPC."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Iterator

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support_py"))

from collector import Collector  # noqa: E402
from conftest import ControlPlane, Worker  # noqa: E402
from fastqueue import SyncClient  # noqa: E402

BASIC_SETUP = """
# No code changes needed! Just enable via environment variables
import os

os.environ["FASTQUEUE_TELEMETRY_ENABLED"] = "true"
os.environ["OTEL_SERVICE_NAME"] = "my-service"
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://jaeger:4317"

from fastqueue import Client

# Telemetry automatically enabled
client = Client()
await client.start()

# This task submission will be traced and metered
await client.delay("process_data", data, priority="high")
"""

CUSTOM_TASK_TRACING = """
from fastqueue import task
from fastqueue.telemetry import trace_task

@task
@trace_task  # Add detailed task tracing
def process_data(data: dict) -> dict:
    \"\"\"Process data with tracing.\"\"\"
    # Your task logic here
    return {"processed": data}

@task
@trace_task
async def async_process_data(data: dict) -> dict:
    \"\"\"Async task with tracing.\"\"\"
    # Your async task logic
    return {"processed": data}
"""

MANUAL_INSTRUMENTATION = """
from fastqueue.telemetry import trace_operation, record_task_metric

# Custom span
with trace_operation("custom_operation", attributes={"key": "value"}):
    # Your code here
    pass

# Custom metrics
record_task_metric("submitted", "my_task", priority="high")
record_task_metric("completed", "my_task", worker_id="worker1", duration_ms=150.5)
record_task_metric("failed", "my_task", worker_id="worker1")
"""

BATCHING = """
# In custom OTEL configuration
from opentelemetry.sdk.trace.export import BatchSpanProcessor

processor = BatchSpanProcessor(
    exporter,
    max_queue_size=2048,
    max_export_batch_size=512,
    schedule_delay_millis=5000
)
"""

CUSTOM_ATTRIBUTES = """
from fastqueue.telemetry import trace_operation

with trace_operation("custom_op", attributes={
    "user.id": user_id,
    "tenant.id": tenant_id,
    "environment": "production"
}):
    # Your code
    pass
"""

TROUBLESHOOTING = """
import os
print(os.getenv("FASTQUEUE_TELEMETRY_ENABLED"))  # Should be "true"
import logging
logging.basicConfig(level=logging.DEBUG)
# Look for "OpenTelemetry tracer initialized" message
"""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


def program(code: str, env: dict[str, str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


def test_basic_setup_delivers_its_span(server: ControlPlane, collector: Collector) -> None:
    """It never stops its client, and sets its variables after the interpreter has started."""
    example = BASIC_SETUP.replace("http://jaeger:4317", collector.endpoint)
    code = f"import asyncio\ndata = {{'a': 1}}\nasync def main():\n{textwrap.indent(example, '    ')}\nasyncio.run(main())\n"
    program(code, {**os.environ, "FASTQUEUE_CONTROL_PLANE_ADDRESS": server.address})
    span = collector.wait_for_span("client.submit_task")
    assert (span.kind, span.attributes["task.name"], span.attributes["task.priority"]) == ("producer", "process_data", "high")
    assert span.resource["service.name"] == "my-service"
    assert collector.wait_for_metric("messaging.client.sent.messages").points[0].value == 1


def test_custom_task_tracing_runs_in_a_worker(server: ControlPlane, collector: Collector, tmp_path: Path) -> None:
    (tmp_path / "tasks.py").write_text(CUSTOM_TASK_TRACING)
    env = collector.environment(FASTQUEUE_CONTROL_PLANE_ADDRESS=server.address, OTEL_SERVICE_NAME="fastqueue-worker")
    worker = Worker(server, str(tmp_path / "tasks.py"), options=("--concurrency", "1"), env=env).wait_active(server)
    submit = """
    from fastqueue import SyncClient
    client = SyncClient()
    for name in ("process_data", "async_process_data"):
        assert client.submit_task(name, ({"x": 1},)).result == {"processed": {"x": 1}}
    """
    program(textwrap.dedent(submit), {**env, "OTEL_SERVICE_NAME": "my-fastqueue-app"})
    assert worker.stop() == 0
    for name in ("process_data", "async_process_data"):
        task = collector.wait_for_span(f"task.{name}")
        (execute,) = [s for s in collector.spans("worker.execute_task") if s.attributes["task.name"] == name]
        (sent,) = [s for s in collector.spans("client.submit_task") if s.attributes["task.name"] == name]
        assert (task.parent_id, execute.parent_id) == (execute.span_id, sent.span_id)
        assert task.trace_id == execute.trace_id == sent.trace_id
        assert (sent.resource["service.name"], execute.resource["service.name"]) == ("my-fastqueue-app", "fastqueue-worker")
        assert execute.kind == "consumer" and execute.attributes["worker.id"] and execute.attributes["task.id"]


def test_manual_instrumentation(collector: Collector) -> None:
    program(MANUAL_INSTRUMENTATION, collector.environment())
    assert collector.wait_for_span("custom_operation").attributes == {"key": "value"}
    assert collector.wait_for_metric("fastqueue.tasks.submitted").points[0].value == 1
    assert collector.wait_for_metric("fastqueue.tasks.failed").points[0].attributes["worker.id"] == "worker1"
    duration = collector.wait_for_metric("fastqueue.tasks.duration").points[0].value
    assert (duration["count"], duration["sum"]) == (1, 150.5)


def test_custom_attributes(collector: Collector) -> None:
    program(f"user_id, tenant_id = 7, 'seven'\n{CUSTOM_ATTRIBUTES}", collector.environment())
    span = collector.wait_for_span("custom_op")
    assert span.attributes == {"user.id": 7, "tenant.id": "seven", "environment": "production"}


def test_the_batching_snippet_attaches(collector: Collector) -> None:
    code = f"""
from opentelemetry import trace
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from fastqueue.telemetry import get_tracer, trace_operation
exporter = InMemorySpanExporter()
{BATCHING}
get_tracer()
trace.get_tracer_provider().add_span_processor(processor)
with trace_operation("seen by both"): pass
processor.force_flush()
print([span.name for span in exporter.get_finished_spans()])
"""
    assert program(code, collector.environment()).stdout.strip() == "['seen by both']"
    assert len(collector.wait_for_spans("seen by both")) == 1


def test_troubleshooting_shows_that_it_works(collector: Collector) -> None:
    code = f"{TROUBLESHOOTING}\nfrom fastqueue.telemetry import trace_operation\nwith trace_operation('x'): pass\n"
    done = program(code, collector.environment())
    assert done.stdout.strip() == "true" and "OpenTelemetry tracer initialized" in done.stderr


def test_sampling_one_in_ten(collector: Collector) -> None:
    code = "from fastqueue.telemetry import trace_operation\nfor _ in range(2000):\n    with trace_operation('x'): pass\n"
    program(code, collector.environment(OTEL_TRACES_SAMPLER="traceidratio", OTEL_TRACES_SAMPLER_ARG="0.1"))
    collector.wait_for_span("x")
    assert 120 < len(collector.spans("x")) < 280, "2,000 tosses: six standard deviations around 200"


@pytest.mark.parametrize("json_encoding", [False, True])
def test_over_http(json_encoding: bool) -> None:
    with Collector("http") as collector:
        program(MANUAL_INSTRUMENTATION, collector.environment(json_encoding=json_encoding))
        assert collector.wait_for_span("custom_operation").attributes == {"key": "value"}


def test_a_client_in_this_process_without_telemetry_submits_all_the_same(server: ControlPlane) -> None:
    with SyncClient(server.address) as client:
        assert client.delay("process_data", {}, priority="high")
