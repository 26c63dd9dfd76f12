#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints line and branch coverage by layer from the counters of a coverage build, and holds it against the bounds.

    tools/coverage.py build/coverage [--missing FILE]

Not counted as branches: the failing side of FQ_ASSERT (it may not be reached, by definition) and what the compiler calls
unreachable. --missing lists the branches of one source file that no test took.
"""
import argparse
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BOUNDS = {"engine": 95.0, "journal": 95.0, "whole": 85.0}  # per cent of branches


def measure(build: pathlib.Path) -> list[dict]:
    """One entry per source file with its lines, as gcovr's JSON has them."""
    command = ["gcovr", "--root", str(ROOT), "--object-directory", str(build), "--filter", "src/", "--filter", "python/src/",
               "--exclude-unreachable-branches", "--exclude-branches-by-pattern", r".*\bFQ_ASSERT\(.*",
               "--json", "-", *(str(build / part) for part in ("src", "python", "python-package") if (build / part).is_dir())]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"coverage: gcovr failed (is it installed? tools/install_deps.sh test):\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)["files"]


def layer_of(path: str) -> str:
    parts = pathlib.PurePath(path).parts
    return "python" if parts[0] == "python" else parts[1]


def count(files: list[dict]) -> dict[str, list[int]]:
    """Per layer: branches, branches taken, lines, lines run."""
    table: dict[str, list[int]] = {}
    for file in files:
        if not file["file"].endswith(".c"):
            continue
        row = table.setdefault(layer_of(file["file"]), [0, 0, 0, 0])
        for line in file["lines"]:
            if line.get("gcovr/noncode"):
                continue
            row[2] += 1
            row[3] += line["count"] > 0
            row[0] += len(line["branches"])
            row[1] += sum(branch["count"] > 0 for branch in line["branches"])
    table["whole"] = [sum(column) for column in zip(*table.values())]
    return table


def per_cent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def show_missing(files: list[dict], name: str) -> None:
    source = (ROOT / name).read_text().splitlines()
    for file in files:
        if file["file"] != name:
            continue
        for line in file["lines"]:
            missing = [i for i, branch in enumerate(line["branches"]) if branch["count"] == 0]
            if missing or line["count"] == 0 and not line.get("gcovr/noncode"):
                number = line["line_number"]
                print(f"{number:5} {str(missing):14} {source[number - 1].strip()}")


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
    options = parser.parse_args()
    files = measure(options.build.resolve())
    if options.missing:
        show_missing(files, options.missing)
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
