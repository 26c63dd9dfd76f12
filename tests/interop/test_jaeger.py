"""Jaeger shows the trace, and an endpoint that takes traces only does not trouble the queue."""
import time

import pytest
from backends import wait_for
from queue_under_test import PYTHON_TASKS, Queue, telemetry


@pytest.fixture(params=["grpc", "http/protobuf"])
def queue(request, jaeger):
    with Queue(lambda service: telemetry(jaeger.endpoint(request.param), service, request.param)) as running:
        yield running


def spans_by_name(trace):
    return {span["operationName"]: span for span in trace["spans"]}


def test_jaeger_shows_the_trace_of_a_task(queue, jaeger):
    trace_id = f"{time.time_ns():032x}"
    with queue.worker(PYTHON_TASKS):
        task_id = queue.submit_by_resp("reject", "Invalid data format",
                                       options=("TRACEPARENT", f"00-{trace_id}-00000000000000a1-01", "PRIORITY", "high"))
        assert queue.wait(task_id)["status"] == "failure"

        def shown():
            trace = jaeger.trace(trace_id)
            return trace if trace and "worker.execute_task" in spans_by_name(trace) else None
        trace = wait_for(shown, "Jaeger has the trace", seen=lambda: jaeger.trace(trace_id))
    span = spans_by_name(trace)["worker.execute_task"]
    tags = {tag["key"]: tag["value"] for tag in span["tags"]}
    assert tags["task.id"] == task_id
    assert tags["task.priority"] == "high"
    assert tags["span.kind"] == "consumer"
    assert tags["error"] is True
    events = [{field["key"]: field["value"] for field in log["fields"]} for log in span["logs"]]
    assert any(event.get("exception.message") == "Invalid data format" for event in events)
    assert "fastqueue-worker" in jaeger.services()


def test_metrics_refused_by_jaeger_are_said_once_and_tasks_go_on(queue, jaeger):
    with queue.worker(PYTHON_TASKS):
        deadline = time.monotonic() + 3  # six intervals of export
        done = 0
        while time.monotonic() < deadline:
            assert queue.wait(queue.submit_by_resp("add", 1, done))["status"] == "success"
            done += 1
        complaints = [line for line in queue.server.log().splitlines() if "metrics" in line.lower() and "WARN" in line.upper()]
    assert done > 0
    assert len(complaints) <= 2, "\n".join(complaints)
