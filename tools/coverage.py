#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints line and branch coverage by layer from the counters of a coverage build, and holds it against the bounds.

    tools/coverage.py build/coverage [--missing FILE] [--gaps]

Not counted as branches: FQ_ASSERT (its failing side may not be reached, by definition) and those of lines that have no code.
--missing lists the branches of one source file that no test took, --gaps the files by how many they lack.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUNDS = {"engine": 95.0, "journal": 95.0, "whole": 85.0}  # per cent of branches


def unreachable(text: str) -> bool:
    """A line that has no code of its own (a closing brace, a comment): its branches are the compiler's."""
    return re.sub(r"/\*.*?\*/|//.*", "", text).strip() in ("", "{", "}", "};")


def add_line(lines: dict, line: dict) -> None:
    """Counts of one line; a file that is built twice (the library, the Python extension) is one file here. gcov names no
    function for a line that only initialises data."""
    taken = [branch["count"] > 0 for branch in line["branches"]]
    known = lines.setdefault((line.get("function_name", ""), line["line_number"]), {"count": 0, "branches": [False] * len(taken)})
    known["count"] += line["count"]
    if len(known["branches"]) == len(taken):
        known["branches"] = [old or new for old, new in zip(known["branches"], taken)]


def gcov(folder: pathlib.Path, notes: list[pathlib.Path]) -> list[dict]:
    """What gcov knows of these objects: one entry per source file of each."""
    done = subprocess.run(["gcov", "--branch-probabilities", "--json-format", "--stdout", *notes], cwd=folder,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:  # such as counters of an older build of one file: that file counts as not run
        print(f"coverage: gcov says:\n{done.stderr[-2000:]}", file=sys.stderr)
    return [file | {"folder": entry["current_working_directory"]}
            for entry in map(json.loads, filter(None, done.stdout.splitlines())) for file in entry["files"]]


def measure(build: pathlib.Path) -> dict[str, dict]:
    """Per source file of the product the lines that have code: how often run, which of their branches were taken."""
    files: dict[str, dict] = {}
    for part in ("src", "python", "python-package"):
        notes = sorted((build / part).rglob("*.c.gcno"))
        for entry in gcov(build, notes) if notes else []:
            path = pathlib.Path(entry["folder"], entry["file"]).resolve()
            name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
            if name.endswith(".c") and name.startswith(("src/", "python/src/")):
                lines = files.setdefault(name, {})
                for line in entry["lines"]:
                    add_line(lines, line)
    for name, lines in files.items():
        source = (ROOT / name).read_text().splitlines()
        for (_, number), line in lines.items():
            text = source[number - 1] if number <= len(source) else ""
            if unreachable(text) or "FQ_ASSERT(" in text:
                line["branches"] = []
    return files


def layer_of(path: str) -> str:
    parts = pathlib.PurePath(path).parts
    return "python" if parts[0] == "python" else parts[1]


def count(files: dict[str, dict]) -> dict[str, list[int]]:
    """Per layer: branches, branches taken, lines, lines run."""
    table: dict[str, list[int]] = {}
    for name, lines in files.items():
        row = table.setdefault(layer_of(name), [0, 0, 0, 0])
        for line in lines.values():
            row[2] += 1
            row[3] += line["count"] > 0
            row[0] += len(line["branches"])
            row[1] += sum(line["branches"])
    table["whole"] = [sum(column) for column in zip(*table.values())]
    return table


def per_cent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def show_missing(files: dict[str, dict], name: str) -> None:
    source = (ROOT / name).read_text().splitlines()
    for (_, number), line in sorted(files.get(name, {}).items(), key=lambda item: item[0][1]):
        missing = [i for i, taken in enumerate(line["branches"]) if not taken]
        if missing or line["count"] == 0:
            print(f"{number:5} {str(missing):14} {source[number - 1].strip()}")


def show_gaps(files: dict[str, dict]) -> None:
    rows = []
    for name, lines in files.items():
        branches = [taken for line in lines.values() for taken in line["branches"]]
        rows.append((branches.count(False), len(branches), name))
    for missing, branches, name in sorted(rows, reverse=True):
        print(f"{missing:5} of {branches:5} not taken  {name}")


def keep_evidence(table: dict[str, list[int]]) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    rows = [{"name": f"branches of {layer}", "value": round(per_cent(row[1], row[0]), 1), "unit": "%",
             "expected": f">= {BOUNDS[layer]:.0f}" if layer in BOUNDS else "",
             "ok": per_cent(row[1], row[0]) >= BOUNDS.get(layer, 0.0)} for layer, row in table.items()]
    folder = ROOT / "build/evidence"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "coverage.json").write_text(
        json.dumps({"suite": "coverage", "commit": commit.stdout.strip(), "rows": rows}, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="line and branch coverage by layer")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--missing", metavar="FILE", help="a source file, as src/engine/task.c")
    parser.add_argument("--gaps", action="store_true", help="every file, by the branches that no test took")
    options = parser.parse_args()
    files = measure(options.build.resolve())
    if options.missing:
        show_missing(files, options.missing)
        return
    if options.gaps:
        show_gaps(files)
        return
    table = count(files)
    print(f"{'layer':12}{'branches':>10}{'taken':>10}{'':>9}{'lines':>10}{'run':>10}")
    low = []
    for layer, (branches, taken, lines, run) in sorted(table.items(), key=lambda item: (item[0] == "whole", item[0])):
        share = per_cent(taken, branches)
        print(f"{layer:12}{branches:10}{taken:10}{share:8.1f}%{lines:10}{run:10}{per_cent(run, lines):8.1f}%")
        if share < BOUNDS.get(layer, 0.0):
            low.append(f"{layer} has {share:.1f} % of its branches covered, the bound is {BOUNDS[layer]:.0f} %")
    keep_evidence(table)
    if low:
        sys.exit("coverage: " + "; ".join(low))


if __name__ == "__main__":
    main()
