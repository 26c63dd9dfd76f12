#!/usr/bin/env python3
"""Static analysis of every C file of the product: check_analyzers.py gcc|clang-tidy|cppcheck [BUILD] [FILE...]

BUILD (default build/dev) has the compile commands. What is found and not in tools/accepted_findings.txt fails the check; so
does a line there that finds nothing any more. Each file is analysed by itself. What clang-tidy, which takes seconds a file, says of
one is kept in BUILD/clang-tidy for as long as the file, its headers, its command and .clang-tidy are the same."""
import collections
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import checks

FOLDERS = ("src/", "python/src/")
CLANG_TIDY = "clang-tidy-14"  # other versions find other things
FINDING = re.compile(r"^(\S+?):(\d+):(?:\d+:)? (?:warning|error|style|portability|performance|information): (.*) \[([\w.,=-]+)\]$")
# cppcheck: what other tools know better, and what C says otherwise.
CPPCHECK_OFF = (
    "varFuncNullUB",  # NULL is a pointer in every C library that this runs on
    "missingReturn",  # Python's macros return; it does not see into them
    "autoVariables",  # a struct that ends before what it points to
    "normalCheckLevelMaxBranches",
)


def commands(build: pathlib.Path, only: list[str]) -> list[dict]:
    seen = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = os.path.relpath(entry["file"], checks.ROOT)
        if path.startswith(FOLDERS) and (not only or path in only):
            seen.setdefault(path, {**entry, "path": path})
    return [seen[path] for path in sorted(seen)]


def compiler(entry: dict, *more: str) -> str:
    """What the compiler says or prints with the file's own command, less the warnings, and `more`."""
    words = [word for word in shlex.split(entry["command"]) if word != "-c" and not word.startswith("-W")]
    words = words[1:] if words[0].endswith("ccache") else words
    at = words.index("-o")
    return shown([*words[:at], *words[at + 2:], *more], entry["directory"])


def run_gcc(entry: dict) -> str:
    return compiler(entry, "-S", "-o", "/dev/null", "-fanalyzer", "-fdiagnostics-plain-output")


def run_clang_tidy(entry: dict, database: str, kept: pathlib.Path) -> str:
    said_with = [CLANG_TIDY, (checks.ROOT / ".clang-tidy").read_text(), entry["command"], compiler(entry, "-E", "-C")]
    answer = kept / hashlib.sha256("\0".join(said_with).encode()).hexdigest()
    if answer.exists():
        return answer.read_text()
    done = subprocess.run([CLANG_TIDY, "-p", database, "--quiet", entry["path"]], cwd=checks.ROOT, capture_output=True, text=True)
    if done.returncode == 0:  # it ran to its end; findings are no failure to it
        answer.with_suffix(".new").write_text(done.stdout + done.stderr)
        answer.with_suffix(".new").replace(answer)
    return done.stdout + done.stderr


def shown(words: list[str], folder) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


def clang_database(entries: list[dict], folder: str) -> None:
    """Without the warnings that only gcc knows."""
    rows = [{"directory": entry["directory"], "file": entry["file"], "command": re.sub(r" -W\S+| -fno-delete-null-pointer-checks| -ftrivial-auto-var-init=zero| -mmemset-strategy=\S+", "", entry["command"])}
            for entry in entries]
    pathlib.Path(folder, "compile_commands.json").write_text(json.dumps(rows))


def run_cppcheck(entries: list[dict]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        project = pathlib.Path(folder, "compile_commands.json")
        project.write_text(json.dumps([{key: entry[key] for key in ("directory", "command", "file")} for entry in entries]))
        return shown(["cppcheck", f"--project={project}", "--enable=warning,portability,performance", "--inconclusive", "--std=c11",
                      "--quiet", f"-j{os.cpu_count()}", "--suppress=missingIncludeSystem", *(f"--suppress={name}" for name in CPPCHECK_OFF),
                      "--template={file}:{line}: {severity}: {message} [{id}]"], checks.ROOT)


def analyse(tool: str, entries: list[dict], build: pathlib.Path) -> str:
    if tool == "cppcheck":
        return run_cppcheck(entries)
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if tool == "gcc":
            return "".join(pool.map(run_gcc, entries))
        clang_database(entries, folder)
        kept = build / "clang-tidy"
        kept.mkdir(exist_ok=True)
        return "".join(pool.map(lambda entry: run_clang_tidy(entry, folder, kept), entries))


def findings(text: str) -> dict:
    """(path, check) -> lines as the tool wrote them, each once however many files include a header."""
    found = collections.defaultdict(dict)
    for line in text.splitlines():
        match = FINDING.match(line)
        if match:
            path = os.path.relpath(os.path.join(checks.ROOT, match.group(1)), checks.ROOT)
            found[path, match.group(4)][match.group(2)] = f"{path}:{match.group(2)}: {match.group(3)} [{match.group(4)}]"
        elif ("error:" in line and ": note:" not in line) or "not found" in line:
            found["", "failure"][line] = line
    return {key: list(rows.values()) for key, rows in found.items()}


def accepted(tool: str) -> dict:
    rows = {}
    for line in (checks.ROOT / "tools/accepted_findings.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, path, check, count, reason = line.split(None, 4)
            if name == tool and reason:
                rows[path, check] = int(count)
    return rows


def main() -> int:
    tool, build = sys.argv[1], pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else checks.ROOT / "build/dev").resolve()
    entries = commands(build, sys.argv[3:])
    found, known = findings(analyse(tool, entries, build)), accepted(tool)
    faults = [row for key, rows in sorted(found.items()) if len(rows) > known.get(key, 0) for row in rows]
    if not sys.argv[3:]:
        faults += [f"tools/accepted_findings.txt: {tool} {path} {check}: {count} accepted, {len(found.get((path, check), []))} found"
                   for (path, check), count in sorted(known.items()) if len(found.get((path, check), [])) < count]
    if sys.argv[3:]:  # some files are no evidence for all
        print("\n".join([*faults, f"{tool}: {len(entries)} files, {len(faults)} findings"]))
        return 1 if faults else 0
    what = f"{len(entries)} files, {sum(known.values())} accepted findings"
    return checks.report({"gcc": "gcc-fanalyzer"}.get(tool, tool), faults, "findings", what)


if __name__ == "__main__":
    sys.exit(main())
