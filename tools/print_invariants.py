#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The simulator's invariants in docs/reliability.md: print_invariants.py FQ-SIM write|check."""
import pathlib
import re
import subprocess
import sys

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "reliability.md"
MARKS = re.compile(r"(<!-- invariants -->\n).*?(<!-- /invariants -->\n)", re.S)


def main():
    program, verb = sys.argv[1:]
    table = subprocess.run([program, "--invariants"], check=True, capture_output=True, text=True).stdout
    page = PAGE.read_text()
    fresh, places = MARKS.subn(lambda marks: marks[1] + table + marks[2], page)
    if places != 1:
        sys.exit(f"{PAGE}: no place for the invariants")
    if verb == "write":
        PAGE.write_text(fresh)
    elif fresh != page:
        sys.exit(f"{PAGE}: the invariants are not those of fq-sim: make docs")


if __name__ == "__main__":
    main()
