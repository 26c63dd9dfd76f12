#!/usr/bin/env python3
"""A queue over several control planes, each with a journal of its own: who takes what, what clients do, and how a shard is added."""
import json
import pathlib
import subprocess
import sys
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))

import nats  # noqa: E402
from commandline import clean_environment, run  # noqa: E402
from harness import BUILD, RespError, Server  # noqa: E402

LIMIT_S = 30


class Shards:
    """Control planes of one queue on one nats-server."""

    def __init__(self, founding: int):
        self.nats = nats.Nats(count=1)
        self.founding, self.servers = founding, []

    def __enter__(self) -> "Shards":
        self.nats.__enter__()
        self.url = self.nats.url("queue")
        for number in range(self.founding):
            self.start(number, f"{number}/{self.founding}")
        self.wait_for(1)
        return self

    def __exit__(self, *_) -> None:
        for server in self.servers:
            server.stop()
        self.nats.__exit__(None, None, None)

    def start(self, number: int, shard: str) -> Server:
        server = Server("--journal", self.url, "--shard", shard, "--drain-timeout", "1s")
        server.number = number
        self.servers.append(server)
        server.start()
        return server

    def map(self, server: Server) -> dict:
        with server.connect() as link:
            return link.command("FQ.SHARDS")

    def wait_for(self, version: int) -> None:
        """Until each control plane has the map's version, and an address of every shard."""
        end = time.monotonic() + LIMIT_S
        while True:
            maps = [self.map(server) for server in self.servers]
            if all(one["version"] >= version and len(one["shards"]) == len(self.servers) and
                   all(shard["addresses"] for shard in one["shards"]) for one in maps):
                return
            assert time.monotonic() < end, maps
            time.sleep(0.05)

    @property
    def environment(self) -> dict:
        return {"FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{self.servers[0].port}"}

    def verb(self, *words) -> str:
        done = run(*words, env=self.environment)
        assert done.returncode == 0, (words, done.returncode, done.stderr)
        return done.stdout.strip()

    def submit(self, name: str, *words) -> str:
        return self.verb("submit", "--non-blocking", "--name", name, *words).split()[-1]

    def owner(self, name: str) -> Server:
        """Who takes the name, by asking."""
        for server in self.servers:
            with server.connect() as link:
                try:
                    link.command("FQ.SUBMIT", name, "{}", "UNIQUE", name + "-probe")
                    return server
                except RespError as error:
                    assert str(error).startswith("MOVED"), error
        raise AssertionError(f"nobody takes {name}")

    def pending(self) -> list[int]:
        counts = []
        for server in self.servers:
            with server.connect() as link:
                counts.append(link.command("FQ.STATS")["states"]["pending"])
        return counts

    def submitted(self) -> list[int]:
        counts = []
        for server in self.servers:
            with server.connect() as link:
                counts.append(link.command("FQ.STATS")["submitted"])
        return counts

    def spread(self, count: int) -> list[str]:
        done = subprocess.run([BUILD / "tests" / "client_load", "spread", str(count)], env=clean_environment(self.environment),
                              stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S)
        return done.stdout.split()


@unittest.skipIf(nats.PROGRAM is None, "nats-server is not installed (Debian package nats-server)")
class ShardedQueue(unittest.TestCase):
    def test_each_name_has_one_shard_and_clients_find_it(self) -> None:
        with Shards(2) as queue:
            ids = queue.spread(6400)
            self.assertEqual(len(set(ids)), 6400)
            counts = queue.pending()
            self.assertEqual(sum(counts), 6400)
            self.assertGreater(min(counts), 640, counts)
            with queue.servers[0].connect() as zero, queue.servers[1].connect() as one:
                wrong = None
                for index in range(64):
                    try:
                        zero.command("FQ.SUBMIT", f"spread.{index}", "{}")
                    except RespError as error:
                        wrong = str(error)
                        self.assertTrue(wrong.startswith(f"MOVED 1 127.0.0.1:{queue.servers[1].port}"), wrong)
                        self.assertTrue(one.command("FQ.SUBMIT", f"spread.{index}", "{}").endswith("01"))
                self.assertIsNotNone(wrong)
            # By the id alone, whichever shard has the task.
            for task in ids[:20]:
                self.assertIn("pending", queue.verb("status", task))
            self.verb_cancels(queue, ids[3])
            self.assertEqual(run("status", str(uuid.uuid4()), env=queue.environment).returncode, 1)
            self.assertIn("active", queue.verb("shards"))
            self.whole(queue, ids)

    def whole(self, queue: Shards, ids: list[str]) -> None:
        """Verbs that show the whole, or act on it."""
        rows = queue.verb("queues", "--json").splitlines()
        self.assertEqual(sum('"name":"spread.' in row.replace(" ", "") for row in rows), 64, rows[:3])
        listed = queue.verb("list", "--status", "pending", "--limit", "100000", "--json").splitlines()
        self.assertEqual(len(listed), sum(queue.pending()))
        self.assertEqual(len(queue.verb("list", "--status", "pending", "--limit", "7", "--json").splitlines()), 7)
        top = json.loads(queue.verb("top", "--json").splitlines()[0])
        self.assertEqual(top["submitted_total"], sum(queue.submitted()), top)
        queue.verb("pause", "--all")
        for server in queue.servers:
            with server.connect() as link:
                self.assertEqual(link.command("FQ.FETCH", "TASKS", *[f"spread.{index}" for index in range(64)]), [])
        queue.verb("resume", "--all")

    def verb_cancels(self, queue: Shards, task: str) -> None:
        queue.verb("cancel", task)
        self.assertIn("cancelled", queue.verb("status", task))

    def test_a_shard_is_added_and_only_new_tasks_move(self) -> None:
        with Shards(2) as queue:
            names = [f"move.{index}" for index in range(40)]
            known = {name: str(uuid.uuid4()) for name in names}
            for name, task in known.items():
                self.assertEqual(queue.submit(name, "--id", task, "--unique", "u" + name), task)
            before = queue.pending()
            third = queue.start(2, "2")
            queue.wait_for(1)
            with third.connect() as link, self.assertRaises(RespError) as refused:
                link.command("FQ.SUBMIT", names[0], "{}")
            self.assertTrue(str(refused.exception).startswith("MOVED"), refused.exception)
            self.assertIn("version 2", queue.verb("shards", "add", "2", "--journal", queue.url))
            queue.wait_for(2)
            self.assertEqual(queue.pending(), [*before, 0])
            # Whoever asks again under the same id, or with the same unique key, gets what is there.
            for name, task in known.items():
                self.assertEqual(queue.submit(name, "--id", task, "--unique", "u" + name), task)
                self.assertEqual(queue.submit(name, "--unique", "u" + name), task)
            self.assertEqual(queue.pending(), [*before, 0])
            for name in names:
                queue.submit(name)
            after = queue.pending()
            self.assertEqual(sum(after), 2 * len(names))
            self.assertGreater(after[2], 0)
            again = run("shards", "add", "2", "--journal", queue.url)
            self.assertEqual(again.returncode, 1)
            self.assertIn("takes tasks already", again.stderr)
            self.retire(queue, names)

    def retire(self, queue: Shards, names: list[str]) -> None:
        queue.verb("shards", "retire", "0", "--journal", queue.url)
        queue.wait_for(3)
        before = queue.pending()
        for name in names:
            queue.submit(name)
        self.assertEqual(queue.pending()[0], before[0])
        queue.verb("shards", "remove", "0", "--journal", queue.url)

    def test_one_shard_restarts_and_the_others_go_on(self) -> None:
        with Shards(2) as queue:
            names = {server.number: next(f"n{index}" for index in range(100) if queue.owner(f"n{index}") is server)
                     for server in queue.servers}
            queue.servers[1].kill()
            queue.submit(names[0])
            queue.servers[1].start()
            queue.wait_for(1)
            queue.submit(names[1])


if __name__ == "__main__":
    unittest.main()
