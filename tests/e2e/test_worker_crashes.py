#!/usr/bin/env python3
"""A task that ends badly costs itself, nothing else, and its error names the cause."""
import os
import signal
import time
import unittest

from harness import BUILD, Server
from subworker import Subworker

# A build with sanitizers must let its tasks die as they would without.
PLAIN_DEATHS = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0:handle_abort=0:detect_leaks=0"}
MODULES = BUILD / "tests" / "modules"


class Crashes(unittest.TestCase):
    def setUp(self):
        self.server = Server("--data-dir", "none")
        self.server.start()
        self.worker = Subworker(self.server, "--concurrency", "2", "--kill-grace", "300ms",
                                "--max-memory-per-child", "200MiB", environment=PLAIN_DEATHS)
        self.worker.start()

    def tearDown(self):
        self.worker.__exit__(None)
        self.server.stop()

    def expect(self, view: dict, status: str, error_type: str, *words: str) -> None:
        self.assertEqual(view["status"], status, view)
        self.assertEqual(view["error"]["type"], error_type, view)
        for word in words:
            self.assertIn(word, view["error"]["message"])

    def run_beside(self, name: str, *args, options=()) -> dict:
        """Runs a bad task among good ones, all of which must succeed."""
        before = self.worker.submit_many([("add", (i, 1)) for i in range(20)])
        bad = self.worker.submit(name, *args, options=options)
        after = self.worker.submit_many([("add", (i, 2)) for i in range(20)])
        view = self.worker.wait(bad)
        for i, task_id in enumerate(before):
            self.assertEqual(self.worker.wait(task_id)["result"], str(i + 1))
        for i, task_id in enumerate(after):
            self.assertEqual(self.worker.wait(task_id)["result"], str(i + 2))
        return view

    def test_segfault(self):
        self.expect(self.run_beside("segfault"), "failure", "WorkerLost", "signal 11", "max resident", "CPU")

    def test_abort(self):
        self.expect(self.run_beside("abort_now"), "failure", "WorkerLost", "signal 6")

    def test_exit(self):
        self.expect(self.run_beside("exit_now", 7), "failure", "WorkerLost", "exited with code 7")
        self.expect(self.run_beside("exit_now", 0), "failure", "WorkerLost", "exited with code 0")

    def test_a_signal_from_inside(self):
        self.expect(self.run_beside("raise_signal", 9), "failure", "WorkerLost", "signal 9", "somebody else")

    def test_a_loop_without_end(self):
        view = self.run_beside("spin", options=("TIMEOUT", "200"))
        self.expect(view, "failure", "TimeLimitExceeded", "0.2 s", "killed")
        self.assertEqual(view["crashes"], 0)
        self.assertGreaterEqual(view["run_us"], 450_000)

    def test_a_task_that_listens_stops_at_its_soft_limit(self):
        view = self.run_beside("sleep_politely", 60000, options=("TIMEOUT", "200"))
        self.expect(view, "failure", "TaskCancelled", "stopped after")

    def test_a_leak(self):
        view = self.run_beside("leak")
        self.expect(view, "failure", "MemoryLimitExceeded", "limit is 200.0 MiB")

    def test_an_error_is_no_crash(self):
        self.expect(self.run_beside("fail", "on purpose"), "failure", "DemoError", "on purpose")

    def test_results_that_cannot_be_encoded(self):
        self.expect(self.run_beside("bad_utf8"), "failure", "EncodingError", "UTF-8")
        self.expect(self.run_beside("not_a_number"), "failure", "EncodingError", "nan")

    def test_a_result_beyond_the_servers_limit(self):
        self.expect(self.run_beside("big_result", 17 << 20), "failure", "ResultRejected")
        self.assertEqual(self.run_beside("big_result", 1 << 20)["status"], "success")

    def test_retries_until_it_works(self):
        view = self.run_beside("flaky", options=("RETRIES", "5", "BACKOFF", "10"))
        self.assertEqual((view["status"], view["result"]), ("success", "3"))

    def test_a_child_process_goes_with_its_runner(self):
        child = int(self.worker.run("fork_child")["result"])
        with open(f"/proc/{child}/stat") as stat:
            runner = int(stat.read().rsplit(")", 1)[1].split()[1])
        self.assertIn(runner, self.worker.runners())

        os.kill(runner, signal.SIGKILL)
        end = time.monotonic() + 20
        while os.path.exists(f"/proc/{child}") and time.monotonic() < end:
            time.sleep(0.01)
        self.assertFalse(os.path.exists(f"/proc/{child}"))

    def test_closed_descriptors(self):
        # What was finished is reported by the supervisor; what does not fit the board is lost with its process, and charged.
        for first in (0, 3):
            view = self.run_beside("close_descriptors", first, 5)
            self.assertEqual((view["status"], view["result"], view["crashes"]), ("success", '"xxxxx"', 0), view)
        self.expect(self.run_beside("close_descriptors", 3, 600_000), "failure", "WorkerLost", "exited with code 71")

    def test_a_scribbled_board(self):
        for seed in range(1, 6):
            view = self.run_beside("scribble", seed)
            self.expect(view, "failure", "WorkerLost", "exited with code 9")

    def test_a_board_scribbled_before_anybody_looked(self):
        # Nobody can say any more what ran there: its lease has to run out. Nothing else is delayed or lost.
        bad = self.worker.submit("scribble", 77, 0)
        self.worker.wait_for_log("damaged memory board")
        for i, task_id in enumerate(self.worker.submit_many([("add", (i, 1)) for i in range(50)])):
            self.assertEqual(self.worker.wait(task_id)["result"], str(i + 1))
        self.worker.link.command("FQ.CANCEL", bad)


class Modules(unittest.TestCase):
    def refuse(self, *modules, words) -> None:
        with Server("--data-dir", "none") as server:
            code, text = Subworker.run_to_end(server, "--concurrency", "2", modules=modules)
        self.assertEqual(code, 1, text)
        for word in words:
            self.assertIn(word, text)

    def test_what_does_not_load_ends_the_command(self):
        self.refuse("./missing.so", words=("missing.so", "no such file"))
        self.refuse(MODULES / "unresolved.so", words=("unresolved.so", "defined_nowhere"))
        self.refuse(MODULES / "no_tasks.so", words=("no_tasks.so", "FQ_TASK"))
        self.refuse(MODULES / "good.so", MODULES / "duplicate.so", words=("duplicate.so", "twice"))

    def test_an_interpreter_that_is_not_there_ends_the_command(self):
        with Server("--data-dir", "none") as server:
            code, text = Subworker.run_to_end(server, "--python", "/no/such/python", modules=("some.module",))
        self.assertEqual(code, 1, text)
        self.assertIn("/no/such/python", text)


if __name__ == "__main__":
    unittest.main()
