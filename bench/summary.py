"""The figures that were asked for, each computed from the run: what was measured and whether it was reached."""
import dataclasses
from typing import Callable

from record import Measurement


class Missing(Exception):
    """A figure of which this run did not measure both sides."""


class Run:
    """Finds measurements by what they are; what is not there raises Missing."""

    def __init__(self, measurements: list[Measurement]):
        self.measurements = measurements

    def values(self, key: str, workload: str, subject: str, mode: str | None = None, **parameters) -> list[float]:
        found = [one.values[key] for one in self.measurements
                 if one.workload == workload and one.subject == subject and mode in (None, one.mode) and key in one.values
                 and all(one.parameters.get(name) == value for name, value in parameters.items())]
        if not found or 0 in found:
            raise Missing
        return found

    def least(self, *args, **parameters) -> float:
        return min(self.values(*args, **parameters))

    def most(self, *args, **parameters) -> float:
        return max(self.values(*args, **parameters))


@dataclasses.dataclass
class Figure:
    what: str
    unit: str                         # "x", "us", "B", "s"
    at_least: float | None
    at_most: float | None
    compute: Callable[[Run], float]

    def asked(self) -> str:
        if self.at_least is None and self.at_most is None:
            return "(for comparison)"
        bound, word = (self.at_least, "at least") if self.at_least is not None else (self.at_most, "at most")
        return f"{word} {bound:g} {self.unit}"

    def reached(self, value: float) -> str:
        if self.at_least is None and self.at_most is None:
            return ""
        return "yes" if self.holds(value) else "NO"

    def holds(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


def at_least(bound: float, unit: str, what: str, compute: Callable[[Run], float]) -> Figure:
    return Figure(what, unit, bound, None, compute)


def at_most(bound: float, unit: str, what: str, compute: Callable[[Run], float]) -> Figure:
    return Figure(what, unit, None, bound, compute)


def told(unit: str, what: str, compute: Callable[[Run], float]) -> Figure:
    """Nobody asked for it; it says more of the figure before it."""
    return Figure(what, unit, None, None, compute)


def less_cpu(peer: str, peer_mode: str) -> Callable[[Run], float]:
    return lambda run: run.least("server_cpu_us", "cycle", peer, peer_mode) / run.least("server_cpu_us", "cycle", "fastqueue", "sync")


def faster(mode: str, peer: str, peer_mode: str) -> Callable[[Run], float]:
    return lambda run: run.most("rate", "cycle", "fastqueue", mode) / run.most("rate", "cycle", peer, peer_mode)


def latency_to_echo(run: Run) -> float:
    return run.least("p50_us", "latency", "fastqueue", "memory", worker="C") / run.least("p50_us", "latency", "libuv echo")


def latency_to_beanstalkd(run: Run) -> float:
    return run.least("p50_us", "latency", "fastqueue", "memory", worker="client") / run.least("p50_us", "latency", "beanstalkd", "memory")


def ack_to_append(run: Run) -> float:
    return run.least("p50_us", "ack", "fastqueue", "sync", connections=1) / run.least("p50_us", "ack", "append + fdatasync")


def acks_to_redis(run: Run) -> float:
    redis = [one.values["rate"] for one in run.measurements
             if one.workload == "ack" and one.subject.startswith("redis") and one.mode == "always" and one.parameters["connections"] == 64]
    if not redis:
        raise Missing
    return run.most("rate", "ack", "fastqueue", "sync", connections=64) / max(redis)


def names_to_one(mode: str, key: str = "server_cpu_us") -> Callable[[Run], float]:
    def compute(run: Run) -> float:
        backlog = max((one.parameters["backlog"] for one in run.measurements if one.workload == "names"), default=0)
        return (run.least(key, "names", "fastqueue", mode, names=10_000, backlog=backlog, mixed=False)
                / run.least(key, "names", "fastqueue", mode, names=1, backlog=0, mixed=False))
    return compute


def python_to(peer: str, kind: str) -> Callable[[Run], float]:
    """FastQueue's durable rate of Python tasks that do nothing against the best that the peer has, one process each."""
    def compute(run: Run) -> float:
        def best(subject: str, mode: str | None) -> float:
            rates = [one.values["rate"] for one in run.measurements
                     if one.workload.startswith("python") and one.subject.startswith(subject) and mode in (None, one.mode) and "rate" in one.values
                     and one.parameters.get("kind") == kind and one.parameters.get("task") == "noop" and one.parameters.get("processes") == 1]
            if not rates:
                raise Missing
            return max(rates)
        return best("fastqueue", "sync") / best(peer, None)
    return compute


FIGURES = [
    at_most(2, "us", "control plane CPU per task, submit to complete, batched, durable",
            lambda run: run.least("server_cpu_us", "cycle", "fastqueue", "sync")),
    at_least(8, "x", "less of it than beanstalkd in memory", less_cpu("beanstalkd", "memory")),
    at_least(6, "x", "less of it than JetStream, file", less_cpu("jetstream", "file")),
    at_least(3, "x", "less of it than Redis streams in memory", less_cpu("redis streams", "memory")),
    at_least(2, "x", "less of it than Redis reliable list in memory", less_cpu("redis reliable list", "memory")),
    told("x", "less of it than Redis reliable list with an LPUSH for each task", less_cpu("redis reliable, LPUSH each", "memory")),
    at_least(8, "x", "rate, durable, against beanstalkd in memory", faster("sync", "beanstalkd", "memory")),
    at_least(8, "x", "rate, durable, against JetStream, file", faster("sync", "jetstream", "file")),
    at_least(3.5, "x", "rate, durable, against Redis streams in memory", faster("sync", "redis streams", "memory")),
    at_least(2.5, "x", "rate, durable, against Redis reliable list in memory", faster("sync", "redis reliable list", "memory")),
    told("x", "rate, durable, against Redis reliable list with an LPUSH for each task", faster("sync", "redis reliable, LPUSH each", "memory")),
    at_least(0.8, "x", "rate, memory, against Redis list without acknowledgement", faster("memory", "redis list, no ack", "memory")),
    told("x", "rate, memory, against Redis list with an LPUSH for each task", faster("memory", "redis list, LPUSH each", "memory")),
    at_least(0.8, "x", "rate, memory, against gearmand with a short queue", faster("memory", "gearmand", "memory")),
    at_most(3, "x", "one at a time with a C runner, memory, p50, against a libuv echo", latency_to_echo),
    at_most(1, "x", "one at a time with a client as worker, memory, p50, against beanstalkd", latency_to_beanstalkd),
    at_most(1.5, "x", "durable acknowledgement, one submitter, p50, against append + fdatasync", ack_to_append),
    at_least(2, "x", "durable acknowledgements, 64 submitters, against Redis appendfsync always", acks_to_redis),
    at_least(50, "x", "Python no-op, one process, durable, against the best of Celery's pools", python_to("celery", "sync")),
    at_least(200, "x", "Python no-op, one process, durable, against the best of RQ's workers", python_to("rq", "sync")),
    at_least(10, "x", "Python async no-op, durable, against Taskiq with Redis", python_to("taskiq", "async")),
    at_most(300, "B", "resident bytes per queued 100 B task", lambda run: run.least("bytes_per_task", "backlog", "fastqueue", "sync")),
    at_most(2, "s", "restart with the backlog queued", lambda run: run.least("restart_s", "backlog", "fastqueue", "sync")),
    at_most(1.3, "x", "dispatch CPU with 10,000 names and a backlog against one name and none, memory", names_to_one("memory")),
    at_most(1.3, "x", "that, durable, with the compaction that the backlog brings", names_to_one("sync")),
    at_most(1.3, "x", "that, durable, the process that dispatches alone", names_to_one("sync", "main_cpu_us")),
    at_least(0.75, "x", "rate with telemetry on against off, C no-op flat out",
             lambda run: run.least("rate", "telemetry", "fastqueue", telemetry="on") / run.least("rate", "telemetry", "fastqueue", telemetry="off")),
]


def rows(measurements: list[Measurement]) -> tuple[list[str], list[list[str]]]:
    run, cells = Run(measurements), []
    for figure in FIGURES:
        try:
            value = figure.compute(run)
        except Missing:
            cells.append([figure.what, figure.asked(), "not measured", ""])
            continue
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        cells.append([figure.what, figure.asked(), f"{shown} {figure.unit}", figure.reached(value)])
    return ["figure", "asked", "measured", "reached"], cells
