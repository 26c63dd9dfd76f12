#!/usr/bin/env python3
"""Everything dies at random, again and again: control plane, supervisors, runners. Every acknowledged task ends as a
success with its own result, once. FASTQUEUE_STORM_SECONDS sets how long (15)."""
import os
import random
import signal
import threading
import time
import unittest
import uuid

from harness import Server, encode
from subworker import Subworker, payload

SECONDS = float(os.environ.get("FASTQUEUE_STORM_SECONDS", "15"))
SEED = int(os.environ.get("FASTQUEUE_SEED", str(random.SystemRandom().randrange(1 << 32))))


class Submitter(threading.Thread):
    """Submits `add n 1` under ids of its own, 50 at a time, and repeats what was not acknowledged under the same ids."""

    def __init__(self, server: Server):
        super().__init__()
        self.server, self.stopping = server, threading.Event()
        self.acknowledged: dict[str, int] = {}

    def run(self) -> None:
        number, todo = 0, []
        while not self.stopping.is_set():
            if not todo:
                todo = [(str(uuid.uuid4()), number + i) for i in range(50)]
                number += 50
            try:
                with self.server.connect() as link:
                    link.send(b"".join(encode("FQ.SUBMIT", "add", payload(n, 1), "ID", i) for i, n in todo))
                    for task_id, n in list(todo):
                        if link.read() != task_id:
                            raise AssertionError(f"submit of {task_id} answered another id")
                        self.acknowledged[task_id] = n
                todo = []
                time.sleep(0.02)
            except (OSError, EOFError):
                time.sleep(0.01)


class Storm(unittest.TestCase):
    def test_nothing_is_lost(self) -> None:
        dice = random.Random(SEED)
        deaths = {"control plane": 0, "supervisor": 0, "runner": 0}
        with Server("--lease", "1s") as server:
            workers = [Subworker(server, "--concurrency", "2", worker_id=f"w{i}") for i in range(2)]
            for worker in workers:
                worker.start()
            submitter = Submitter(server)
            submitter.start()
            try:
                end = time.monotonic() + SECONDS
                while time.monotonic() < end:
                    time.sleep(dice.uniform(0.02, 0.4))
                    self.strike(dice, server, dice.choice(workers), deaths)
            finally:
                submitter.stopping.set()
                submitter.join()
            self.check(server, submitter.acknowledged)
            for worker in workers:
                worker.link.close()
                self.assertEqual(worker.stop(), 0, worker.log())
        print(f"seed {SEED}: {deaths}, {len(submitter.acknowledged)} acknowledged tasks, 0 lost")

    def strike(self, dice: random.Random, server: Server, worker: Subworker, deaths: dict) -> None:
        victim = dice.choices(list(deaths), weights=[2, 1, 7])[0]
        deaths[victim] += 1
        if victim == "control plane":
            server.kill()
            server.start()
        elif victim == "supervisor":
            worker.process.kill()
            worker.process.wait()
            worker.start(wait=False)
        else:
            for pid in worker.runners()[:1]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass  # it went by itself: its supervisor has just died

    def check(self, server: Server, acknowledged: dict[str, int]) -> None:
        with server.connect() as link:
            for task_id, n in acknowledged.items():
                view = link.command("FQ.RESULT", task_id, "WAIT", "90000")
                self.assertIsNotNone(view, f"seed {SEED}: {task_id} was acknowledged and is gone")
                if view["status"] == "failure" and view["error"]["type"] == "WorkerLost":
                    self.assertGreaterEqual(view["crashes"], 5, view)  # five runners were killed under it
                    continue
                self.assertEqual((view["status"], view.get("result")), ("success", str(n + 1)), f"seed {SEED}: {view}")


if __name__ == "__main__":
    unittest.main()
