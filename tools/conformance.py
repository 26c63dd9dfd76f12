#!/usr/bin/env python3
"""The OpenTelemetry conformance table: tests/conformance/rows.tsv names, for each feature, the tests that show it.

  tools/conformance.py print          docs/otel-conformance.md, to standard output
  tools/conformance.py check          every named test exists, and the document is the table's
  tools/conformance.py verify BUILD   every named test ran in BUILD and passed; what was skipped does not count

A test is named `unit:FUNCTION` (cmocka), `python:FILE::FUNCTION` (pytest), `e2e:FILE::FUNCTION` (unittest, by its method) or
`interop:FILE::FUNCTION` (run by `make interop`). A feature without a test is not supported; its remark says why.
"""
import collections
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROWS = ROOT / "tests/conformance/rows.tsv"
DOCUMENT = ROOT / "docs/otel-conformance.md"
FOLDERS = {"python": "tests/python", "e2e": "tests/e2e", "interop": "tests/interop"}

Row = collections.namedtuple("Row", "number section feature tests remark")


def rows():
    for number, line in enumerate(ROWS.read_text().splitlines()[1:], 2):
        cells = (line.split("\t") + ["", "", ""])[:4]
        yield Row(number, cells[0], cells[1], cells[2].split(), cells[3])


def unit_tests():
    """Names of cmocka tests -> the files that define one. (The compiler refuses one that is not registered.)"""
    found = collections.defaultdict(set)
    for path in (ROOT / "tests").rglob("*.c"):
        for name in re.findall(r"^static void (\w+)\(void \*\*\w+\) \{", path.read_text(), re.M):
            found[name].add(path.name)
    return found


def fault(test, units):
    """What is wrong with a test's name, or None."""
    kind, _, name = test.partition(":")
    if kind == "unit":
        files = units.get(name, ())
        if len(files) > 1:
            return f"{test} stands for several: {', '.join(sorted(files))}"
        return None if files else f"no test {test}"
    file, _, function = name.partition("::")
    path = ROOT / FOLDERS.get(kind, "none") / file
    if path.is_file() and re.search(rf"^ *(async )?def {re.escape(function)}\(", path.read_text(), re.M):
        return None
    return f"no test {test}"


def document():
    sections = collections.defaultdict(list)
    for row in rows():
        sections[row.section].append(row)
    total = sum(len(each) for each in sections.values())
    shown = sum(1 for each in sections.values() for row in each if row.tests)
    out = ["# OpenTelemetry conformance", "",
           "Features of OpenTelemetry's compliance matrix, and the test that shows each: `make test` fails if a test named here",
           "does not exist, was skipped or did not pass (those marked `interop` run in `make interop`). Left out are Zipkin, OpenCensus and",
           "OpenTracing, the Jaeger remote sampler and propagators that OpenTelemetry has given up. Printed from `tests/conformance/rows.tsv`.", "",
           f"**{shown} of {total}** are supported.", "", "| section | supported | of |", "|---|---|---|"]
    out += [f"| {name} | {sum(1 for row in each if row.tests)} | {len(each)} |" for name, each in sections.items()]
    for name, each in sections.items():
        out += ["", f"## {name}", "", "| feature | test | remark |", "|---|---|---|"]
        out += [f"| {row.feature.replace('|', chr(92) + '|')} | {'<br>'.join(f'`{test}`' for test in row.tests) or 'no'} | {row.remark} |"
                for row in each]
    return "\n".join(out) + "\n"


def check():
    units = unit_tests()
    wrong = [f"{ROWS.name}:{row.number}: {said} ({row.section}: {row.feature})"
             for row in rows() for said in (fault(test, units) for test in row.tests) if said]
    wrong += [f"{ROWS.name}:{row.number}: neither a test nor a remark ({row.section}: {row.feature})"
              for row in rows() if not row.tests and not row.remark]
    if not DOCUMENT.is_file() or DOCUMENT.read_text() != document():
        wrong.append("docs/otel-conformance.md is not what the table says: `make docs` prints it anew")
    return wrong


def passed_in(build):
    """Names of tests, as the table has them, that the last run in a build passed. A part that did not run passed nothing."""
    log = build / "Testing/Temporary/LastTest.log"
    text = log.read_text(errors="replace") if log.is_file() else ""
    failed = set(re.findall(r"^\[ +(?:FAILED|SKIPPED) +\] (\w+)", text, re.M))
    passed = {f"unit:{name}" for name in re.findall(r"^\[       OK \] (\w+)", text, re.M) if name not in failed}
    # tests/support_py/run_reported.py says so behind each file's tests.
    passed |= {f"e2e:{name}" for name in re.findall(r"^passed: (\S+::\w+)$", text, re.M)}
    report = build / "Testing/pytest.xml"
    bad = set()
    for case in ElementTree.parse(report).iter("testcase") if report.is_file() else ():
        module = next((part for part in case.get("classname", "").split(".") if part.startswith("test_")), "")
        name = f"python:{module}.py::{case.get('name', '').split('[')[0]}"
        outcome = any(child.tag in ("skipped", "failure", "error") for child in case)
        (bad if outcome else passed).add(name)
    return passed - bad  # one case of several that did not pass spoils them


def verify(build):
    passed = passed_in(build)
    return [f"{test} did not run and pass ({row.section}: {row.feature})"
            for row in rows() for test in row.tests if test not in passed and not test.startswith("interop:")]


def main():
    verb = sys.argv[1] if len(sys.argv) > 1 else "check"
    if verb == "print":
        sys.stdout.write(document())
        return 0
    if verb not in ("check", "verify") or (verb == "verify" and len(sys.argv) < 3):
        sys.stderr.write(__doc__)
        return 64
    wrong = check() if verb == "check" else verify(pathlib.Path(sys.argv[2]))
    for text in wrong:
        print(text)
    print(f"conformance {verb}: {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
