"""bench: each workload with small counts, what it leaves behind, and how it ends."""
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from commandline import LIMIT_S, Shell, Worker, clean_environment, run
from harness import PROGRAM, Server, free_port

PERCENTILES = ("p50_us", "p90_us", "p99_us", "p99_9_us", "max_us")
RUN_KEYS = {"workload", "tasks", "seconds", "per_second", "errors", "first_error", "reconnects", "left",
            "own_cpu_us_per_task", "server_cpu_us_per_task", "ack", "result"}


class Bench(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server("--data-dir", "none").__enter__()
        self.addCleanup(self.server.stop)
        self.shell = Shell(self.server)

    def bench(self, *words) -> dict:
        """The JSON object of a run that ends well and says nothing else."""
        done = self.shell("bench", *words, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), (words, done.stderr))
        return json.loads(done.stdout)

    def one(self, *words) -> dict:
        document = self.bench(*words)
        self.assertEqual(len(document["runs"]), 1)
        found = document["runs"][0]
        self.assertEqual(set(found), RUN_KEYS)
        self.assertEqual((found["workload"], found["errors"], found["first_error"], found["reconnects"]),
                         (words[0], 0, None, 0))
        self.assertGreater(found["seconds"], 0)
        self.assertAlmostEqual(found["per_second"], found["tasks"] / found["seconds"], delta=found["per_second"] / 1e6)
        self.assertIsNotNone(found["server_cpu_us_per_task"])
        return found

    def check_latency(self, latency: dict, count: int) -> None:
        self.assertEqual(latency["count"], count)
        values = [latency[key] for key in PERCENTILES]
        self.assertEqual(values, sorted(values))
        self.assertGreater(values[0], 0)

    def stats(self) -> dict:
        with self.server.connect() as link:
            return link.command("FQ.STATS")

    def assert_clean(self) -> None:
        stats = self.stats()
        self.assertEqual({state: stats["states"][state] for state in ("pending", "scheduled", "started")},
                         {"pending": 0, "scheduled": 0, "started": 0})
        self.assertEqual(self.shell.json("workers"), [])


class Workloads(Bench):
    def test_submit(self) -> None:
        found = self.one("submit", "--count", 5000, "--connections", 3, "--in-flight", 100, "--payload-bytes", 1000)
        self.assertEqual((found["tasks"], found["left"], found["result"]), (5000, 5000, None))
        self.check_latency(found["ack"], 5000)
        self.assertEqual(self.stats()["submitted"], 5000)
        self.assert_clean()

    def test_work_takes_what_is_queued(self) -> None:
        done = self.shell("bench", "submit", "--count", 3000, "--keep")
        self.assertIn("left behind: 3000 queued tasks", done.stderr)
        found = self.one("work", "--workers", 2, "--batch", 64)
        self.assertEqual((found["tasks"], found["left"], found["ack"]), (3000, 0, None))
        self.assertEqual(self.stats()["submitted"], 3000)

    def test_work_submits_what_is_missing(self) -> None:
        self.assertEqual(self.one("work", "--count", 2500)["tasks"], 2500)
        self.assertEqual((self.stats()["submitted"], self.stats()["completed"]), (2500, 2500))

    def test_cycle(self) -> None:
        found = self.one("cycle", "--count", 5000, "--connections", 2, "--workers", 2, "--batch", 100)
        self.assertGreaterEqual(found["tasks"], 5000)
        self.assertEqual((self.stats()["submitted"], self.stats()["failed"]), (5000, 0))
        self.assert_clean()

    def test_latency(self) -> None:
        found = self.one("latency", "--count", 200, "--warm-up", 50)
        self.assertEqual(found["tasks"], 200)
        self.check_latency(found["result"], 200)
        self.check_latency(found["ack"], 200)
        self.assertEqual(self.stats()["submitted"], 250)
        self.assert_clean()

    def test_ack(self) -> None:
        found = self.one("ack", "--count", 640, "--connections", 64)
        self.assertEqual((found["tasks"], found["result"]), (640, None))
        self.check_latency(found["ack"], 640)
        self.assert_clean()

    def test_pace_keeps_its_rate(self) -> None:
        found = self.one("pace", "--rate", 500, "--count", 250)
        self.assertEqual(found["tasks"], 250)
        self.check_latency(found["result"], 250)
        self.assertGreaterEqual(found["seconds"], 249 / 500)  # no task is early
        self.assert_clean()

    def test_duration(self) -> None:
        for workload in ("submit", "cycle", "latency", "ack", "pace"):
            with self.subTest(workload):
                found = self.one(workload, "--duration", "300ms")
                self.assertGreater(found["tasks"], 0)
                self.assertGreaterEqual(found["seconds"], 0.3)

    def test_external_workers(self) -> None:
        with Worker(self.shell):
            for words in (("latency", "--count", 50), ("pace", "--count", 50, "--rate", 200)):
                found = self.one(*words, "--external", "--task", "noop")
                self.assertEqual(found["tasks"], 50)

    def test_series_of_all(self) -> None:
        done = self.shell("bench", "--count", 300)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        heading = r"^FastQueue \S+ at tcp://127\.0\.0\.1:\d+, durability none, telemetry off; payload 100 bytes\n"
        self.assertRegex(done.stdout, heading)
        rows = [line.split() for line in done.stdout.splitlines()[3:]]
        self.assertEqual([row[0] for row in rows], ["ack", "latency", "pace", "submit", "work", "cycle"])
        self.assertEqual({len(row) for row in rows}, {11})
        self.assert_clean()


class Tasks(Bench):
    def test_names_and_priorities(self) -> None:
        done = self.shell("bench", "submit", "--count", 400, "--names", 4, "--priority", "mixed", "--keep")
        self.assertEqual(done.returncode, 0)
        rows = {row["name"]: row for row in self.shell.json("queues")}
        self.assertEqual(set(rows), {f"fastqueue.bench.{i}" for i in (1, 2, 3, 4)})
        for row in rows.values():
            by_priority = [row[key] for key in ("critical", "high", "normal", "low")]
            self.assertEqual(sum(by_priority), 100)
            self.assertTrue(all(by_priority), by_priority)

    def test_the_mix_follows_the_seed(self) -> None:
        def mix(seed: int) -> list:
            with Server("--data-dir", "none") as server:
                shell = Shell(server)
                shell("bench", "submit", "--count", 200, "--priority", "mixed", "--seed", seed, "--keep")
                return [shell.json("queues")[0][key] for key in ("critical", "high", "normal", "low")]
        self.assertEqual(mix(7), mix(7))
        self.assertNotEqual(mix(7), mix(8))

    def test_payload_has_its_size(self) -> None:
        for size in (0, 5, 25, 26, 100, 70000):
            with self.subTest(size):
                self.shell("bench", "submit", "--count", 1, "--payload-bytes", size, "--keep", "--task", "sized")
                with self.server.connect() as link:
                    task = link.command("FQ.FETCH", "WORKER", "w", "TASKS", "sized")[0]
                    link.command("FQ.COMPLETE", task["id"], task["token"], "null")
                self.assertEqual(len(task["payload"]), size)
                if size >= 26:
                    self.assertEqual(set(json.loads(task["payload"])), {"args", "kwargs"})

    def test_delayed_tasks_are_cancelled(self) -> None:
        for names in (1, 3):
            found = self.one("submit", "--count", 2500, "--delay", "1h", "--names", names)
            self.assertEqual(found["left"], 2500)
            self.assert_clean()
        self.assertEqual(self.stats()["cancelled"], 5000)

    def test_delayed_tasks_are_worked_when_they_are_due(self) -> None:
        found = self.one("cycle", "--count", 300, "--delay", "200ms")
        self.assertGreaterEqual(found["seconds"], 0.2)
        self.assertEqual(found["tasks"], 300)

    def test_tasks_of_others_stay(self) -> None:
        self.shell("submit", "theirs", "--non-blocking")
        done = self.shell("bench", "cycle", "--count", 100)
        self.assertEqual(done.returncode, 0)
        self.assertIn("1 tasks of others are queued here", done.stderr)
        row = next(row for row in self.shell.json("queues") if row["name"] == "theirs")
        self.assertEqual(row["normal"], 1)

    def test_no_more_than_its_own_is_worked_under_a_name_of_others(self) -> None:
        for _ in range(3):
            self.shell("submit", "shared", "--non-blocking")
        done = self.shell("bench", "submit", "--count", 50, "--task", "shared")
        self.assertEqual(done.returncode, 0)
        self.assertIn("left behind: 3 queued tasks; 'fastqueue bench work --task shared' works them off", done.stderr)

    def test_refusals_are_told(self) -> None:
        with Server("--data-dir", "none", "--max-payload", "1KiB") as server:
            done = Shell(server)("bench", "submit", "--payload-bytes", "2KiB", "--count", 10)
            self.assertEqual(done.returncode, 2, done)
            self.assertIn("fastqueue bench: ", done.stderr)


class Ends(Bench):
    def start(self, *words) -> subprocess.Popen:
        return subprocess.Popen([str(PROGRAM), "bench", *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, env=clean_environment(self.shell.env))

    def wait_for_load(self) -> None:
        end, wanted = time.monotonic() + LIMIT_S, self.stats()["submitted"] + 1000
        while self.stats()["submitted"] < wanted:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def test_interrupted(self) -> None:
        for number, workload in ((signal.SIGINT, "submit"), (signal.SIGTERM, "cycle")):
            with self.subTest(workload):
                process = self.start(workload, "--count", 10**9, "--json")
                self.wait_for_load()
                process.send_signal(number)
                out, errors = process.communicate(timeout=LIMIT_S)
                self.assertEqual((process.returncode, errors), (128 + number, ""))
                self.assertGreater(json.loads(out)["runs"][0]["tasks"], 0)  # what was measured so far
                self.assert_clean()

    def test_control_plane_dies(self) -> None:
        process = self.start("cycle", "--count", 10**9, "--request-timeout", "1s")
        self.wait_for_load()
        self.server.kill()
        _, errors = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 69)
        self.assertRegex(errors, r"^fastqueue bench: the control plane is gone and did not come back in 1 s: tcp://")

    def test_control_plane_comes_back(self) -> None:
        with Server() as server:
            self.server, self.shell = server, Shell(server)
            process = self.start("cycle", "--count", 10**9, "--json")
            self.wait_for_load()
            server.kill()
            server.start()
            before = self.stats()["completed"]
            end = time.monotonic() + LIMIT_S
            while self.stats()["completed"] < before + 1000:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, _ = process.communicate(timeout=LIMIT_S)
            self.assertGreaterEqual(json.loads(out)["runs"][0]["reconnects"], 1)

    def test_nobody_there(self) -> None:
        started = time.monotonic()
        done = run("bench", "submit", "--address", f"tcp://127.0.0.1:{free_port()}", "--request-timeout", "2s")
        self.assertEqual((done.returncode, done.stdout), (69, ""))
        self.assertIn("is the control plane running?", done.stderr)
        self.assertLess(time.monotonic() - started, LIMIT_S / 2)

    def test_no_external_worker(self) -> None:
        done = self.shell("bench", "latency", "--external", "--count", 5, "--request-timeout", "100ms")
        self.assertEqual(done.returncode, 75)
        self.assertIn("does a subworker serve the task fastqueue.bench?", done.stderr)
        self.assert_clean()

    def test_roles(self) -> None:
        with Server("--data-dir", "none", environment={"FASTQUEUE_TOKEN": "a-long-enough-secret"}) as server:
            shell = Shell(server)
            self.assertEqual(shell("bench", "ack", "--count", 10).returncode, 77)
            done = shell("bench", "cycle", "--count", 10, env={"FASTQUEUE_TOKEN": "a-long-enough-secret"})
            self.assertEqual(done.returncode, 0, done)

    def test_bad_words(self) -> None:
        for words in (("drain",), ("submit", "--count", "0"), ("submit", "--in-flight", "9000"), ("work", "--batch", "1001"),
                      ("pace", "--rate", "0"), ("submit", "--priority", "urgent"), ("submit", "--names", "-1"),
                      ("--start", "fast"), ("submit", "--duration", "1ms"), ("submit", "--payload-bytes", "many")):
            with self.subTest(words):
                done = self.shell("bench", *words)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
        refusal = "fastqueue bench: there is no workload 'drain'; submit, work, cycle, latency, ack and pace are\n"
        self.assertEqual(self.shell("bench", "drain").stderr, refusal)

    def test_progress_on_a_terminal_only(self) -> None:
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        process = subprocess.Popen([str(PROGRAM), "bench", "pace", "--rate", "50", "--duration", "1500ms"],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=slave,
                                   env=clean_environment(self.shell.env))
        os.close(slave)
        out, _ = process.communicate(timeout=LIMIT_S)
        shown = os.read(master, 65536).decode()
        self.assertRegex(shown, r"\r\x1b\[Kpace: \d+, \d+ a second")
        self.assertNotIn(b"\x1b", out)


class OwnControlPlane(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(dir="/var/tmp")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.env = {"TMPDIR": str(self.folder), "FASTQUEUE_ALLOW_VOLATILE": "true"}

    def test_each_durability(self) -> None:
        for durability in ("sync", "relaxed", "none"):
            with self.subTest(durability):
                done = run("bench", "submit", "cycle", "--start", durability, "--count", 2000, "--json", env=self.env)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                document = json.loads(done.stdout)
                self.assertEqual((document["server"]["durability"], document["server"]["telemetry"]), (durability, False))
                self.assertEqual([row["errors"] for row in document["runs"]], [0, 0])
                self.assertEqual(os.listdir(self.folder), [])

    def test_stopped_when_interrupted_and_when_killed(self) -> None:
        for number in (signal.SIGINT, signal.SIGKILL):
            with self.subTest(number):
                process = subprocess.Popen([str(PROGRAM), "bench", "submit", "--start", "none", "--count", "1000000000"],
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment(self.env))
                heading = process.stdout.readline().decode()
                port = int(re.search(r"127\.0\.0\.1:(\d+)", heading)[1])
                process.send_signal(number)
                process.communicate(timeout=LIMIT_S)
                end = time.monotonic() + LIMIT_S
                while run("status", "00000000-0000-4000-8000-000000000000", "--address", f"tcp://127.0.0.1:{port}",
                          "--request-timeout", "200ms").returncode != 69:
                    self.assertLess(time.monotonic(), end)
                if number == signal.SIGINT:
                    self.assertEqual(os.listdir(self.folder), [])

    def test_no_place_for_it(self) -> None:
        done = run("bench", "submit", "--start", "sync", env={"TMPDIR": "/nowhere"})
        self.assertEqual(done.returncode, 73)
        self.assertIn("TMPDIR", done.stderr)


if __name__ == "__main__":
    unittest.main()
