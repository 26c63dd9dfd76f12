#!/usr/bin/env python3
"""Every link of a tracked Markdown file that leads into this tree leads to something: file and heading.

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


def main() -> None:
    root = pathlib.Path(sys.argv[1])
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md")]
    if not documents:
        raise SystemExit(f"check_links: no documents below {root}")
    wrong = [line for document in sorted(documents) for line in broken(document)]
    if wrong:
        raise SystemExit("\n".join(wrong))


if __name__ == "__main__":
    main()
