# SPDX-License-Identifier: Apache-2.0
"""What a trace shows of a task's way: the parts of the time before it ran, retries, tasks of tasks; one root, right parents."""
import sys
import unittest

from harness import ROOT, Server
from subworker import EXAMPLES
from test_telemetry_hostile import HAS_PYTHON, Collector, Judge, Subworker, TASKS, telemetry

VERSION = (ROOT / "VERSION").read_text().strip()
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SUBMITTER = ("TRACEPARENT", f"00-{TRACE}-{PARENT}-01")
PYTHON_TASKS = '''
from fastqueue import SyncClient, task
from fastqueue.telemetry import trace_operation

seen = {}

@task
def py_flaky(key):
    seen[key] = seen.get(key, 0) + 1
    if seen[key] < 3:
        raise ValueError("again")

@task
def py_submits():
    with trace_operation("around"), SyncClient() as client:
        return client.delay("quick")
'''


def took_ms(span) -> float:
    return (span.end - span.start) / 1e6


class Traces(Judge):
    def setUp(self):
        super().setUp()
        if HAS_PYTHON:
            (self.place.folder / "tasks_for_test.py").write_text(PYTHON_TASKS)
        self.collector = self.enterContext(Collector())
        environment = telemetry(self.collector.endpoint, FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="20")
        self.server = self.enterContext(Server("--data-dir", "none", environment=environment))
        self.worker = self.enterContext(Subworker(
            self.server, "--python", sys.executable, "--concurrency", str(1 + HAS_PYTHON),  # one of each kind
            modules=(TASKS, EXAMPLES, *(("tasks_for_test",) if HAS_PYTHON else ())),
            environment={**environment, **self.place.variables,
                         "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{self.server.port}"}))

    def exported(self) -> list:
        """Ends everything; the spans, judged for what holds of all of them."""
        self.worker.terminate()
        self.worker.wait_for_end()
        self.server.terminate()
        self.collector.stop()
        spans = self.collector.spans()
        by_id = {span.span_id: span for span in spans}
        self.assertEqual(len(by_id), len(spans), "a span came twice")
        self.assertEqual(self.collector.scopes(), {("fastqueue", VERSION)})
        self.assertEqual({span.resource["service.name"] for span in spans}, {"fastqueue"})
        roots: dict = {}
        for span in spans:
            parent = by_id.get(span.parent_id)
            if parent is None:
                roots.setdefault(span.trace_id, []).append(span)
                self.assertIn(span.parent_id, ("", PARENT), span)
            else:
                self.assertEqual(span.trace_id, parent.trace_id)
                # Delays are told in milliseconds, and a turn of the control plane's loop has one time.
                self.assertGreaterEqual(span.start, parent.start - 5e6, (span, parent))
            for link in span.links:
                self.assertTrue(link["span_id"] in by_id or link["span_id"] == PARENT, span)
        for trace_id, found in roots.items():
            if trace_id != TRACE:
                self.assertEqual([span.name for span in found], ["client.submit_task"])
        return spans

    def of(self, spans: list, task: str, name: str) -> list:
        found = [span for span in spans if span.name == name and span.attributes.get("task.id") == task]
        return sorted(found, key=lambda span: (span.attributes.get("fastqueue.task.attempt"), span.start))

    def expect_backoff(self, spans: list, task: str, least_ms: tuple) -> None:
        attempts, delays = self.of(spans, task, "worker.execute_task"), self.of(spans, task, "task.scheduled")
        root = self.of(spans, task, "client.submit_task")[0]
        self.assertEqual([span.attributes["fastqueue.task.attempt"] for span in attempts], [1, 2, 3])
        self.assertEqual([span.attributes["fastqueue.task.attempt"] for span in delays], [2, 3])
        self.assertEqual({span.parent_id for span in (*attempts, *delays)}, {root.span_id})
        for before, delay, after, least in zip(attempts, delays, attempts[1:], least_ms):
            self.assertGreaterEqual(took_ms(delay), least)
            self.assertGreaterEqual(after.attributes["fastqueue.task.delay_ms"], least)
            self.assertLess(after.attributes["fastqueue.task.wait_time_ms"], least)
            self.assertGreaterEqual(delay.start, before.end - 2e6)
            self.assertLessEqual(delay.end, after.start)
            self.assertEqual([link["span_id"] for link in after.links], [root.span_id, before.span_id])
        for wait in self.of(spans, task, "task.queued"):
            self.assertLess(took_ms(wait), least_ms[0])

    def test_a_backoff_is_a_delay_and_no_waiting(self):
        tasks = [self.worker.submit(name, "key", options=("RETRIES", "3", "BACKOFF", "150"))
                 for name in ("flaky", "py_flaky")[:1 + HAS_PYTHON]]
        for task in tasks:
            self.assertEqual(self.worker.wait(task)["status"], "success")
        spans = self.exported()
        for task in tasks:
            self.expect_backoff(spans, task, (120 * 0.9, 240 * 0.9))

    def test_a_delay_and_a_long_task_in_front(self):
        delayed = self.worker.submit("quick", options=("DELAY", "300"))
        self.worker.wait(delayed)
        self.worker.wait(self.worker.submit("quick"))
        # The first ones make the runner fetch ahead; the last ones then lie behind a long task.
        calls = [("quick", ())] * 200 + [("nap", (300,))] + [("quick", ())] * 5
        tasks = self.worker.submit_many(calls)
        for task in tasks:
            self.worker.wait(task)
        spans = self.exported()
        scheduled = self.of(spans, delayed, "task.scheduled")
        execute = self.of(spans, delayed, "worker.execute_task")[0]
        self.assertEqual(len(scheduled), 1)
        self.assertTrue(299 <= took_ms(scheduled[0]) < 2000)
        self.assertGreaterEqual(execute.attributes["fastqueue.task.delay_ms"], 299)
        self.assertLess(execute.attributes["fastqueue.task.wait_time_ms"], 299)
        for task in tasks[-5:]:
            execute = self.of(spans, task, "worker.execute_task")[0]
            waited = sum(took_ms(span) for name in ("task.queued", "task.prefetched") for span in self.of(spans, task, name))
            said = execute.attributes["fastqueue.task.wait_time_ms"] + execute.attributes["fastqueue.task.transfer_ms"]
            self.assertGreater(waited, 200)
            self.assertLess(abs(waited - said), 5)
            self.assertNotIn("fastqueue.task.delay_ms", execute.attributes)

    @unittest.skipUnless(HAS_PYTHON, "the Python extension is not built here, or has sanitizers in it")
    def test_a_task_of_a_task_is_in_the_same_trace(self):
        outer = self.worker.submit("py_submits")
        inner = self.worker.wait(outer)["result"].strip('"')
        self.worker.wait(inner)
        spans = self.exported()
        chain = [self.of(spans, inner, "worker.execute_task")[0]]
        by_id = {span.span_id: span for span in spans}
        while chain[-1].parent_id:
            chain.append(by_id[chain[-1].parent_id])
        self.assertEqual([span.name for span in chain], [
            "worker.execute_task", "client.submit_task", "around", "worker.execute_task", "client.submit_task"])
        self.assertEqual(chain[3].attributes["task.id"], outer)

    def test_a_foreign_client_with_and_without_a_context(self):
        given, none = self.worker.submit("quick", options=SUBMITTER), self.worker.submit("quick")
        broken = self.worker.submit("quick", options=("TRACEPARENT", f"00-{TRACE}-{PARENT}"))
        for task in (given, none, broken):
            self.worker.wait(task)
        spans = self.exported()
        self.assertEqual(self.of(spans, given, "worker.execute_task")[0].parent_id, PARENT)
        self.assertEqual(self.of(spans, given, "client.submit_task"), [])
        for task in (none, broken):
            root = self.of(spans, task, "client.submit_task")[0]
            self.assertEqual(self.of(spans, task, "worker.execute_task")[0].parent_id, root.span_id)


if __name__ == "__main__":
    unittest.main()
