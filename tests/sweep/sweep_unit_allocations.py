#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the C unit tests again and again with the n-th allocation of the product's code failing.

A test may then fail, by its own assertion: what it asked for could not be had. What must not happen is a crash, a failed
FQ_ASSERT or a hang. Allocations of the tests, of cmocka and of libraries are left alone.

    sweep_unit_allocations.py BUILD [--points 40] [--only test_task,test_lease] [--sticky]

A program may make the same allocation a hundred thousand times. So what is tried first is each place once: the function
that allocates and those that called it, as far as frame pointers tell. A place that has failed in one program is not tried
again in the next. --points bounds how many n are tried of one program (other ones at each --seed); 0 tries every single n.
"""
import argparse
import bisect
import concurrent.futures
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = f"{ROOT}/src/"
TIMEOUT_S = 60
PRODUCT_FAULT, GAVE_UP = 98, 99  # fail_allocation.c
HANGS = -1000
# Programs that make their own allocations fail, or whose subject is the allocator.
OWN_SWEEP = {"test_core_memory", "test_otel_span_memory"}
FAULT = re.compile(r"Segmentation fault|assertion failed|Aborted|free\(\)|corrupted|double free|stack smashing", re.I)

# What tests share, and the simulator, assert that they got what they need.
TEST_ASSERTION = re.compile(r"\b(tests|sim)/\S+:\d+: \w+: assertion failed")


def product_functions(build: pathlib.Path) -> set[str]:
    names = set()
    for archive in sorted((build / "src").glob("*/libfq_*.a")):
        listing = subprocess.run(["nm", "--defined-only", archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        names.update(m.group(1) for m in re.finditer(r"^[0-9a-f]+ [tT] (\S+)$", listing.stdout, re.M))
    return names


def own_functions(build: pathlib.Path, name: str) -> set[str]:
    """Of the test itself, of what tests share and of the simulator: their names may occur in the product too, as static functions."""
    names = set()
    objects = [*build.glob(f"tests/CMakeFiles/{name}.dir/unit/{name}.c.o"), *build.glob("tests/libfq_test_support.a"), *build.glob("sim/libfq_*.a")]
    for file in objects:
        listing = subprocess.run(["nm", "--defined-only", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        names.update(m.group(1) for m in re.finditer(r"^[0-9a-f]+ [tT] (\S+)$", listing.stdout, re.M))
    return names


class Symbols:
    """The product's functions in one program: (start, end, name), by address. Where they were written tells whose they are;
    without debug information, their names."""

    def __init__(self, program: pathlib.Path, names: set[str]):
        listing = subprocess.run(["nm", "-lS", "--defined-only", program], stdout=subprocess.PIPE, text=True, check=True)
        found = set()
        for match in re.finditer(r"^([0-9a-f]+) ([0-9a-f]+) [tT] (\S+)(?:\t(.+):\d+)?$", listing.stdout, re.M):
            file = match.group(4)
            if (match.group(3) in names) if file is None else file.startswith(SOURCES):
                start = int(match.group(1), 16)
                found.add((start, start + int(match.group(2), 16) + 1, match.group(3)))  # a call may be a function's last instruction
        self.rows = sorted(found)
        self.starts = [row[0] for row in self.rows]

    def write_ranges(self, path: pathlib.Path) -> None:
        path.write_bytes(b"".join(struct.pack("<QQ", *pair) for pair in sorted({row[:2] for row in self.rows})))

    def name(self, address: int) -> str:
        """The same place has the same name in every program that it is linked into."""
        at = bisect.bisect_right(self.starts, address) - 1
        start, end, name = self.rows[at] if at >= 0 else (0, 0, "")
        return f"{name}+{address - start}" if start <= address < end else hex(address)


class Program:
    def __init__(self, path: pathlib.Path, shim: pathlib.Path, names: set[str], work: pathlib.Path, longest: float):
        self.longest = longest
        self.path, self.name, self.work = path, path.name, work
        ranges = work / f"{self.name}.ranges"
        self.symbols = Symbols(path, names)
        self.symbols.write_ranges(ranges)
        self.seconds, self.total = 0.0, 0
        self.places: dict[tuple[str, ...], int] = {}
        self.environment = dict(os.environ, LD_PRELOAD=str(shim), FQ_SWEEP_PROGRAM=str(path.resolve()), FQ_SWEEP_RANGES=str(ranges))

    def run(self, at: int, sticky: bool) -> tuple[int, str]:
        environment = dict(self.environment, FQ_SWEEP_AT=str(at))
        if sticky:
            environment["FQ_SWEEP_STICKY"] = "1"
        if at == 0:
            environment["FQ_SWEEP_COUNT"] = str(self.work / f"{self.name}.count")
        folder = tempfile.mkdtemp(dir=self.work)
        environment["TMPDIR"] = folder
        with open(f"{folder}.out", "w+b") as output:
            child = subprocess.Popen([self.path], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                     stderr=subprocess.STDOUT, start_new_session=True)
            try:
                code = child.wait(TIMEOUT_S if at else self.longest)
            except subprocess.TimeoutExpired:
                code = HANGS
            # What it started ends with it: a test that gives up half way leaves processes that nobody waits for.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            output.seek(0)
            said = output.read().decode(errors="replace")
        shutil.rmtree(folder, ignore_errors=True)
        return code, said

    def count(self) -> "Program":
        """Runs it undisturbed: how many allocations there are, and of each place the number of the first."""
        began = time.monotonic()
        code, output = self.run(0, False)
        if code == HANGS:
            print(f"sweep: {self.name} is left out: it runs for longer than {self.longest:.0f} s", flush=True)
            return self
        if code != 0:
            sys.exit(f"sweep: {self.name} fails without any injected failure:\n{output[-2000:]}")
        self.seconds = time.monotonic() - began
        total, *places = (self.work / f"{self.name}.count").read_text().splitlines()
        self.total = int(total)
        self.places = {tuple(self.symbols.name(int(caller, 16)) for caller in callers): int(first)
                       for first, *callers in (line.split() for line in places)}
        return self


def verdict(code: int, output: str) -> str:
    """Empty if that outcome is allowed: passed, or ended by the test's own assertion."""
    if code == -signal.SIGABRT and TEST_ASSERTION.search(output):
        return ""
    if code < 0:
        return f"ended by signal {-code}" if code != HANGS else "hangs"
    if code == PRODUCT_FAULT or code not in (0, GAVE_UP) and FAULT.search(output):
        return f"exit {code}, says {(FAULT.search(output) or [output[-200:]])[0]!r}"
    return ""


def points(program: Program, seen: set, options: argparse.Namespace) -> list[int]:
    """The allocations to fail; their places are then known as seen."""
    total, places, seconds = program.total, program.places, program.seconds
    if options.points == 0:
        seen.update(places)
        return list(range(1, total + 1))
    fresh = sorted(place for place in places if place not in seen)
    most = min(options.points, max(1, int(options.seconds / max(seconds, 0.01))))
    chosen = fresh if len(fresh) <= most else random.Random(options.seed).sample(fresh, most)
    seen.update(chosen)
    return sorted(places[place] for place in chosen)


def keep_evidence(runs: int, places: tuple[int, int], gave_up: int, left_out: int, faults: list[str]) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    rows = [{"name": "allocations failed under the unit tests", "value": runs, "unit": "runs", "expected": "", "ok": True},
            {"name": "… programs left out because they run for long", "value": left_out, "unit": "", "expected": "", "ok": True},
            {"name": "… places of the product that allocate, known by their callers", "value": places[1], "unit": "", "expected": "", "ok": True},
            {"name": "… of them failed", "value": places[0], "unit": "", "expected": "", "ok": True},
            {"name": "… runs felt by the test", "value": gave_up, "unit": "runs", "expected": "", "ok": True},
            {"name": "… crashes, failed assertions of the product, hangs", "value": len(faults), "unit": "", "expected": "0", "ok": not faults}]
    folder = ROOT / "build/evidence"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep_units.json").write_text(
        json.dumps({"suite": "sweep_units", "commit": commit.stdout.strip(), "rows": rows}, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="unit tests with failing allocations")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--points", type=int, default=40, help="most allocations to fail per program; 0 = all")
    parser.add_argument("--longest", type=float, default=20, metavar="SECONDS", help="programs that run longer are left out, aloud")
    parser.add_argument("--seconds", type=float, default=60, help="a program's runs take about as long at most; one is made in any case")
    parser.add_argument("--only", help="these programs, as test_task,test_lease")
    parser.add_argument("--sticky", action="store_true", help="all later ones fail too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    build = options.build.resolve()
    shim = build / "tests/sweep/libfail_allocation.so"
    programs = sorted(path for path in (build / "tests").glob("test_*") if path.is_file() and os.access(path, os.X_OK) and path.suffix == "")
    programs = [path for path in programs if path.name not in OWN_SWEEP and (options.only is None or path.name in options.only.split(","))]
    if not programs:
        sys.exit(f"sweep: no unit tests in {build}/tests")
    product = product_functions(build)
    runs, gave_up, faults, seen, known = 0, 0, [], set(), set()
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        tests = [Program(path, shim, product - own_functions(build, path.name), pathlib.Path(folder), options.longest) for path in programs]
        # What is quick goes first: the long ones are then left with the few places that only they reach.
        counted = sorted(pool.map(Program.count, tests), key=lambda program: program.seconds)
        for program in counted:
            known.update(program.places)
            chosen = points(program, seen, options)
            for at, (code, output) in zip(chosen, pool.map(lambda n: program.run(n, options.sticky), chosen)):
                runs += 1
                gave_up += code == GAVE_UP
                fault = verdict(code, output)
                if fault:
                    faults.append(f"{program.name}, allocation {at}: {fault}")
                    print(f"sweep: {faults[-1]}\n{output[-1500:]}", flush=True)
    left_out = sum(program.total == 0 and program.seconds == 0 for program in counted)
    keep_evidence(runs, (len(seen), len(known)), gave_up, left_out, faults)
    print(f"sweep: {len(programs) - left_out} programs, {left_out} left out, {runs} allocations failed at {len(seen)} of {len(known)} places, "
          f"{gave_up} felt by the test, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
