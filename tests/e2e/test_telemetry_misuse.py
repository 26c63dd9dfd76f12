# SPDX-License-Identifier: Apache-2.0
"""Bad input and bad luck: nonsense in variables, attributes and contexts, processes killed, descriptors closed. Tasks are done all
the same, and what is exported is whole."""
import re
import time
import unittest

from harness import ROOT, Server, encode
from subworker import is_alive, payload
from test_telemetry_hostile import HAS_PYTHON, PYTHON_TASKS, TASKS, Collector, Judge, Subworker, telemetry, wait_until

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ODD_TASKS = PYTHON_TASKS + r'''
import math, os, threading
from fastqueue.telemetry import StatusCode, get_meter, get_tracer
BAD = "\ud800x\x00y"

@task
def giant():
    with trace_operation("x" * 100000, {"a" * 70000: "v" * 5000000, "b": b"\xff" * 300000}) as span:
        span.add_event("e" * 100000, {"k": "v" * 1000000})

@task
def many():
    with trace_operation("many", {f"k{i}": i for i in range(10000)}) as span:
        for i in range(10000):
            span.add_event(f"e{i}", {"i": i})

@task
def odd():
    deep = []
    for _ in range(80):
        deep = [deep]
    with trace_operation(BAD, {BAD: BAD, "nan": math.nan, "big": 2 ** 80, "object": object(), "none": None, "": 1, "deep": deep}) as span:
        span.set_status(StatusCode.ERROR, BAD)
    meter = get_meter()
    counter, histogram = meter.create_counter("odd"), meter.create_histogram("odd.time")
    for value in (math.nan, math.inf, -1, 2 ** 80, 1):
        counter.add(value, {BAD: BAD})
        histogram.record(value)
    for i in range(5000):
        counter.add(1, {"i": i})
    for name in ("", "9x", "n" * 300, BAD):
        meter.create_counter(name).add(1)

@task
def fails_oddly():
    raise ValueError(BAD + "m" * 3000000)

@task
def closes_all():
    os.closerange(0, 1024)
    with trace_operation("behind it"):
        return "closed"

@task
def forks():
    children = []
    for _ in range(5):
        pid = os.fork()
        if pid == 0:
            with trace_operation("child"):
                os._exit(0)
        children.append(pid)
    return [os.waitpid(pid, 0)[1] for pid in children]

@task
def threads():
    def record():
        for i in range(100):
            with trace_operation("threaded", {"i": i}):
                pass
    own = [threading.Thread(target=record) for _ in range(8)]
    for thread in own:
        thread.start()
    for thread in own:
        thread.join()

@task
def leaves_a_thread_and_spans():
    def record():
        while True:
            with trace_operation("late"):
                threading.Event().wait(0.001)
    threading.Thread(target=record, daemon=True).start()
    get_tracer().start_span("never ended")
    trace_operation("never left").__enter__()
'''


def variables() -> list:
    """Every variable that the programs read, `OTEL_SDK_DISABLED` and files of configuration aside."""
    found = set()
    for table in (*(ROOT / "src" / "otel").rglob("*.def"), *(ROOT / "src" / "telemetry").glob("*.def")):
        text = table.read_text()
        found |= set(re.findall(r'VARIABLE\("((?:OTEL|FASTQUEUE)_\w+)"', text))
        for name in re.findall(r'OTEL_VARIABLE_OTLP\("(\w+)"', text):
            found |= {f"OTEL_EXPORTER_OTLP_{signal}{name}" for signal in ("", "TRACES_", "METRICS_", "LOGS_")}
    return sorted(found - {"OTEL_SDK_DISABLED", "OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"})


class Variables(Judge):
    def survive(self, environment: dict) -> tuple:
        """Logs of control plane and worker."""
        with Server("--data-dir", "none", environment=environment) as server:
            with self.worker(server, environment) as worker:
                self.run_tasks(worker, 10)
                for line in self.clients():
                    self.run_client(server, environment, line)
                log = worker.log()
            return server.log(), log

    def test_nonsense_in_every_variable_is_warned_of_once(self):
        names = variables()
        self.assertGreater(len(names), 60)
        for value in ("garbage \x01\udcff", "-1", "9" * 30, "", "=,=,%ZZ", "x" * 5000):
            with self.subTest(value[:10]):
                environment = {**{name: value for name in names}, "FASTQUEUE_TELEMETRY_ENABLED": "true"}
                for log in self.survive(environment):
                    for name in ("OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_TRACES_SAMPLER", "OTEL_METRIC_EXPORT_INTERVAL"):
                        warned = [line for line in log.splitlines() if re.search(rf"\b{name}\b", line)]
                        self.assertEqual(len(warned), 1 if value else 0, (name, warned))

    def test_a_disabled_sdk_and_a_broken_configuration(self):
        garbage = self.place.folder / "garbage.yaml"
        garbage.write_bytes(bytes(range(256)) * 20)
        for more in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_CONFIG_FILE": str(garbage)}, {"OTEL_CONFIG_FILE": "/dev/zero"}):
            with self.subTest(more):
                server_log, log = self.survive({**telemetry("http://127.0.0.1:9"), **more})
                self.assertIn("its SDK is disabled", log)
                self.assertNotIn("telemetry is on", log)
                self.assertEqual("configuration file" in server_log, "OTEL_CONFIG_FILE" in more)

    def test_standard_output_that_is_closed_or_full(self):
        environment = {**telemetry("http://127.0.0.1:9"), "OTEL_TRACES_EXPORTER": "otlp/stdout",
                       "OTEL_METRICS_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "otlp/stdout"}
        with Server("--data-dir", "none", environment=environment) as server:
            for redirection in (">&-", "<&-", ">/dev/full"):
                with self.subTest(redirection):
                    worker = self.worker(server, environment)
                    worker.line = ["sh", "-c", f'exec "$@" {redirection}', "sh", *worker.line]
                    with worker:
                        self.run_tasks(worker, 10)


class Input(Judge):
    @unittest.skipUnless(HAS_PYTHON, "the Python extension is not built here, or has sanitizers in it")
    def test_what_tasks_record_never_fails_them(self):
        (self.place.folder / "tasks_for_test.py").write_text(ODD_TASKS)
        with Collector() as collector, Server("--data-dir", "none") as server:
            environment = telemetry(collector.endpoint, OTEL_LOGS_EXPORTER="otlp", FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="20")
            with self.worker(server, environment) as worker:
                for name in ("giant", "many", "odd", "closes_all", "py_quick", "forks", "threads", "leaves_a_thread_and_spans", "py_quick"):
                    view = worker.run(name)
                    self.assertEqual((view["status"], view["crashes"]), ("success", 0), (name, view))
                self.assertEqual(worker.run("fails_oddly")["error"]["type"], "ValueError")
                collector.wait_for_span("late")
                worker.terminate()
                self.assertEqual(worker.wait_for_end(), 0)
            collector.stop()
            self.assertFalse([request for request in collector.requests if request.malformed])
            named = {name: collector.spans(name) for name in ("many", "threaded", "child", "never ended", "never left")}
            self.assertEqual({name: len(spans) for name, spans in named.items()},
                             {"many": 1, "threaded": 800, "child": 0, "never ended": 0, "never left": 0})
            many = named["many"][0]
            self.assertEqual((len(many.attributes), len(many.events)), (128, 128))
            executes = collector.spans("worker.execute_task")
            self.assertEqual(len(executes), 10)
            failed = [span for span in executes if span.status == "error"]
            self.assertEqual([span.attributes["exception.type"] for span in failed], ["ValueError"])
            points = collector.metrics("odd")[-1].points
            self.assertLessEqual(len(points), 2001)
            self.assertTrue(any(point.attributes.get("otel.metric.overflow") for point in points))

    def test_contexts_of_foreign_clients(self):
        cases = [("TRACEPARENT", b"\xff" * 200), ("TRACEPARENT", TRACEPARENT + "-more"), ("TRACEPARENT", "ff" + TRACEPARENT[2:]),
                 ("TRACEPARENT", TRACEPARENT.upper()), ("TRACEPARENT", "00-" + "0" * 32 + TRACEPARENT[35:]), ("TRACEPARENT", "x" * 500000),
                 ("TRACEPARENT", TRACEPARENT, "TRACESTATE", b"\xff\x00=1"), ("TRACEPARENT", TRACEPARENT, "TRACESTATE", "a=" + "x" * 100000),
                 ("TRACEPARENT", TRACEPARENT, "TRACESTATE", ",".join(f"k{i}=v" for i in range(500))), ("TRACESTATE", "a=1"),
                 ("TRACEPARENT", TRACEPARENT, "BAGGAGE", b"\x00\xff=%ff%zz"), ("BAGGAGE", ",".join(f"k{i}=v" for i in range(9000)))]
        with Collector() as collector, Server("--data-dir", "none", environment=telemetry(collector.endpoint)) as server, \
                self.worker(server, telemetry(collector.endpoint, FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="20")) as worker:
            for case in cases:
                view = worker.run("current", options=case)
                self.assertEqual(view["status"], "success", case)
                self.assertRegex(view["traceparent"], r"^00-[0-9a-f]{32}-[0-9a-f]{16}-0[13]$")
                self.assertEqual(TRACEPARENT[3:35] in view["traceparent"], TRACEPARENT in case, case)
            spans = collector.wait_for_spans("worker.execute_task", len(cases))
            self.assertEqual({span.tracestate for span in spans}, {""})
            self.assertFalse([request for request in collector.requests if request.malformed])

    def test_more_names_than_series(self):
        """Names that nobody works cost no figures of those that are worked."""
        with Collector() as collector, \
                Server("--data-dir", "none", environment=telemetry(collector.endpoint, FASTQUEUE_METRICS_CARDINALITY_LIMIT="100")) as server, \
                server.connect() as link:
            link.send(b"".join(encode("FQ.SUBMIT", f"flood.{i}", "{}") for i in range(1000)))
            for _ in range(1000):
                link.read()
            link.command("FQ.SUBMIT", "worked", "{}")
            link.command("FQ.REGISTER", "w1", "TASKS", "worked")
            task = link.command("FQ.FETCH", "WORKER", "w1")[0]
            link.command("FQ.COMPLETE", task["id"], task["token"], "1")
            done = collector.wait(lambda: collector.last_point("fastqueue.tasks.completed", task_name="worked"))
            self.assertEqual(done.value, 1)
            submitted = collector.metrics("fastqueue.tasks.submitted")[-1].points
            self.assertEqual((len(submitted), sum(point.value for point in submitted)), (101, 1001))


class Kills(Judge):
    def test_control_plane_and_supervisor_are_killed(self):
        with Collector() as collector:
            environment = telemetry(collector.endpoint, FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="20")
            with Server("--lease", "1s", environment=environment) as server:
                with server.connect() as link:
                    tasks = [link.command("FQ.SUBMIT", "quick", payload()) for _ in range(20)]
                    collector.wait_for_spans("client.submit_task", 20)
                    before = collector.wait(lambda: (p := collector.last_point("fastqueue.tasks.submitted")) and p.value == 20 and p)
                server.kill()
                server.start()
                with server.connect() as link:
                    for task in tasks[:5]:  # said again: no task, and no root
                        link.command("FQ.SUBMIT", "quick", payload(), "ID", task)
                    tasks.append(link.command("FQ.SUBMIT", "quick", payload()))
                    after = collector.wait(lambda: (p := collector.last_point("fastqueue.tasks.submitted")) and p.start > before.start and p)
                self.assertEqual(after.value, 1)  # counts from a new start, which is said
                resources = [metric.resource["service.instance.id"] for metric in collector.metrics("fastqueue.tasks.submitted")]
                self.assertEqual(len(set(resources)), 1)
                worker = self.worker(server, environment)
                worker.start()
                for task in tasks:
                    worker.wait(task)
                naps = [worker.submit("nap", 1000) for _ in range(2)]
                tasks += naps
                worker.wait_until_started(naps[0])
                collector.wait_for_spans("worker.execute_task", 21)
                runners = worker.runners()
                worker.process.kill()
                worker.process.wait()
                worker.link.close()
                wait_until(lambda: not any(map(is_alive, runners)), "end of the runners")
                with worker:
                    for task in naps:
                        self.assertEqual(worker.wait(task)["status"], "success")
                    worker.terminate()
                    worker.wait_for_end()
            collector.stop()
            for name in ("client.submit_task", "worker.execute_task"):
                spans = collector.spans(name)
                self.assertEqual(sorted(span.attributes["task.id"] for span in spans), sorted(tasks), name)
                self.assertEqual(len({span.span_id for span in spans}), len(spans))

    def test_a_stop_in_the_middle_of_a_slow_export(self):
        with Collector(behaviour="slow:2000") as collector:
            environment = telemetry(collector.endpoint)
            with Server("--data-dir", "none", environment=environment) as server, self.worker(server, environment) as worker:
                self.run_tasks(worker, 100)
                collector.wait(lambda: any(request.signal == "traces" for request in collector.requests))
                began = time.monotonic()
                self.expect_end(server, worker)
                self.assertLess(time.monotonic() - began, 8)


if __name__ == "__main__":
    unittest.main()
