"""One task at a time on an idle system: from the submission until its result is known to the submitter. beanstalkd and Redis answer by a second
queue, gearmand by a foreground job, JetStream by a reply subject; FastQueue's submitter asks for the result in the same write. "a client" works
over the wire protocol like the peers' workers, "a runner" is a process of `fastqueue subworker`, which runs real tasks. The echo
server, libuv like FastQueue's, says what two sockets and the scheduler alone cost."""
import subprocess
import time

import peers.all
from drive import answer, drive, program, runners, usable
from peers import Peer
from record import Case
from stage import DRIVER, ECHO, free_port, load, spawn, subworker

NAME, TITLE, ORDER, RATIO = "latency", "One at a time: submission to result known, 100 B", 20, "p50_us"
PEERS = (("beanstalkd", "memory"), ("gearmand", "memory"), ("redis list, no ack", "memory"), ("redis reliable list", "memory"),
         ("redis streams", "memory"), ("jetstream", "memory"), ("jetstream", "file"))


def echo(count: int) -> dict:
    port = free_port()
    with program(ECHO, "serve", port):
        time.sleep(0.2)
        return figures(answer(spawn([ECHO, "ping", port, count, 100], stdout=subprocess.PIPE, stderr=subprocess.PIPE), "echo"))


def figures(told: dict) -> dict:
    return {key: value for key, value in told.items() if key.endswith("_us")}


def by_runner(mode: str, count: int, module: str, env: dict | None = None):
    def measure() -> dict:
        with peers.all.running("fastqueue", mode) as server, subworker(server.port, "--task-modules", module, env=env):
            load("call", server.port, 200)
            return timed(server, count)
    return measure


def timed(server: Peer, count: int) -> dict:
    """The driver's calls, answered by a runner that is there already."""
    before = server.cpu()
    process = spawn([DRIVER, "call", server.port, "--count", count], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    told = answer(process, "fastqueue call")
    told["server_cpu_us"] = (server.cpu() - before) / told.pop("count") * 1e6
    return told


def by_client(subject: str, mode: str, count: int):
    def measure() -> dict:
        with peers.all.running(subject.split()[0], mode) as server:
            return drive(server, subject, "latency", count=count)
    return measure


def run(bench) -> None:
    count, synced = bench.count(10_000, 1_500), bench.count(2_000, 200)
    cases = [Case("libuv echo", "-", "100 B there and back", lambda: echo(count), {"echo": True})]
    for mode in ("memory", "sync"):
        some = count if mode == "memory" else synced
        cases.append(Case("fastqueue", mode, "worker: a client", by_client("fastqueue", mode, some), {"worker": "client"}))
        cases += [Case("fastqueue", mode, f"worker: a {kind} runner", by_runner(mode, some, module, env), {"worker": kind})
                  for kind, module, env in runners(bench)]
    cases += [Case(subject, mode, "worker: a client", by_client(subject, mode, count if mode == "memory" else synced), {"worker": "client"})
              for subject, mode in PEERS if usable(bench, subject)]
    bench.alternate(cases)
