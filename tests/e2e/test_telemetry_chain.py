# SPDX-License-Identifier: Apache-2.0
"""One trace from the submitter to a worker in a C program's own process, whatever way the task came in."""
import json
import os
import pathlib
import subprocess
import sys
import unittest

from harness import BUILD, PROGRAM, Server

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

GIVEN = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"


class Chain(unittest.TestCase):
    def setUp(self):
        self.collector = self.enterContext(Collector())
        self.variables = self.collector.environment()
        self.server = self.enterContext(Server("--data-dir", "none", http=True, environment=self.variables))
        self.variables["FASTQUEUE_CONTROL_PLANE_ADDRESS"] = f"tcp://127.0.0.1:{self.server.port}"
        self.variables["FASTQUEUE_WORKER_ID"] = "in-process"
        self.worker = subprocess.Popen([BUILD / "examples" / "worker"], env=self.variables)
        self.addCleanup(self.end_worker)

    def end_worker(self):
        if self.worker.poll() is None:
            self.worker.terminate()
        self.worker.wait(30)

    def spans(self):
        execute = self.collector.wait_for_span("worker.execute_task")
        return self.collector.wait_for_span("client.submit_task"), execute

    def test_submitted_by_the_command_line(self):
        done = subprocess.run([PROGRAM, "submit", "shout", "hello", "--raw"], env=self.variables, capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), '"HELLO"', done.stderr)
        submit, execute = self.spans()
        self.assertEqual((execute.trace_id, execute.parent_id), (submit.trace_id, submit.span_id))
        self.assertEqual([link["span_id"] for link in execute.links], [submit.span_id])
        self.assertEqual(execute.attributes["worker.id"], "in-process")
        self.assertEqual(execute.attributes["task.id"], submit.attributes["task.id"])
        self.assertEqual((execute.kind, execute.status), ("consumer", "unset"))
        duration = self.collector.wait(lambda: self.collector.last_point("fastqueue.tasks.duration", task_name="shout"))
        self.collector.wait(lambda: self.collector.last_point("messaging.process.duration"))
        self.assertEqual(duration.exemplars[0]["span_id"], execute.span_id)

    def test_submitted_by_a_client_without_telemetry(self):
        with self.server.connect() as link:
            link.command("FQ.SUBMIT", "shout", '{"args":["hello"]}')
        submit, execute = self.spans()  # the control plane made the root
        self.assertEqual((execute.trace_id, execute.parent_id, submit.parent_id), (submit.trace_id, submit.span_id, ""))

    def test_submitted_over_http_with_and_without_a_context(self):
        body = json.dumps({"name": "shout", "args": ["hello"]})
        self.server.http("POST", "/api/v1/tasks", body, {"Content-Type": "application/json", "traceparent": GIVEN})
        execute = self.collector.wait_for_span("worker.execute_task")
        self.assertEqual((execute.trace_id, execute.parent_id), (GIVEN[3:35], GIVEN[36:52]))
        self.assertEqual(self.collector.spans("client.submit_task"), [])
        self.server.http("POST", "/api/v1/tasks", body, {"Content-Type": "application/json"})
        submit = self.collector.wait_for_span("client.submit_task")
        second = self.collector.wait_for_spans("worker.execute_task", 2)[1]
        self.assertEqual((second.trace_id, second.parent_id), (submit.trace_id, submit.span_id))

    def test_failure_shows_its_exception(self):
        with self.server.connect() as link:
            link.command("FQ.SUBMIT", "shout", "{}")
        _, execute = self.spans()
        self.assertEqual((execute.status, execute.status_message), ("error", "shout(text) needs a short text"))
        self.assertEqual(execute.attributes["exception.type"], "ArgumentError")
        self.assertEqual(execute.events[0].attributes["exception.message"], "shout(text) needs a short text")


if __name__ == "__main__":
    unittest.main()
