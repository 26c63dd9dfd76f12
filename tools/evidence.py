#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The evidence that suites have left in build/evidence/*.json: one table, and the tables of docs/reliability.md.

  evidence.py [--quick] [--only suite,…]        print what matters most, and what failed; --quick runs a short slice of every suite first
  evidence.py --all [--only suite,…]            print every figure
  evidence.py --write docs/reliability.md       put the tables between the page's marks
  evidence.py --check docs/reliability.md       the marks are in order, the commits lead to this one and no figure says that something failed

A suite's file is {"suite", "commit", "rows": [{"name", "value", "unit", "expected", "ok"}]}; ok is true, false, or null for
what could not be tried or judged on the machine. Rows of the fault matrix say their case, its fault and the outcome to be expected too.
"""
import argparse
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

from evidence_summary import summary

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = pathlib.Path(os.environ.get("FASTQUEUE_EVIDENCE", ROOT / "build" / "evidence"))
BUILD = os.environ.get("FASTQUEUE_BUILD_DIR", "build/dev")
FIGURES_IN_A_CELL = 6
QUICK_LIMIT_S = 300  # for a suite's short slice; each takes much less on a machine of its own, but for the fuzzers, which are built first
TIME_GIVEN = "CPU min"  # a figure of this unit that is too small says that nobody waited, not that something is wrong

# suite: what it is, its short slice (None: there is none), the whole, and the files that it leaves beside its own
SUITES = {
    "sim": ("Simulation: the whole system under one seed", "make sim SECONDS=20", "make sim", ["sim-long"]),
    "sim_small": ("Small worlds: every script, a crash at every call", "make sim-small DEPTH=3", "make sim-small", []),
    "mutants": ("Planted bugs: what the simulator must find", "tools/mutants.py --build {build} --seconds 30", "make mutants", []),
    "faults": ("Fault matrix on real processes", "tests/faults/run.py --ci", "make faults", []),
    "sweep": ("Sweeps: the n-th call fails", "{build}/tests/sweep/sweep_queue --every 7 --evidence build/evidence/queue.json", "make sweep", ["queue", "sweep_queue", "sweep_calls", "sweep_units", "sweep_units_otel"]),
    "damage": ("Damage: each byte of a journal cut and flipped", "env FQ_DAMAGE_STRIDE=40 tests/sweep/run.sh {build} damage", "make sweep", []),
    "crash_states": ("Crash states of the real system calls", "tests/crash/run.py {build} --seeds 1 --operations 200 --states 8 --real 5", "make crash-states", []),
    "fuzz": ("Fuzzers", "make fuzz FUZZ_SECONDS=5", "make fuzz FUZZ_SECONDS=1800", []),
    "coverage": ("Branch coverage", None, "make coverage", []),
    "checks": ("Static and dynamic checks", "ctest --test-dir {build} -L check --output-on-failure", "make check", []),
}


class Malformed(Exception):
    pass


def read_suite(path: pathlib.Path) -> dict:
    try:
        suite = json.loads(path.read_text())
        for row in suite["rows"]:
            if not isinstance(row["name"], str) or not isinstance(row["value"], (int, float, str)) or row["ok"] not in (True, False, None):
                raise Malformed(f"{path}: row {row!r}")
            row.setdefault("unit", "")
            row.setdefault("expected", "")
        return {"suite": suite["suite"], "commit": suite.get("commit", "unknown"), "rows": suite["rows"]}
    except (KeyError, TypeError, ValueError) as error:
        raise Malformed(f"{path}: {error!r}") from error


def collect() -> dict[str, dict]:
    """Every suite that has left something, in the order of SUITES, then those that nobody announced."""
    found = {path.stem: read_suite(path) for path in sorted(FOLDER.glob("*.json"))}
    suites = {}
    for name, (_, _, _, more) in SUITES.items():
        parts = [found.pop(stem) for stem in [name, *more] if stem in found]
        if parts:
            suites[name] = {"suite": name, "commit": ", ".join(dict.fromkeys(part["commit"] for part in parts)),
                            "rows": [row for part in parts for row in part["rows"]]}
    return {**suites, **found}


# --- running --------------------------------------------------------------------------------------------------------------
def git(*arguments: str) -> subprocess.CompletedProcess | None:
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    except OSError:
        return None


def commit() -> str:
    done = git("rev-parse", "--short", "HEAD")
    return done is not None and done.stdout.strip() or "unknown"


def run_limited(command: list[str], environment: dict[str, str]) -> int | str:
    """The exit code, or what is said of a suite that took too long and was ended with all its processes."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, env=environment, start_new_session=True) as process:
        try:
            return process.wait(QUICK_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return f"ended after {QUICK_LIMIT_S} s"


def run_quick(names: list[str]) -> int:
    failed = 0
    (ROOT / "build" / "evidence").mkdir(parents=True, exist_ok=True)
    for name in names:
        _, short, whole, _ = SUITES[name]
        if short is None:
            print(f"evidence: {name}: no short slice; '{whole}' runs the whole", flush=True)
            continue
        command = short.format(build=BUILD)
        began = time.monotonic()
        print(f"evidence: {name}: {command}", flush=True)
        environment = {**os.environ, "FASTQUEUE_BUILD": str(ROOT / BUILD), "FQ_COMMIT": commit()}
        code = run_limited(command.split(), environment)
        print(f"evidence: {name}: {'done' if code == 0 else f'FAILED ({code})'} after {time.monotonic() - began:.0f} s", flush=True)
        failed += code != 0
    return failed


# --- printing -------------------------------------------------------------------------------------------------------------
def shown(row: dict) -> str:
    value = row["value"]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10_000:
        text = f"{value:,}"
    elif isinstance(value, float):
        text = f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    else:
        text = str(value)
    return f"{text} {row['unit']}".strip()


def verdict(row: dict) -> str:
    if row["ok"] is False and row["unit"] == TIME_GIVEN:
        return "short"
    return {True: "ok", False: "FAILED", None: "not judged"}[row["ok"]]


def print_rows(rows: list[tuple]) -> None:
    rows = [("suite", "figure", "value", "expected", ""), *rows]
    widths = [min(70, max(len(str(row[i])) for row in rows)) for i in range(5)]
    for row in rows:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()


def print_table(suites: dict[str, dict], wanted: list[str], every: bool) -> int:
    rows = [(name, row["name"], shown(row), row["expected"], verdict(row)) for name, suite in suites.items() if name in wanted or not wanted
            for row in suite["rows"]]
    if every:
        print_rows(rows)
    else:
        print_rows([(row["suite"], row["name"], shown(row), row["expected"], "" if row["ok"] == "" else verdict(row))
                    for row in summary(suites) if row["suite"] in wanted or not wanted])
        failed = [row for row in rows if row[4] == "FAILED"]
        if failed:
            print("Not as expected:")
            print_rows(failed)
    for name in wanted or [*SUITES, *(n for n in suites if n not in SUITES)]:
        if name in suites:
            verdicts = [verdict(row) for row in suites[name]["rows"]]
            told = ", ".join(f"{verdicts.count(word)} {word}" for word in ("ok", "FAILED", "short", "not judged") if word in verdicts)
            print(f"{name}: {told} (commit {suites[name]['commit']})")
        else:
            print(f"{name}: NOT RUN: '{SUITES[name][2]}'" if name in SUITES else f"{name}: NOT RUN")
    if not suites:
        print("Nothing has been run here yet: 'make evidence RUN=quick' runs a short slice of each suite.")
    elif not every:
        print("Every figure: make evidence ALL=1")
    short = [f"{row[1]} {row[2]} of {row[3]}" for row in rows if row[4] == "short"]
    if short:
        print(f"SHORT of the time that the contract asks for: {'; '.join(short)}")
    return sum(row[4] == "FAILED" for row in rows)


# --- the page -------------------------------------------------------------------------------------------------------------
def cell(text) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def matrix_table(rows: list[dict]) -> list[str]:
    lines = ["| # | fault | expected | observed |", "|---|---|---|---|"]
    for number in sorted({row["case"] for row in rows}):
        own = [row for row in rows if row["case"] == number]
        own.sort(key=lambda row: row["ok"] is not False)
        figures = [f"{row['name'].split(': ', 1)[-1]}: {shown(row)}" + ("" if row["ok"] in (True, None) else " **(not as expected)**") for row in own]
        more = len(figures) - FIGURES_IN_A_CELL
        text = "; ".join(figures[:FIGURES_IN_A_CELL]) + (f"; {more} more as expected" if more > 0 else "")
        lines.append(f"| {number} | {cell(own[0]['fault'])} | {cell(own[0]['outcome'])} | {cell(text)} |")
    return lines


def reading_order(row: dict) -> tuple:
    """Figures as the suite tells them; behind them what is counted by name, in the names' order."""
    if row["unit"] != "times":
        return (0, "", 0)
    invariant = re.fullmatch(r"([LS])(\d+)", row["name"])
    return (1, invariant[1], int(invariant[2])) if invariant else (2, row["name"], 0)


def plain_table(rows: list[dict]) -> list[str]:
    lines = ["| figure | value | expected |", "|---|---|---|"]
    for row in sorted(rows, key=reading_order):
        mark = "" if row["ok"] == "" else {"ok": "", "FAILED": " **(not as expected)**", "short": " **(short of it)**", "not judged": " (not judged here)"}[verdict(row)]
        lines.append(f"| {cell(row['name'])} | {cell(shown(row))}{mark} | {cell(row['expected'])} |")
    return lines


def page_part(suite: dict) -> str:
    rows = suite["rows"]
    lines = matrix_table(rows) if rows and all("case" in row for row in rows) else plain_table(rows)
    return "\n".join([f"Measured at commit {suite['commit']}.", "", *lines])


MARKS = re.compile(r"<!-- evidence:(\w+) -->\n(.*?)<!-- /evidence -->\n", re.S)


def write_page(path: pathlib.Path, suites: dict[str, dict]) -> None:
    """Parts of suites that have not been run here stay as they are."""
    def part(match: re.Match) -> str:
        name = match.group(1)
        if name == "summary":
            text = "\n".join(plain_table([row for row in summary(suites) if row["value"] != "not run"])) + "\n"
        else:
            text = page_part(suites[name]) + "\n" if name in suites else match.group(2)
        return f"<!-- evidence:{name} -->\n{text}<!-- /evidence -->\n"

    page = path.read_text()
    path.write_text(MARKS.sub(part, page))
    for name in suites:
        if name not in {match.group(1) for match in MARKS.finditer(page)}:
            print(f"evidence: {path} has no place for '{name}'")


CITED = re.compile(r"^Measured at commit (.+)\.$", re.M)


def unreachable(page: str) -> list[str]:
    """Commits that the page cites and that do not lead to this one: nobody could build what was measured."""
    shallow = git("rev-parse", "--is-shallow-repository")
    if shallow is None or shallow.stdout.strip() != "false":
        print("evidence: no whole history here: whether the commits that are cited lead to this one was not judged")
        return []
    cited = dict.fromkeys(name for commits in CITED.findall(page) for name in commits.split(", "))
    return [name for name in cited if git("merge-base", "--is-ancestor", name, "HEAD").returncode != 0]


def check_page(path: pathlib.Path) -> int:
    page = path.read_text()
    parts = {match.group(1): match.group(2) for match in MARKS.finditer(page)}
    faults = [f"no place for suite '{name}'" for name in SUITES if name not in parts]
    faults += [f"'{name}' says that something was not as expected" for name, text in parts.items() if "not as expected" in text]
    if page.count("<!-- evidence:") != len(parts) or page.count("<!-- /evidence -->") != len(parts):
        faults.append("a mark has no partner")
    faults += [f"commit {name} is cited and is no ancestor of this one: measure again" for name in unreachable(page)]
    for fault in faults:
        print(f"{path}: {fault}")
    return len(faults)


def main() -> int:
    parser = argparse.ArgumentParser(description="the evidence of every suite, as one table")
    parser.add_argument("--quick", action="store_true", help="run a short slice of each suite first")
    parser.add_argument("--all", action="store_true", help="every figure")
    parser.add_argument("--only", type=lambda text: text.split(","), default=[], help="suites, by commas")
    parser.add_argument("--write", type=pathlib.Path, metavar="PAGE")
    parser.add_argument("--check", type=pathlib.Path, metavar="PAGE")
    options = parser.parse_args()
    if options.check:
        return 1 if check_page(options.check) else 0
    failed = run_quick([name for name in SUITES if name in options.only or not options.only]) if options.quick else 0
    try:
        suites = collect()
    except Malformed as error:
        print(f"evidence: {error}", file=sys.stderr)
        return 1
    if options.write:
        write_page(options.write, suites)
        return 0
    failed += print_table(suites, options.only, options.all)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
