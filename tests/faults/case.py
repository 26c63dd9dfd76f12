# SPDX-License-Identifier: Apache-2.0
"""One case of the fault matrix: a function, registered under its number, that hurts the real program and measures.

    @case(7, "Disk full by another tenant", expected="submits -FULL, completions go on", needs=("root", "loop"), ci=True)
    def disk_full(run):
        ...
        return [lost_figure(0), Figure("completions while full", 512, "tasks", "all", True)]

A case takes the Run (how much of it is wanted, its dice) and returns its figures. What it finds wrong is a figure with
ok=False; what it cannot do at all is an exception. Modules below cases/ register theirs on import.
"""
import dataclasses
import functools
import math
import os
import pathlib
import random
import shutil
import subprocess
import typing

CASES: dict[int, "Case"] = {}


@dataclasses.dataclass
class Figure:
    """A row of the evidence. `name` is stable; `value` a number or a short string; `ok` is judged by the case."""
    name: str
    value: float | int | str
    unit: str = ""
    expected: str = ""
    ok: bool = True


@dataclasses.dataclass
class Run:
    """What the runner asks of a case: the CI slice or the whole, the dice, and how long the long ones go on."""
    ci: bool
    seed: int
    kills: int | None = None
    soak_minutes: float = 5
    backlog: int | None = None

    def dice(self, number: int) -> random.Random:
        return random.Random(self.seed * 1000 + number)

    def scale(self, whole, ci):
        """`ci` in the CI slice, else `whole`."""
        return ci if self.ci else whole


@dataclasses.dataclass
class Case:
    number: int
    title: str
    expected: str
    needs: tuple[str, ...]
    ci: bool
    limit_s: float
    function: typing.Callable[[Run], list[Figure]]

    @property
    def family(self) -> str:
        return self.function.__module__.rsplit(".", 1)[-1]


def case(number: int, title: str, *, expected: str, needs: tuple[str, ...] = (), ci: bool = False, limit_s: float = 900):
    """Registers a case. `needs`: names of NEEDS; `ci`: part of the CI slice; `limit_s`: it is stopped after so long."""
    def register(function):
        if number in CASES:
            raise ValueError(f"case {number} is there twice")
        CASES[number] = Case(number, title, expected, needs, ci, limit_s, function)
        return function
    return register


# --- what a machine may lack
def _runs(*line: str) -> bool:
    try:
        return subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _has_namespaces() -> bool:
    return shutil.which("ip") is not None and _runs("unshare", "-n", "true")


def _is_plain_build() -> bool:
    from harness import PROGRAM
    return b"__asan_init" not in PROGRAM.read_bytes() and b"__tsan_init" not in PROGRAM.read_bytes()


def _shims_built() -> bool:
    from harness import BUILD
    return (BUILD / "tests" / "fault_shim.so").exists()


NEEDS: dict[str, tuple[str, typing.Callable[[], bool]]] = {
    "root": ("root", lambda: os.geteuid() == 0),
    "loop": ("loop devices and mkfs.ext4",
             lambda: pathlib.Path("/dev/loop-control").exists() and shutil.which("mkfs.ext4") is not None),
    "netns": ("network namespaces and ip(8)", _has_namespaces),
    "shim": ("a preloaded library (built, and no sanitizer)", lambda: _shims_built() and _is_plain_build()),
    "pids": ("a pids cgroup", lambda: os.access("/sys/fs/cgroup/pids", os.W_OK)),
    "memory": ("a memory cgroup", lambda: os.access("/sys/fs/cgroup/memory", os.W_OK)),
    "openssl": ("openssl(1)", lambda: shutil.which("openssl") is not None),
}


@functools.lru_cache(None)
def is_met(need: str) -> bool:
    return NEEDS[need][1]()


def missing(needs: tuple[str, ...]) -> list[str]:
    """What this machine lacks, in words."""
    return [NEEDS[need][0] for need in needs if not is_met(need)]


# --- figures that many cases share
def percentile(values, share: float) -> float:
    """The value below which `share` (0..1) of the values lie; 0 without values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))] if ordered else 0.0


def zero(name: str, count: int, unit: str = "") -> Figure:
    """A count that has to be 0."""
    return Figure(name, count, unit, "0", count == 0)


def at_most(name: str, value: float, most: float, unit: str = "") -> Figure:
    return Figure(name, round(value, 3), unit, f"<= {most}", value <= most)


def at_least(name: str, value: float, least: float, unit: str = "") -> Figure:
    return Figure(name, round(value, 3), unit, f">= {least}", value >= least)


def told(name: str, value: float | int | str, unit: str = "") -> Figure:
    """A measurement that nothing is expected of."""
    return Figure(name, round(value, 3) if isinstance(value, float) else value, unit)


def holds(name: str, is_so: bool, value: str | None = None) -> Figure:
    """A statement that has to be true; `value` says what was seen if it is not."""
    return Figure(name, "yes" if is_so else f"no: {value}" if value else "no", "", "yes", bool(is_so))
