"""The commands and variables of the integration guide's own compose file and examples, run as they stand there.

What an image sets beside them is taken from deploy/Dockerfile, only with ports that are free here.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import pytest
from backends import get, wait_for
from harness import ROOT, free_port

DEPLOY = ROOT / "deploy"
# The first example: no stop(), nothing but variables.
BASIC = """
import os
os.environ["FASTQUEUE_TELEMETRY_ENABLED"] = "true"
os.environ["OTEL_SERVICE_NAME"] = "my-service"
os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "{endpoint}"
import asyncio
from fastqueue import Client
data = {{"a": 1}}
async def main():
    client = Client()
    await client.start()
    print(await client.delay("process_data", data, priority="high"))
asyncio.run(main())
"""
MANUAL = """
from fastqueue.telemetry import trace_operation, record_task_metric, record_worker_metric, get_tracer, get_meter
with trace_operation("custom_operation", attributes={"key": "value"}):
    pass
record_task_metric("submitted", "my_task", priority="high")
record_task_metric("completed", "my_task", worker_id="worker1", duration_ms=150.5)
record_task_metric("failed", "my_task", worker_id="worker1")
"""


def image_variables() -> dict[str, str]:
    text = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    line = [line for line in text.splitlines() if line.startswith("ENV") and "FASTQUEUE_" in line][-1]
    return dict(re.findall(r"(FASTQUEUE_\w+)=(\S+)", line))


class Composition:
    """The guide's services, each in the folder of the application's image."""

    def __init__(self, folder: pathlib.Path, endpoint: str):
        self.folder = folder / f"guide-{time.monotonic_ns()}"
        shutil.copytree(DEPLOY / "app", self.folder / "app")
        self.port, self.http_port = free_port(), free_port()
        self.endpoint = endpoint
        self.processes: list[subprocess.Popen] = []

    def environment(self, service: str, **more: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("FASTQUEUE_", "OTEL_"))}
        binary = {"FASTQUEUE_BINARY": os.environ["FASTQUEUE_BINARY"]}
        return {**inherited, **binary, **image_variables(),
                "PATH": f"{pathlib.Path(sys.executable).parent}:{inherited['PATH']}",
                "VIRTUAL_ENV": str(pathlib.Path(sys.executable).parent.parent),
                "FASTQUEUE_BASE_ADDRESS": f"tcp://0.0.0.0:{self.port}", "FASTQUEUE_HTTP_ADDRESS": f"0.0.0.0:{self.http_port}",
                "FASTQUEUE_DATA_DIR": "none", "FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_SERVICE_NAME": service,
                "OTEL_EXPORTER_OTLP_ENDPOINT": self.endpoint, **more}

    def start(self, name: str, command: str, service: str, **more: str) -> subprocess.Popen:
        with open(self.folder / f"{name}.log", "wb") as log:
            process = subprocess.Popen(command.split(), cwd=self.folder / "app", env=self.environment(service, **more),
                                       stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(40)


@pytest.fixture
def composition(folder, collector):
    running = Composition(folder, collector.endpoint("grpc"))
    yield running
    running.stop()


def test_guide_compose_file_works_with_the_image(composition, collector):
    address = {"FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://localhost:{composition.port}"}
    composition.start("control-plane", "fastqueue control-plane --task-modules tasks", "fastqueue-control-plane")
    wait_for(lambda: "server ready" in composition.log("control-plane"), "the control plane is ready",
             seen=lambda: composition.log("control-plane"))
    assert "has no credentials" in composition.log("control-plane"), "the open door is said in the log"
    assert get(f"http://127.0.0.1:{composition.http_port}/readyz").strip() == b"ready"
    for number in range(3):
        composition.start(f"worker{number}", "fastqueue subworker --task-modules tasks", "fastqueue-worker", **address)
    for number in range(3):
        wait_for(lambda n=number: "registered with the control plane" in composition.log(f"worker{n}"), "a worker is there",
                 seen=lambda n=number: composition.log(f"worker{n}"))
    composition.start("app", "python app.py", "my-fastqueue-app", **address)
    wait_for(lambda: "'number': 3" in composition.log("app"), "the application gets results", seen=lambda: composition.log("app"))

    def services(spans):
        ours = {s.trace_id for s in spans if s.service == "my-fastqueue-app"}
        return {s.service for s in spans if s.trace_id in ours}
    collector.wait_for_spans(lambda spans: {"my-fastqueue-app", "fastqueue-worker"} <= services(spans) or
                             {"my-fastqueue-app", "fastqueue-control-plane"} <= services(spans), "spans of the composition")


def run_python(script: str, composition, **more: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in composition.environment("x").items() if not k.startswith(("FASTQUEUE_TEL", "OTEL_"))}
    return subprocess.run([sys.executable, "-c", script], env={**environment, **more}, capture_output=True, text=True, timeout=60)


def test_guide_basic_example_delivers_its_span_without_stop(composition, collector):
    composition.start("control-plane", "fastqueue control-plane --task-modules tasks", "fastqueue-control-plane")
    wait_for(lambda: "server ready" in composition.log("control-plane"), "the control plane is ready")
    done = run_python(BASIC.format(endpoint=collector.endpoint("grpc")), composition,
                      FASTQUEUE_CONTROL_PLANE_ADDRESS=f"tcp://localhost:{composition.port}")
    assert done.returncode == 0, done.stderr
    task_id = done.stdout.strip()
    trace = collector.trace_of_task(task_id)
    [submission] = [s for s in trace if s.name == "client.submit_task"]
    assert submission.service == "my-service"
    assert submission.attributes["task.priority"] == "high"


def test_guide_manual_instrumentation_example(composition, collector):
    variables = {k: v for k, v in composition.environment("manual-example").items() if k.startswith(("FASTQUEUE_TEL", "OTEL_"))}
    done = run_python(MANUAL, composition, **variables)
    assert done.returncode == 0, done.stderr
    [span] = collector.wait_for_spans(lambda spans: [s for s in spans if s.service == "manual-example"])[-1:]
    mine = [s for s in collector.spans() if s.service == "manual-example"]
    assert [(s.name, s.attributes) for s in mine] == [("custom_operation", {"key": "value"})] and span

    def recorded():
        return {metric["name"] for request in collector.metric_requests() for of_resource in request["resourceMetrics"]
                if {"key": "service.name", "value": {"stringValue": "manual-example"}} in of_resource["resource"]["attributes"]
                for of_scope in of_resource["scopeMetrics"] for metric in of_scope["metrics"]}
    expected = {"fastqueue.tasks.submitted", "fastqueue.tasks.completed", "fastqueue.tasks.failed", "fastqueue.tasks.duration"}
    wait_for(lambda: expected <= recorded(), "the recorded metrics", seen=recorded)


def test_guide_debug_message_says_that_telemetry_is_on(composition):
    variables = {k: v for k, v in composition.environment("debug-example").items() if k.startswith(("FASTQUEUE_TEL", "OTEL_"))}
    done = run_python("import logging; logging.basicConfig(level=logging.DEBUG)\n"
                      "from fastqueue.telemetry import get_tracer; get_tracer()", composition, **variables)
    assert "OpenTelemetry tracer initialized" in done.stderr
