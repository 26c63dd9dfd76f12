"""A Collector that goes away and comes back: tasks do not notice, and what is sent afterwards arrives."""
import time

from backends import Collector
from queue_under_test import C_TASKS, Queue, telemetry


def test_collector_restart_is_survived(folder):
    with Collector(folder) as collector:
        with Queue(lambda service: telemetry(collector.endpoint("grpc"), service)) as queue, queue.worker(C_TASKS):
            first = queue.submit_by_resp("noop")
            collector.trace_of_task(first)
            collector.stop()
            started = time.monotonic()
            for _ in range(20):
                assert queue.wait(queue.submit_by_resp("noop"))["status"] == "success"
            assert time.monotonic() - started < 10
            during = queue.submit_by_resp("noop")
            assert queue.wait(during)["status"] == "success"
            collector.start()
            # Retried once the endpoint answers again.
            collector.trace_of_task(during)
            after = queue.submit_by_resp("noop")
            collector.trace_of_task(after)
