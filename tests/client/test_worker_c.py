#!/usr/bin/env python3
"""The worker's side of the C library against the real control plane: tasks as they were submitted, every way to end a lease,
heartbeats from a second client, and a control plane that is killed in between."""
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import BUILD, Server, encode  # noqa: E402
from test_client_c import LIMIT_S, environment  # noqa: E402

WORKER = BUILD / "tests" / "client_worker"
EXAMPLE = BUILD / "examples" / "worker"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Tool:
    """client_worker, which does one thing a line."""

    def __init__(self, server: Server):
        self.process = subprocess.Popen([WORKER], env=environment(f"tcp://127.0.0.1:{server.port}"), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        self.is_killed = False

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            err = self.process.communicate(timeout=LIMIT_S)[1]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        if kind is None and not self.is_killed and (self.process.returncode, err) != (0, ""):
            raise AssertionError(f"client_worker: {self.process.returncode}: {err}")

    def say(self, *words) -> None:
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.is_killed = True
        self.process.kill()

    def hear(self) -> str:
        return self.process.stdout.readline().rstrip("\n")

    def __call__(self, *words) -> str:
        self.say(*words)
        return self.hear()


class Worker(unittest.TestCase):
    def setUp(self):
        self.server = self.enterContext(Server("--lease", "2s"))
        self.link = self.enterContext(self.server.connect())
        self.tool = self.enterContext(Tool(self.server))

    def submit(self, name: str = "a", payload: str = "{}", *options) -> str:
        return self.link.command("FQ.SUBMIT", name, payload, *options)

    def status(self, task: str) -> str:
        return self.link.command("FQ.STATUS", task)["status"]

    def workers(self) -> dict:
        return {row["id"]: row for row in self.link.command("FQ.WORKERS")[1]}

    def test_a_task_comes_as_it_was_submitted(self):
        first = self.submit("a", "[1]", "ENCODING", "raw", "PRIORITY", "high", "TIMEOUT", 9000, "TRACEPARENT", TRACE)
        second = self.submit("b", "{}")
        self.submit("nobodys")
        self.assertEqual(self.tool("open", "a", "b"), "ok")
        self.assertEqual(self.tool("fetch", 10, 0), f"2 a [1] raw high 1 9000 {TRACE} b {{}} json normal 1 0 -")
        self.assertEqual((self.workers()["w"]["slots"], self.workers()["w"]["leases"]), (3, 2))
        started = time.time_ns() // 1000000
        self.assertEqual(self.tool("raw", 0, "bytes", started), "ok")
        self.assertEqual(self.tool("complete", 1, '{"x":2}'), "ok")
        done = self.link.command("FQ.RESULT", first)
        self.assertEqual([done[key] for key in ("status", "result", "encoding", "started_at", "run_us", "worker")],
                         ["success", "bytes", "raw", started, 4567, "w"])
        self.assertIn("-00f067aa0ba902b7-", done["traceparent"])
        done = self.link.command("FQ.RESULT", second)
        self.assertEqual((done["status"], done["result"], done["encoding"]), ("success", '{"x":2}', "json"))
        self.assertEqual(self.tool("fetch", 1, 0), "0")

    def test_how_many_come_at_once(self):
        for _ in range(1003):
            self.link.send(encode("FQ.SUBMIT", "a", "{}"))
        for _ in range(1003):
            self.link.read()
        self.assertEqual(self.tool("open", "a"), "ok")
        self.assertEqual(self.tool("fetch", 0, 0), "INVALID")
        self.assertEqual(self.tool("fetch", 3, 0).split()[0], "3")
        self.assertEqual(self.tool("fetch", 5000, 0).split()[0], "1000")
        self.assertEqual(self.tool("complete", 1002, "1"), "ok")
        self.assertEqual(self.tool("many", 1, 1002, "[2]"), "1001 1")  # the last one was completed already
        self.assertEqual(self.link.command("FQ.STATS")["completed"], 1002)
        self.assertEqual(self.tool("many", 0, 0, "3"), "1 0")

    def test_failing(self):
        again = self.submit("a", "{}", "RETRIES", 1, "BACKOFF", 1)
        self.assertEqual(self.tool("open", "a"), "ok")
        self.assertEqual(self.tool("fetch", 1, 0).split()[0], "1")
        self.assertEqual(self.tool("fail", 0, "ValueError", "first"), "ok")
        self.assertEqual(self.tool("fetch", 1, 20000).split()[5], "2")
        self.assertEqual(self.tool("fail", 1, "ValueError", "second"), "ok")
        done = self.link.command("FQ.RESULT", again)
        self.assertEqual((done["status"], done["error"]),
                         ("failure", {"type": "ValueError", "message": "second", "stack": "main.c:1"}))
        once = self.submit("a", "{}", "RETRIES", 5)
        self.assertEqual(self.tool("fetch", 1, 0).split()[0], "1")
        self.assertEqual(self.tool("forever", 2, "ValueError", "useless"), "ok")
        self.assertEqual(self.status(once), "failure")

    def test_a_lease_that_ended_is_stale(self):
        task = self.submit()
        self.assertEqual(self.tool("open", "a"), "ok")
        self.assertEqual(self.tool("fetch", 1, 0).split()[0], "1")
        self.assertEqual(self.tool("fetch", 1, 20000).split()[0], "1")  # two seconds later the lease has ended
        self.assertEqual(self.tool("complete", 0, "1"), "STALELEASE")
        self.assertEqual(self.tool("release", 0), "STALELEASE")
        self.assertEqual(self.tool("beat", 0, 1), "STALE OK")
        self.assertEqual(self.tool("complete", 1, "2"), "ok")
        self.assertEqual(self.tool("fail", 1, "E", "late"), "STALELEASE")
        self.assertEqual(self.link.command("FQ.RESULT", task)["result"], "2")

    def test_heartbeats_of_a_second_client_keep_a_lease_and_tell_of_a_cancel(self):
        task = self.submit()
        self.assertEqual(self.tool("open", "a"), "ok")
        self.assertEqual(self.tool("fetch", 1, 0).split()[0], "1")
        for _ in range(6):  # three seconds, longer than the lease
            time.sleep(0.5)
            self.assertEqual(self.tool("beat", 0), "OK")
        self.assertEqual(self.link.command("FQ.CANCEL", task), 1)
        self.assertEqual(self.tool("beat", 0), "CANCEL")
        self.assertEqual(self.tool("fail", 0, "TaskCancelled", "stopped"), "ok")
        self.assertEqual(self.status(task), "cancelled")
        self.assertEqual(self.tool("beat", 0), "STALE")

    def test_release_and_close_give_back_uncharged(self):
        task = self.submit()
        self.assertEqual(self.tool("open", "a"), "ok")
        for attempt in range(3):
            self.assertEqual(self.tool("fetch", 1, 0).split()[5], "1")
            if attempt < 2:
                self.assertEqual(self.tool("release", attempt), "ok")
        self.assertTrue(self.workers()["w"]["active"])
        self.assertEqual(self.tool("close"), "ok")
        self.assertNotIn("w", self.workers())
        self.assertEqual(self.status(task), "pending")

    def test_a_fetch_waits_longer_than_one_question(self):
        self.assertEqual(self.tool("open", "a"), "ok")
        begun = time.monotonic()
        self.assertEqual(self.tool("fetch", 1, 300), "0")
        self.assertGreater(time.monotonic() - begun, 0.29)
        later = threading.Timer(0.5, self.submit)
        later.start()
        self.assertEqual(self.tool("fetch", 1, -1).split()[0], "1")
        later.join()

    def test_a_killed_control_plane(self):
        self.assertEqual(self.tool("open", "a"), "ok")
        for number in range(3):  # between fetches, a lease held
            task = self.submit()
            self.assertEqual(self.tool("fetch", 1, 20000).split()[0], "1")
            self.restart()
            self.assertEqual(self.tool("complete", number, number), "ok")
            self.assertEqual(self.link.command("FQ.RESULT", task)["result"], str(number))
        self.tool.say("fetch", 1, 60000)  # and under a fetch that waits
        time.sleep(0.3)
        self.restart()
        task = self.submit()
        self.assertEqual(self.tool.hear().split()[0], "1")
        self.assertTrue(self.workers()["w"]["active"])
        self.assertEqual(self.tool("complete", 3, "1"), "ok")
        self.assertEqual(self.status(task), "success")

    def restart(self) -> None:
        self.server.kill()
        self.server.start()
        self.link = self.enterContext(self.server.connect())

    def test_a_control_plane_that_drains(self):
        task = self.submit()
        self.assertEqual(self.tool("open", "a"), "ok")
        self.assertEqual(self.tool("fetch", 1, 0).split()[0], "1")
        self.assertEqual(self.tool("beat", 0), "OK")
        self.server.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + 30
        while self.tool("beat", 0) == "OK":
            self.assertLess(time.monotonic(), end)
        self.assertEqual(self.tool("beat", 0), "DRAIN")
        self.assertEqual(self.tool("fetch", 1, 200), "0")
        self.assertEqual(self.tool("release", 0), "ok")
        self.tool.say("fetch", 1, 60000)
        self.assertEqual(self.server.process.wait(LIMIT_S), 0)
        self.server.start()
        answer = self.tool.hear().split()
        self.assertEqual((answer[0], answer[5]), ("1", "1"))
        self.link = self.enterContext(self.server.connect())
        self.assertEqual(self.status(task), "started")

    def test_a_worker_that_was_forgotten_registers_again(self):
        self.assertEqual(self.tool("open", "a"), "ok")
        self.link.command("FQ.UNREGISTER", "w")
        self.submit()
        self.assertEqual(self.tool("fetch", 1, 0).split()[0], "1")
        self.assertIn("w", self.workers())

    def test_a_second_instance_is_refused(self):
        self.tool("with", "one")
        self.assertEqual(self.tool("open", "a"), "ok")
        with Tool(self.server) as other:
            other("with", "two")
            self.assertEqual(other("open", "a"), "WORKEREXISTS")
            self.assertEqual(other("open"), "INVALID")

    def test_leases_of_an_instance_that_died_come_back(self):
        with Server("--lease", "600s") as server, server.connect() as link:
            with Tool(server) as tool:
                task = link.command("FQ.SUBMIT", "a", "{}")
                tool("with", "one")
                self.assertEqual(tool("open", "a"), "ok")
                self.assertEqual(tool("fetch", 1, 0).split()[0], "1")
                self.assertEqual(link.command("FQ.STATUS", task)["status"], "started")
                tool.kill()
                end = time.monotonic() + 30
                while link.command("FQ.STATUS", task)["status"] != "pending":
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.05)


class Example(unittest.TestCase):
    def test_it_works_until_it_is_interrupted(self):
        with Server() as server, server.connect() as link:
            process = subprocess.Popen([EXAMPLE], env=environment(f"tcp://127.0.0.1:{server.port}"), stderr=subprocess.PIPE,
                                       text=True)
            try:
                good = link.command("FQ.SUBMIT", "shout", '{"args":["hello you"],"kwargs":{}}')
                bad = link.command("FQ.SUBMIT", "shout", '{"args":[1],"kwargs":{}}')
                self.assertEqual(link.command("FQ.RESULT", good, "WAIT", 20000)["result"], '"HELLO YOU"')
                self.assertEqual(link.command("FQ.RESULT", bad, "WAIT", 20000)["error"]["type"], "ArgumentError")
                process.send_signal(signal.SIGTERM)
                self.assertEqual((process.communicate(timeout=LIMIT_S)[1], process.returncode), ("", 0))
                self.assertEqual(link.command("FQ.WORKERS")[1], [])
            finally:
                process.kill()
                process.communicate()


if __name__ == "__main__":
    unittest.main()
