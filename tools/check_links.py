#!/usr/bin/env python3
"""Every link of a tracked Markdown file that leads into this tree leads to something: file and heading. Every test that such a
file names exists.

    tools/check_links.py ROOT
"""
import pathlib
import re
import sys

LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(document: pathlib.Path) -> set[str]:
    """The names under which a Markdown viewer finds the headings."""
    text = FENCE.sub("", document.read_text())
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


def broken(document: pathlib.Path) -> list[str]:
    wrong = []
    for target in LINK.findall(FENCE.sub("", document.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = document.parent / name if name else document
        if not path.exists():
            wrong.append(f"{document}: there is no {target}")
        elif anchor and anchor not in anchors(path):
            wrong.append(f"{document}: {name or 'this document'} has no heading #{anchor}")
    return wrong


def absent_tests(root: pathlib.Path, document: pathlib.Path) -> list[str]:
    """`test_name` and `test_name.py` stand for a file below tests/; longer words (test::case) are other things."""
    there = {path.name for path in (root / "tests").rglob("test_*")}
    names = re.findall(r"`(test_\w+(?:\.py)?)`", document.read_text())
    return [f"{document}: there is no test {name}" for name in names if not {name, f"{name}.c", f"{name}.py"} & there]


def main() -> None:
    root = pathlib.Path(sys.argv[1])
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    if not documents:
        raise SystemExit(f"check_links: no documents below {root}")
    wrong = [line for document in sorted(documents) for line in broken(document) + absent_tests(root, document)]
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
