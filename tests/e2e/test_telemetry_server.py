# SPDX-License-Identifier: Apache-2.0
"""The control plane's own telemetry: the queue's metrics, roots of tasks that bring no context, log records."""
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import unittest

from harness import PROGRAM, RespError, Server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

GIVEN = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
PRIORITIES = {"critical", "high", "normal", "low"}


def work(link, worker: str = "w1", **report: str) -> dict:
    """Registers the worker if need be, fetches one task and completes it."""
    task = link.command("FQ.FETCH", "WORKER", worker)[0]
    words = [word for pair in report.items() for word in pair]
    link.command("FQ.COMPLETE", task["id"], task["token"], "1", *words)
    return task


class Metrics(unittest.TestCase):
    def test_queue_metrics_have_documented_names_units_and_attributes(self):
        with Collector() as collector, Server(environment=collector.environment()) as server, server.connect() as link:
            link.command("FQ.SUBMIT", "mail.send", "{}", "PRIORITY", "high")
            link.command("FQ.SUBMIT", "mail.send", "{}", "RETRIES", "1", "BACKOFF", "60000")
            link.command("FQ.SUBMIT", "mail.send", "{}")
            link.command("FQ.REGISTER", "w1", "TASKS", "mail.send")
            work(link, RUN="12000", TRACEPARENT=GIVEN)
            retried, failed = link.command("FQ.FETCH", "WORKER", "w1", "COUNT", "2")
            link.command("FQ.FAIL", retried["id"], retried["token"], "E", "no", "RUN", "1000")
            link.command("FQ.FAIL", failed["id"], failed["token"], "E", "no", "RUN", "1000")
            normal = {"task.name": "mail.send", "task.priority": "normal"}
            high = {"task.name": "mail.send", "task.priority": "high"}
            by = {"worker.id": "w1"}
            collector.wait(lambda: collector.last_point("fastqueue.tasks.failed"), what="the failure")
            found = {}
            for metric in collector.metrics():
                found[metric.name] = metric

            def points(name: str) -> list:
                return [(p.attributes, p.value) for p in found[name].points]

            self.assertCountEqual(points("fastqueue.tasks.submitted"), [(high, 1), (normal, 2)])
            self.assertEqual(points("fastqueue.tasks.completed"), [({**high, **by}, 1)])
            self.assertEqual(points("fastqueue.tasks.failed"), [({**normal, **by}, 1)])
            self.assertEqual(points("fastqueue.tasks.retried"), [({**normal, **by}, 1)])
            units = {name: found[f"fastqueue.{name}"].unit for name in (
                "tasks.submitted", "tasks.completed", "tasks.failed", "tasks.retried", "tasks.duration", "workers.active",
                "queue.size", "task.wait_time", "queue.oldest_age")}
            self.assertEqual(units, {
                "tasks.submitted": "{task}", "tasks.completed": "{task}", "tasks.failed": "{task}", "tasks.retried": "{task}",
                "tasks.duration": "{millisecond}", "workers.active": "{worker}", "queue.size": "{task}",
                "task.wait_time": "s", "queue.oldest_age": "s"})
            durations = {p.attributes["task.priority"]: p for p in found["fastqueue.tasks.duration"].points}
            self.assertEqual((durations["high"].value["count"], durations["high"].value["sum"]), (1, 12.0))
            self.assertEqual(durations["high"].exemplars[0]["trace_id"], GIVEN[3:35])
            self.assertEqual(durations["high"].exemplars[0]["span_id"], GIVEN[36:52])
            self.assertEqual(found["fastqueue.tasks.duration"].kind, "histogram")
            waits = {p.attributes["task.priority"]: p.value["count"] for p in found["fastqueue.task.wait_time"].points}
            self.assertEqual(waits, {"critical": 0, "high": 1, "normal": 2, "low": 0})
            for name in ("submitted", "completed", "failed"):
                metric = found[f"fastqueue.tasks.{name}"]
                self.assertTrue(metric.monotonic and metric.temporality == 2)
                self.assertTrue(all(0 < p.start <= p.time for p in metric.points))

    def test_queue_size_always_has_four_priorities(self):
        with Collector() as collector, Server(environment=collector.environment()) as server, server.connect() as link:
            collector.wait_for_metric("fastqueue.queue.size")
            link.command("FQ.SUBMIT", "mail.send", "{}", "PRIORITY", "low")
            collector.wait(lambda: collector.last_point("fastqueue.queue.size", queue_priority="low").value == 1)
            for metric in collector.metrics("fastqueue.queue.size"):
                self.assertEqual({p.attributes["queue.priority"] for p in metric.points}, PRIORITIES)
                self.assertEqual({p.attributes["worker.id"] for p in metric.points}, {"control-plane"})

    def test_workers_active_sums_right_and_series_end_in_two_collections(self):
        with Collector() as collector, Server(environment=collector.environment()) as server:
            def current() -> dict:
                metric = collector.wait_for_metric("fastqueue.workers.active")
                return {p.attributes["worker.id"]: p.value for p in metric.points if not p.flags & 1}

            collector.wait(lambda: current() == {"control-plane": 0}, what="the series of no worker")
            with server.connect() as link:
                link.command("FQ.REGISTER", "w1", "TASKS", "mail.send")
                link.command("FQ.REGISTER", "w2", "TASKS", "mail.send")
                collector.wait(lambda: current() == {"w1": 1, "w2": 1}, what="both workers")
                link.command("FQ.UNREGISTER", "w1")
                collector.wait(lambda: current() == {"w2": 1}, what="one worker")
                link.command("FQ.UNREGISTER", "w2")
                collector.wait(lambda: current() == {"control-plane": 0}, what="no worker again")
            seen = len(collector.metrics("fastqueue.workers.active"))
            collector.wait(lambda: len(collector.metrics("fastqueue.workers.active")) >= seen + 4)
            ends: dict = {}
            for metric in collector.metrics("fastqueue.workers.active"):
                live = [p for p in metric.points if not p.flags & 1]
                self.assertEqual(sum(p.value for p in live) == 0, [p.attributes["worker.id"] for p in live] == ["control-plane"])
                for point in metric.points:
                    if point.flags & 1:
                        ends[point.attributes["worker.id"]] = ends.get(point.attributes["worker.id"], 0) + 1
            self.assertEqual(ends["w1"], 2)
            self.assertEqual(ends["w2"], 2)
            self.assertIn(ends["control-plane"], (1, 2))  # it may have come back before the second one

    def test_last_figures_leave_when_the_server_stops(self):
        with Collector() as collector:
            with Server(environment=collector.environment(OTEL_METRIC_EXPORT_INTERVAL="600000")) as server, server.connect() as link:
                link.command("FQ.SUBMIT", "mail.send", "{}")
            self.assertEqual(collector.last_point("fastqueue.tasks.submitted").value, 1)

    def test_gauges_end_with_the_process(self):
        with Collector() as collector:
            with Server(environment=collector.environment()) as server, server.connect() as link:
                link.command("FQ.REGISTER", "w1", "TASKS", "mail.send")
                collector.wait(lambda: collector.last_point("fastqueue.workers.active", worker_id="w1"))
            for name in ("fastqueue.workers.active", "fastqueue.queue.size", "fastqueue.tasks", "fastqueue.queue.oldest_age"):
                last = collector.metrics(name)[-1]
                self.assertTrue(last.points and all(p.flags & 1 for p in last.points), name)
            self.assertFalse(any(p.flags & 1 for p in collector.metrics("fastqueue.commands")[-1].points))


class Roots(unittest.TestCase):
    def test_submit_without_context_gets_its_root_from_the_control_plane(self):
        with Collector() as collector, Server(environment=collector.environment()) as server, server.connect() as link:
            task_id = link.command("FQ.SUBMIT", "mail.send", "{}", "PRIORITY", "high", "BAGGAGE", "user=7")
            span = collector.wait_for_span("client.submit_task")
            task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
        self.assertEqual(task["traceparent"][:53], f"00-{span.trace_id}-{span.span_id}-")
        self.assertEqual(int(task["traceparent"][53:], 16) & 1, 1)
        self.assertEqual(task["baggage"], "user=7")
        self.assertEqual((span.kind, span.parent_id, span.status), ("producer", "", "unset"))
        self.assertEqual(span.attributes, {
            "task.name": "mail.send", "task.priority": "high", "task.id": task_id, "messaging.message.id": task_id,
            "messaging.system": "fastqueue", "messaging.operation.name": "submit", "messaging.operation.type": "send",
            "messaging.destination.name": "mail.send"})

    def test_root_is_kept_through_a_crash_of_the_control_plane(self):
        with Collector() as collector, Server(environment=collector.environment()) as server:
            with server.connect() as link:
                link.command("FQ.SUBMIT", "mail.send", "{}")
                span = collector.wait_for_span("client.submit_task")
            server.kill()
            server.start()
            with server.connect() as link:
                task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
        self.assertEqual(task["traceparent"][3:52], f"{span.trace_id}-{span.span_id}")

    def test_context_of_the_submitter_is_left_alone(self):
        with Collector() as collector, Server(environment=collector.environment()) as server, server.connect() as link:
            link.command("FQ.SUBMIT", "mail.send", "{}", "TRACEPARENT", GIVEN, "TRACESTATE", "a=1")
            task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
            link.command("FQ.SUBMIT", "other", "{}", "TRACEPARENT", "nonsense")
            link.command("FQ.SUBMIT", "other", "{}", "ID", "00000000-0000-7000-8000-000000000001")
            collector.wait_for_spans("client.submit_task", 2)
        self.assertEqual((task["traceparent"], task["tracestate"]), (GIVEN, "a=1"))
        self.assertEqual(len(collector.spans()), 2)  # none for the first: its submitter has its own

    def test_repeated_submit_is_one_root(self):
        with Collector() as collector, Server(environment=collector.environment()) as server, server.connect() as link:
            for _ in range(3):
                link.command("FQ.SUBMIT", "mail.send", "{}", "ID", "00000000-0000-7000-8000-000000000001")
            task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
        spans = collector.spans("client.submit_task")
        self.assertEqual([s.span_id for s in spans], [task["traceparent"][36:52]])

    def test_refused_submit_is_an_error(self):
        with Collector() as collector, Server(environment=collector.environment()) as server, server.connect() as link:
            link.command("FQ.SUBMIT", "mail.send", "{}", "ID", "00000000-0000-7000-8000-000000000001")
            with self.assertRaises(RespError):
                link.command("FQ.SUBMIT", "mail.send", "other", "ID", "00000000-0000-7000-8000-000000000001")
            refused = collector.wait_for_spans("client.submit_task", 2)[1]
        self.assertEqual((refused.status, refused.attributes["error.type"]), ("error", "IDCONFLICT"))

    def test_sampler_decides_for_the_whole_trace(self):
        with Collector() as collector:
            environment = collector.environment(OTEL_TRACES_SAMPLER="always_off")
            with Server(environment=environment) as server, server.connect() as link:
                link.command("FQ.SUBMIT", "mail.send", "{}")
                task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
        self.assertEqual(int(task["traceparent"][53:], 16) & 1, 0)
        self.assertEqual(collector.spans(), [])

    def test_retry_hands_out_the_context_of_the_attempt_before(self):
        with Server() as server, server.connect() as link:
            link.command("FQ.SUBMIT", "mail.send", "{}", "RETRIES", "1", "BACKOFF", "1")
            task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
            self.assertNotIn("previous_traceparent", task)
            link.command("FQ.FAIL", task["id"], task["token"], "E", "no", "TRACEPARENT", GIVEN)
            task = link.command("FQ.FETCH", "TASKS", "mail.send", "BLOCK", "5000")[0]
            self.assertEqual((task["attempt"], task["previous_traceparent"]), (2, GIVEN))
            backoff = task["eligible_at"] - task["previous_ended_at"]
            self.assertTrue(1 <= backoff < 1000, task)

    def test_retry_tells_when_the_attempt_before_ended(self):
        """Also after a crash of the control plane, and where only the attempt before that one told its context."""
        with Server() as server:
            with server.connect() as link:
                link.command("FQ.SUBMIT", "mail.send", "{}", "RETRIES", "3", "BACKOFF", "60")
                task = link.command("FQ.FETCH", "TASKS", "mail.send")[0]
                link.command("FQ.FAIL", task["id"], task["token"], "E", "no", "TRACEPARENT", GIVEN)
                first = link.command("FQ.FETCH", "TASKS", "mail.send", "BLOCK", "5000")[0]
                link.command("FQ.FAIL", first["id"], first["token"], "E", "no")
            server.kill()
            server.start()
            with server.connect() as link:
                second = link.command("FQ.FETCH", "TASKS", "mail.send", "BLOCK", "5000")[0]
        self.assertEqual((second["attempt"], second["previous_traceparent"]), (3, GIVEN))
        self.assertGreaterEqual(first["eligible_at"] - first["previous_ended_at"], 40)
        self.assertGreaterEqual(second["previous_ended_at"], first["eligible_at"])
        self.assertGreaterEqual(second["eligible_at"] - second["previous_ended_at"], 80)


class Logs(unittest.TestCase):
    def test_log_lines_leave_as_records(self):
        with Collector() as collector, Server(environment=collector.environment()) as server:
            record = collector.wait(lambda: [r for r in collector.logs() if "ready" in r.body])[0]
            self.assertEqual((record.severity_number, record.scope, record.trace_id), (9, "fastqueue", ""))
            self.assertIn("server ready", server.log())  # and where they always went
        self.assertTrue(any("server stopped" in r.body for r in collector.logs()))

    def test_log_lines_leave_over_http(self):
        with Collector("http") as collector, Server(environment=collector.environment()):
            collector.wait(lambda: [r for r in collector.logs() if "ready" in r.body])
        self.assertTrue(all(r.path == "/v1/logs" for r in collector.requests if r.signal == "logs"))

    def test_no_records_without_a_logs_exporter(self):
        with Collector() as collector:
            with Server(environment=collector.environment(OTEL_LOGS_EXPORTER="none")):
                collector.wait_for_metric("fastqueue.queue.size")
            self.assertEqual(collector.logs(), [])


class NeverInTheWay(unittest.TestCase):
    def test_off_by_default(self):
        with Collector() as collector:
            environment = collector.environment()
            del environment["FASTQUEUE_TELEMETRY_ENABLED"]
            with Server(environment=environment) as server, server.connect() as link:
                link.command("FQ.SUBMIT", "mail.send", "{}")
                self.assertNotIn("traceparent", link.command("FQ.FETCH", "TASKS", "mail.send")[0])
                self.assertIn("telemetry_enabled:0", link.command("INFO", "telemetry"))
            self.assertEqual(collector.requests, [])

    def test_deaf_collector_delays_neither_tasks_nor_the_end(self):
        with Collector(deaf=True) as collector, Server(http=True, environment=collector.environment()) as server:
            with server.connect(timeout=5) as link:
                for _ in range(300):
                    link.command("FQ.SUBMIT", "mail.send", "{}")
                self.assertIn("telemetry_enabled:1", link.command("INFO", "telemetry"))
            began = time.monotonic()
            self.assertEqual(server.terminate(), 0)
            self.assertLess(time.monotonic() - began, 10)

    def test_drops_are_counted_and_shown(self):
        with Collector(behaviour="7") as collector, Server(http=True, environment=collector.environment()) as server:
            with server.connect() as link:
                link.command("FQ.SUBMIT", "mail.send", "{}")

                def dropped() -> int:
                    found = re.search(r"telemetry_traces:.*dropped_failed=(\d+)", link.command("INFO", "telemetry"))
                    return int(found.group(1))

                collector.wait(lambda: dropped() == 1, what="the drop in INFO")
            found = subprocess.run([PROGRAM, "doctor", "--json"], capture_output=True, text=True, env={
                **os.environ, "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{server.port}"}).stdout
            told = [line for line in map(json.loads, found.splitlines()) if line["check"] == "telemetry"][0]
            self.assertEqual(told["verdict"], "warning")
            self.assertRegex(told["found"], r"on at the control plane, [1-9]\d* records dropped")
            page = server.http("GET", "/metrics")[-1]
            text = page if isinstance(page, str) else page.decode()
            self.assertIn('fastqueue_telemetry_dropped_failed_total{signal="traces"} 1', text)


if __name__ == "__main__":
    unittest.main()
