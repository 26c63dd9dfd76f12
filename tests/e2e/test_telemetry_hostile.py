# SPDX-License-Identifier: Apache-2.0
"""Telemetry is never in the way: whatever the collector does, tasks are done, memory is bounded, what is lost is counted, and
every process ends in time."""
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from harness import BUILD, PROGRAM, ROOT, Server
from subworker import Subworker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

TASKS = BUILD / "tests" / "modules" / "telemetry.so"
CORE = BUILD / "python" / "fastqueue" / "_core.abi3.so"
SANITIZED = b"__asan_init" in (BUILD / "bin" / "fastqueue").read_bytes()
HAS_PYTHON = CORE.exists() and not SANITIZED
END_LIMIT_S = 8  # the second that telemetry has at the end, and what a busy machine adds
PYTHON_TASKS = '''
from fastqueue import task
from fastqueue.telemetry import trace_operation

@task
def py_quick():
    with trace_operation("step"):
        return 1
'''
PYTHON_CLIENT = '''
import asyncio
from fastqueue import Client

async def main():
    client = Client()
    await client.start()
    await client.delay("quick")

asyncio.run(main())  # and never stop()
'''


class Place:
    """A folder with the Python package, as a user has it."""

    def __enter__(self) -> "Place":
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-hostile-"))
        if HAS_PYTHON:
            (self.folder / "fastqueue").mkdir()
            for file in (*(ROOT / "python" / "src" / "fastqueue").iterdir(), CORE):
                (self.folder / "fastqueue" / file.name).symlink_to(file)
            (self.folder / "tasks_for_test.py").write_text(PYTHON_TASKS)
        return self

    def __exit__(self, *_) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def variables(self) -> dict:
        return {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}


def resident(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def telemetry(endpoint: str, protocol: str = "grpc", **more: str) -> dict:
    return {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if protocol == "grpc" else "http/protobuf",
            "OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_METRIC_EXPORT_INTERVAL": "100", **more}


def told(link, signal: str = "traces") -> dict:
    """What the control plane says of its exports."""
    line = re.search(rf"telemetry_{signal}:(.*)", link.command("INFO", "telemetry")).group(1)
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def wait_until(condition, what: str, seconds: float = 20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"no {what} within {seconds} s")
        time.sleep(0.01)
    return found


class Judge(unittest.TestCase):
    def setUp(self):
        self.place = self.enterContext(Place())

    def worker(self, server: Server, environment: dict, *options: str) -> Subworker:
        modules = (TASKS, "tasks_for_test") if HAS_PYTHON else (TASKS,)
        options = ("--concurrency", "2", *options)
        if HAS_PYTHON:
            options = ("--python", sys.executable, *options)
        return Subworker(server, *options, modules=modules, environment={**environment, **self.place.variables})

    def run_tasks(self, worker: Subworker, count: int) -> list:
        names = ["quick", "py_quick"] if HAS_PYTHON else ["quick"]
        tasks = worker.submit_many([(names[i % len(names)], ()) for i in range(count)])
        for task in tasks:
            view = worker.wait(task)
            self.assertEqual((view["status"], view["attempt"]), ("success", 1), view)
        return tasks

    def run_client(self, server: Server, environment: dict, line: list) -> float:
        plain = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "FASTQUEUE_"))}
        plain["FASTQUEUE_CONTROL_PLANE_ADDRESS"] = f"tcp://127.0.0.1:{server.port}"
        plain["TSAN_OPTIONS"] = plain.get("TSAN_OPTIONS", "") + " atexit_sleep_ms=0"
        began = time.monotonic()
        done = subprocess.run(line, env={**plain, **environment, **self.place.variables}, capture_output=True,
                              text=True, errors="replace", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return time.monotonic() - began

    def clients(self) -> list:
        lines = [[PROGRAM, "submit", "quick", "--non-blocking"]]
        return lines + ([[sys.executable, "-c", PYTHON_CLIENT]] if HAS_PYTHON else [])

    def expect_end(self, process, worker: Subworker) -> None:
        began = time.monotonic()
        worker.terminate()
        self.assertEqual(worker.wait_for_end(), 0, worker.log())
        self.assertEqual(process.terminate(), 0)
        self.assertLess(time.monotonic() - began, 2 * END_LIMIT_S)


class Collectors(Judge):
    def endure(self, environment: dict, client_limit_s: float, tasks: int = 200) -> None:
        """Everything that a queue does, with a collector that misbehaves."""
        with Server("--data-dir", "none", environment=environment) as server, \
                self.worker(server, environment) as worker:
            self.run_tasks(worker, tasks)
            for line in self.clients():
                usual = self.run_client(server, {}, line)
                took = self.run_client(server, environment, line)
                self.assertLess(took - usual, client_limit_s, line)
            # A running task and a drain.
            nap = worker.submit("nap", 50)
            worker.wait_until_started(nap)
            self.expect_end(server, worker)

    def test_absent_or_refusing(self):
        with socket.socket() as taken:  # bound and not listening
            taken.bind(("127.0.0.1", 0))
            for protocol in ("grpc", "http"):
                with self.subTest(protocol):
                    self.endure(telemetry(f"http://127.0.0.1:{taken.getsockname()[1]}", protocol), 0.9)

    def test_no_such_host(self):
        self.endure(telemetry("http://nowhere.invalid:4317"), 3)

    def test_deaf(self):
        with Collector(deaf=True) as collector:
            self.endure(telemetry(collector.endpoint), 3)

    def test_bad_answers(self):
        for protocol, behaviour in (
                ("grpc", "hang"), ("grpc", "14:retry=30000"), ("grpc", "garbage"), ("grpc", "refuse"), ("grpc", "reset:2 half bomb"),
                ("grpc", "trickle"), ("http", "hang"), ("http", "503:after=30"), ("http", "garbage half close"), ("http", "trickle")):
            with self.subTest(behaviour, protocol=protocol), Collector(protocol, behaviour=behaviour) as collector:
                self.endure(telemetry(collector.endpoint, protocol, FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="0.2"), 2, 100)

    def test_restart_in_the_middle_loses_nothing(self):
        with Collector() as collector, Server("--data-dir", "none") as server:
            collector_environment = telemetry(collector.endpoint, FASTQUEUE_TELEMETRY_EXIT_TIMEOUT="20")
            with self.worker(server, collector_environment) as worker:
                tasks = self.run_tasks(worker, 100)
                collector.wait_for_spans("worker.execute_task", 100)
                collector.kill()
                tasks += self.run_tasks(worker, 200)
                collector.start()
                tasks += self.run_tasks(worker, 100)
                collector.wait_for_spans("worker.execute_task", 400, 20)
                worker.terminate()
                worker.wait_for_end()
            spans = collector.spans("worker.execute_task")
            self.assertEqual(sorted(span.attributes["task.id"] for span in spans), sorted(tasks))
            self.assertEqual(len({span.span_id for span in spans}), len(spans))

    def test_asked_to_wait_it_waits_and_delivers(self):
        for protocol, behaviour in (("grpc", "14:retry=300 ok"), ("http", "503:after=1 ok")):
            with self.subTest(protocol), Collector(protocol, behaviour=behaviour) as collector, \
                    Server("--data-dir", "none") as server:
                environment = telemetry(collector.endpoint, protocol, OTEL_METRICS_EXPORTER="none")
                with self.worker(server, environment) as worker:
                    tasks = self.run_tasks(worker, 50)
                    spans = collector.wait_for_spans("worker.execute_task", 50)
                self.assertEqual(sorted(span.attributes["task.id"] for span in spans), sorted(tasks))


class Bounds(Judge):
    def test_a_flood_of_spans_is_bounded_and_its_loss_counted(self):
        """A collector that never answers, more spans than any queue takes, each with as much as it may hold."""
        with Collector(behaviour="hang") as collector:
            environment = telemetry(collector.endpoint)
            with Server("--data-dir", "none", http=True, environment=environment) as server, \
                    self.worker(server, environment) as worker:
                self.run_tasks(worker, 3000)  # both queues are full from here on
                before = resident(server.process.pid), resident(worker.process.pid)
                self.run_tasks(worker, 6000)
                after = resident(server.process.pid), resident(worker.process.pid)
                # What tasks themselves leave behind: ids and results, not more than 2 KiB for each.
                self.assertLess(after[0] - before[0], 6000 * 2048 + (8 << 20))
                self.assertLess(after[1] - before[1], 8 << 20)
                found = told(worker.link)
                self.assertEqual(found["created"], 9000)
                self.assertGreater(found["dropped_queue_full"], 5000)
                page = server.http("GET", "/metrics")[2]
                shown = re.search(r'fastqueue_telemetry_dropped_queue_full_total\{signal="traces"\} (\d+)', page)
                self.assertGreaterEqual(int(shown.group(1)), found["dropped_queue_full"])
                done = subprocess.run([PROGRAM, "doctor", "--json"], capture_output=True, text=True, env={
                    **os.environ, "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{server.port}"})
                said = [line for line in map(json.loads, done.stdout.splitlines()) if line["check"] == "telemetry"][0]
                self.assertEqual(said["verdict"], "warning")
                worker.wait_for_log("telemetry of runners is lost")
                self.expect_end(server, worker)

    def test_nothing_waits_for_an_exporter(self):
        """While an export hangs, submitters, runners and the control plane answer: many rounds fit into one export."""
        with Collector(behaviour="hang") as collector:
            environment = telemetry(collector.endpoint, OTEL_EXPORTER_OTLP_TIMEOUT="60000", OTEL_BSP_EXPORT_TIMEOUT="60000")
            with Server("--data-dir", "none", environment=environment) as server, self.worker(server, environment) as worker:
                self.run_tasks(worker, 2)
                requests = collector.wait(lambda: [r for r in collector.requests if r.signal == "traces"])
                for _ in range(50):
                    self.run_tasks(worker, 2)
                # Control plane and supervisor each have the one batch on the way that hangs: it never was in between.
                self.assertLessEqual(len([r for r in collector.requests if r.signal == "traces"]), max(2, len(requests)))
                self.expect_end(server, worker)


if __name__ == "__main__":
    unittest.main()
