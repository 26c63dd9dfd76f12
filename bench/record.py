"""Measurements: taken in alternating rounds, kept whole, told by their medians, saved as JSON."""
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
from typing import Callable

# What a value is called in a table, in the order of its columns; other keys come after these under their own names.
COLUMNS = {
    "rate": "tasks/s",
    "submit_rate": "submitted/s",
    "server_cpu_us": "server CPU us/task",
    "client_cpu_us": "submitter CPU us/task",
    "worker_cpu_us": "worker CPU us/task",
    "p50_us": "p50 us",
    "p90_us": "p90 us",
    "p99_us": "p99 us",
    "max_us": "longest us",
    "bytes_per_task": "B/task",
    "seconds": "s",
}


@dataclasses.dataclass
class Case:
    """One subject doing one thing. `measure()` does it once and gives numbers by key (see COLUMNS); keys that are not numbers are notes."""
    subject: str                      # fastqueue, beanstalkd, redis list, ...
    mode: str                         # durability in one word: sync, relaxed, memory, ...
    what: str                         # "100 B, batches of 256"
    measure: Callable[[], dict]
    parameters: dict = dataclasses.field(default_factory=dict)  # what the summary finds it by: bytes, batch, connections


@dataclasses.dataclass
class Measurement:
    workload: str
    subject: str
    mode: str
    what: str
    parameters: dict
    values: dict                      # medians of the rounds
    rounds: list
    saturated: str = ""

    def value(self, key: str) -> float | None:
        return self.values.get(key)


def medians(rounds: list[dict]) -> dict:
    """Key by key over the rounds that have it; what is no number is taken from the last round."""
    merged: dict = {}
    for one in rounds:
        merged.update(one)
    for key, last in merged.items():
        if isinstance(last, (int, float)) and not isinstance(last, bool):
            merged[key] = statistics.median(one[key] for one in rounds if key in one)
    return merged


def saturated(values: dict, processors: int) -> str:
    """Who kept a rate from being higher: whoever was at work for nine tenths of the time, or else the processors together."""
    if "rate" not in values:
        return ""
    busy = {who: values[key] * values["rate"] / 1e6 for who, key in
            (("server", "server_cpu_us"), ("submitter", "client_cpu_us"), ("worker", "worker_cpu_us")) if key in values}
    if not busy:
        return ""
    full = [who for who, share in busy.items() if share >= 0.9]
    if full:
        return " and ".join(full)
    if sum(busy.values()) >= 0.9 * processors:
        return "all processors"
    return "waiting"


class Bench:
    """What a workload is given: how much to do, and where to leave what it measured."""

    def __init__(self, quick: bool, rounds: int, peers: list[str] | None, say: Callable[[str], None] = print):
        self.quick, self.rounds, self.peers, self.say = quick, rounds, peers, say
        self.measurements: list[Measurement] = []
        self.skipped: dict[str, str] = {}
        self.notes: dict[str, list[str]] = {}
        self.workload = ""

    def count(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    def wants(self, peer: str) -> bool:
        return self.peers is None or peer in self.peers

    def skip(self, subject: str, why: str) -> None:
        if self.skipped.get(subject) != why:
            self.skipped[subject] = why
            self.say(f"SKIPPED {subject}: {why}")

    def note(self, text: str) -> None:
        """A sentence below this workload's table."""
        self.notes.setdefault(self.workload, []).append(text)

    def join(self, path: pathlib.Path, workloads: set[str]) -> None:
        """What an earlier run has left of these workloads, as if it had been measured now."""
        earlier, measurements = load(path)
        self.measurements += [one for one in measurements if one.workload in workloads]
        self.notes |= {name: notes for name, notes in earlier["notes"].items() if name in workloads}

    def alternate(self, cases: list[Case], rounds: int | None = None) -> list[Measurement]:
        """Every case once, then every case again, until there are enough rounds; a case that fails is told and left out."""
        taken: list[list[dict]] = [[] for _ in cases]
        failed: set[int] = set()
        for number in range(rounds or self.rounds):
            for index, case in enumerate(cases):
                if index in failed:
                    continue
                try:
                    taken[index].append(case.measure())
                except (subprocess.SubprocessError, OSError, RuntimeError) as error:
                    failed.add(index)
                    self.skip(f"{case.subject} ({case.mode}), {self.workload}, {case.what}", str(error))
                    continue
                shown = {key: value for key, value in taken[index][-1].items() if isinstance(value, (int, float))}
                told = "  ".join(f"{key} {value:,.4g}" if value < 1e4 else f"{key} {value:,.0f}" for key, value in shown.items())
                self.say(f"  [{number + 1}] {case.subject + ' (' + case.mode + ')':34} {case.what:32} {told}")
        done = []
        for case, rounds_taken in zip(cases, taken):
            if rounds_taken:
                values = medians(rounds_taken)
                done.append(Measurement(self.workload, case.subject, case.mode, case.what, case.parameters, values, rounds_taken,
                                        saturated(values, os.cpu_count() or 1)))
        self.measurements += done
        return done


def file_system(path: pathlib.Path) -> str:
    answer = subprocess.run(["df", "--output=fstype", str(path)], stdout=subprocess.PIPE, text=True, check=False)
    return answer.stdout.split()[-1] if answer.stdout else "unknown"


def machine(where: pathlib.Path) -> dict:
    cpu = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"), "kernel": platform.release(),
            "processor": cpu, "processors": os.cpu_count(), "file system": file_system(where), "python": platform.python_version(),
            "load before": os.getloadavg()[0]}


def save(path: pathlib.Path, record: dict, bench: Bench) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = {**record, "skipped": bench.skipped, "notes": bench.notes,
             "measurements": [dataclasses.asdict(one) for one in bench.measurements]}
    path.write_text(json.dumps(whole, indent=1) + "\n")


def load(path: pathlib.Path) -> tuple[dict, list[Measurement]]:
    whole = json.loads(path.read_text())
    return whole, [Measurement(**one) for one in whole["measurements"]]
