"""What the Collector and Prometheus know of exported metrics beyond their values."""
import json
import math
import time

import pytest
from backends import get_json, wait_for
from harness import encode
from load import work
from queue_under_test import Queue, telemetry


@pytest.fixture(scope="module")
def queue(metrics_collector):
    with Queue(lambda service: telemetry(metrics_collector.endpoint("grpc"), service)) as running:
        yield running


@pytest.fixture(scope="module")
def loaded(queue, prometheus):
    work(queue.server, [("process_data", "high", 20.0, False), ("bad", "normal", 3.0, True)])
    prometheus.wait_for_value("sum(fastqueue_tasks_duration_count)", 2)
    return prometheus


def test_job_and_instance_are_those_of_the_control_plane(loaded):
    found = loaded.query("fastqueue_tasks_submitted_total")
    assert {one["metric"]["job"] for one in found} == {"fastqueue-control-plane"}
    assert len({one["metric"]["instance"] for one in found}) == 1
    info = loaded.query('target_info{job="fastqueue-control-plane"}')
    assert [one["metric"]["telemetry_sdk_language"] for one in info] == ["c"]


def test_metrics_endpoint_and_otlp_tell_the_same(loaded, queue):
    """Scraped or exported, never summed: both are views of one count."""
    _, _, page = queue.server.http("GET", "/metrics")
    own = sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith("fastqueue_tasks_submitted_total{"))
    assert loaded.value("sum(fastqueue_tasks_submitted_total)") == own


def test_units_and_kinds_of_the_documented_instruments(loaded, metrics_collector):
    found = {}
    for request in metrics_collector.metric_requests():
        for of_resource in request["resourceMetrics"]:
            for of_scope in of_resource["scopeMetrics"]:
                found.update({m["name"]: m for m in of_scope["metrics"]})
    units = {name: found[name]["unit"] for name in (
        "fastqueue.tasks.submitted", "fastqueue.tasks.completed", "fastqueue.tasks.failed", "fastqueue.tasks.duration",
        "fastqueue.workers.active", "fastqueue.queue.size")}
    assert list(units.values()) == ["{task}", "{task}", "{task}", "{millisecond}", "{worker}", "{task}"]
    for name in ("submitted", "completed", "failed"):
        assert found[f"fastqueue.tasks.{name}"]["sum"]["isMonotonic"]
        assert found[f"fastqueue.tasks.{name}"]["sum"]["aggregationTemporality"] == 2
    assert "histogram" in found["fastqueue.tasks.duration"]
    assert "gauge" in found["fastqueue.workers.active"] and "gauge" in found["fastqueue.queue.size"]


def test_exemplars_lead_from_the_duration_to_the_trace(queue, metrics_collector, prometheus):
    """A completion that brings its span's context leaves an exemplar, which Prometheus keeps."""
    trace_id, started = "e1" * 16, time.time()
    with queue.server.connect() as link:
        link.command("FQ.REGISTER", "worker9", "INSTANCE", "n9", "TASKS", "exemplary")
        link.command("FQ.SUBMIT", "exemplary", "{}")
        [grant] = link.command("FQ.FETCH", "WORKER", "worker9", "COUNT", 1)
        link.send(encode("FQ.COMPLETE", grant["id"], grant["token"], "null", "RUN", 123000,
                         "TRACEPARENT", f"00-{trace_id}-{'b2' * 8}-01"))
        assert link.read() == "OK"
        link.command("FQ.UNREGISTER", "worker9")
    def exemplars():
        return get_json(f"{prometheus.url}/query_exemplars", query="fastqueue_tasks_duration_bucket{task_name='exemplary'}",
                        start=str(started - 60), end=str(time.time() + 60))["data"]
    found = wait_for(exemplars, "an exemplar", seen=lambda: json.dumps(prometheus.query("fastqueue_tasks_duration_count")))
    [exemplar] = [one for series in found for one in series["exemplars"]][:1]
    assert exemplar["labels"] == {"trace_id": trace_id, "span_id": "b2" * 8}
    assert math.isclose(float(exemplar["value"]), 123.0)
