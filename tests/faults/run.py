#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the fault matrix against the program of $FASTQUEUE_BUILD (default build/dev), and leaves the figures in
build/evidence/faults.json. A run of some cases replaces the figures of those cases only.

  run.py [--ci] [--only 1,5-9] [--family kills,disks] [--seed N] [--kills N] [--soak-minutes M] [--backlog N] [--list]
"""
import argparse
import contextlib
import fcntl
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import traceback

import matrix
from case import Case, Figure, Run, missing

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EVIDENCE = pathlib.Path(os.environ.get("FASTQUEUE_EVIDENCE", ROOT / "build" / "evidence"))
CI_SEED = 20261122  # a change is judged by what it changes, not by the day's luck


class TookTooLong(Exception):
    pass


@contextlib.contextmanager
def limited(seconds: float):
    def ring(*_):
        raise TookTooLong(f"not done after {seconds:.0f} s")
    old = signal.signal(signal.SIGALRM, ring)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def numbers(text: str) -> set[int]:
    """'1,5-9' as a set."""
    chosen: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        chosen.update(range(int(first), int(last or first) + 1))
    return chosen


def commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def run_case(one: Case, run: Run) -> list[dict]:
    """The rows of one case; an exception is a row too."""
    began = time.monotonic()
    lacking = missing(one.needs)
    if lacking:
        figures = [Figure("skipped", "needs " + " and ".join(lacking), "", "", None)]
    else:
        try:
            with limited(one.limit_s):
                figures = one.function(run)
        except Exception as error:  # noqa: BLE001  whatever it is, the other cases run
            traceback.print_exc()
            figures = [Figure("ended by", f"{type(error).__name__}: {error}"[:200].splitlines()[0], "", "no error", False)]
    told(one, figures, time.monotonic() - began)
    return [{"name": f"case {one.number:02}: {figure.name}", "value": figure.value, "unit": figure.unit,
             "expected": figure.expected, "ok": figure.ok, "case": one.number, "fault": one.title,
             "outcome": one.expected, "slice": "ci" if run.ci else "whole", "commit": commit()} for figure in figures]


def told(one: Case, figures: list[Figure], seconds: float) -> None:
    verdict = "skipped" if figures[0].ok is None else "FAILED" if any(not f.ok for f in figures) else "ok"
    print(f"case {one.number:2} {one.title}: {verdict} ({seconds:.1f} s)")
    for figure in figures:
        expected = f" (expected {figure.expected})" if figure.expected else ""
        mark = "" if figure.ok in (True, None) else "   <-- NOT AS EXPECTED"
        print(f"        {figure.name}: {figure.value} {figure.unit}{expected}{mark}".rstrip(), flush=True)


def keep(rows: list[dict]) -> None:
    """Puts the rows into the evidence, in place of those of the same cases; other runs may write at the same time."""
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    with open(EVIDENCE / ".faults.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = EVIDENCE / "faults.json"
        old = json.loads(path.read_text())["rows"] if path.exists() else []
        # A slice that found nothing wrong tells less than the whole run before it.
        whole = {row["case"] for row in old if row["slice"] == "whole"}
        fresh_rows = [row for row in rows if row["slice"] == "whole" or row["case"] not in whole or row["ok"] is False]
        done = {row["case"] for row in fresh_rows}
        merged = sorted([row for row in old if row["case"] not in done] + fresh_rows, key=lambda row: row["case"])
        fresh = path.with_suffix(".tmp")
        fresh.write_text(json.dumps({"suite": "faults", "commit": commit(), "rows": merged}, indent=1) + "\n")
        fresh.rename(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="the fault matrix on real processes")
    parser.add_argument("--ci", action="store_true", help="only the CI slice, scaled down")
    parser.add_argument("--only", type=numbers, help="cases by number: 1,5-9")
    parser.add_argument("--family", help="only the modules of this name below cases/, by commas")
    parser.add_argument("--seed", type=int, help="default: a new one; with --ci always the same")
    parser.add_argument("--kills", type=int, help="kills of case 1")
    parser.add_argument("--soak-minutes", type=float, default=5)
    parser.add_argument("--backlog", type=int, help="tasks of case 44")
    parser.add_argument("--list", action="store_true", help="the table of cases")
    options = parser.parse_args()
    cases = [one for one in matrix.load().values()
             if (options.only is None or one.number in options.only)
             and (options.family is None or one.family in options.family.split(","))
             and (one.ci or not options.ci)]
    if options.list:
        for one in cases:
            print(f"{one.number:3} {one.family:10} {'ci ' if one.ci else '   '} {one.title}: {one.expected}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that disks are unmounted and processes ended
    seed = options.seed if options.seed is not None else CI_SEED if options.ci else random.SystemRandom().randrange(1 << 32)
    run = Run(options.ci, seed, options.kills, options.soak_minutes, options.backlog)
    print(f"faults: seed {run.seed}, {len(cases)} cases")
    rows: list[dict] = []
    for one in cases:
        part = run_case(one, run)
        keep(part)
        rows += part
    failed = sorted({row["case"] for row in rows if row["ok"] is False})
    skipped = sorted({row["case"] for row in rows if row["ok"] is None})
    print(f"faults: {len(cases)} cases, {len(failed)} failed {failed or ''}, {len(skipped)} skipped {skipped or ''} "
          f"(seed {run.seed})")
    if skipped and not failed:
        print(f"OK (skipped={len(skipped)})")  # counted by tests/run.sh
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
