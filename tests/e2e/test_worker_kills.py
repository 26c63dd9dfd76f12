#!/usr/bin/env python3
"""kill -9 of runners at random instants under load: nothing is lost, nothing is charged that did not run, and the place of
each dead runner is taken again. FASTQUEUE_RUNNER_KILLS sets how many (300, or as many as fit a minute of a slow build);
FASTQUEUE_SEED repeats a run's dice."""
import os
import random
import signal
import time
import unittest

from harness import Server
from subworker import FINAL, Subworker

KILLS = int(os.environ.get("FASTQUEUE_RUNNER_KILLS", "300"))
SEED = int(os.environ.get("FASTQUEUE_SEED", str(random.SystemRandom().randrange(1 << 32))))
LIMIT_S = 1e9 if "FASTQUEUE_RUNNER_KILLS" in os.environ else 60
WAITING_MOST = 2000


class Kills(unittest.TestCase):
    def kill_one(self, dice: random.Random, worker: Subworker) -> int:
        runners = worker.runners()
        if not runners:
            return 0
        try:
            os.kill(dice.choice(runners), signal.SIGKILL)
        except ProcessLookupError:
            return 0
        return 1

    def calls(self, dice: random.Random, count: int):
        kinds = (("noop", ()), ("add", (1, 2)), ("sleep_ms", (1,)), ("sleep_ms", (5,)), ("echo", ("x" * 2000,)),
                 ("big_result", (300_000,)))
        return [kinds[min(int(dice.expovariate(1.0)), len(kinds) - 1)] for _ in range(count)]

    def test_nothing_is_lost(self):
        dice = random.Random(SEED)
        ids: list[str] = []
        kills = 0
        began = time.monotonic()
        # A short lease: grants that were on their way to a runner as it died come back by time.
        with Server("--data-dir", "none", "--lease", "1s") as server, Subworker(server, "--concurrency", "3") as worker:
            while kills < KILLS and time.monotonic() - began < LIMIT_S:
                stats = worker.link.command("FQ.STATS")
                waiting = stats["states"]["pending"] + stats["states"]["started"]
                if waiting < WAITING_MOST:
                    ids += worker.submit_many(self.calls(dice, 200))
                time.sleep(dice.random() ** 2 * 0.03)
                kills += self.kill_one(dice, worker)
            self.assertGreater(kills, 20)
            self.check(worker, ids, kills)
            stats = worker.link.command("FQ.STATS")
        print(f"seed {SEED}: {kills} runners killed, {len(ids)} tasks, {stats['crashed']} crashes charged, "
              f"{stats['returned']} leases returned, {time.monotonic() - began:.0f} s")

    def check(self, worker: Subworker, ids: list[str], kills: int) -> None:
        end = time.monotonic() + 120
        while True:
            states = worker.link.command("FQ.STATS")["states"]
            if states["pending"] + states["started"] + states["scheduled"] == 0:
                break
            self.assertLess(time.monotonic(), end, f"tasks hang: {states}\n{worker.log()[-3000:]}")
            time.sleep(0.05)
        stats = worker.link.command("FQ.STATS")
        self.assertLessEqual(stats["crashed"] + stats["failed"], kills, stats)
        self.assertEqual(stats["submitted"], len(ids))
        self.assertEqual(stats["completed"] + stats["failed"], len(ids), stats)
        for task_id in random.Random(SEED).sample(ids, min(len(ids), 2000)):
            view = worker.view(task_id)
            self.assertIn(view["status"], FINAL)
            if view["status"] != "success":
                self.assertEqual(view["error"]["type"], "WorkerLost", view)


if __name__ == "__main__":
    unittest.main()
