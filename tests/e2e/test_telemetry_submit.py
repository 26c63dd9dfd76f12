# SPDX-License-Identifier: Apache-2.0
"""`fastqueue submit`: its span, the context that goes with the task, and that telemetry never holds it up."""
import os
import pathlib
import socket
import subprocess
import sys
import time
import unittest

from harness import PROGRAM, Server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

TRACE, SPAN = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
GIVEN = f"00-{TRACE}-{SPAN}-01"


def submit(server: Server, environment: dict, *words: str) -> tuple[float, subprocess.CompletedProcess]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FASTQUEUE_", "TRACE", "BAGGAGE"))}
    plain["FASTQUEUE_CONTROL_PLANE_ADDRESS"] = f"tcp://127.0.0.1:{server.port}"
    # The thread sanitizer sleeps a second at the end of a program with threads; how long that takes is judged here.
    plain["TSAN_OPTIONS"] = plain.get("TSAN_OPTIONS", "") + " atexit_sleep_ms=0"
    began = time.monotonic()
    done = subprocess.run([PROGRAM, "submit", "mail.send", "--non-blocking", *words], env={**plain, **environment},
                          capture_output=True, text=True, timeout=60)
    return time.monotonic() - began, done


def telemetry(endpoint: str, **more: str) -> dict:
    return {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **more}


class Submit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--data-dir", "none").__enter__()
        cls.link = cls.server.connect()

    @classmethod
    def tearDownClass(cls):
        cls.link.close()
        cls.server.stop()

    def fetch(self) -> dict:
        return self.link.command("FQ.FETCH", "TASKS", "mail.send")[0]

    def test_span_and_metrics_leave_before_the_program_ends(self):
        with Collector() as collector:
            _, done = submit(self.server, telemetry(collector.endpoint), "--priority", "high")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            span, task = collector.spans("client.submit_task")[0], self.fetch()
        self.assertEqual(task["traceparent"][3:52], f"{span.trace_id}-{span.span_id}")
        self.assertEqual((span.kind, span.parent_id, span.status), ("producer", "", "unset"))
        self.assertEqual(span.attributes, {
            "task.id": task["id"], "task.name": "mail.send", "task.priority": "high", "messaging.message.id": task["id"],
            "messaging.system": "fastqueue", "messaging.operation.name": "submit", "messaging.operation.type": "send",
            "messaging.destination.name": "mail.send", "server.address": "127.0.0.1", "server.port": self.server.port})
        self.assertEqual(span.resource["service.name"], "fastqueue")
        sent = collector.metrics("messaging.client.sent.messages")[0]
        self.assertEqual((sent.unit, sent.points[0].value), ("{message}", 1))
        self.assertEqual(sent.points[0].attributes, {k: v for k, v in span.attributes.items()
                                                     if k.startswith(("messaging.", "server.")) and k != "messaging.message.id"})
        duration = collector.metrics("messaging.client.operation.duration")[0]
        self.assertEqual((duration.unit, duration.points[0].value["count"]), ("s", 1))
        self.assertEqual(duration.points[0].exemplars[0]["span_id"], span.span_id)

    def test_environment_is_the_parent(self):
        context = {"TRACEPARENT": GIVEN, "TRACESTATE": "vendor=1", "BAGGAGE": "user=7"}
        with Collector() as collector:
            submit(self.server, telemetry(collector.endpoint, **context))
            span, task = collector.spans("client.submit_task")[0], self.fetch()
        self.assertEqual((span.trace_id, span.parent_id, span.tracestate), (TRACE, SPAN, "vendor=1"))
        self.assertEqual(task["traceparent"], f"00-{TRACE}-{span.span_id}-01")
        self.assertEqual((task["tracestate"], task["baggage"]), ("vendor=1", "user=7"))

    def test_context_travels_with_telemetry_off(self):
        submit(self.server, {"TRACEPARENT": GIVEN, "TRACESTATE": "vendor=1", "BAGGAGE": "user=7"})
        task = self.fetch()
        self.assertEqual((task["traceparent"], task["tracestate"], task["baggage"]), (GIVEN, "vendor=1", "user=7"))
        submit(self.server, {})
        self.assertNotIn("traceparent", self.fetch())

    def test_refused_submission_is_an_error(self):
        task_id = "00000000-0000-7000-8000-0000000000aa"
        with Collector() as collector:
            submit(self.server, {}, "--id", task_id, "--unique", "a")
            _, done = submit(self.server, telemetry(collector.endpoint), "--id", task_id, "--unique", "b")
            span = collector.spans("client.submit_task")[0]
            sent = collector.metrics("messaging.client.sent.messages")[0].points[0]
        self.fetch()
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual((span.status, span.attributes["error.type"]), ("error", "IDCONFLICT"))
        self.assertEqual(sent.attributes["error.type"], "IDCONFLICT")

    def test_unsampled_submission_tells_the_worker_so(self):
        with Collector() as collector:
            submit(self.server, telemetry(collector.endpoint, OTEL_TRACES_SAMPLER="always_off"))
            self.assertEqual(collector.spans(), [])
        self.assertEqual(int(self.fetch()["traceparent"][53:], 16) & 1, 0)

    def test_deaf_collector_holds_the_program_up_one_second_at_most(self):
        with Collector(deaf=True) as collector:
            usual, _ = submit(self.server, {})
            took, done = submit(self.server, telemetry(collector.endpoint))
            shorter, _ = submit(self.server, telemetry(collector.endpoint, FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="0.1"))
        self.fetch(), self.fetch(), self.fetch()
        self.assertEqual(done.returncode, 0)
        self.assertTrue(0.5 < took - usual < 3, took)  # the second, and what a busy machine adds
        self.assertLess(shorter, took)

    def test_refusing_collector_holds_nobody_up(self):
        with socket.socket() as taken:  # bound and not listening: refuses at once
            taken.bind(("127.0.0.1", 0))
            usual, _ = submit(self.server, {})
            took, done = submit(self.server, telemetry(f"http://127.0.0.1:{taken.getsockname()[1]}"))
        self.fetch(), self.fetch()
        self.assertEqual(done.returncode, 0)
        self.assertLess(took - usual, 0.9)


if __name__ == "__main__":
    unittest.main()
