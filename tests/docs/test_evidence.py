#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tools/evidence.py: figures in, one table and a page out; what failed, was skipped or never run is said."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools" / "evidence.py"
PAGE = "# Page\n\n<!-- evidence:faults -->\nold\n<!-- /evidence -->\nbetween\n<!-- evidence:sim -->\nkept\n<!-- /evidence -->\nend\n"

MARKS = "".join(f"<!-- evidence:{name} -->\n<!-- /evidence -->\n" for name in
                ("sim", "sim_small", "mutants", "faults", "sweep", "damage", "crash_states", "fuzz", "coverage", "checks"))


def row(name: str, value, ok=True, **more) -> dict:
    return {"name": name, "value": value, "unit": "s", "expected": "<= 9", "ok": ok, **more}


class Evidence(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))

    def leave(self, suite: str, *rows: dict) -> None:
        (self.folder / f"{suite}.json").write_text(json.dumps({"suite": suite, "commit": "abc1234", "rows": rows}))

    def run_tool(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, "-B", str(TOOL), *arguments], capture_output=True, text=True, timeout=30,
                              env={**os.environ, "FASTQUEUE_EVIDENCE": str(self.folder)})

    def test_the_table_says_what_failed_was_skipped_and_never_run(self) -> None:
        self.leave("faults", row("case 01: kills", 50_000), row("case 02: odd", 9.5, ok=False), row("case 03: skipped", "needs root", ok=None))
        done = self.run_tool("--all")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"case 01: kills +50,000 s +<= 9 +ok\n")
        self.assertRegex(done.stdout, r"case 02: odd +9.5 s +<= 9 +FAILED\n")
        self.assertIn("faults: 1 ok, 1 FAILED, 1 not judged (commit abc1234)\n", done.stdout)
        self.assertIn("sim: NOT RUN", done.stdout)

    def test_what_matters_most_comes_first_and_what_failed_is_told(self) -> None:
        self.leave("sim", row("invariants broken", 0), row("kill", 3), row("sector stale", 4), row("bit rotted", 0.5, ok=False))
        self.leave("fuzz", row("http: executions", 7), {**row("http api: fuzzed", 2, ok=False), "unit": "CPU min"})
        done = self.run_tool()
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertRegex(done.stdout, r"sim +invariants broken +0 +0 +ok\n")
        self.assertRegex(done.stdout, r"sim +faults injected +7.5 +FAILED\n")
        self.assertRegex(done.stdout, r"mutants +planted bugs caught +not run +all\n")
        self.assertRegex(done.stdout, r"fuzz +http api: fuzzed +2 CPU min +<= 9 +short\n")
        self.assertRegex(done.stdout, r"Not as expected:\n.*\nsim +bit rotted +0.5 s +<= 9 +FAILED\n\n")

    def test_what_nobody_waited_for_is_no_failure(self) -> None:
        self.leave("fuzz", {**row("http api: fuzzed", 2, ok=False), "unit": "CPU min"})
        self.assertEqual(self.run_tool().returncode, 0)

    def test_nothing_run_says_how(self) -> None:
        done = self.run_tool()
        self.assertEqual(done.returncode, 0)
        self.assertIn("make evidence RUN=quick", done.stdout)

    def test_all_well_is_code_0(self) -> None:
        self.leave("unannounced", row("a figure", 1))
        done = self.run_tool("--only", "unannounced")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertNotIn("NOT RUN", done.stdout)

    def test_malformed_evidence_is_an_error(self) -> None:
        self.leave("faults", {"name": "no value", "ok": True})
        done = self.run_tool()
        self.assertEqual(done.returncode, 1)
        self.assertIn("faults.json", done.stderr)

    def test_the_page_keeps_what_was_not_run(self) -> None:
        page = self.folder / "page.md"
        page.write_text(PAGE)
        more = {"case": 7, "fault": "A | full disk", "outcome": "refused"}
        self.leave("faults", *(row(f"case 07: figure {n}", n, **more) for n in range(9)))
        self.assertEqual(self.run_tool("--write", str(page)).returncode, 0)
        text = page.read_text()
        self.assertIn("| 7 | A \\| full disk | refused | figure 0: 0 s; figure 1: 1 s;", text)
        self.assertIn("; 3 more as expected |", text)
        self.assertIn("<!-- evidence:sim -->\nkept\n<!-- /evidence -->\nend\n", text)
        self.assertNotIn("old", text)

    def test_a_commit_that_nobody_can_build_is_refused(self) -> None:
        page = self.folder / "page.md"
        page.write_text(MARKS.replace("-->\n<!-- /", "-->\nMeasured at commit 0123456789ab.\n<!-- /", 1))
        done = self.run_tool("--check", str(page))
        if "was not judged" in done.stdout:
            self.skipTest("the whole history is not here")
        self.assertEqual(done.returncode, 1)
        self.assertIn("commit 0123456789ab is cited and is no ancestor", done.stdout)

    def test_a_page_that_tells_of_a_failure_is_refused(self) -> None:
        page = self.folder / "page.md"
        marks = MARKS
        page.write_text(marks)
        self.assertEqual(self.run_tool("--check", str(page)).returncode, 0)
        self.leave("sim", row("lost", 1, ok=False))
        self.run_tool("--write", str(page))
        self.assertIn("'sim' says that something was not as expected", self.run_tool("--check", str(page)).stdout)
        page.write_text(marks.replace("<!-- /evidence -->\n", "", 1))
        self.assertEqual(self.run_tool("--check", str(page)).returncode, 1)


if __name__ == "__main__":
    unittest.main()
