#!/usr/bin/env python3
"""Compaction under load: the log is bounded, the server keeps answering, a restart finds everything."""
import os
import pathlib
import signal
import threading
import time
import unittest

from harness import Server, encode


class Compaction(unittest.TestCase):
    def load(self, server: Server, ids: list[str], stop: threading.Event) -> None:
        """Submits 64 at a time, and completes three of four, so that most of the log is of no more use."""
        payload = '{"args":["%s"],"kwargs":{}}' % ("x" * 1000)
        with server.connect() as link:
            while not stop.is_set():
                link.send(encode("FQ.SUBMIT", "compact.task", payload) * 64)
                batch = [link.read() for _ in range(64)]
                tasks = link.command("FQ.FETCH", "TASKS", "compact.task", "COUNT", "48")
                link.send(b"".join(encode("FQ.COMPLETE", t["id"], t["token"], '"ok"') for t in tasks))
                for _ in tasks:
                    self.assertEqual(link.read(), "OK")
                ids += batch

    def test_compaction_under_load(self) -> None:
        with Server("--compact-after", "1MiB", "--lease", "60s") as server:
            ids: list[str] = []
            stop = threading.Event()
            loader = threading.Thread(target=self.load, args=(server, ids, stop))
            loader.start()
            end = time.monotonic() + 90
            slowest = 0.0
            with server.connect() as link:
                while server.log().count("journal compacted") < 3 and time.monotonic() < end:
                    start = time.monotonic()
                    link.command("PING")
                    slowest = max(slowest, time.monotonic() - start)
                    time.sleep(0.005)
            stop.set()
            loader.join()
            self.assertGreaterEqual(server.log().count("journal compacted"), 3, server.log())
            self.assertNotIn("compaction failed", server.log())
            states = self.states(server, ids)
            for _ in range(2):
                server.kill()
                server.start()
                self.assertEqual(self.states(server, ids), states)
            print(f"{len(ids)} tasks, {server.log().count('journal compacted')} compactions, slowest PING {slowest * 1000:.1f} ms")

    def states(self, server: Server, ids: list[str]) -> dict[str, str]:
        with server.connect() as link:
            found = {}
            for start in range(0, len(ids), 500):
                part = ids[start:start + 500]
                link.send(b"".join(encode("FQ.STATUS", i) for i in part))
                for task_id in part:
                    status = link.read()
                    self.assertIsNotNone(status, f"{task_id} is lost")
                    found[task_id] = status["status"]
            return found

    def test_killed_compactor_changes_nothing(self) -> None:
        with Server("--compact-after", "256KiB") as server, server.connect() as link:
            payload = '{"args":["%s"],"kwargs":{}}' % ("x" * 4000)
            killed = 0
            end = time.monotonic() + 60
            while killed == 0 and time.monotonic() < end:
                link.send(encode("FQ.SUBMIT", "compact.task", payload) * 32)
                for _ in range(32):
                    link.read()
                for child in pathlib.Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split():
                    try:
                        os.kill(int(child), signal.SIGKILL)
                        killed += 1
                    except ProcessLookupError:
                        pass
            self.assertGreater(killed, 0, "no compactor was seen")
            end = time.monotonic() + 20
            while "compaction failed" not in server.log():
                self.assertLess(time.monotonic(), end, server.log())
                time.sleep(0.02)
            self.assertEqual(link.command("PING"), "PONG")
            before = link.command("FQ.STATS")["states"]["pending"]
            server.kill()
            server.start()
            with server.connect() as again:
                self.assertEqual(again.command("FQ.STATS")["states"]["pending"], before)


if __name__ == "__main__":
    unittest.main()
