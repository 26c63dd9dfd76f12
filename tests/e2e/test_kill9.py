#!/usr/bin/env python3
"""kill -9 of the control plane at random instants under load: every acknowledged submit is there or has run, every
acknowledged completion stays. FASTQUEUE_KILLS sets how many times (20); the fault matrix
has more of it."""
import os
import random
import threading
import time
import unittest
import uuid

from harness import RespError, Server, encode

KILLS = int(os.environ.get("FASTQUEUE_KILLS", "20"))
SEED = int(os.environ.get("FASTQUEUE_SEED", str(random.SystemRandom().randrange(1 << 32))))
LOST = (OSError, EOFError, ConnectionError)


class Load:
    """One submitter that pipelines 32 at a time and one worker, on whatever server listens; both outlive its deaths."""

    def __init__(self, server: Server):
        self.server = server
        self.submitted: set[str] = set()  # acknowledged
        self.sent: dict[str, bytes] = {}
        self.completed: set[str] = set()  # acknowledged
        self.errors: list[str] = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=run) for run in (self.submit, self.work)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def connected(self, use) -> None:
        while not self.stopping.is_set():
            try:
                with self.server.connect() as link:
                    while not self.stopping.is_set():
                        use(link)
            except LOST:
                time.sleep(0.002)
            except RespError as error:
                self.errors.append(str(error))
                return

    def submit(self) -> None:
        retry: list[str] = []

        def burst(link) -> None:
            ids = retry + [str(uuid.uuid4()) for _ in range(32 - len(retry))]
            for task_id in ids:
                self.sent.setdefault(task_id, b'{"args":["%s"],"kwargs":{}}' % task_id.encode())
            retry[:] = ids
            link.send(b"".join(encode("FQ.SUBMIT", "kill.task", self.sent[i], "ID", i) for i in ids))
            for task_id in ids:
                answer = link.read()
                if answer != task_id:
                    self.errors.append(f"submit of {task_id} answered {answer!r}")
                self.submitted.add(task_id)
            retry.clear()

        self.connected(burst)

    def work(self) -> None:
        def batch(link) -> None:
            tasks = link.command("FQ.FETCH", "TASKS", "kill.task", "COUNT", "16", "BLOCK", "200")
            done = []
            for task in tasks:
                if task["payload"] != self.sent[task["id"]].decode():
                    self.errors.append(f"payload of {task['id']} changed")
                done.append((task["id"], encode("FQ.COMPLETE", task["id"], task["token"], '"done"')))
            link.send(b"".join(request for _, request in done))
            for task_id, _ in done:
                answer = link.read(raise_error=False)
                if answer == "OK":
                    self.completed.add(task_id)
                elif not str(answer).startswith("STALELEASE"):
                    self.errors.append(f"complete of {task_id} answered {answer!r}")

        self.connected(batch)


class KillTest(unittest.TestCase):
    def run_kills(self, kills: int, *options: str) -> None:
        dice = random.Random(SEED)
        with Server(*options) as server:
            with Load(server) as load:
                for number in range(kills):
                    time.sleep(dice.uniform(0.005, 0.25))
                    server.kill()
                    server.start()
                    with server.connect() as link:
                        self.check(link, load, number)
            with server.connect() as link:
                self.drain(link, load)
            self.assertEqual(load.errors, [])
            print(f"seed {SEED}: {kills} kills, {len(load.submitted)} acknowledged submits, "
                  f"{len(load.completed)} acknowledged completions, 0 lost")

    def check(self, link, load: Load, number: int) -> None:
        """What was acknowledged before this instant is known; a sample of 300 and all of the newest 100."""
        known = list(load.submitted)
        done = set(load.completed)
        sample = random.Random(SEED + number).sample(known, min(300, len(known)))
        link.send(b"".join(encode("FQ.STATUS", i) for i in sample))
        for task_id in sample:
            status = link.read()
            self.assertIsNotNone(status, f"seed {SEED}: {task_id} was acknowledged and is gone after kill {number}")
            if task_id in done:
                self.assertEqual(status["status"], "success", f"seed {SEED}: completion of {task_id} undone")

    def drain(self, link, load: Load) -> None:
        end = time.monotonic() + 150
        while time.monotonic() < end:
            tasks = link.command("FQ.FETCH", "TASKS", "kill.task", "COUNT", "1000", "BLOCK", "100")
            link.send(b"".join(encode("FQ.COMPLETE", task["id"], task["token"], '"done"') for task in tasks))
            for _ in tasks:
                link.read()
            stats = link.command("FQ.STATS")
            if not tasks and stats["states"]["pending"] + stats["states"]["started"] + stats["states"]["scheduled"] == 0:
                break
        ids = list(load.submitted)
        for start in range(0, len(ids), 500):
            part = ids[start:start + 500]
            link.send(b"".join(encode("FQ.STATUS", i) for i in part))
            for task_id in part:
                status = link.read()
                self.assertIsNotNone(status, f"seed {SEED}: {task_id} lost")
                self.assertEqual(status["status"], "success", f"seed {SEED}: {task_id} {status}")

    def test_synced(self) -> None:
        self.run_kills(KILLS, "--durability", "sync", "--lease", "2s")

    def test_relaxed_survives_process_death(self) -> None:
        self.run_kills(max(KILLS // 6, 3), "--durability", "relaxed", "--lease", "2s")


if __name__ == "__main__":
    unittest.main()
