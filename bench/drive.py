"""Runs a driver against a server and says what it cost whom."""
import contextlib
import json
import subprocess

import peers.all
from peers import Peer
from record import Bench, Case
from stage import BUILD, python_site, spawn

# What a table calls a subject -> its server, its driver, the driver's --variant (a word: the server's mode).
SUBJECTS = {
    "fastqueue": ("fastqueue", "fastqueue", ""),
    "beanstalkd": ("beanstalkd", "beanstalk", ""),
    "gearmand": ("gearmand", "gearman", ""),
    "redis list, no ack": ("redis", "redis", "list"),
    "redis list, LPUSH each": ("redis", "redis", "list-each"),
    "redis reliable list": ("redis", "redis", "reliable"),
    "redis reliable, LPUSH each": ("redis", "redis", "reliable-each"),
    "redis streams": ("redis", "redis", "stream"),
    "jetstream": ("jetstream", "jetstream", "mode"),
}
# Modes in which an answer waits for a disk: few tasks in flight are slow there, so fewer of them are run.
SYNCED = {"sync", "fsync", "always"}
# Tasks that keep each server busy for about a second when they come in batches.
SECOND = {"fastqueue": 400_000, "beanstalkd": 60_000, "gearmand": 600_000, "redis list, no ack": 3_000_000, "redis list, LPUSH each": 1_000_000,
          "redis reliable list": 600_000, "redis reliable, LPUSH each": 400_000,
          "redis streams": 400_000, "jetstream": 80_000}
TIMEOUT = 300


def usable(bench: Bench, subject: str) -> bool:
    server, driver, _ = SUBJECTS[subject]
    if not peers.all.usable(bench, server):
        return False
    if not (BUILD / f"bench/driver-{driver}").exists():
        bench.skip(subject, f"its driver was not built (jetstream needs Debian's libnats-dev)")
        return False
    return True


def tasks(bench: Bench, subject: str, mode: str, batch: int, share: float = 1) -> int:
    most = SECOND[subject] * share * (0.2 if bench.quick else 1)
    alone = (2_000 if mode in SYNCED else 20_000) * (0.25 if bench.quick else 1)
    return int(max(batch * 2, min(most, batch * alone)))


def command(server: Peer, subject: str, verb: str, **options) -> list[str]:
    _, driver, variant = SUBJECTS[subject]
    words = [str(BUILD / f"bench/driver-{driver}"), verb, str(server.port)]
    if variant:
        options["variant"] = server.mode if variant == "mode" else variant
    for key, value in options.items():
        words += [f"--{key}"] if value is True else [f"--{key}", str(value)]
    return words


def answer(process: subprocess.Popen, what: str) -> dict:
    try:
        out, error = process.communicate(timeout=TIMEOUT)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    if process.returncode != 0:
        raise RuntimeError(f"{what}: {error.decode().strip() or process.returncode}")
    return json.loads(out)


def drive(server: Peer, subject: str, verb: str, **options) -> dict:
    """The driver's figures and the server's processor time per task."""
    before, main = server.cpu(), server.main_cpu()
    process = spawn(command(server, subject, verb, **options), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    figures = answer(process, f"{subject} {verb}")
    count = figures.pop("count")
    figures["server_cpu_us"], figures["main_cpu_us"] = (server.cpu() - before) / count * 1e6, (server.main_cpu() - main) / count * 1e6
    return figures


def alone(subject: str, mode: str, verb: str, prefill: bool = False, **options):
    """A measurement with a server of its own; with `prefill` its tasks are there before it begins."""
    def measure() -> dict:
        with peers.all.running(SUBJECTS[subject][0], mode) as server:
            if prefill:
                drive(server, subject, "submit", **{**options, "batch": 512})
            return drive(server, subject, verb, **options)
    return measure


def case(bench: Bench, subject: str, mode: str, verb: str, what: str, count: int, prefill: bool = False, batch: int = 1, size: int = 100,
         **options) -> Case:
    return Case(subject, mode, what, alone(subject, mode, verb, prefill=prefill, count=count, batch=batch, bytes=size, **options),
                {"verb": verb, "batch": batch, "bytes": size, "count": count, **options})


def runners(bench: Bench) -> list[tuple[str, str, dict | None]]:
    """FastQueue's runners that were built: kind, task module, environment."""
    found: list[tuple[str, str, dict | None]] = [("C", str(BUILD / "bench/bench_tasks.so"), None)]
    try:
        found.append(("Python", "bench_tasks", python_site(BUILD / "bench/site")))
    except SystemExit as missing:
        bench.skip("fastqueue's Python runner", str(missing))
    return found


@contextlib.contextmanager
def program(*args: object, **more):
    """A helper process that ends with the block."""
    process = spawn(list(args), **more)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


__all__ = ["SUBJECTS", "alone", "answer", "case", "command", "drive", "program", "runners", "tasks", "usable"]
