#!/usr/bin/env python3
"""A control plane that runs tasks itself: its worker comes back when it dies, ends with it, and a bad module ends both."""
import os
import signal
import time
import unittest

from harness import BUILD, Server

MODULE = BUILD / "examples" / "tasks.so"


@unittest.skipUnless(MODULE.exists(), f"{MODULE} is not built")
class OwnWorker(unittest.TestCase):
    def workers(self, link) -> list[dict]:
        return [row for row in link.command("FQ.WORKERS")[1] if row["active"]]

    def wait_for_worker(self, server: Server, link, other_than: str = "") -> dict:
        end = time.monotonic() + 30
        while time.monotonic() < end:
            for row in self.workers(link):
                if row["instance"] != other_than:
                    return row
            time.sleep(0.02)
        self.fail(f"no worker:\n{server.log()}")

    def test_runs_restarts_and_ends(self) -> None:
        with Server("--task-modules", str(MODULE), "--concurrency", "1",
                    environment={"FASTQUEUE_TOKEN": "a-token-of-20-letters"}) as server, server.connect() as link:
            row = self.wait_for_worker(server, link)
            self.assertEqual(row["id"], "control-plane")
            task_id = link.command("FQ.SUBMIT", "add", '{"args":[2,3],"kwargs":{}}')
            self.assertEqual(link.command("FQ.RESULT", task_id, "WAIT", "20000")["result"], "5")
            users = link.command("CLIENT", "LIST")
            self.assertIn("user=fastqueue-own-worker", users)
            pid = int(row["meta"].split("pid=")[1].split()[0])
            os.kill(pid, signal.SIGKILL)
            self.wait_for_worker(server, link, other_than=row["instance"])
            self.assertIn("restarted in", server.log())
            task_id = link.command("FQ.SUBMIT", "add", '{"args":[4,5],"kwargs":{}}')
            self.assertEqual(link.command("FQ.RESULT", task_id, "WAIT", "20000")["result"], "9")
            slow = link.command("FQ.SUBMIT", "sleep_ms", '{"args":[2000],"kwargs":{}}')
            while link.command("FQ.STATUS", slow)["status"] != "started":
                time.sleep(0.01)
            time.sleep(0.5)  # leased is not running: what a drain finds unstarted it gives back
            self.assertEqual(server.terminate(), 0)
            server.start()
            with server.connect() as again:
                self.assertEqual(again.command("FQ.STATUS", slow)["status"], "success")

    def test_module_that_does_not_load_ends_the_server(self) -> None:
        code, text = Server.run_to_end("--task-modules", "./no_such_module.so")
        self.assertEqual(code, 1, text)
        self.assertIn("no_such_module.so", text)


if __name__ == "__main__":
    unittest.main()
