# SPDX-License-Identifier: Apache-2.0
"""The fake receiver itself, fed by the exporters."""
import json
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import BUILD, Collector  # noqa: E402


def send(protocol: str, endpoint: str, *arguments: str) -> dict:
    run = subprocess.run([BUILD / "tests" / "otlp_send", protocol, endpoint, *arguments], capture_output=True, text=True, timeout=60)
    return json.loads(run.stdout) | {"stderr": run.stderr}


class Receiving(unittest.TestCase):
    def test_spans_arrive_decoded(self):
        with Collector() as collector:
            self.assertEqual(send("grpc", collector.endpoint, "--header", "Api-Key", "k")["ok"], 1)
            span = collector.wait_for_span("worker.execute_task")
        self.assertEqual((span.kind, span.status, span.status_message), ("consumer", "error", "m"))
        self.assertEqual(span.attributes, {"task.name": "t", "n": -1})
        self.assertEqual(span.trace_id, "000102030405060708090a0b0c0d0e0f")
        self.assertEqual(span.parent_id, "2021222324252627")
        self.assertEqual(span.events[0].attributes, {"exception.type": "ValueError"})
        self.assertEqual((span.resource, span.scope), ({"service.name": "fastqueue"}, "fastqueue"))
        self.assertEqual(collector.requests[0].headers["api-key"], "k")

    def test_metrics_arrive_decoded(self):
        with Collector() as collector:
            send("grpc", collector.endpoint, "--signal", "metrics", "--gzip")
            histogram = collector.wait_for_metric("fastqueue.tasks.duration")
            self.assertTrue(collector.requests[0].gzip)
        self.assertEqual(histogram.kind, "histogram")
        self.assertEqual(histogram.points[0].value["buckets"], [1, 1])
        self.assertEqual(histogram.points[0].exemplars[0]["span_id"], "1011121314151617")
        self.assertEqual(collector.last_point("fastqueue.tasks.submitted", task_name="t").value, 3)

    def test_behaviour_restart_and_counts(self):
        with Collector(behaviour="7 ok") as collector:
            self.assertEqual(send("grpc", collector.endpoint, "--count", "2")["exported"], 1)
            collector.stop()
            collector.start()
            self.assertEqual(send("grpc", collector.endpoint)["status"], "PERMISSION_DENIED")
            self.assertEqual(len(collector.wait_for_requests(3)), 3)


if __name__ == "__main__":
    unittest.main()
