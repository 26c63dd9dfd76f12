#!/usr/bin/env python3
"""What a task costs when its queue is spread over 1, 2, 4 and 8 shards: processor time a task, by process.

usage: bench/shards.py BUILD [--shards 1,2,4,8] [--tasks N] [--nats PROGRAM] [--rounds N]

On a machine with few processors the rate of many shards shows nothing; that a task costs as much as before does. All shards are loaded at
once, each by `fastqueue bench cycle`, with the same number of tasks in all. Three nats-servers keep the journals, on the same machine.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "cluster"), str(ROOT / "tests" / "e2e")]

LIMIT_S = 60


def cpu_s(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for_map(servers: list) -> None:
    end = time.monotonic() + LIMIT_S
    for server in servers:
        while True:
            with server.connect() as link:
                found = link.command("FQ.SHARDS")
            if len(found["shards"]) == len(servers) and all(shard["addresses"] for shard in found["shards"]):
                break
            assert time.monotonic() < end, found
            time.sleep(0.05)


def own_name(server) -> str:
    """A task name that this shard takes."""
    from harness import RespError
    with server.connect() as link:
        for index in range(10000):
            try:
                task = link.command("FQ.SUBMIT", f"bench.{index}", "{}")
                link.command("FQ.CANCEL", task)
                return f"bench.{index}"
            except RespError as error:
                assert str(error).startswith("MOVED"), error
    raise AssertionError("no name of its own")


def load(program: pathlib.Path, servers: list, names: list[str], tasks: int) -> float:
    """Seconds until the slowest was through."""
    begin = time.monotonic()
    running = [subprocess.Popen([str(program), "bench", "cycle", "--count", str(tasks // len(servers)), "--task", name, "--json"],
                                env={**os.environ, "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{server.port}"},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
               for server, name in zip(servers, names)]
    for one in running:
        text, _ = one.communicate(timeout=600)
        assert one.returncode == 0, text
    return time.monotonic() - begin


def measure(options: argparse.Namespace, count: int) -> dict:
    import nats
    from harness import Server
    with nats.Nats(program=options.nats or nats.PROGRAM) as cluster:
        url = cluster.url("bench")
        servers = [Server("--journal", url, "--shard", f"{number}/{count}", "--drain-timeout", "1s") for number in range(count)]
        try:
            for server in servers:
                server.start()
            wait_for_map(servers)
            names = [own_name(server) for server in servers]
            program = pathlib.Path(os.environ["FASTQUEUE_BUILD"]) / "bin" / "fastqueue"
            load(program, servers, names, options.tasks // 10)  # warm
            planes, keepers = [server.process.pid for server in servers], [one.pid for one in cluster.processes]
            before = [sum(map(cpu_s, pids)) for pids in (planes, keepers)]
            took = load(program, servers, names, options.tasks)
            after = [sum(map(cpu_s, pids)) for pids in (planes, keepers)]
        finally:
            for server in servers:
                server.stop()
    micro = [(last - first) / options.tasks * 1e6 for first, last in zip(before, after)]
    return {"shards": count, "control planes": micro[0], "nats-servers": micro[1], "rate": options.tasks / took}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/shards.py", description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--shards", default="1,2,4,8")
    parser.add_argument("--tasks", type=int, default=800_000, help="of a run, over all shards")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nats", default="", help="the nats-server to use")
    options = parser.parse_args()
    os.environ["FASTQUEUE_BUILD"] = str(pathlib.Path(options.build).resolve())
    import nats
    program = options.nats or nats.PROGRAM
    if not program:
        print("bench/shards.py: nats-server is not installed (Debian package nats-server)")
        return 1
    counts = [int(one) for one in options.shards.split(",")]
    print(f"nats-server {nats.version(program)}, durability: replicated, not fsynced; {options.tasks} tasks in all, "
          f"median of {options.rounds}", flush=True)
    rounds = [[measure(options, count) for count in counts] for _ in range(options.rounds)]
    print("| shards | control planes, us CPU a task | nats-servers, us CPU a task | tasks a second |\n|---|---|---|---|")
    for index, count in enumerate(counts):
        runs = [one[index] for one in rounds]
        figures = {key: statistics.median(run[key] for run in runs) for key in ("control planes", "nats-servers", "rate")}
        spread = [round(run["control planes"], 2) for run in runs]
        print(f"| {count} | {figures['control planes']:.2f} | {figures['nats-servers']:.2f} | {figures['rate']:,.0f} |", flush=True)
        print(f"control planes of {count}: {json.dumps(spread)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
