#!/usr/bin/env python3
"""What the checks of the built tree share: where things are, and the row that each leaves in build/evidence/checks.json.

As a program it leaves the row of a check that is no Python: checks.py NAME FINDINGS UNIT"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
EVIDENCE = ROOT / "build/evidence/checks.json"


def commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def record(name: str, value, unit: str, expected: str, ok: bool) -> None:
    """Puts the row in the place of the one of the same name. Checks run side by side: the file is replaced, never half there."""
    EVIDENCE.parent.mkdir(parents=True, exist_ok=True)
    with open(EVIDENCE.parent / ".checks.lock", "w") as lock:
        os.lockf(lock.fileno(), os.F_LOCK, 0)
        rows = {}
        if EVIDENCE.exists():
            rows = {row["name"]: row for row in json.loads(EVIDENCE.read_text())["rows"]}
        rows[name] = {"name": name, "value": value, "unit": unit, "expected": expected, "ok": ok}
        document = {"suite": "checks", "commit": commit(), "rows": [rows[key] for key in sorted(rows)]}
        with tempfile.NamedTemporaryFile("w", dir=EVIDENCE.parent, delete=False) as file:
            json.dump(document, file, indent=1)
        os.replace(file.name, EVIDENCE)


def output(*command: str) -> str:
    """What a tool prints; a tool that fails ends the check."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def report(name: str, faults: list[str], unit: str, what: str) -> int:
    """Prints the faults and a verdict, records the row; the exit code."""
    for fault in faults:
        print(fault)
    print(f"{name}: {what}; {len(faults)} {unit}")
    record(name, len(faults), unit, "0", not faults)
    return 1 if faults else 0


if __name__ == "__main__":
    record(sys.argv[1], int(sys.argv[2]), sys.argv[3], "0", int(sys.argv[2]) == 0)
