#!/usr/bin/env python3
"""Measures FastQueue and its peers side by side and prints what came out, losses like wins.

usage: bench/run.py BUILD [--quick] [--only WORKLOAD,...] [--join] [--peers NAME,...] [--rounds N] [--write docs/benchmarks.md] [--out FOLDER] [--list]

Round by round through all subjects, medians over the rounds. Everything runs on loopback; data lie in folders below BUILD
(or $FASTQUEUE_BENCH_DIR). Tables come to the terminal; the record, the tables and a chart per workload to build/bench/.
"""
import argparse
import importlib
import pathlib
import pkgutil
import signal
import sys
import time
from typing import Callable

import chart
import document
import peers.all
import record
import summary
import table
import workloads
from stage import BINARY, ROOT, BUILD



def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true", help="fewer tasks, fewer rounds: a glance, no record to quote")
    parser.add_argument("--only", default="", help="these workloads, by comma")
    parser.add_argument("--join", action="store_true", help="with --only: the others as the last run left them")
    parser.add_argument("--peers", default="", help="these subjects, by comma; fastqueue is always among them")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--write", default="", help="put the tables into this document, between its marks")
    parser.add_argument("--out", default=str(ROOT / "build/bench"), type=pathlib.Path, help="where record, tables and charts go")
    parser.add_argument("--list", action="store_true", help="name the workloads and end")
    return parser.parse_args()


def find_workloads(only: str) -> list:
    found = [importlib.import_module(f"workloads.{each.name}") for each in pkgutil.iter_modules(workloads.__path__)]
    found = sorted((each for each in found if hasattr(each, "NAME")), key=lambda each: (getattr(each, "ORDER", 50), each.NAME))
    names = [name for name in only.split(",") if name]
    unknown = set(names) - {each.NAME for each in found}
    if unknown:
        raise SystemExit(f"no such workload: {', '.join(sorted(unknown))}; see --list")
    return [each for each in found if not names or each.NAME in names]


def run_all(bench: record.Bench, chosen: list, keep: Callable[[], None]) -> bool:
    """Whether it came to its end; what was measured until a ^C is kept, workload by workload."""
    for workload in chosen:
        bench.workload = workload.NAME
        print(f"\n## {workload.TITLE}", flush=True)
        start = time.monotonic()
        try:
            workload.run(bench)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            return False
        mine = [one for one in bench.measurements if one.workload == workload.NAME]
        print("\n" + table.text(*table.rows(mine)))
        for note in bench.notes.get(workload.NAME, []):
            print(note)
        print(f"({workload.NAME}: {time.monotonic() - start:.0f} s)", flush=True)
        keep()
    return True


def write_charts(out: pathlib.Path, bench: record.Bench, chosen: list) -> None:
    for workload in chosen:
        key = getattr(workload, "RATIO", "rate")
        mine = [one for one in bench.measurements if one.workload == workload.NAME and key in one.values]
        if mine:
            shown = workload.chart(mine) if hasattr(workload, "chart") else mine
            bars = [(f"{one.subject} ({one.mode}), {one.what}", one.values[key], one.subject.startswith("fastqueue")) for one in shown]
            (out / f"{workload.NAME}.svg").write_text(chart.svg(workload.TITLE, record.COLUMNS.get(key, key), bars))


def main() -> int:
    chosen_options = options()
    every, chosen = find_workloads(""), find_workloads(chosen_options.only)
    if chosen_options.list:
        for workload in chosen:
            print(f"{workload.NAME:20} {workload.TITLE}")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not BINARY.exists():
        raise SystemExit(f"bench: no {BINARY}: build first (make bench does)")
    wanted = [name for name in chosen_options.peers.split(",") if name]
    bench = record.Bench(chosen_options.quick, chosen_options.rounds or (1 if chosen_options.quick else 5),
                         ["fastqueue", *wanted] if wanted else None, lambda line: print(line, flush=True))
    head = {"machine": record.machine(BUILD), "rounds": bench.rounds, "quick": bench.quick, "telemetry": "off unless a row says so",
            "subjects": peers.all.describe(bench)}
    print(document.heading(head))
    out = pathlib.Path(chosen_options.out)
    if chosen_options.join and (out / "latest.json").exists():
        bench.join(out / "latest.json", {each.NAME for each in every} - {each.NAME for each in chosen})
    whole = run_all(bench, chosen, lambda: record.save(out / "latest.json", head, bench))
    write_charts(out, bench, every)
    header, cells = summary.rows(bench.measurements)
    print("\n## Figures asked for\n\n" + table.text(header, cells))
    for subject, why in bench.skipped.items():
        print(f"SKIPPED {subject}: {why}")
    page = document.markdown(head, bench, every)
    (out / "latest.md").write_text(page)
    if chosen_options.write and whole:
        document.insert(pathlib.Path(chosen_options.write), page)
    print(f"\nrecord, tables and charts: {out}/")
    return 0 if whole else 130


if __name__ == "__main__":
    sys.exit(main())
