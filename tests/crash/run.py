#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records runs of a control plane and recovers from every disk state in which a power cut may have left each of them.

    run.py BUILD [--seeds 4] [--operations 2000] [--states 64] [--every 1] [--real 40] [--evidence FILE]

Figures of all runs together go to build/evidence/crash_states.json. Then syncs are taken out of the record, to show that their
absence would have been found.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Recorder:
    def __init__(self, build: pathlib.Path, folder: pathlib.Path):
        self.build = build
        self.folder = folder
        self.environment = {**os.environ, "FASTQUEUE_BUILD": str(build)}

    def record(self, seed: int, operations: int) -> pathlib.Path:
        out = self.folder / f"run-{seed}"
        subprocess.run([sys.executable, "-B", str(ROOT / "tests/crash/workload.py"), str(out), "--seed", str(seed), "--operations",
                        str(operations)], env=self.environment, check=True)
        return out

    def recover(self, out: pathlib.Path, *options: str) -> tuple[int, list[dict], str]:
        """Exit code, figures, and what was printed."""
        evidence = out / "evidence.json"
        evidence.unlink(missing_ok=True)
        done = subprocess.run(["nice", "-n", "19", str(self.build / "tests/crash/crash_states"), str(out / "calls"), str(out / "acks"), "--scratch",
                               str(out), "--program", str(self.build / "bin/fastqueue"), "--evidence", str(evidence), *options],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        rows = json.loads(evidence.read_text())["rows"] if evidence.exists() else []
        return done.returncode, rows, done.stdout


def add_up(total: list[dict], rows: list[dict]) -> list[dict]:
    if not total:
        return rows
    for sum_row, row in zip(total, rows):
        sum_row["value"] += row["value"]
        sum_row["ok"] = sum_row["ok"] and row["ok"]
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--states", type=int, default=64)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--real", type=int, default=40, help="states a run that the real program verifies")
    parser.add_argument("--evidence", type=pathlib.Path, default=ROOT / "build/evidence/crash_states.json")
    options = parser.parse_args()
    failed = False
    total: list[dict] = []
    with tempfile.TemporaryDirectory(prefix="fq-crash-") as folder:
        recorder = Recorder(options.build.resolve(), pathlib.Path(folder))
        for seed in range(1, options.seeds + 1):
            out = recorder.record(seed, options.operations)
            code, rows, text = recorder.recover(out, "--states", str(options.states), "--every", str(options.every), "--real",
                                                str(options.real))
            print(text, end="")
            failed = failed or code != 0 or not rows
            total = add_up(total, rows)
        found = 0
        for kind in ("sync", "directory"):
            code, _, _ = recorder.recover(out, "--states", "8", "--every", "9", "--ignore", kind)
            found += code == 1
        total += [{"name": "runs", "value": options.seeds, "unit": "", "expected": "", "ok": True},
                  {"name": "missing syncs of files and of directories found", "value": found, "unit": "of 2", "expected": "2", "ok": found == 2}]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()
    options.evidence.parent.mkdir(parents=True, exist_ok=True)
    options.evidence.write_text(json.dumps({"suite": "crash_states", "commit": commit, "rows": total}, indent=1, ensure_ascii=False) + "\n")
    for row in total:
        print(f"{row['name']:<56} {row['value']:>9} {'' if row['ok'] else 'NOT OK'}")
    sys.exit(1 if failed or found != 2 else 0)


if __name__ == "__main__":
    main()
