# SPDX-License-Identifier: Apache-2.0
"""Workers that die, stop, hang, multiply; tasks that attack them."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

from case import Figure, Run, at_least, at_most, case, holds, percentile, told, zero
from cgroup import control_group
from harness import BUILD, START_LIMIT_S, Server
from subworker import EXAMPLES, Subworker, is_alive

FAULTS = BUILD / "tests" / "fault_tasks.so"
MODULES = (FAULTS, EXAMPLES)


def until(is_so, limit_s: float = 30, step_s: float = 0.005) -> bool:
    end = time.monotonic() + limit_s
    while not is_so():
        if time.monotonic() > end:
            return False
        time.sleep(step_s)
    return True


def count_of(path: pathlib.Path) -> int:
    return path.stat().st_size if path.exists() else 0


class Caged(Subworker):
    """A subworker inside of a control group."""

    def __init__(self, server: Server, group, *options: str, **more):
        super().__init__(server, *options, **more)
        self.group = group

    def start(self, wait: bool = True) -> None:
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.line, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment, preexec_fn=self.group.enter)
        if wait:
            self.wait_for_log("registered with the control plane", START_LIMIT_S)
            self.link = self.server.connect()


def good_tasks_beside(worker: Subworker, count: int = 40) -> int:
    """How many of `count` harmless tasks do not succeed."""
    ids = worker.submit_many([("add", (number, 1)) for number in range(count)])
    return sum(worker.wait(i).get("result") != str(number + 1) for number, i in enumerate(ids))


# --- 12, 13: workers that go, and workers that come back
def kill_worker(server: Server, first: Subworker, path: pathlib.Path) -> tuple[float, dict]:
    """Seconds from the death of a whole worker in the middle of a task to its next execution, by another worker; the end."""
    task_id = first.submit("fault.count", str(path), 400)
    first.wait_until_started(task_id)
    before, began = count_of(path), time.monotonic()
    first.process.kill()
    first.process.wait()
    second = Subworker(server, "--concurrency", "1", worker_id=f"w{time.monotonic_ns()}", modules=MODULES)
    second.start()
    until(lambda: count_of(path) > before, 40, 0.001)
    took = time.monotonic() - began
    view = second.wait(task_id)
    second.link.close()
    second.stop()
    return took, view


@case(12, "A worker is killed in the middle of a task", ci=True,
      expected="another one runs it, one crash is charged")
def killed_worker(run: Run) -> list[Figure]:
    took, crashes, lost = [], [], 0
    with Server("--lease", "5s") as server:
        for _ in range(run.scale(30, 2)):
            first = Subworker(server, "--concurrency", "1", modules=MODULES)
            first.start()
            seconds, view = kill_worker(server, first, server.folder / "count")
            first.link.close()
            took.append(seconds)
            crashes.append(view["crashes"])
            lost += view["status"] != "success"
    return [told("workers killed", len(took)), told("reclaimed and run again after, p50", percentile(took, 0.5), "s"),
            told("reclaimed and run again after, p99", percentile(took, 0.99), "s"), zero("tasks lost", lost),
            Figure("crashes charged to each", max(crashes), "", "1", set(crashes) == {1})]


def freeze(worker: Subworker, number: int) -> None:
    for pid in [worker.process.pid, *worker.runners()]:
        os.kill(pid, number)


@case(13, "A worker is stopped for longer than its lease, then goes on", ci=True,
      expected="another one runs the task, the late result is refused, one result")
def stopped_worker(run: Run) -> list[Figure]:
    runs = results = wrong = 0
    rounds = run.scale(20, 1)
    with Server("--lease", "1s") as server, contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Subworker(server, "--concurrency", "1", worker_id=f"w{i}", modules=MODULES))
                   for i in range(2)]
        for number in range(rounds):
            path = server.folder / f"count{number}"
            task_id = workers[0].submit("fault.count", str(path), 300)
            until(lambda: count_of(path) > 0)
            workers[0].wait_until_started(task_id)
            holder = next(w for w in workers if w.worker_id == workers[0].view(task_id)["worker"])
            freeze(holder, signal.SIGSTOP)
            view = workers[0].wait(task_id)
            freeze(holder, signal.SIGCONT)
            wrong += good_tasks_beside(holder, 10)
            runs += count_of(path)
            results += view["status"] == "success" and view["worker"] != holder.worker_id
        stats = workers[0].link.command("FQ.STATS")
    return [told("workers stopped", rounds), Figure("executions", runs, "", str(2 * rounds), runs == 2 * rounds),
            Figure("results, each by the other worker", results, "", str(rounds), results == rounds),
            Figure("completions accepted in all", stats["completed"], "", str(11 * rounds), stats["completed"] == 11 * rounds),
            told("stale tokens refused", stats["stale"]), zero("tasks wrong after it went on", wrong)]


# --- 14 to 17: tasks that attack
@case(14, "A task segfaults, aborts, exits, is killed for memory", ci=True, needs=("root", "memory"),
      expected="that task fails with the reason; no other task is lost, the worker stays")
def dying_tasks(run: Run) -> list[Figure]:
    ends = {"segfault": "signal 11", "abort_now": "signal 6", "exit_now": "exited with code", "raise_signal": "signal 9"}
    figures, lost = [], 0
    with control_group("memory", memory_limit_in_bytes=300 << 20) as group, Server("--data-dir", "none") as server, \
            Caged(server, group, "--concurrency", "2", modules=MODULES) as worker:
        pid = worker.process.pid
        for name, word in ends.items():
            bad = worker.submit(name)
            lost += good_tasks_beside(worker)
            view = worker.wait(bad)
            message = view.get("error", {}).get("message", "")
            figures.append(holds(f"{name}: the reason is told", view["status"] == "failure" and word in message, message))
        bad = worker.submit("leak")
        lost += good_tasks_beside(worker)
        view = worker.wait(bad)
        message = view.get("error", {}).get("message", "")
        figures.append(holds("memory: killed by the kernel, told as out of memory", "memory" in message, message))
        same = worker.process.poll() is None and worker.process.pid == pid
    return [*figures, zero("other tasks lost", lost), holds("the supervisor lives", same)]


@case(15, "A fork bomb in a task", ci=True, needs=("root", "pids"),
      expected="contained by the time limit, nothing of it is left, the worker goes on")
def fork_bomb(run: Run) -> list[Figure]:
    with control_group("pids", pids_max=200) as group, Server("--data-dir", "none") as server, \
            Caged(server, group, "--concurrency", "2", "--kill-grace", "200ms", modules=MODULES) as worker:
        before = len(group.members())
        bomb = worker.submit("fault.bomb", options=("TIMEOUT", "500"))
        until(lambda: len(group.members()) > 150)
        most = len(group.members())
        view = worker.wait(bomb)
        gone = until(lambda: len(group.members()) <= before, 20)
        left = max(len(group.members()) - before, 0)
        lost = good_tasks_beside(worker)
        took = (view["completed_at"] - view["started_at"]) / 1000
    return [told("processes at the height", most), told("time to contain", took, "s"),
            holds("the task failed", view["status"] == "failure", str(view)),
            holds("nothing of it is left", gone, str(left)), zero("tasks lost afterwards", lost)]


@case(16, "Tasks that ignore signals, hang, leave daemons, close descriptors", ci=True,
      expected="ended at the hard limit, no orphan")
def stubborn_tasks(run: Run) -> list[Figure]:
    with Server("--data-dir", "none") as server:
        path = server.folder / "pids"
        worker = Subworker(server, "--concurrency", "2", "--kill-grace", "200ms", modules=MODULES)
        with worker:
            deaf = worker.run("fault.deaf", options=("TIMEOUT", "300"))
            hung = worker.run("fault.daemon", str(path), True, options=("TIMEOUT", "300"))
            closed = worker.run("close_descriptors", 0, 5)
            killed = [int(word) for word in path.read_text().split()]
            orphans = [pid for pid in killed if not until(lambda pid=pid: not is_alive(pid), 10)]
            quiet = worker.run("fault.daemon", str(path), False)
            daemons = [int(word) for word in path.read_text().split()]
            lost = good_tasks_beside(worker)
        left = [pid for pid in daemons if not until(lambda pid=pid: not is_alive(pid), 10)]
        for pid in orphans + left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    return [holds("deaf to signals: ended at its limit", deaf["error"]["type"] == "TimeLimitExceeded", str(deaf)),
            holds("hangs, with a daemon: ended at its limit", hung["error"]["type"] == "TimeLimitExceeded", str(hung)),
            holds("closes descriptors: its result is there", closed["status"] == "success", str(closed)),
            zero("daemons of a killed task left", len(orphans)),
            holds("ends, with a daemon: its result is there", quiet["status"] == "success", str(quiet)),
            zero("daemons left when the worker has ended", len(left)), zero("other tasks lost", lost)]


def strike(worker: Subworker, path: pathlib.Path, delay_ms: int, label: str) -> list[Figure]:
    """A task that takes its whole worker away, with harmless ones behind it; the worker is started again each time."""
    deaths = 0
    task_id = worker.submit("fault.patricide", str(path), delay_ms)
    behind = worker.submit_many([("add", (number, 1)) for number in range(40)])
    end = time.monotonic() + 60
    while (view := worker.view(task_id))["status"] not in ("success", "failure") and time.monotonic() < end:
        if worker.process.poll() is not None:
            deaths += 1
            worker.start(wait=False)
        time.sleep(0.01)
    lost = sum(worker.wait(i).get("result") != str(number + 1) for number, i in enumerate(behind))
    executions, charged = count_of(path), view.get("crashes")
    return [Figure(f"executions before it is given up, {label}", executions, "",
                   "3" if delay_ms else "at most 5 + 3", executions == 3 if delay_ms else 3 <= executions <= 8),
            told(f"workers killed, {label}", deaths), holds(f"charged 3 crashes, {label}", charged == 3, str(view)),
            holds(f"it ends as WorkerLost, {label}", view.get("error", {}).get("type") == "WorkerLost", str(view)),
            zero(f"tasks behind it lost, {label}", lost)]


@case(17, "A poison task that kills its whole worker each time, at once or a while after its start", ci=True,
      expected="given up after --max-crashes; where no start was known, after --max-losses more; the queue keeps moving")
def poison(run: Run) -> list[Figure]:
    with Server("--data-dir", "none", "--lease", "2s", "--max-crashes", "3") as server:
        worker = Subworker(server, "--concurrency", "1", modules=MODULES)
        worker.start()
        figures = strike(worker, server.folder / "later", 300, "strikes after 300 ms")
        figures += strike(worker, server.folder / "at-once", 0, "strikes at once")
        lost = good_tasks_beside(worker)
        worker.link.close()
        worker.stop()
    return figures + [zero("other tasks lost", lost)]
