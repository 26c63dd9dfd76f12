#!/usr/bin/env python3
"""Python runners under the supervisor: both kinds side by side, limits, a blocked event loop, modules that do not import."""
import pathlib
import shutil
import sys
import tempfile
import time
import unittest

from harness import BUILD, ROOT, Server
from subworker import EXAMPLES, Subworker

CORE = BUILD / "python" / "fastqueue" / "_core.abi3.so"
SANITIZED = b"__asan_init" in (BUILD / "bin" / "fastqueue").read_bytes()
TASKS = '''
import asyncio, ctypes, os, time
from fastqueue import task

@task
def py_add(a, b):
    return a + b

@task
def py_pid():
    return os.getpid()

@task
def py_sleep(seconds):
    time.sleep(seconds)
    return seconds

@task
def py_spin():
    while True:
        pass

@task
def py_segfault():
    ctypes.string_at(0)

@task
def py_exit():
    os._exit(5)

@task
def py_close_descriptors():
    os.closerange(3, 1024)
    return "closed"

@task
async def co_sleep(seconds):
    await asyncio.sleep(seconds)
    return seconds

@task
async def co_block(seconds):
    time.sleep(seconds)

@task
async def co_stubborn():
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            pass
'''


@unittest.skipUnless(CORE.exists() and not SANITIZED, "the Python extension is not built here, or has sanitizers in it")
class Python(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-python-"))
        package = cls.folder / "fastqueue"
        package.mkdir()
        for file in (*(ROOT / "python" / "src" / "fastqueue").iterdir(), CORE):
            (package / file.name).symlink_to(file)
        (cls.folder / "tasks_for_test.py").write_text(TASKS)
        (cls.folder / "broken_for_test.py").write_text("import a_module_that_does_not_exist\n")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder, ignore_errors=True)

    def worker(self, server: Server, *options: str, modules=("tasks_for_test",)) -> Subworker:
        return Subworker(server, "--python", sys.executable, *options, modules=modules,
                         environment={"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"})

    def test_both_kinds_serve_one_worker(self):
        with Server("--data-dir", "none") as server, \
                self.worker(server, "--concurrency", "2", modules=("tasks_for_test", EXAMPLES)) as worker:
            self.assertEqual(len(worker.runners()), 2)
            calls = [("add", (i, 1)) if i % 2 else ("py_add", (i, 1)) for i in range(200)]
            for i, task_id in enumerate(worker.submit_many(calls)):
                self.assertEqual(worker.wait(task_id)["result"], str(i + 1))

    def test_bad_tasks_cost_themselves(self):
        with Server("--data-dir", "none") as server, \
                self.worker(server, "--concurrency", "1", "--kill-grace", "500ms") as worker:
            good = worker.submit_many([("py_add", (i, 1)) for i in range(20)])
            for name, words in (("py_segfault", ("signal 11",)), ("py_exit", ("exited with code 5",))):
                view = worker.run(name)
                self.assertEqual((view["status"], view["error"]["type"]), ("failure", "WorkerLost"), view)
                for word in words:
                    self.assertIn(word, view["error"]["message"])
            for _ in range(3):
                view = worker.run("py_close_descriptors")
                self.assertEqual((view["status"], view["result"], view["crashes"]), ("success", '"closed"', 0), view)
            view = worker.run("py_spin", options=("TIMEOUT", "200"))
            self.assertEqual((view["status"], view["error"]["type"]), ("failure", "SoftTimeLimit"), view)
            for i, task_id in enumerate(good):
                self.assertEqual(worker.wait(task_id)["result"], str(i + 1))

    def test_a_blocked_loop_charges_the_one_that_blocks(self):
        with Server("--data-dir", "none") as server, \
                self.worker(server, "--concurrency", "1", "--kill-grace", "500ms") as worker:
            siblings = [worker.submit("co_sleep", 2.5) for _ in range(4)]
            limited = worker.submit("co_sleep", 1, options=("TIMEOUT", "1500"))
            for task_id in (*siblings, limited):
                worker.wait_until_started(task_id)
            culprit = worker.submit("co_block", 60, options=("RETRIES", "0"))
            # Its crash is counted once; then it is cancelled, so that it does not block the next four loops too.
            end = time.monotonic() + 30
            while worker.view(culprit)["crashes"] == 0 and time.monotonic() < end:
                time.sleep(0.02)
            worker.link.command("FQ.CANCEL", culprit)
            for task_id in (*siblings, limited):
                view = worker.wait(task_id)
                self.assertEqual((view["status"], view["crashes"], view["attempt"]), ("success", 0, 1), view)
            view = worker.wait(culprit)
            self.assertEqual(view["crashes"], 1, view)

    def test_a_coroutine_that_refuses_to_end_is_charged_itself(self):
        with Server("--data-dir", "none") as server, \
                self.worker(server, "--concurrency", "1", "--kill-grace", "500ms") as worker:
            sibling = worker.submit("co_sleep", 3)
            stubborn = worker.submit("co_stubborn", options=("TIMEOUT", "300"))
            view = worker.wait(stubborn)
            self.assertEqual((view["status"], view["error"]["type"]), ("failure", "TimeLimitExceeded"), view)
            view = worker.wait(sibling)
            self.assertEqual((view["status"], view["crashes"], view["attempt"]), ("success", 0, 1), view)

    def test_a_running_function_and_a_coroutine_are_cancelled(self):
        with Server("--data-dir", "none") as server, self.worker(server, "--concurrency", "1") as worker:
            for name in ("py_sleep", "co_sleep"):
                task_id = worker.submit(name, 60)
                worker.wait_until_started(task_id)
                began = time.monotonic()
                worker.link.command("FQ.CANCEL", task_id)
                self.assertEqual(worker.wait(task_id)["status"], "cancelled")
                self.assertLess(time.monotonic() - began, 8)  # well before the grace of 10 s

    def test_a_runner_is_recycled(self):
        with Server("--data-dir", "none") as server, \
                self.worker(server, "--concurrency", "1", "--max-tasks-per-child", "5") as worker:
            pids = [worker.wait(task_id)["result"] for task_id in worker.submit_many([("py_pid", ())] * 20)]
            self.assertGreaterEqual(len(set(pids)), 4)

    def test_a_module_that_does_not_import_ends_the_command(self):
        with Server("--data-dir", "none") as server:
            for module, words in (("broken_for_test", ("broken_for_test", "a_module_that_does_not_exist", "Traceback")),
                                  ("no_such_module_at_all", ("no_such_module_at_all",))):
                code, text = Subworker.run_to_end(server, "--python", sys.executable, modules=(module,),
                                                  environment={"PYTHONPATH": str(self.folder)})
                self.assertEqual(code, 1, text)
                for word in words:
                    self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
