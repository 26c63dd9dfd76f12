#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the C unit tests again and again with the n-th allocation of the product's code failing.

A test may then fail, by its own assertion: what it asked for could not be had. What must not happen is a crash, a failed
FQ_ASSERT or a hang. Allocations of the tests, of cmocka and of libraries are left alone.

    sweep_unit_allocations.py BUILD [--points 40] [--only test_task] [--sticky]

--points bounds how many n are tried of one program (spread evenly, with other ones at each --seed); 0 tries every one.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import struct
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S, UNDISTURBED_TIMEOUT_S = 60, 600
PRODUCT_FAULT, GAVE_UP = 98, 99  # fail_allocation.c
# Programs that make their own allocations fail, or whose subject is the allocator.
OWN_SWEEP = {"test_core_memory", "test_otel_span_memory"}
FAULT = re.compile(r"Segmentation fault|assertion failed|Aborted|free\(\)|corrupted|double free|stack smashing", re.I)


def product_functions(build: pathlib.Path) -> set[str]:
    names = set()
    for archive in sorted((build / "src").glob("*/libfq_*.a")):
        listing = subprocess.run(["nm", "--defined-only", archive], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        names.update(m.group(1) for m in re.finditer(r"^[0-9a-f]+ [tT] (\S+)$", listing.stdout, re.M))
    return names


def own_functions(build: pathlib.Path, name: str) -> set[str]:
    """Of the test itself and of what tests share: their names may occur in the product too, as static functions."""
    names = set()
    objects = [*build.glob(f"tests/CMakeFiles/{name}.dir/unit/{name}.c.o"), *build.glob("tests/libfq_test_support.a")]
    for file in objects:
        listing = subprocess.run(["nm", "--defined-only", file], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        names.update(m.group(1) for m in re.finditer(r"^[0-9a-f]+ [tT] (\S+)$", listing.stdout, re.M))
    return names


def write_ranges(program: pathlib.Path, names: set[str], path: pathlib.Path) -> None:
    listing = subprocess.run(["nm", "-S", "--defined-only", program], stdout=subprocess.PIPE, text=True, check=True)
    pairs = set()
    for match in re.finditer(r"^([0-9a-f]+) ([0-9a-f]+) [tT] (\S+)$", listing.stdout, re.M):
        if match.group(3) in names:
            start = int(match.group(1), 16)
            pairs.add((start, start + int(match.group(2), 16) + 1))  # a call may be a function's last instruction
    path.write_bytes(b"".join(struct.pack("<QQ", *pair) for pair in sorted(pairs)))


class Program:
    def __init__(self, path: pathlib.Path, shim: pathlib.Path, names: set[str], work: pathlib.Path):
        self.path, self.name, self.work = path, path.name, work
        ranges = work / f"{self.name}.ranges"
        write_ranges(path, names, ranges)
        self.environment = dict(os.environ, LD_PRELOAD=str(shim), FQ_SWEEP_PROGRAM=str(path.resolve()), FQ_SWEEP_RANGES=str(ranges))

    def run(self, at: int, sticky: bool) -> tuple[int, str]:
        environment = dict(self.environment, FQ_SWEEP_AT=str(at))
        if sticky:
            environment["FQ_SWEEP_STICKY"] = "1"
        if at == 0:
            environment["FQ_SWEEP_COUNT"] = str(self.work / f"{self.name}.count")
        folder = tempfile.mkdtemp(dir=self.work)
        environment["TMPDIR"] = folder
        try:
            done = subprocess.run([self.path], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=TIMEOUT_S if at else UNDISTURBED_TIMEOUT_S, errors="replace", check=False, text=True)
        except subprocess.TimeoutExpired:
            return -1, "no end within a minute"
        return done.returncode, done.stdout

    def allocations(self) -> int:
        code, output = self.run(0, False)
        if code != 0:
            sys.exit(f"sweep: {self.name} fails without any injected failure:\n{output[-2000:]}")
        return int((self.work / f"{self.name}.count").read_text())


def verdict(code: int, output: str) -> str:
    """Empty if that outcome is allowed: passed, or ended by the test's own assertion."""
    if code < 0:
        return f"ended by signal {-code}" if code != -1 else "hangs"
    if code == PRODUCT_FAULT or code not in (0, GAVE_UP) and FAULT.search(output):
        return f"exit {code}, says {(FAULT.search(output) or [output[-200:]])[0]!r}"
    return ""


def points(total: int, most: int, seed: int) -> list[int]:
    if most == 0 or total <= most:
        return list(range(1, total + 1))
    chance = random.Random(seed)
    step = total / most
    return sorted({min(total, 1 + int(i * step + chance.random() * step)) for i in range(most)})


def keep_evidence(runs: int, gave_up: int, faults: list[str]) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    rows = [{"name": "allocations failed under the unit tests", "value": runs, "unit": "runs", "expected": "", "ok": True},
            {"name": "… of them felt by the test", "value": gave_up, "unit": "runs", "expected": "", "ok": True},
            {"name": "… crashes, failed assertions of the product, hangs", "value": len(faults), "unit": "", "expected": "0", "ok": not faults}]
    folder = ROOT / "build/evidence"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sweep_units.json").write_text(
        json.dumps({"suite": "sweep_units", "commit": commit.stdout.strip(), "rows": rows}, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="unit tests with failing allocations")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--points", type=int, default=40, help="most allocations to fail per program; 0 = all")
    parser.add_argument("--only", help="one program, as test_task")
    parser.add_argument("--sticky", action="store_true", help="all later ones fail too")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    build = options.build.resolve()
    shim = build / "tests/sweep/libfail_allocation.so"
    programs = sorted(path for path in (build / "tests").glob("test_*") if path.is_file() and os.access(path, os.X_OK) and path.suffix == "")
    programs = [path for path in programs if path.name not in OWN_SWEEP and (options.only is None or path.name == options.only)]
    if not programs:
        sys.exit(f"sweep: no unit tests in {build}/tests")
    product = product_functions(build)
    runs, gave_up, faults = 0, 0, []
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for path in programs:
            program = Program(path, shim, product - own_functions(build, path.name), pathlib.Path(folder))
            total = program.allocations()
            chosen = points(total, options.points, options.seed)
            for at, (code, output) in zip(chosen, pool.map(lambda n: program.run(n, options.sticky), chosen)):
                runs += 1
                gave_up += code == GAVE_UP
                fault = verdict(code, output)
                if fault:
                    faults.append(f"{path.name}, allocation {at}: {fault}")
                    print(f"sweep: {faults[-1]}\n{output[-1500:]}", flush=True)
    keep_evidence(runs, gave_up, faults)
    print(f"sweep: {len(programs)} programs, {runs} allocations failed, {gave_up} felt by the test, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
