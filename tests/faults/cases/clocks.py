# SPDX-License-Identifier: Apache-2.0
"""Clocks that jump, processes that are paused, machines that starve."""
import contextlib
import os
import pathlib
import signal
import subprocess
import time

from case import Figure, Run, at_least, at_most, case, holds, told, zero
from cgroup import control_group
from fault_board import Board
from harness import BUILD, Server, encode
from storm import Storm
from subworker import EXAMPLES, Subworker

HOUR_NS = 3600 * 10**9
SHIFTS = {"back 1 s": -10**9, "back an hour": -HOUR_NS, "ahead an hour": HOUR_NS, "ahead ten years": 87600 * HOUR_NS,
          "back ten years": -87600 * HOUR_NS}


def jump(shift_ns: int) -> dict:
    """A server whose wall clock jumps while a task waits for its delay, one for its lease, one for its result's age."""
    with Server("--data-dir", "none", "--lease", "2s") as server:
        board = Board(server.folder)
        server.environment = board.environment()
        server.kill()
        server.start()
        with server.connect() as link, server.connect() as holder:
            done = link.command("FQ.SUBMIT", "clock.done", "{}", "RESULT-TTL", "7200000")
            lease = link.command("FQ.FETCH", "TASKS", "clock.done")[0]
            link.command("FQ.COMPLETE", done, lease["token"], "1")
            held = link.command("FQ.SUBMIT", "clock.held", "{}")
            token = holder.command("FQ.FETCH", "TASKS", "clock.held")[0]["token"]
            began = time.monotonic()
            link.send(encode("FQ.SUBMIT", "clock.delayed", "{}", "DELAY", "1000"))
            delayed = link.read()
            board.set(wall_shift_ns=shift_ns)
            answer = holder.command("FQ.HEARTBEAT", held, token, "running")
            grants = link.command("FQ.FETCH", "TASKS", "clock.delayed", "BLOCK", "5000")
            fired = time.monotonic() - began
            still = holder.command("FQ.STATUS", held)["status"]
            complete = holder.command("FQ.COMPLETE", held, token, "2")
            kept = link.command("FQ.RESULT", done)
            ids = sorted((link.command("FQ.STATUS", i)["submitted_at"] for i in (done, held, delayed)))
    return {"fired": fired, "granted": len(grants) == 1, "lease": answer == ["ok"] and still == "started" and complete == "OK",
            "kept": kept is not None and kept["status"] == "success", "times": ids[0] > 0}


@case(35, "The wall clock jumps", needs=("shim",), ci=True,
      expected="delays neither early nor late, no lease lost, no result forgotten early")
def clock_jumps(run: Run) -> list[Figure]:
    early = late = leases = forgotten = 0
    worst = 0.0
    chosen = list(SHIFTS.items())[:run.scale(None, 3)]
    for name, shift_ns in chosen:
        seen = jump(shift_ns)
        early += seen["fired"] < 0.98
        late += not seen["granted"]
        leases += not seen["lease"]
        forgotten += not seen["kept"]
        worst = max(worst, seen["fired"])
        if not all((seen["granted"], seen["lease"], seen["kept"])):
            print(name, seen)
    return [told("jumps", len(chosen)), zero("delays that fired early", early), zero("delays that did not fire within 5 s", late),
            told("latest a delay of 1 s fired", worst, "s"), zero("leases lost", leases), zero("results forgotten", forgotten)]


@case(36, "The control plane is stopped and goes on", ci=True, expected="no wrongful mass reclaim: workers are heard first")
def paused(run: Run) -> list[Figure]:
    pause_s, count = run.scale(60, 3), 6
    with Server("--lease", f"{run.scale(30, 2)}s", "--data-dir", "none") as server, \
            Subworker(server, "--concurrency", "3") as worker:
        ids = worker.submit_many([("sleep_ms", ((pause_s + 2) * 1000,))] * 3 + [("add", (1, 2))] * (count - 3))
        for task_id in ids[:3]:
            worker.wait_until_started(task_id)
        server.process.send_signal(signal.SIGSTOP)
        time.sleep(pause_s)
        server.process.send_signal(signal.SIGCONT)
        began = time.monotonic()
        worker.link.command("PING")
        back = time.monotonic() - began
        views = [worker.wait(task_id, pause_s + 60) for task_id in ids]
        stats = worker.link.command("FQ.STATS")
    return [told("stopped for", pause_s, "s"), told("answers again after", back * 1000, "ms"),
            zero("leases taken away wrongly", stats["crashed"] + stats["returned"]),
            zero("tasks not done", sum(view["status"] != "success" for view in views)),
            zero("tasks run more than once", sum(view["attempt"] != 1 for view in views))]


@contextlib.contextmanager
def burners(count: int):
    """Processes that take all the CPU they can get."""
    running = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


@case(37, "CPU starvation and memory pressure", needs=("root", "memory"), expected="slow, but correct; no lease lost")
def starvation(run: Run) -> list[Figure]:
    with control_group("memory", memory_limit_in_bytes=160 << 20) as group:
        server = Server("--lease", "5s", "--compact-after", "4MiB")
        with server:
            (group.folder / "cgroup.procs").write_text(str(server.process.pid))
            os.setpriority(os.PRIO_PROCESS, server.process.pid, 19)
            with burners(2 * (os.cpu_count() or 1)), Subworker(server, "--concurrency", "2") as worker, \
                    Storm(server, run.dice(37), pause_s=0.02, lease_s=5) as storm:
                long = worker.submit_many([("sleep_ms", (12_000,))] * 2)
                time.sleep(15)
                views = [worker.wait(i) for i in long]
                storm.stop()
            storm.settle()
            figures = storm.figures()
            alive = server.process.poll() is None
            used = int(group.read("memory.max_usage_in_bytes"))
    return [holds("the server lives", alive), told("memory at the height, of 160 MiB", used >> 20, "MiB"),
            zero("leases of the working worker lost", sum(view["attempt"] != 1 for view in views)), *figures]
