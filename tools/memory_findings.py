#!/usr/bin/env python3
"""What valgrind found in one program: memory_findings.py LOG PID, PID being the program's own. Prints it; exits 1 if there is any.

Of the program itself everything counts: errors, lost memory, and descriptors open at the end unless whoever started it gave
them. A child that it forked may end with all that it had of its parent; only the errors count."""
import re
import sys

SHOWN = 10
LINE = re.compile(r"^==(\d+)==(?: (.*))?$")


def blocks(text: str):
    """(pid, lines) of each thing said. Processes write side by side, each line has its process."""
    said = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        pid, words = match.group(1), (match.group(2) or "").rstrip()
        if words.startswith("FILE DESCRIPTORS:"):
            continue
        if words:
            said.setdefault(pid, []).append(words)
        elif said.get(pid):
            yield pid, said.pop(pid)
    yield from said.items()


def is_finding(lines: list[str], is_child: bool) -> bool:
    if lines[0].startswith("Open "):
        return not is_child and "<inherited from parent>" not in lines[1]
    return not (is_child and "in loss record" in lines[0])


def main() -> int:
    with open(sys.argv[1], encoding="utf-8", errors="replace") as file:
        found = [lines for pid, lines in blocks(file.read()) if is_finding(lines, pid != sys.argv[2])]
    for lines in found[:SHOWN]:
        print("\n".join(lines), end="\n\n")
    if len(found) > SHOWN:
        print(f"and {len(found) - SHOWN} more")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
