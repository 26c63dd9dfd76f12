"""Real workers: one process of `fastqueue subworker` runs tasks that do nothing, in C and in Python, results reported and stored; the start is from
the command until the first task has ended."""
import time

import peers.all
from drive import drive, runners
from record import Case
from stage import cpu_seconds, load, resident_bytes, runner_pids, subworker, wait_until_done

NAME, TITLE, ORDER = "runner", "Submit, run, complete with FastQueue's own runners, 100 B, one process", 15


def ran(mode: str, count: int, module: str, env: dict | None):
    def measure() -> dict:
        with peers.all.running("fastqueue", mode) as server:
            start = time.monotonic()
            with subworker(server.port, "--task-modules", module, env=env) as worker:
                load("call", server.port, 1)
                started = time.monotonic() - start
                runner = runner_pids(worker.pid)[0]
                before, mine = server.cpu(), cpu_seconds(runner)
                start = time.monotonic()
                told = drive(server, "fastqueue", "submit", batch=512, count=count)
                wait_until_done(server.port, count + 1)
                seconds = time.monotonic() - start
                return {"rate": count / seconds, "server_cpu_us": (server.cpu() - before) / count * 1e6, "client_cpu_us": told["client_cpu_us"],
                        "worker_cpu_us": (cpu_seconds(runner) - mine) / count * 1e6, "start_ms": started * 1e3,
                        "resident_mb": resident_bytes(runner) / 1e6}
    return measure


def run(bench) -> None:
    count = bench.count(300_000, 30_000)
    bench.alternate([Case("fastqueue", mode, f"a {kind} runner", ran(mode, count, module, env), {"worker": kind})
                     for mode in ("sync", "relaxed", "memory") for kind, module, env in runners(bench)])
