"""fastqueue.workers.active: the sum is the number of workers at every moment, and `== 0` holds exactly while there is none."""
import signal
import time

import pytest
from backends import Collector, Prometheus, wait_for
from queue_under_test import C_TASKS, Queue, telemetry

EXPORT_S, SCRAPE_S = 0.5, 0.5
# One export and one scrape, and what a busy machine of two cores takes for them.
CHANGE_S = EXPORT_S + SCRAPE_S + 1.5
# A worker that dies without a word is taken for dead once its last connection has been closed for a second.
NOTICED_S = 1.0


@pytest.fixture
def watched(folder):
    with Collector(folder) as collector, Prometheus(folder, {"otel-collector": collector.ports["prometheus"]}) as prometheus:
        with Queue(lambda service: telemetry(collector.endpoint("grpc"), service), "--lease", "3s") as queue:
            prometheus.wait_for_value("sum(fastqueue_workers_active)", 0)
            yield queue, prometheus


def change_within(prometheus, limit, workers):
    """Until both the sum and the alert's expression say so; the moment from which they do."""
    started = time.time()
    wait_for(lambda: prometheus.value("sum(fastqueue_workers_active)") == workers
             and bool(prometheus.query("fastqueue_workers_active == 0")) == (workers == 0),
             f"{workers} workers are active", limit, lambda: prometheus.query("fastqueue_workers_active"))
    return started, time.time()


def check_between(prometheus, start, end, workers):
    """At no moment in between was it anything else. (Prometheus is asked for what it knew then.)"""
    for series in prometheus.samples("sum(fastqueue_workers_active)", start, end, 0.1):
        assert {float(value) for _, value in series["values"]} == {workers}
    zero = prometheus.samples("count(fastqueue_workers_active == 0)", start, end, 0.1)
    if workers > 0:
        assert zero == []
    else:
        assert {float(value) for series in zero for _, value in series["values"]} == {1}


def test_sum_and_zero_follow_start_stop_and_kill(watched):
    queue, prometheus = watched
    steps = []

    def settled(workers, limit=CHANGE_S):
        _, at = change_within(prometheus, limit, workers)
        time.sleep(1.0)
        steps.append((at, time.time(), workers))

    with queue.worker(C_TASKS, "w1") as first:
        settled(1)
        with queue.worker(C_TASKS, "w2"):
            settled(2)
        settled(1)
        # The one that is left dies without a word.
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        first.link.close()
        settled(0, NOTICED_S + CHANGE_S)
        first.start()
        settled(1)
    settled(0)
    for start, end, workers in steps:
        check_between(prometheus, start, end, workers)


def test_zero_is_one_series_with_the_control_planes_id(watched):
    _, prometheus = watched
    [series] = prometheus.query("fastqueue_workers_active")
    assert (series["metric"]["worker_id"], series["value"][1]) == ("control-plane", "0")


def test_never_zero_while_a_worker_is_busy(watched):
    """A worker whose only task lasts longer than the lease is active all the time."""
    queue, prometheus = watched
    with queue.worker(C_TASKS, "w1"):
        _, start = change_within(prometheus, CHANGE_S, 1)
        task_id = queue.submit_by_resp("sleep_ms", 4000)
        assert queue.wait(task_id)["status"] == "success"
        check_between(prometheus, start, time.time(), 1)


def test_restarted_control_plane_goes_on_with_the_same_series(folder):
    """Killed or stopped, with workers or without: what the process before has said is neither added up nor left behind."""
    with Collector(folder) as collector, Prometheus(folder, {"otel-collector": collector.ports["prometheus"]}) as prometheus:
        data_dir = str(folder / "restarted")
        # So slow that a new process has its worker before it says anything.
        variables = {"OTEL_METRIC_EXPORT_INTERVAL": "1500"}
        with Queue(lambda service: telemetry(collector.endpoint("grpc"), service, **variables), data_dir=data_dir) as queue:
            change_within(prometheus, 30, 0)
            queue.server.kill()
            queue.server.start()
            with queue.worker(C_TASKS, "w1"):
                change_within(prometheus, CHANGE_S + 1, 1)
                assert queue.server.terminate() == 0
                queue.server.start()
                # The worker comes back by itself.
                change_within(prometheus, 5 + CHANGE_S, 1)
                time.sleep(2 * (EXPORT_S + SCRAPE_S))
                [series] = prometheus.query("fastqueue_workers_active")
                assert series["metric"]["worker_id"] == "w1"
