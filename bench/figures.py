#!/usr/bin/env python3
"""The figures of docs/benchmarks.md: starts the real programs on loopback, loads them, prints one table.

usage: bench/figures.py BUILD_DIR [--quick]

Every figure says in which durability mode it was taken. Rates depend on what else the machine does; the control plane's
own CPU time per task, from its process accounting, depends on it least.
"""
import json
import subprocess
import sys
import time

from stage import (BUILD, LOAD, Server, cpu_seconds, folder, free_port, load, python_site, resident_bytes, runner_pids, subworker,
                   wait_until_done)

QUICK = "--quick" in sys.argv
PAYLOAD = 100

ROWS: list[tuple[str, str, str]] = []


def row(what: str, mode: str, figure: str) -> None:
    ROWS.append((what, mode, figure))
    print(f"{what:<58} {mode:<8} {figure}", flush=True)


def submit_and_drain(mode: str, count: int) -> None:
    with folder() as path, Server(mode, path) as server:
        before = cpu_seconds(server.process.pid)
        submitted = load("submit", server.port, count, PAYLOAD, 512)
        middle = cpu_seconds(server.process.pid)
        worked = load("work", server.port, count, 256)
        after = cpu_seconds(server.process.pid)
    row("submit only, 512 in flight", mode, f"{submitted['per_second']:,.0f} tasks/s")
    row("fetch and complete, one RESP worker, 256 at a time", mode, f"{worked['per_second']:,.0f} tasks/s")
    row("control plane CPU, submit", mode, f"{(middle - before) / count * 1e6:.2f} s per million tasks")
    row("control plane CPU, submit to complete", mode, f"{(after - before) / count * 1e6:.2f} s per million tasks")


def with_runner(mode: str, count: int, kind: str, module: str, env: dict | None = None) -> None:
    with folder() as path, Server(mode, path) as server:
        with subworker(server.port, "--task-modules", module, env=env) as worker:
            load("latency", server.port, 100, PAYLOAD)
            before = cpu_seconds(server.process.pid)
            start = time.monotonic()
            load("submit", server.port, count, PAYLOAD, 512)
            wait_until_done(server.port, count + 100)
            seconds = time.monotonic() - start
            cpu = cpu_seconds(server.process.pid) - before
            alone = load("latency", server.port, 2000 if not QUICK else 300, PAYLOAD)
            children = runner_pids(worker.pid)
            resident = resident_bytes(children[0]) / 1e6 if children else float("nan")
    row(f"submit, run, complete: one {kind} runner", mode, f"{count / seconds:,.0f} tasks/s")
    row(f"  control plane CPU in that run ({kind})", mode, f"{cpu / count * 1e6:.2f} s per million tasks")
    row(f"  submit to result, one at a time ({kind})", mode, f"p50 {alone['p50_us']:.0f} us, p99 {alone['p99_us']:.0f} us")
    row(f"  resident size of the {kind} runner", mode, f"{resident:.1f} MB")


def backlog(count: int) -> None:
    with folder() as path, Server("sync", path) as server:
        empty = resident_bytes(server.process.pid)
        load("submit", server.port, count, PAYLOAD, 1024)
        full = resident_bytes(server.process.pid)
        server.kill()
        start = time.monotonic()
        server.start()
        seconds = time.monotonic() - start
    row(f"resident bytes per queued task, {count:,} queued", "sync", f"{(full - empty) / count:.0f} B/task")
    row(f"restart after kill -9 with {count:,} queued", "sync", f"{seconds:.2f} s")


def stall(count: int) -> None:
    """How long the loop keeps others waiting while a backlog is compacted and more comes in."""
    with folder() as path, Server("sync", path, "--compact-after", f"{count * 210}") as server:
        load("submit", server.port, count, PAYLOAD, 512)
        asking = subprocess.Popen([LOAD, "alive", "127.0.0.1", str(server.port), str(count // 125), "500"],
                                  stdout=subprocess.PIPE)
        load("submit", server.port, count * 7 // 10, PAYLOAD, 64)
        answer = json.loads(asking.communicate()[0])
    row(f"PING while {count:,} queued tasks are compacted and more submitted", "sync",
        f"p99 {answer['p99_us'] / 1e3:.2f} ms, longest {answer['max_us'] / 1e3:.1f} ms")


def latency(mode: str) -> None:
    port = free_port()
    echo = subprocess.Popen([LOAD, "echo", str(port)])
    count = 2000 if QUICK else 10000
    try:
        time.sleep(0.2)
        ping = load("ping", port, count, PAYLOAD)
    finally:
        echo.kill()
        echo.wait()
    row("ping-pong with a libuv echo server", "-", f"p50 {ping['p50_us']:.1f} us, p99 {ping['p99_us']:.1f} us")
    with folder() as path, Server(mode, path) as server:
        ack = load("ack", server.port, count // 4, PAYLOAD)
    row("submit to acknowledgement, one at a time", mode, f"p50 {ack['p50_us']:.0f} us, p99 {ack['p99_us']:.0f} us")


def runner_start(kind: str, module: str, env: dict | None = None) -> None:
    with folder() as path, Server("none", path) as server:
        start = time.monotonic()
        with subworker(server.port, "--task-modules", module, env=env):
            load("latency", server.port, 1, PAYLOAD)
            seconds = time.monotonic() - start
    row(f"start of a {kind} subworker until its first task ended", "none", f"{seconds * 1e3:.0f} ms")


def main() -> int:
    count = 50_000 if QUICK else 500_000
    c_module = str(BUILD / "bench/bench_tasks.so")
    python_args = ("bench_tasks", python_site(BUILD / "bench/site"))
    for mode in ("sync", "relaxed", "none"):
        submit_and_drain(mode, count)
    for mode in ("sync", "none"):
        latency(mode)
        with_runner(mode, count, "C", c_module)
        with_runner(mode, count // 5, "Python", *python_args)
    runner_start("C", c_module)
    runner_start("Python", *python_args)
    backlog(100_000 if QUICK else 1_000_000)
    stall(100_000 if QUICK else 1_000_000)
    if "--markdown" in sys.argv:
        print("\n| what | durability | figure |\n|---|---|---|")
        for what, mode, figure in ROWS:
            print(f"| {what.strip()} | {mode} | {figure} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
