#!/usr/bin/env python3
"""Control planes on a replicated log: the quick cases of tests/cluster, with real nats-servers, and a journal copied there and back."""
import pathlib
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cluster"))

import cases  # noqa: E402
import nats  # noqa: E402
from commandline import run  # noqa: E402
from harness import Server  # noqa: E402


@unittest.skipIf(nats.PROGRAM is None, "nats-server is not installed (Debian package nats-server)")
class Cluster(unittest.TestCase):
    def test_quick_cases(self) -> None:
        for number, case, quick in cases.CASES:
            if not quick:
                continue
            seed = cases.seed()
            with self.subTest(case=case.__name__, seed=seed):
                try:
                    figures = case(cases.Stage(nats.PROGRAM, seed, quick, quick=True))
                except cases.Skipped as reason:
                    self.skipTest(str(reason))
                print(number, case.__name__, figures, flush=True)

    def test_a_journal_moves_there_and_back(self) -> None:
        with nats.Nats(count=1) as servers, Server("--drain-timeout", "1s") as server:
            with server.connect() as link:
                ids = [link.command("FQ.SUBMIT", f"n{i}", "{}") for i in range(50)]
                done = link.command("FQ.FETCH", "TASKS", "n1", "COUNT", "1")[0]
                link.command("FQ.COMPLETE", done["id"], done["token"], '"result"')
                held = link.command("FQ.FETCH", "TASKS", "n2", "COUNT", "1")[0]
            url, back = servers.url("moved"), server.folder / "back"
            code, text = self.copy("--data-dir", server.data_dir, url)
            self.assertEqual(code, 75, text)
            self.assertIn("stop it first", text)
            self.assertEqual(server.terminate(), 0)
            code, text = self.copy("--data-dir", server.data_dir, url)
            self.assertEqual(code, 0, text)
            code, text = self.copy("--data-dir", server.data_dir, url)
            self.assertEqual(code, 2, text)
            self.assertIn("not empty", text)
            with Server("--journal", url, "--drain-timeout", "1s") as moved:
                self.check(moved, ids, done, held)
                code, text = self.copy("--journal", url, str(back))
                self.assertEqual(code, 75, text)
                self.assertIn("stop every control plane", text)
                self.assertEqual(moved.terminate(), 0)
            code, text = self.copy("--journal", url, str(back))
            self.assertEqual(code, 0, text)
            with Server("--data-dir", str(back)) as again, again.connect() as link:
                self.assertEqual(link.command("FQ.STATUS", done["id"])["status"], "success")
                self.assertEqual(link.command("FQ.STATUS", held["id"])["status"], "success")
                self.assertEqual(link.command("FQ.STATS")["states"]["pending"], 48)

    def check(self, server: Server, ids: list, done: dict, held: dict) -> None:
        """Everything is there, and the lease too: its token is still good."""
        with server.connect() as link:
            for one in ids:
                self.assertIsNotNone(link.command("FQ.STATUS", one))
            self.assertEqual(link.command("FQ.RESULT", done["id"])["result"], '"result"')
            self.assertEqual(link.command("FQ.COMPLETE", held["id"], held["token"], "1"), "OK")

    @staticmethod
    def copy(*words: str) -> tuple[int, str]:
        done = run("journal", "copy", *words[2:], *words[:2])
        return done.returncode, done.stdout + done.stderr


if __name__ == "__main__":
    unittest.main()
