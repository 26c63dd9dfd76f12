#!/usr/bin/env python3
"""Prints docs/errors.md from the error table, include/fastqueue/error.def, and the classes in python/src/fastqueue/errors.py.

    tools/print_errors.py > docs/errors.md
    tools/print_errors.py --check docs/errors.md      exit code 1 when the document is stale
"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROW = re.compile(r'FQ_ERROR\((\w+), (\d+), "(\w+)", ([01]), "([^"]+)"\)')
HEAD = """<!-- Printed by tools/print_errors.py; do not edit. -->
# Errors

One table serves every face. C functions return the number, a negative one; the wire answers `-CODE sentence`; HTTP puts the code into
`error.code`; Python raises the class, each a `fastqueue.errors.FastQueueError` with `number`, `name`, `code` and `retryable`. Numbers
and codes are stable, sentences are not. *Retryable*: the same request may succeed later, unchanged.

| C | number | wire and HTTP | Python | retryable | meaning |
|---|---|---|---|---|---|
"""


def python_classes() -> dict[str, str]:
    """Row name -> name of the class, as errors.py maps them."""
    tree = ast.parse((ROOT / "python/src/fastqueue/errors.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "_CLASSES" and isinstance(node.value, ast.Dict):
            return {key.value: value.id for key, value in zip(node.value.keys, node.value.values)}  # type: ignore[union-attr]
    raise SystemExit("print_errors: errors.py has no table _CLASSES")


def document() -> str:
    lines = [line for line in (ROOT / "include/fastqueue/error.def").read_text().splitlines() if line.startswith("FQ_ERROR(")]
    classes = python_classes()
    rows = []
    for line in lines:
        match = ROW.fullmatch(line)
        if match is None:
            raise SystemExit(f"print_errors: cannot read {line}")
        name, number, code, retryable, text = match.groups()
        rows.append(f"| `FQ_E{name}` | -{number} | `{code}` | `{classes.get(name, 'FastQueueError')}` | "
                    f"{'yes' if retryable == '1' else 'no'} | {text} |\n")
    unknown = set(classes) - {ROW.fullmatch(line).group(1) for line in lines}
    if unknown:
        raise SystemExit(f"print_errors: errors.py names rows that are not in error.def: {sorted(unknown)}")
    return HEAD + "".join(rows)


def main() -> None:
    if sys.argv[1:2] != ["--check"]:
        sys.stdout.write(document())
    elif pathlib.Path(sys.argv[2]).read_text() != document():
        raise SystemExit(f"{sys.argv[2]} is stale: 'make docs' prints it anew")


if __name__ == "__main__":
    main()
