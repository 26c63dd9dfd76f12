"""A known load, and every documented query and alert gives the right number: as Prometheus gets it from the Collector, to which
it was exported, and as it gets it from the control plane itself."""
import re

import pytest
from backends import Prometheus, wait_for
from dashboard import expressions
from harness import ROOT
from load import LOAD, QUEUED, TOTAL, apply
from queue_under_test import Queue, telemetry

# rate() extends what it has seen by half a scrape at both ends, of some six seconds here.
TOLERANCE = 0.35
WINDOW_S = 300


@pytest.fixture(scope="module", params=["otlp", "scraped"])
def loaded(request, folder, metrics_collector):
    """A Prometheus that has seen the load."""
    def variables(service):
        return telemetry(metrics_collector.endpoint("grpc"), service) if request.param == "otlp" else {}
    with Queue(variables) as queue:
        port = metrics_collector.ports["prometheus"] if request.param == "otlp" else queue.server.http_port
        with Prometheus(folder, {"queue": port}, ROOT / "deploy" / "prometheus" / "alerts.yml") as prometheus:
            apply(queue.server, prometheus)
            yield prometheus


def per_second(count: float):
    return pytest.approx(count / WINDOW_S, rel=TOLERANCE)


def by_labels(found, *labels):
    return {tuple(one["metric"][label] for label in labels): float(one["value"][1]) for one in found}


def test_promql_submission_rate(loaded):
    found = by_labels(loaded.query("rate(fastqueue_tasks_submitted_total[5m])"), "task_name", "task_priority")
    for name, priority, times, _ in LOAD:
        assert found[name, priority] == per_second(len(times))


def test_promql_completion_rate_by_priority(loaded):
    found = loaded.values("sum by (task_priority) (rate(fastqueue_tasks_completed_total[5m]))", "task_priority")
    assert found == {"high": per_second(60), "normal": per_second(30), "low": per_second(20)}


def test_promql_by_without_aggregation_is_refused(loaded):
    """Why the guide's own line is written otherwise here."""
    with pytest.raises(OSError, match="400"):
        loaded.query("rate(fastqueue_tasks_completed_total[5m]) by (task_priority)")


def test_promql_failure_rate(loaded):
    found = by_labels(loaded.query("rate(fastqueue_tasks_failed_total[5m])"), "task_name", "task_priority", "worker_id")
    assert found == {("bad", "normal", "worker1"): per_second(40)}


def test_promql_average_duration_is_exact(loaded):
    found = by_labels(loaded.query("rate(fastqueue_tasks_duration_sum[5m]) / rate(fastqueue_tasks_duration_count[5m])"),
                      "task_name", "task_priority")
    expected = {(name, priority): pytest.approx(times[0], rel=1e-6) for name, priority, times, _ in LOAD}
    assert found == expected


def test_promql_p95_duration(loaded):
    found = by_labels(loaded.query("histogram_quantile(0.95, rate(fastqueue_tasks_duration_bucket[5m]))"),
                      "task_name", "task_priority")
    # Within the bucket in which all of these fell: 95 % of the way from its lower to its upper bound.
    for name, priority, low, high in (("process_data", "high", 10, 25), ("process_data", "normal", 25, 50),
                                      ("bad", "normal", 5, 10), ("slow", "low", 5000, 7500)):
        assert found[name, priority] == pytest.approx(low + 0.95 * (high - low), rel=1e-3)


def test_promql_queue_size_by_priority(loaded):
    assert loaded.values("sum by (queue_priority) (fastqueue_queue_size)", "queue_priority") == QUEUED
    assert all(one["metric"]["worker_id"] for one in loaded.query("fastqueue_queue_size"))


def test_promql_active_workers(loaded):
    loaded.wait_for_value("sum(fastqueue_workers_active)", 0)


def test_further_metrics_have_their_names(loaded):
    waited = loaded.value("sum(fastqueue_task_wait_time_seconds_count)")
    assert waited == TOTAL
    assert loaded.value("max(fastqueue_queue_oldest_age_seconds)") > 0


def test_documented_alerts_fire(loaded):
    expected = {"HighTaskFailureRate", "LongTaskDuration", "NoActiveWorkers"}
    wait_for(lambda: expected <= loaded.firing(), "the alerts fire", seen=loaded.firing)
    assert loaded.firing() == expected


def test_dashboard_queries_return_data(loaded):
    """Every expression of the shipped dashboard finds something in this load, which has no retries."""
    empty = [text for text in expressions() if not loaded.query(text) and "retried" not in text]
    assert empty == []


def test_expressions_of_the_documentation_return_data(loaded):
    text = (ROOT / "docs" / "telemetry-backends.md").read_text()
    table = text[text.index("| what | expression |"):].split("\n\n", 1)[0]
    documented = re.findall(r"\| `([^`]+)` \|", table)
    assert len(documented) == 10
    assert [one for one in documented if not loaded.query(one) and "retried" not in one] == []
