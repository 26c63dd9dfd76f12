"""The cases of the Python workloads, made from the table of workers."""
import contextlib

import peers.all
from peers import python_drain
from peers.python_workers import POOLS, Pool, missing, versions
from peers.redis import Redis
from record import Bench, Case

SETTLED = 200  # no fewer tasks than these: even a worker that forks for each shows its pace
MODE = {"fastqueue": "sync", "redis": "memory"}
FORKING = 12    # times slower a worker is that forks for each task, when the task takes a millisecond
# What each client is asked for beside one call after another: form -> size.
FORMS = {"fastqueue": (("batches", "1000"), ("async", "64")), "celery": (("batches", "100"),), "rq": (("batches", "100"),),
         "dramatiq": (("batches", "100"),), "huey": (), "taskiq": (("async", "64"),)}
TOLD = {"each": "one call after another", "batches": "batches of {}", "async": "{} coroutines at once"}


def usable(bench: Bench) -> list[Pool]:
    """The pools that are wanted and installed; the others are told."""
    found = []
    for pool in POOLS:
        if not bench.wants(pool.subject):
            continue
        why = missing(pool)
        if why:
            bench.skip(f"{pool.subject} ({pool.pool})", why)
        else:
            found.append(pool)
    for subject in dict.fromkeys(pool.subject for pool in found):
        told = next(pool for pool in found if pool.subject == subject)
        bench.note(f"{subject}: {versions(told)}; results {told.results} unless the row says so.")
    return found


def redis_or_none():
    """Redis for them all; nothing where it is not installed, and then no pool asks for it."""
    return peers.all.running("redis", "memory") if Redis.missing() is None else contextlib.nullcontext()


def kinds(kind: str, processes: int) -> dict:
    """What the summary finds a case by."""
    return {"kind": "async" if kind.startswith("async_") else "sync", "task": kind.removeprefix("async_"), "processes": processes}


def drain(bench: Bench, shapes: list[tuple[str, int]], count: int, even: bool = False) -> None:
    """A filled queue for each pool, kind of task and number of processes. `even`: all are given the same number of tasks."""
    with redis_or_none() as redis:
        cases = []
        for pool in usable(bench):
            share = max(SETTLED, count // (pool.slow if not even else FORKING if pool.pool == "Worker" else 1))
            for kind, processes in shapes:
                scales = any("{n}" in part for part in pool.command)
                if kind not in pool.kinds or (processes > 1 and not scales):
                    continue
                what = f"{kind.replace('_', ' ')}, {processes} process{'es' if processes > 1 else ''}"
                cases.append(Case(f"{pool.subject} {pool.pool}", MODE[pool.server], what,
                                  lambda pool=pool, kind=kind, share=share, processes=processes:
                                  python_drain.measure(pool, redis, kind, share, processes),
                                  kinds(kind, processes)))
        bench.alternate(cases)


def submit(bench: Bench, count: int) -> None:
    with redis_or_none() as redis:
        cases, seen = [], set()
        for pool in usable(bench):
            if (pool.subject, pool.env) in seen or pool.subject in {subject for subject, _ in seen} and pool.subject != "taskiq":
                continue
            seen.add((pool.subject, pool.env))
            for form, size in (("each", "0"), *FORMS[pool.subject]):
                cases.append(Case(f"{pool.subject} {pool.pool}" if pool.subject == "taskiq" else pool.subject, MODE[pool.server], TOLD[form].format(size),
                                  lambda pool=pool, form=form, size=size: python_drain.submitting(pool, redis, count, form, size),
                                  {"form": form, "size": int(size)}))
        bench.alternate(cases)
