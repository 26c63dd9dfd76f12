#!/usr/bin/env python3
"""A worker's life: heartbeats, cancels, drains, recycled runners, a second worker of the same name, a control plane or a
supervisor that goes away."""
import os
import signal
import time
import unittest

from harness import RespError, Server
from subworker import Subworker, is_alive


def until(condition, limit: float = 30, what: str = "it did not happen"):
    end = time.monotonic() + limit
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} in {limit} s")
        time.sleep(0.01)
    return value


class Leases(unittest.TestCase):
    def test_a_busy_task_keeps_its_lease(self):
        with Server("--data-dir", "none", "--lease", "1s") as server, Subworker(server, "--concurrency", "1") as worker:
            view = worker.run("sleep_ms", 3500)
            self.assertEqual((view["status"], view["attempt"], view["crashes"]), ("success", 1, 0))

    def test_a_running_task_is_cancelled(self):
        with Server("--data-dir", "none") as server, \
                Subworker(server, "--concurrency", "1", "--kill-grace", "300ms") as worker:
            for name in ("sleep_politely", "sleep_ms", "spin"):  # polite, deaf asleep, deaf busy
                began = time.monotonic()
                task_id = worker.submit(name, 60000)
                worker.wait_until_started(task_id)
                self.assertEqual(worker.link.command("FQ.CANCEL", task_id), 1)
                self.assertEqual(worker.wait(task_id)["status"], "cancelled")
                self.assertLess(time.monotonic() - began, 10)
            self.assertEqual(worker.run("add", 1, 2)["result"], "3")

    def test_a_second_worker_of_the_same_name_is_refused(self):
        with Server("--data-dir", "none") as server, Subworker(server, "--concurrency", "1") as worker:
            code, text = Subworker.run_to_end(server, "--concurrency", "1")
            self.assertEqual(code, 69, text)
            for word in ("w1", "--worker-id", "FASTQUEUE_WORKER_ID"):
                self.assertIn(word, text)
            self.assertEqual(worker.run("add", 1, 2)["result"], "3")


class Ends(unittest.TestCase):
    def test_a_drain_lets_running_tasks_finish_and_gives_back_the_rest(self):
        with Server("--data-dir", "none") as server:
            with Subworker(server, "--concurrency", "1") as worker:
                running = worker.submit("sleep_ms", 1000)
                worker.wait_until_started(running)
                waiting = worker.submit_many([("add", (i, i)) for i in range(10)])
                worker.terminate()
                self.assertEqual(worker.wait_for_end(), 0, worker.log())
                self.assertEqual(worker.view(running)["status"], "success")
                for task_id in waiting:
                    view = worker.view(task_id)
                    self.assertEqual((view["status"], view["attempt"]), ("pending", 0), view)
                self.assertEqual(worker.link.command("FQ.WORKERS")[1], [])

    def test_what_outlasts_a_drain_goes_back_uncharged(self):
        with Server("--data-dir", "none") as server:
            with Subworker(server, "--concurrency", "1", "--drain-timeout", "300ms") as worker:
                running = worker.submit("sleep_ms", 60000)
                worker.wait_until_started(running)
                began = time.monotonic()
                worker.terminate()
                self.assertEqual(worker.wait_for_end(), 0, worker.log())
                self.assertLess(time.monotonic() - began, 10)
                view = worker.view(running)
                self.assertEqual((view["status"], view["attempt"], view["crashes"]), ("pending", 0, 0), view)

    def test_a_second_signal_ends_at_once(self):
        with Server("--data-dir", "none") as server, Subworker(server, "--concurrency", "1") as worker:
            running = worker.submit("spin")
            worker.wait_until_started(running)
            worker.terminate()
            worker.wait_for_log("draining")
            self.assertIsNone(worker.process.poll())
            worker.terminate()
            self.assertEqual(worker.wait_for_end(20), 0)
            self.assertEqual(worker.view(running)["status"], "pending")

    def test_a_signal_to_the_whole_group_is_a_drain_too(self):
        """As service managers do it: SIGTERM to the supervisor and to each runner."""
        with Server("--data-dir", "none") as server, Subworker(server, "--concurrency", "1") as worker:
            running = worker.submit("sleep_ms", 1000)
            worker.wait_until_started(running)
            for pid in (*worker.runners(), worker.process.pid):
                os.kill(pid, signal.SIGTERM)
            self.assertEqual(worker.wait_for_end(), 0, worker.log())
            view = worker.view(running)
            self.assertEqual((view["status"], view["crashes"]), ("success", 0), view)

    def test_a_killed_supervisor_takes_its_runners_along(self):
        with Server("--data-dir", "none") as server:
            worker = Subworker(server, "--concurrency", "2")
            worker.start()
            running = [worker.submit("sleep_ms", 60000), worker.submit("spin")]
            for task_id in running:
                worker.wait_until_started(task_id)
            runners = worker.runners()
            self.assertEqual(len(runners), 2)
            began = time.monotonic()
            worker.process.kill()
            worker.process.wait()
            until(lambda: not any(map(is_alive, runners)), what="runners do not die with their supervisor")
            for task_id in running:  # long before the lease of 30 s ends
                worker.wait_for_status(task_id, "pending", 15)
            self.assertLess(time.monotonic() - began, 15)
            worker.link.close()

    def test_a_supervisor_started_again_takes_its_name_over(self):
        with Server("--data-dir", "none") as server:
            worker = Subworker(server, "--concurrency", "1")
            worker.start()
            worker.process.kill()
            worker.process.wait()
            worker.link.close()
            with Subworker(server, "--concurrency", "1") as again:
                self.assertEqual(again.run("add", 1, 2)["result"], "3")


class Recycling(unittest.TestCase):
    def test_a_runner_is_replaced_after_so_many_tasks(self):
        with Server("--data-dir", "none") as server, \
                Subworker(server, "--concurrency", "1", "--max-tasks-per-child", "10") as worker:
            pids = {}
            for task_id in worker.submit_many([("task.whoami", ())] * 200):
                view = worker.wait(task_id)
                self.assertEqual((view["status"], view["attempt"]), ("success", 1), view)
                pid = view["result"].split('"pid":')[1].split("}")[0]
                pids[pid] = pids.get(pid, 0) + 1
            self.assertGreaterEqual(len(pids), 20)
            self.assertLessEqual(max(pids.values()), 10)

    def test_each_task_its_own_process(self):
        with Server("--data-dir", "none") as server, \
                Subworker(server, "--concurrency", "1", "--max-tasks-per-child", "1") as worker:
            views = [worker.wait(task_id) for task_id in worker.submit_many([("task.whoami", ())] * 20)]
            self.assertEqual(len({view["result"].split('"pid":')[1] for view in views}), 20)

    def test_a_runner_that_has_grown_is_replaced_after_its_task(self):
        with Server("--data-dir", "none") as server, \
                Subworker(server, "--concurrency", "1", "--max-memory-per-child", "100MiB") as worker:
            first = worker.runners()
            view = worker.run("leak", 130)  # over the limit, not twice the limit
            self.assertEqual(view["status"], "success", view)
            until(lambda: worker.runners() and not set(worker.runners()) & set(first), what="no replacement")
            self.assertEqual(worker.run("add", 1, 2)["result"], "3")


class Outages(unittest.TestCase):
    def test_the_control_plane_restarts_under_a_running_task(self):
        with Server() as server, Subworker(server, "--concurrency", "2") as worker:
            slow = worker.submit("sleep_ms", 2000)
            worker.wait_until_started(slow)
            worker.link.close()
            server.kill()
            server.start()
            worker.link = server.connect()
            view = worker.wait(slow)
            self.assertEqual((view["status"], view["attempt"], view["crashes"]), ("success", 1, 0), view)
            self.assertEqual(worker.run("add", 1, 2)["result"], "3")

    def test_a_worker_waits_for_a_control_plane_that_is_not_there_yet(self):
        server = Server("--data-dir", "none")
        worker = Subworker(server, "--concurrency", "1")
        worker.start(wait=False)
        worker.wait_for_log("trying again")
        with server:
            worker.wait_for_log("registered with the control plane")
            worker.link = server.connect()
            self.assertEqual(worker.run("add", 1, 2)["result"], "3")
            worker.link.close()
            self.assertEqual(worker.stop(), 0)

    def test_a_wrong_token_ends_the_command(self):
        with Server("--data-dir", "none", environment={"FASTQUEUE_TOKEN": "right-token-of-some-length"}) as server:
            code, text = Subworker.run_to_end(server, environment={"FASTQUEUE_TOKEN": "wrong-token-of-some-length"})
            self.assertEqual(code, 69, text)
            self.assertIn("credential", text)
            with Subworker(server, "--concurrency", "1") as worker:
                self.assertEqual(worker.run("add", 1, 2)["result"], "3")
                for runner in worker.runners():  # the token stands in no environment and no argument list of a runner
                    for file in ("environ", "cmdline"):
                        with open(f"/proc/{runner}/{file}", "rb") as data:
                            self.assertNotIn(b"right-token", data.read())

    def test_a_frozen_runner_keeps_its_task(self):
        """Its heartbeats go on, because they are not its own; what comes meanwhile runs elsewhere."""
        with Server("--data-dir", "none", "--lease", "1s") as server, Subworker(server, "--concurrency", "1") as worker:
            slow = worker.submit("sleep_ms", 500)
            worker.wait_until_started(slow)
            (frozen,) = worker.runners()
            os.kill(frozen, signal.SIGSTOP)
            with Subworker(server, "--concurrency", "1", worker_id="w2") as other:
                for task_id in other.submit_many([("add", (i, 0)) for i in range(100)]):
                    self.assertEqual(other.wait(task_id)["status"], "success")
                time.sleep(2.5)
                os.kill(frozen, signal.SIGCONT)
                view = worker.wait(slow)
                self.assertEqual((view["status"], view["attempt"], view["worker"]), ("success", 1, "w1"), view)


class Names(unittest.TestCase):
    def test_the_worker_and_its_tasks_are_listed(self):
        with Server("--data-dir", "none") as server, Subworker(server, "--concurrency", "2") as worker:
            (row,) = worker.link.command("FQ.WORKERS")[1]
            self.assertEqual((row["id"], row["slots"]), ("w1", 2))
            self.assertIn("task.whoami", row["tasks"])
            with self.assertRaises(RespError):
                worker.link.command("FQ.UNREGISTER", "nobody")


if __name__ == "__main__":
    unittest.main()
