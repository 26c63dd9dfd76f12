#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Shows that the simulator finds bugs: breaks the product on purpose, one bug at a time, and runs seeds until it notices.

A bug is a text substitution in one source file (tests/mutants/*.mutant). The file is copied aside, changed, compiled as
the build compiles it, and linked in front of the libraries of fq-sim; the sources of the tree are not touched. A bug that
no longer fits its source, that no seed within the budget finds, or that another invariant than those it names speaks of
first, is a failure; so is a seed that fails without a bug, under the options that the bugs were found with.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMMIT_LENGTH = 12


class Mutant:
    """One planted bug: where, what, and which invariants may speak."""

    def __init__(self, path):
        self.name = path.stem
        head, old, new = re.split(r"^--- (?:old|new)\n", path.read_text(), flags=re.M)
        fields = [line.split(": ", 1) for line in head.splitlines() if line.strip()]
        self.pins = [value for key, value in fields if key == "set"]
        if not any(pin.startswith("stream=") for pin in self.pins):
            self.pins.append("stream=0")  # most bugs are planted in what files are for
        table = dict(fields)
        self.why, self.file = table["why"], table["file"]
        self.expected = table["expect"].split()
        self.old, self.new = old.rstrip("\n"), new.rstrip("\n")

    def source(self):
        """The changed source, or None when it does not fit any more."""
        text = (ROOT / self.file).read_text()
        return text.replace(self.old, self.new) if text.count(self.old) == 1 else None


class Build:
    """How the build compiles a file and links the simulator."""

    def __init__(self, directory):
        self.directory = directory
        with open(directory / "compile_commands.json", encoding="utf-8") as file:
            self.compile = {entry["file"]: entry for entry in json.load(file)}
        lines = subprocess.run(["ninja", "-C", str(directory), "-t", "commands", "fq-sim"], check=True,
                               capture_output=True, text=True).stdout.splitlines()
        self.link = next(line for line in reversed(lines) if re.search(r"-o \S*fq-sim\b", line))

    def program(self, mutant, place):
        """Compiles and links; the path of the broken simulator."""
        source, made, program = place / pathlib.Path(mutant.file).name, place / "mutant.o", place / "fq-sim"
        source.write_text(mutant.source())
        entry = self.compile[str(ROOT / mutant.file)]
        words = shlex.split(entry["command"])
        words[words.index("-o") + 1] = str(made)
        words[words.index("-c") + 1] = str(source)
        # What it needs no more is no mistake here.
        run([*words, "-Wno-error", "-w"], entry["directory"])
        words = [word for word in shlex.split(self.link) if word not in (":", "&&")]
        at = words.index("-o")
        words[at + 1] = str(program)
        words.insert(at, str(made))
        run(words, str(self.directory))
        return program


def run(words, directory):
    done = subprocess.run(words, cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words[:3])} … failed:\n{done.stderr[-2000:]}")


def simulate(program, options, pins, seeds):
    """(exit code, invariant, seed, text) of a run."""
    words = [str(program), "--seeds", f"{options.first}..{options.first + seeds - 1}", "--ops",
             str(options.ops), "--seconds", str(options.seconds), "--jobs", "1"]
    for pin in pins:
        words += ["--set", pin]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, errors="replace",
                              timeout=options.seconds + 60)
    except subprocess.TimeoutExpired:
        return 124, "HANG", None, "the program did not come to an end"
    broken = re.search(r"^BROKEN (\w+):? ?(.*)", done.stdout, flags=re.M)
    seed = re.search(r"--seed (\d+)", done.stdout)
    if broken:
        return done.returncode, broken[1], int(seed[1]) if seed else None, broken[2]
    if done.returncode < 0 or done.returncode > 2:
        return done.returncode, "CRASH", None, done.stderr[-300:]
    return done.returncode, "", None, ""


def hunt(mutant, build, options):
    """One row of the evidence."""
    row = {"name": mutant.name, "value": "missed", "unit": "invariant", "expected": " ".join(mutant.expected),
           "ok": False, "seeds": options.seeds, "seconds": 0.0, "why": mutant.why, "text": "", "is_mutant": True}
    if mutant.source() is None:
        row["value"], row["text"] = "does not fit", f"{mutant.file} has not got the text once"
        return row
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        try:
            program = build.program(mutant, pathlib.Path(place))
        except (RuntimeError, KeyError) as error:
            row["value"], row["text"] = "does not build", str(error)
            return row
        began = time.monotonic()
        _, invariant, seed, text = simulate(program, options, mutant.pins, options.seeds)
        row["seconds"] = round(time.monotonic() - began, 1)
    row["text"] = text
    if invariant:
        row["value"], row["ok"] = invariant, invariant in mutant.expected
        row["seeds"] = seed - options.first + 1 if seed is not None else 1
    return row


def unmutated(program, options, pins, seeds):
    """The product as it is passes the seeds that the bugs found under these pins needed."""
    began = time.monotonic()
    code, invariant, seed, text = simulate(program, options, pins, seeds)
    clean = code == 0 and not invariant
    under = f" under {' '.join(pins)}" if pins else ""
    return {"name": f"none{under}", "value": "passes" if clean else invariant or f"exit {code}",
            "unit": f"{seeds} seeds", "expected": "passes", "ok": clean, "seeds": seeds,
            "seconds": round(time.monotonic() - began, 1), "why": "the program as it is",
            "text": "" if clean else f"seed {seed}: {text}", "is_mutant": False}


def clean_runs(mutants, rows, options):
    """(pins, seeds) of each set of pins: as far as the bug that took longest to find."""
    needed = {("stream=0",): options.clean_seeds, ("stream=1",): options.clean_seeds}
    for mutant, row in zip(mutants, rows):
        pins = tuple(mutant.pins)
        needed[pins] = max(needed.get(pins, options.clean_seeds), row["seeds"] if row["ok"] else 0)
    return sorted(needed.items())


def write_evidence(path, rows):
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", f"--short={COMMIT_LENGTH}", "HEAD"],
                            capture_output=True, text=True, check=False).stdout.strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    planted = [row for row in rows if row["is_mutant"]]
    caught = [row for row in planted if row["ok"]]
    seeds = sorted(row["seeds"] for row in caught)
    head = [{"name": "mutants", "value": len(planted), "unit": "bugs", "expected": ">= 25", "ok": len(planted) >= 25},
            {"name": "caught", "value": len(caught), "unit": "bugs", "expected": str(len(planted)),
             "ok": len(caught) == len(planted)},
            {"name": "seeds to find, median", "value": seeds[len(seeds) // 2] if seeds else 0, "unit": "seeds",
             "expected": "", "ok": True}]
    told = [dict(row, name=f"{row['name']}: {row['why']}", unit=f"after {row['seeds']} seeds") if row["is_mutant"]
            else row for row in rows]
    path.write_text(json.dumps({"suite": "mutants", "commit": commit, "rows": head + told}, indent=1) + "\n")


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="planted bugs; all if none is named")
    parser.add_argument("--build", default="build/dev", help="build directory with fq-sim")
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--seeds", type=int, default=400, help="seeds tried at most for each")
    parser.add_argument("--ops", type=int, default=3000, help="operations of a seed")
    parser.add_argument("--clean-seeds", type=int, default=20, help="seeds that the program as it is passes at least")
    parser.add_argument("--seconds", type=int, default=20, help="time for each at most")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--evidence", default="build/evidence/mutants.json")
    options = parser.parse_args()
    if options.jobs is None or options.jobs < 1:
        options.jobs = 1
    return options


def main():
    options = read_arguments()
    build = Build(pathlib.Path(options.build).resolve())
    paths = sorted((ROOT / "tests" / "mutants").glob("*.mutant"))
    mutants = [Mutant(path) for path in paths if not options.names or path.stem in options.names]
    if not mutants:
        sys.exit("no such planted bug")
    program = next(pathlib.Path(options.build).resolve().glob("**/fq-sim"))
    print(f"{'planted bug':26} {'said':14} {'seeds':>5} {'s':>6}  sentence", flush=True)
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        rows = []
        for row in pool.map(lambda mutant: hunt(mutant, build, options), mutants):
            rows.append(row)
            print(f"{row['name']:26} {row['value']:14} {row['seeds']:5} {row['seconds']:6}  {row['text'][:110]}",
                  flush=True)
        runs = clean_runs(mutants, rows, options)
        rows += pool.map(lambda run: unmutated(program, options, *run), runs)
    if not options.names:
        write_evidence(pathlib.Path(options.evidence), rows)
    failed = [row for row in rows if not row["ok"]]
    for row in failed:
        print(f"FAILED {row['name']}: {row['value']}: {row['text']}")
    print(f"{len(mutants)} planted bugs, {len(failed)} failures")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
