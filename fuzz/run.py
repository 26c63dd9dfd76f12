#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs fuzzers for a time given, prints one table and adds what they did to build/evidence/fuzz.json.

    fuzz/run.py --seconds 60              every fuzzer, one after another (two side by side with --jobs 2)
    fuzz/run.py --seconds 60 core http    those two
    fuzz/run.py --cpu-minutes 30          goes on, the least fuzzed class first, until every class has had that much

A fuzzer grows its corpus in build/fuzz/corpus/<name>, starting from fuzz/corpus/<name>. A crash leaves its input in
build/fuzz/crashes/<name>; the exit status is then 1.
"""
import argparse
import concurrent.futures
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What the world hands to FastQueue, and the fuzzers that stand for it.
CLASSES = {
    "resp and commands": ["core", "requests", "session", "replies"],
    "http api": ["http"],
    "journal recovery": ["journal"],
    "event codec": ["event"],
    "trace headers": ["propagation"],
    "otlp answers": ["otlp_answer", "otlp_session"],
    "environment and files": ["environment", "config_file", "options", "credentials", "shard_map"],
    "python inputs": ["python"],
    "shared memory": ["board", "control", "area", "record", "otel_record"],
}


LAST = ("shared memory", "other")  # what no stranger writes: when the others have had their time, and with no time to reach


def class_of(name):
    return next((kind for kind, names in CLASSES.items() if name in names), "other")


def found(programs):
    return sorted(p.name[5:] for p in programs.glob("fuzz_*") if os.access(p, os.X_OK) and not p.suffix)


class Totals:
    """The sums over all runs, kept in one JSON file."""

    def __init__(self, path, crashes):
        self.path, self.crashes, self.lock = path, crashes, threading.Lock()
        self.rows = {}
        if path.exists():
            self.rows = json.loads(path.read_text()).get("totals", {})

    def add(self, name, run):
        with self.lock:
            row = self.rows.setdefault(name, {"executions": 0, "cpu_s": 0.0, "crashes": 0, "edges": 0, "features": 0})
            row["executions"] += run["executions"]
            row["cpu_s"] = round(row["cpu_s"] + run["cpu_s"], 1)
            row["crashes"] += run["crashes"]
            row["edges"] = max(row["edges"], run["edges"])
            row["features"] = max(row["features"], run["features"])
            self.write()

    def cpu_s(self, kind):
        return sum(row["cpu_s"] for name, row in self.rows.items() if class_of(name) == kind)

    def write(self):
        rows = []
        for name, row in sorted(self.rows.items()):
            rows.append({"name": f"{name}: executions", "value": row["executions"], "unit": "inputs",
                         "expected": "> 0", "ok": row["executions"] > 0})
            rows.append({"name": f"{name}: edges reached", "value": row["edges"], "unit": "edges", "expected": "> 0",
                         "ok": row["edges"] > 0})
            rows.append({"name": f"{name}: time of a processor", "value": round(row["cpu_s"] / 60, 1), "unit": "min", "expected": "", "ok": True})
        for kind in CLASSES:
            if self.cpu_s(kind) > 0:
                rows.append({"name": f"{kind}: fuzzed", "value": round(self.cpu_s(kind) / 60, 1), "unit": "CPU min",
                             "expected": "" if kind in LAST else ">= 30", "ok": kind in LAST or self.cpu_s(kind) >= 1800})
        crashes = sum(1 for path in self.crashes.glob("*/*") if path.is_file())
        rows.append({"name": "crashes left", "value": crashes, "unit": "inputs", "expected": "0", "ok": crashes == 0})
        commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"suite": "fuzz", "commit": commit.stdout.strip(), "rows": rows, "totals": self.rows}, indent=1)
        partial = self.path.with_suffix(".new")
        partial.write_text(text + "\n")
        partial.replace(self.path)


def command_of(args, name):
    grown, crashes = args.work / "corpus" / name, args.work / "crashes" / name
    grown.mkdir(parents=True, exist_ok=True)
    crashes.mkdir(parents=True, exist_ok=True)
    kept = ROOT / "fuzz" / "corpus" / name
    words = ROOT / "fuzz" / "dict" / f"{name}.dict"
    command = [str(args.programs / f"fuzz_{name}"), f"-max_total_time={args.seconds}", "-print_final_stats=1", f"-timeout={args.input_seconds}",
               f"-report_slow_units={args.input_seconds}",
               "-rss_limit_mb=1500", f"-artifact_prefix={crashes}/"]
    if words.exists():
        command.append(f"-dict={words}")
    return command + [str(grown)] + ([str(kept)] if kept.is_dir() else [])


def run(args, name):
    """One fuzzer for its time: executions, CPU seconds, edges, features, and whether it crashed."""
    log = args.work / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as out:
        child = subprocess.Popen(["nice", "-n", "19"] + command_of(args, name), stdout=out, stderr=out)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    text = log.read_text(errors="replace")
    edges = [int(n) for n in re.findall(r"\bcov: (\d+)", text)]
    features = [int(n) for n in re.findall(r"\bft: (\d+)", text)]
    units = re.findall(r"stat::number_of_executed_units: *(\d+)", text)
    return {"name": name, "executions": int(units[-1]) if units else 0, "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
            "edges": max(edges, default=0), "features": max(features, default=0),
            "crashes": int(child.returncode != 0), "log": str(log)}


def show(args, rows):
    print(f"{'fuzzer':16}{'executions':>12}{'CPU s':>9}{'edges':>8}{'features':>10}{'crashes':>9}")
    for row in sorted(rows, key=lambda row: row["name"]):
        print(f"{row['name']:16}{row['executions']:12}{row['cpu_s']:9.1f}{row['edges']:8}{row['features']:10}{row['crashes']:9}")
    for row in rows:
        if row["crashes"]:
            print(f"\nfuzz_{row['name']} failed; what it said: {row['log']}")
            for path in sorted((args.work / "crashes" / row["name"]).iterdir()):
                print(f"  replay: {args.programs}/fuzz_{row['name']} {path}")


def run_each(args, totals, names):
    rows = []
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for row in pool.map(lambda name: run(args, name), names):
            totals.add(row["name"], row)
            rows.append(row)
    return rows


def run_until(args, totals):
    """The class with the least CPU time next, and in it the fuzzer with the least, until all have had their share."""
    busy, lock, rows = set(), threading.Lock(), []

    def choose():
        with lock:
            open_ones = [name for name in found(args.programs) if name not in busy and
                         totals.cpu_s(class_of(name)) < args.cpu_minutes * 60]
            kinds = [class_of(name) for name in busy]
            open_ones.sort(key=lambda name: (class_of(name) in LAST, kinds.count(class_of(name)), totals.cpu_s(class_of(name)),
                                             totals.rows.get(name, {}).get("cpu_s", 0)))
            if open_ones:
                busy.add(open_ones[0])
            return open_ones[0] if open_ones else None

    def work():
        while (name := choose()) is not None and (args.until is None or time.time() < args.until):
            row = run(args, name)
            totals.add(name, row)
            with lock:
                if not row["crashes"]: # it would only crash again
                    busy.discard(name)
                rows.append(row)
            print(time.strftime("%H:%M:%S"), row, flush=True)

    workers = [threading.Thread(target=work) for _ in range(args.jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="fuzzers, without fuzz_; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="how long one fuzzer runs (%(default)s)")
    parser.add_argument("--cpu-minutes", type=float, help="go on until every class has had this much")
    parser.add_argument("--until", type=float, help="with --cpu-minutes: start nothing after this Unix time")
    parser.add_argument("--input-seconds", type=int, default=20,
                        help="an input that takes longer by the clock counts as a hang; more on a busy machine (%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="fuzzers side by side (%(default)s)")
    parser.add_argument("--programs", type=Path, default=ROOT / "build/fuzz/fuzz", help="where the fuzzers are (%(default)s)")
    parser.add_argument("--work", type=Path, default=ROOT / "build/fuzz", help="grown corpora, crashes, logs (%(default)s)")
    parser.add_argument("--evidence", type=Path, default=ROOT / "build/evidence/fuzz.json", help="(%(default)s)")
    args = parser.parse_args()
    totals = Totals(args.evidence, args.work / "crashes")
    names = args.names or found(args.programs)
    unknown = set(names) - set(found(args.programs))
    if unknown or not names:
        sys.exit(f"no fuzzer {', '.join(sorted(unknown)) or 'at all'} in {args.programs}")
    rows = run_until(args, totals) if args.cpu_minutes else run_each(args, totals, names)
    show(args, rows)
    sys.exit(1 if any(row["crashes"] for row in rows) else 0)


if __name__ == "__main__":
    main()
