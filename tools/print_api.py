#!/usr/bin/env python3
"""Prints docs/api-c.md from the public headers and docs/api-python.md from the package's own signatures and docstrings.

    tools/print_api.py c > docs/api-c.md
    tools/print_api.py python > docs/api-python.md
    tools/print_api.py --check docs          exit code 1 when either document is stale
"""
import ast
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NOTE = "<!-- Printed by tools/print_api.py; do not edit. -->\n"

HEADERS = ["fastqueue/client.h", "fastqueue/payload.h", "fastqueue/task.h", "fastqueue/worker.h", "fastqueue/session.h", "fastqueue/error.h",
           "otel/sdk.h", "otel/attribute.h", "otel/trace.h", "otel/metrics.h", "otel/logs.h", "otel/context.h",
           "otel/propagation.h", "otel/exporter.h"]
# A comment (/** or /*), and what it stands in front of: up to the `;` or `}` that ends the declaration.
ITEM = re.compile(r"((?:^/\*(?:[^*]|\*(?!/))*\*/\n)*)((?:^(?!\s*$)(?!/\*)(?!#).*\n)+|^#define (?:.*\\\n)*.*\n)", re.M)


def plain(comment: str) -> str:
    """The text of C comments, one paragraph for each blank line in them."""
    lines = []
    for line in comment.splitlines():
        line = re.sub(r"^\s*/\*\*?-* ?|\s*-*\*/\s*$", "", line)
        lines.append(re.sub(r"^ \* {0,2}", "", line) if not line.startswith(" *   ") else line[3:])
    return "\n".join(lines).strip()


def c_header(name: str):
    text = (ROOT / "include" / name).read_text()
    head = re.search(r"\A// SPDX.*\n(/\*\*(?:[^*]|\*(?!/))*\*/)", text)
    yield f"\n## `<{name}>`\n"
    if head:
        yield "\n".join(line if not line.startswith("    ") else line for line in plain(head.group(1)).splitlines()) + "\n"
    body = text[head.end() if head else 0:]
    body = re.sub(r'^#ifdef __cplusplus\n(?:.*\n)*?#endif\n', "", body, flags=re.M)
    for match in ITEM.finditer(body):
        comment, declaration = plain(match.group(1)), match.group(2).rstrip()
        if not re.search(r"\b(FQ_API|OTEL_API|struct|enum|typedef)\b|^#define (FQ|OTEL)_[A-Z_]+\(", declaration):
            continue
        yield ""
        if comment:
            yield comment + "\n"
        declaration = re.sub(r"\b(FQ_API|OTEL_API|FQ_MUST_USE) ", "", declaration)
        declaration = re.sub(r"\n {12,}", "\n    ", declaration)  # arguments were aligned to where the function's name began
        if declaration.startswith("#define"):
            declaration = declaration.split("\\\n")[0].rstrip()
        yield f"```c\n{declaration}\n```"


def c_document() -> str:
    out = [NOTE + "# C interface", "",
           "Two libraries: `libfastqueue` (headers `fastqueue/`) is client, worker and protocol; `libotel-c` (headers `otel/`) is the OpenTelemetry",
           "SDK and needs nothing of the queue. [c.md](c.md) and [otel-c.md](otel-c.md) show how they are used."]
    for name in HEADERS:
        if (ROOT / "include" / name).exists():
            out += c_header(name)
    return "\n".join(out).rstrip() + "\n"


MODULES = [
    ("fastqueue", "clients/client.py", ["Client"]),
    ("fastqueue", "clients/sync.py", ["SyncClient"]),
    ("fastqueue", "tasks/registry.py", ["task"]),
    ("fastqueue", "context.py", None),
    ("fastqueue", "tasks/models.py", None),
    ("fastqueue.errors", "errors.py", None),
    ("fastqueue.telemetry", "telemetry", None),
]


def signature(node: ast.AST) -> str:
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"{kind} {node.name}({ast.unparse(node.args)}){returns}"


def is_public(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and not node.name.startswith("_")


def python_item(node: ast.AST):
    doc = (ast.get_docstring(node) or "").strip()
    if isinstance(node, ast.ClassDef):
        init = next((each for each in node.body if getattr(each, "name", "") == "__init__"), None)
        arguments = re.sub(r"^self(, )?", "", ast.unparse(init.args)) if init else ""
        yield f"\n### class `{node.name}`\n"
        if init:
            yield f"```python\n{node.name}({arguments})\n```"
        yield doc + "\n" if doc else ""
        for each in node.body:
            if is_public(each) and not isinstance(each, ast.ClassDef):
                yield f"\n```python\n{signature(each)}\n```"
                text = ast.get_docstring(each)
                yield text + "\n" if text else ""
    else:
        yield f"\n```python\n{signature(node)}\n```"
        yield doc + "\n" if doc else ""


def python_module(package: str, file: str, names):
    path = ROOT / "python/src/fastqueue" / file
    files = sorted(path.glob("*.py")) if path.is_dir() else [path]
    exported = None
    if path.is_dir():
        for node in ast.parse((path / "__init__.py").read_text()).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                exported = set(ast.literal_eval(node.value))
    seen = set()
    for each in files:
        for node in ast.parse(each.read_text()).body:
            if is_public(node) and node.name not in seen and (names is None or node.name in names) and (exported is None or node.name in exported):
                overload = any(getattr(d, "id", "") == "overload" for d in node.decorator_list)
                if not overload:
                    seen.add(node.name)
                    yield from python_item(node)


def python_document() -> str:
    out = [NOTE + "# Python interface", "", "[python.md](python.md) shows how it is used, [telemetry.md](telemetry.md) what is traced."]
    last = ""
    for package, file, names in MODULES:
        if package != last:
            out.append(f"\n## `{package}`")
            last = package
        out += python_module(package, file, names)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"


def main() -> int:
    documents = {"c": c_document, "python": python_document}
    if len(sys.argv) == 3 and sys.argv[1] == "--check":
        stale = [name for name, make in documents.items() if (pathlib.Path(sys.argv[2]) / f"api-{name}.md").read_text() != make()]
        for name in stale:
            print(f"docs/api-{name}.md is stale: 'make docs' prints it anew")
        return 1 if stale else 0
    if len(sys.argv) != 2 or sys.argv[1] not in documents:
        sys.stderr.write(__doc__)
        return 64
    sys.stdout.write(documents[sys.argv[1]]())
    return 0


if __name__ == "__main__":
    sys.exit(main())
