"""A worker's telemetry: each attempt is one span, whatever becomes of its process; what tasks record and print leaves too."""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest

from harness import BUILD, Server
from subworker import EXAMPLES, Subworker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

# A build with sanitizers must let its tasks die as they would without.
PLAIN_DEATHS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0:handle_abort=0:detect_leaks=0"}
TASKS = BUILD / "tests" / "modules" / "telemetry.so"
TRACED = BUILD / "examples" / "traced.so"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SUBMITTER = ("TRACEPARENT", f"00-{TRACE}-{PARENT}-01", "TRACESTATE", "vendor=1", "BAGGAGE", "user=u1")
UNSAMPLED = ("TRACEPARENT", f"00-{TRACE}-{PARENT}-00")


class Exported:
    """What a collector got."""

    def __init__(self, collector: Collector):
        self.spans, self.logs, self.collector = collector.spans(), collector.logs(), collector

    def named(self, name: str) -> list:
        return [span for span in self.spans if span.name == name]

    def executes(self, task_id: str | None = None) -> list:
        return [span for span in self.named("worker.execute_task") if task_id in (None, span.attributes["task.id"])]


@contextlib.contextmanager
def subworker(*options, server=None, modules=(TASKS, EXAMPLES, TRACED), **environment):
    """A worker that exports to a collector; `worker.exported()` ends it and gives what came."""
    with contextlib.ExitStack() as stack:
        collector = stack.enter_context(Collector())
        server = server or stack.enter_context(Server("--data-dir", "none"))
        telemetry = {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                     "OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_BLRP_SCHEDULE_DELAY": "20",
                     "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "20"}
        worker = Subworker(server, *options, modules=modules, environment={**telemetry, **environment})
        stack.enter_context(worker)

        def exported() -> Exported:
            worker.terminate()
            worker.wait_for_end()
            collector.stop()
            return Exported(collector)

        worker.exported, worker.collector = exported, collector
        yield worker


def parents_of(span) -> list:
    return [(link["trace_id"], link["span_id"]) for link in span.links]


class Judge(unittest.TestCase):
    def only(self, spans):
        self.assertEqual(len(spans), 1, spans)
        return spans[0]

    def expect_failure(self, span, kind, error_type, state, *words) -> None:
        self.assertEqual(span.status, "error", span)
        self.assertEqual(span.attributes["exception.type"], kind)
        self.assertEqual(span.attributes["error.type"], error_type)
        self.assertEqual(span.attributes["fastqueue.task.state"], state)
        event = self.only([event for event in span.events if event.name == "exception"])
        self.assertEqual(event.attributes["exception.type"], kind)
        for word in words:
            self.assertIn(word, span.status_message)
            self.assertIn(word, event.attributes["exception.message"])
            self.assertIn(word, span.attributes["exception.message"])


class Spans(Judge):
    def test_an_attempt_is_a_consumer_span(self):
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("quick", options=(*SUBMITTER, "PRIORITY", "high"))
            view = worker.wait(task)
            alone = worker.submit("quick")
            worker.wait(alone)
            exported = worker.exported()
        span = self.only(exported.executes(task))
        self.assertEqual((span.trace_id, span.parent_id, span.kind, span.scope),
                         (TRACE, PARENT, "consumer", "fastqueue"))
        self.assertEqual(view["traceparent"], f"00-{TRACE}-{span.span_id}-01")
        self.assertEqual(parents_of(span), [(TRACE, PARENT)])
        self.assertEqual((span.tracestate, span.flags), ("vendor=1", 0x301))
        self.assertEqual(span.resource["worker.id"], "w1")
        self.assertEqual(span.resource["service.name"], "fastqueue")
        expected = {"task.id": task, "task.name": "quick", "task.priority": "high", "worker.id": "w1",
                    "fastqueue.task.attempt": 1, "fastqueue.task.state": "success",
                    "messaging.system": "fastqueue", "messaging.operation.name": "execute",
                    "messaging.operation.type": "process", "messaging.destination.name": "quick",
                    "messaging.message.id": task, "messaging.client.id": "w1",
                    "server.address": "127.0.0.1", "server.port": worker.server.port}
        self.assertEqual({key: span.attributes.get(key) for key in expected}, expected)
        self.assertEqual((span.status, span.events), ("unset", []))
        self.assertLess(abs(span.start / 1e9 - time.time()), 60)
        self.assertLessEqual((span.end - span.start) / 1e3, view["run_us"] + 1)
        root = self.only(exported.executes(alone))
        self.assertEqual((root.parent_id, root.links), ("", []))

    def test_a_failure_is_recorded_as_an_exception(self):
        with subworker("--concurrency", "1", "--kill-grace", "10") as worker:
            failed = worker.submit("fail", "on purpose")
            worker.wait(failed)
            late = worker.submit("sleep_politely", 60000, options=("TIMEOUT", "100"))
            worker.wait(late)
            cancelled = worker.submit("sleep_politely", 60000)
            worker.wait_until_started(cancelled)
            worker.link.command("FQ.CANCEL", cancelled)
            worker.wait(cancelled)
            exported = worker.exported()
        self.expect_failure(self.only(exported.executes(failed)), "DemoError", "DemoError", "failure", "on purpose")
        self.expect_failure(self.only(exported.executes(late)), "TaskCancelled", "timeout", "timeout", "stopped")
        self.expect_failure(self.only(exported.executes(cancelled)), "TaskCancelled", "cancelled", "cancelled")

    def test_a_retry_is_linked_to_the_attempt_before(self):
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("flaky", options=("RETRIES", "5", "BACKOFF", "5", *SUBMITTER))
            worker.wait(task)
            exported = worker.exported()
        attempts = sorted(exported.executes(task), key=lambda span: span.attributes["fastqueue.task.attempt"])
        self.assertEqual([span.status for span in attempts], ["error", "error", "unset"])
        self.assertEqual({span.parent_id for span in attempts}, {PARENT})
        self.assertEqual(parents_of(attempts[0]), [(TRACE, PARENT)])
        for before, after in zip(attempts, attempts[1:]):
            self.assertEqual(parents_of(after), [(TRACE, PARENT), (TRACE, before.span_id)])

    def test_parent_or_link_is_the_users_choice(self):
        for choice, parent, links in (("parent", PARENT, []), ("link", "", [(TRACE, PARENT)]),
                                      ("both", PARENT, [(TRACE, PARENT)])):
            with subworker("--concurrency", "1", FASTQUEUE_TRACE_PROPAGATION=choice) as worker:
                task = worker.submit("quick", options=SUBMITTER)
                worker.wait(task)
                span = self.only(worker.exported().executes(task))
            self.assertEqual((span.parent_id, parents_of(span)), (parent, links), choice)
            self.assertEqual(span.trace_id == TRACE, choice != "link")

    def test_a_task_that_waited_long_has_a_trace_of_its_own(self):
        with subworker("--concurrency", "1", FASTQUEUE_TRACE_LINK_AFTER="0.05") as worker:
            task = worker.submit("quick", options=("DELAY", "200", *SUBMITTER))
            worker.wait(task)
            span = self.only(worker.exported().executes(task))
        self.assertNotEqual(span.trace_id, TRACE)
        self.assertEqual((span.parent_id, parents_of(span)), ("", [(TRACE, PARENT)]))

    def test_what_the_submitter_did_not_sample_is_not_exported(self):
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("current", options=UNSAMPLED)
            view = worker.wait(task)
            crashed = worker.submit("segfault", options=UNSAMPLED)
            worker.wait(crashed)
            exported = worker.exported()
        self.assertIn(f"00-{TRACE}-", view["result"])
        self.assertNotIn(PARENT, view["result"])  # an identity of its own, unsampled
        self.assertTrue(view["traceparent"].endswith("-00"))
        self.assertEqual(exported.spans, [])

    def test_the_time_before_is_shown_in_its_parts(self):
        with subworker("--concurrency", "1") as worker:
            delayed = worker.submit("quick", options=("DELAY", "60", *SUBMITTER))
            worker.wait(delayed)
            blocker = worker.submit("nap", 80)
            queued = worker.submit("quick", options=SUBMITTER)
            alone = worker.submit("quick")
            for task in (blocker, queued, alone):
                worker.wait(task)
            exported = worker.exported()

        def parts(task):
            return {span.name: span for span in exported.spans
                    if span.attributes.get("task.id") == task and span.name != "worker.execute_task"}

        def took_ms(span):
            return (span.end - span.start) / 1e6

        scheduled = parts(delayed)["task.scheduled"]
        self.assertTrue(59 <= took_ms(scheduled) < 2000, scheduled)
        self.assertEqual((scheduled.trace_id, scheduled.parent_id), (TRACE, PARENT))
        execute = self.only(exported.executes(delayed))
        self.assertGreaterEqual(execute.attributes["fastqueue.task.delay_ms"], 59)
        self.assertGreaterEqual(execute.start, scheduled.end)

        waited = [span for span in parts(queued).values() if took_ms(span) > 20]
        self.assertTrue(waited and all(span.name in ("task.queued", "task.prefetched") for span in waited))
        self.assertNotIn("task.scheduled", parts(queued))
        for span in parts(alone).values():  # without a submitter they stand under the attempt
            self.assertEqual(span.parent_id, self.only(exported.executes(alone)).span_id)

    def test_a_task_records_spans_and_events_of_its_own(self):
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("checksum", "some text", options=SUBMITTER)
            worker.wait(task)
            charge = worker.submit("charge", 250)
            worker.wait(charge)
            exported = worker.exported()
        execute = self.only(exported.executes(task))
        outer, inner = self.only(exported.named("task.checksum")), self.only(exported.named("digest"))
        self.assertEqual((outer.parent_id, inner.parent_id), (execute.span_id, outer.span_id))
        self.assertEqual({outer.trace_id, inner.trace_id}, {TRACE})
        self.assertEqual((inner.attributes["text.length"], inner.scope), (9, "fastqueue.task"))
        charged = self.only(exported.executes(charge))
        self.assertEqual(charged.attributes["charge.cents"], 250)
        self.assertEqual([event.name for event in charged.events], ["card accepted"])

    def test_what_is_current_in_a_task(self):
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("current", options=SUBMITTER)
            view = worker.wait(task)
            span = self.only(worker.exported().executes(task))
        self.assertEqual(view["result"], f'"00-{TRACE}-{span.span_id}-01 u1"')
        with subworker("--concurrency", "1", FASTQUEUE_TELEMETRY_ENABLED="false") as worker:
            view = worker.wait(worker.submit("current", options=SUBMITTER))
            self.assertEqual(view["result"], f'"00-{TRACE}-{PARENT}-01 u1"')
            self.assertNotIn("traceparent", view)
            exported = worker.exported()
            self.assertNotIn("telemetry is on", worker.log())
        self.assertEqual(exported.spans, [])

    def test_the_start_says_that_telemetry_is_on(self):
        with subworker("--concurrency", "1", OTEL_SERVICE_NAME="shop") as worker:
            self.assertIn("telemetry is on", worker.log())
            self.assertIn("shop", worker.log())

    def test_no_traces_when_traces_are_off(self):
        with subworker("--concurrency", "1", OTEL_TRACES_EXPORTER="none") as worker:
            view = worker.wait(worker.submit("current", options=SUBMITTER))
            self.assertIn(PARENT, view["result"])
            self.assertEqual(worker.exported().spans, [])


class Deaths(Judge):
    def test_the_span_of_a_killed_attempt_is_ended_once(self):
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("die_inside", 9, options=SUBMITTER)
            view = worker.wait(task)
            exported = worker.exported()
        attempts = exported.executes(task)
        self.assertEqual(len(attempts), view["crashes"], attempts)
        self.assertEqual(len({span.span_id for span in attempts}), len(attempts))
        self.assertEqual(sorted(span.attributes["fastqueue.task.attempt"] for span in attempts), [1, 2, 3, 4, 5])
        for span in attempts:
            self.expect_failure(span, "WorkerLost", "worker_lost", "lost", "signal 9")
            self.assertEqual((span.parent_id, span.trace_id, span.kind), (PARENT, TRACE, "consumer"))
            self.assertIn((TRACE, PARENT), parents_of(span))
            self.assertEqual((span.tracestate, span.flags), ("vendor=1", 0x301))
            self.assertEqual(span.attributes["task.priority"], "normal")
            self.assertGreaterEqual(span.end, span.start)
        # What had ended inside of them is connected.
        inside = exported.named("finished before")
        self.assertEqual(sorted(span.parent_id for span in inside), sorted(span.span_id for span in attempts))
        self.assertEqual(exported.named("never finished"), [])
        last = max(attempts, key=lambda span: span.attributes["fastqueue.task.attempt"])
        self.assertEqual(view["traceparent"], f"00-{TRACE}-{last.span_id}-01")

    def test_each_way_to_die_is_told(self):
        with subworker("--concurrency", "1", "--kill-grace", "0.1", "--max-memory-per-child", "200M",
                       **PLAIN_DEATHS) as worker:
            ways = {worker.submit("segfault"): ("WorkerLost", "worker_lost", "lost", "signal 11"),
                    worker.submit("exit_now", 7): ("WorkerLost", "worker_lost", "lost", "exited with code 7"),
                    worker.submit("spin", options=("TIMEOUT", "100")):
                        ("TimeLimitExceeded", "timeout", "timeout", "0.1 s"),
                    worker.submit("leak"): ("MemoryLimitExceeded", "worker_lost", "lost", "limit is 200.0 MiB")}
            views = {task: worker.wait(task) for task in ways}
            exported = worker.exported()
        for task, expected in ways.items():
            attempts = exported.executes(task)
            self.assertEqual(len(attempts), views[task]["attempt"], views[task])
            for span in attempts:
                self.expect_failure(span, *expected)

    def test_kills_under_load_lose_no_span_and_double_none(self):
        # Tasks that were on the way to a runner when it died come back with their lease.
        with Server("--data-dir", "none", "--lease", "1s") as server, \
                subworker("--concurrency", "2", server=server) as worker:
            tasks, kills = [], 0
            end = time.monotonic() + 3
            while time.monotonic() < end:
                tasks += worker.submit_many([("quick", ())] * 100 + [("nap", (2,))] * 12)
                for runner in worker.runners()[:1]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(runner, signal.SIGKILL)
                        kills += 1
                time.sleep(0.05)
            views = {task: worker.wait(task) for task in tasks}
            exported = worker.exported()
            # Half a record of a killed writer may be lost, nothing for want of room.
            for word in ("ring_full", "no_room", "dropped"):
                self.assertNotIn(word, worker.log())
        self.assertGreater(kills, 10)
        spans = exported.executes()
        self.assertEqual(len({span.span_id for span in spans}), len(spans))
        by_task: dict = {}
        for span in spans:
            by_task.setdefault(span.attributes["task.id"], []).append(span)
        errors, again = 0, 0
        for task, view in views.items():
            own = by_task.pop(task, [])
            lost = [span for span in own if span.status == "error"]
            self.assertEqual(view["status"], "success", view)
            self.assertGreaterEqual(len(own) - len(lost), 1, (view, own))
            self.assertGreaterEqual(len(lost), view["crashes"], (view, own))
            for span in lost:
                self.expect_failure(span, "WorkerLost", "worker_lost", "lost")
            errors += len(lost)
            again += len(own) - len(lost) - 1  # done, and done again because the answer was lost with the runner
        self.assertEqual(by_task, {})
        self.assertLessEqual(errors, kills)
        self.assertLess(again, len(tasks) // 10)

    def test_a_scribbled_board_costs_its_own_telemetry(self):
        with subworker("--concurrency", "1") as worker:
            for seed in range(3):
                worker.wait(worker.submit("scribble_telemetry", seed))
                worker.wait(worker.submit("exit_now", 3))
            good = worker.submit("quick", options=SUBMITTER)
            self.assertEqual(worker.wait(good)["status"], "success")
            exported = worker.exported()
        self.assertEqual(self.only(exported.executes(good)).parent_id, PARENT)

    def test_a_recycled_runner_leaves_nothing_behind(self):
        with subworker("--concurrency", "2", "--max-tasks-per-child", "10") as worker:
            tasks = worker.submit_many([("quick", ())] * 200)
            for task in tasks:
                worker.wait(task)
            exported = worker.exported()
        self.assertEqual(sorted(span.attributes["task.id"] for span in exported.executes()), sorted(tasks))

    def test_a_drain_that_ends_by_force_ends_the_span(self):
        with subworker("--concurrency", "1", "--drain-timeout", "0.1") as worker:
            task = worker.submit("nap", 60000)
            worker.wait_until_started(task)
            span = self.only(worker.exported().executes(task))
        self.expect_failure(span, "WorkerLost", "worker_lost", "lost", "drained")

    def test_what_a_forked_child_records_goes_nowhere(self):
        with subworker("--concurrency", "1", OTEL_LOGS_EXPORTER="otlp") as worker:
            task = worker.submit("fork_and_record", options=SUBMITTER)
            self.assertEqual(worker.wait(task)["status"], "success")
            returned = worker.submit("fork_and_return")
            self.assertEqual(worker.wait(returned)["result"], "true")
            exported = worker.exported()
        self.only(exported.executes(task))
        self.only(exported.executes(returned))
        self.assertEqual(exported.named("in the child"), [])
        self.assertEqual(self.only(exported.named("in the parent")).parent_id,
                         self.only(exported.executes(task)).span_id)
        self.assertEqual([log for log in exported.logs if log.body == "from the child"], [])
        self.assertEqual(exported.collector.last_point("forked.count").value, 1)  # not the thousand of the child


class Logs(Judge):
    ENVIRONMENT = {"OTEL_LOGS_EXPORTER": "otlp"}

    def test_what_a_task_prints_is_a_log_record_of_its_span(self):
        with subworker("--concurrency", "1", **self.ENVIRONMENT) as worker:
            task = worker.submit("print", "hello\nwithout newline", options=SUBMITTER)
            worker.wait(task)
            exported = worker.exported()
            text = worker.log()
        span = self.only(exported.executes(task))
        logs = [log for log in exported.logs if log.attributes.get("task.id") == task]
        out = [log.body for log in logs if log.attributes["log.iostream"] == "stdout"]
        err = [log.body for log in logs if log.attributes["log.iostream"] == "stderr"]
        self.assertEqual((out, err), (["hello", "without newline"], ["to stderr: hello", "without newline"]))
        for log in logs:
            self.assertEqual((log.trace_id, log.span_id), (TRACE, span.span_id))
            self.assertEqual((log.attributes["fastqueue.task.attempt"], log.attributes["task.name"]),
                             (1, "print"))
        self.assertIn("hello\nwithout newline", text)  # and goes where it went before
        self.assertIn("to stderr: hello\n", text)

    def test_short_tasks_have_their_own_lines(self):
        with subworker("--concurrency", "2", **self.ENVIRONMENT) as worker:
            tasks = worker.submit_many([("print", (f"line of {i}\n",)) for i in range(300)])
            for task in tasks:
                worker.wait(task)
            exported = worker.exported()
        said = {}
        for log in exported.logs:
            if log.attributes["log.iostream"] == "stdout":
                said.setdefault(log.attributes.get("task.id"), []).append(log.body)
        self.assertEqual(said, {task: [f"line of {i}"] for i, task in enumerate(tasks)})

    def test_lines_of_a_running_and_of_a_dying_task(self):
        with subworker("--concurrency", "1", **self.ENVIRONMENT) as worker:
            task = worker.submit("print", "early", 60000)
            worker.wait_for_log("early")
            os.kill(worker.runners()[0], signal.SIGKILL)
            worker.link.command("FQ.CANCEL", task)
            worker.wait(task)
            exported = worker.exported()
        logs = [log for log in exported.logs if log.body == "early"]
        self.assertGreaterEqual(len(logs), 1)
        self.assertEqual({log.attributes["task.id"] for log in logs}, {task})

    def test_a_log_call_is_a_record_or_a_line(self):
        with subworker("--concurrency", "1", **self.ENVIRONMENT) as worker:
            task = worker.submit("checksum", "abc", options=SUBMITTER)
            worker.wait(task)
            exported = worker.exported()
        log = self.only([log for log in exported.logs if log.body == "added up 3 bytes"])
        self.assertEqual((log.severity_number, log.severity), (9, "INFO"))
        self.assertEqual(log.attributes["task.id"], task)
        self.assertEqual(log.span_id, self.only(exported.named("task.checksum")).span_id)
        with subworker("--concurrency", "1") as worker:
            task = worker.submit("checksum", "abc")
            worker.wait(task)
            self.assertIn(f"INFO checksum {task}: added up 3 bytes", worker.log())
            self.assertEqual(worker.exported().logs, [])

    def test_an_output_that_is_not_read_holds_up_only_who_prints(self):
        with Server("--data-dir", "none") as server:
            worker = Subworker(server, "--concurrency", "2", modules=(TASKS,),
                               environment={"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_TRACES_EXPORTER": "none",
                                            "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "otlp",
                                            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
            read_end, write_end = os.pipe()
            with open(worker.log_path, "ab") as log:
                worker.process = subprocess.Popen(worker.line, stdin=subprocess.DEVNULL, stdout=write_end, stderr=log,
                                                  env=worker.environment)
            os.close(write_end)
            worker.wait_for_log("registered with the control plane")
            worker.link = server.connect()
            noisy = worker.submit("print_much", 20000)
            worker.wait_until_started(noisy)
            for _ in range(20):
                self.assertEqual(worker.run("quick")["status"], "success")
            self.assertEqual(worker.view(noisy)["status"], "started")
            lines = 0
            with open(read_end, "rb") as output:
                while lines < 20000:
                    self.assertEqual(output.readline(), b"line %d of much output, which has to go somewhere\n" % lines)
                    lines += 1
                self.assertEqual(worker.wait(noisy)["status"], "success")
                worker.link.close()
                self.assertEqual(worker.stop(), 0)


class Metrics(Judge):
    def test_messages_are_counted_and_their_time_is_measured(self):
        with subworker("--concurrency", "2") as worker:
            tasks = worker.submit_many([("quick", ())] * 50)
            failed = worker.submit("fail", "on purpose", options=SUBMITTER)
            for task in (*tasks, failed):
                worker.wait(task)
            exported = worker.exported()
        last = exported.collector.last_point
        common = {"messaging_system": "fastqueue", "messaging_operation_name": "execute",
                  "messaging_operation_type": "process"}
        self.assertEqual(last("messaging.client.consumed.messages", messaging_destination_name="quick", **common).value, 50)
        duration = last("messaging.process.duration", messaging_destination_name="quick", **common)
        self.assertEqual(duration.value["count"], 50)
        self.assertLess(duration.value["sum"], 50)
        self.assertEqual(duration.value["bounds"][:2], [0.005, 0.01])
        self.assertTrue(duration.exemplars)
        error = last("messaging.process.duration", messaging_destination_name="fail", error_type="DemoError")
        self.assertEqual(error.value["count"], 1)
        self.assertEqual(error.exemplars[0]["span_id"], self.only(exported.executes(failed)).span_id)

    def test_what_a_killed_runner_measured_is_kept(self):
        with subworker("--concurrency", "1") as worker:
            for _ in range(20):
                worker.run("quick")
            died = worker.submit("die_inside", 9)
            crashes = worker.wait(died)["crashes"]
            for _ in range(5):
                worker.run("quick")
            last = worker.exported().collector.last_point
        self.assertEqual(last("messaging.client.consumed.messages", messaging_destination_name="quick").value, 25)
        self.assertEqual(last("died.count").value, crashes)


class Outside(Judge):
    def test_a_collector_that_hangs_holds_up_nobody(self):
        with Collector(behaviour="hang") as collector:
            environment = {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_BSP_SCHEDULE_DELAY": "20",
                           "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
            with Server("--data-dir", "none") as server:
                worker = Subworker(server, "--concurrency", "2", modules=(TASKS,), environment=environment)
                with worker:
                    tasks = worker.submit_many([("quick", ())] * 20000)
                    for task in tasks:
                        self.assertEqual(worker.wait(task)["status"], "success")
                    begun = time.monotonic()
                    worker.terminate()
                    self.assertEqual(worker.wait_for_end(), 0)
                    self.assertLess(time.monotonic() - begun, 8)  # a second for the flush, the rest for a slow machine


if __name__ == "__main__":
    unittest.main()
