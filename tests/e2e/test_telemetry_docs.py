# SPDX-License-Identifier: Apache-2.0
"""What docs/telemetry.md and docs/otel-c.md show does what they say: the C task, the configuration file, the defaults."""
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from commandline import run
from harness import ROOT, Server
from subworker import Subworker

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

ON = {"FASTQUEUE_TELEMETRY_ENABLED": "true"}


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs" / page).read_text(), re.MULTILINE | re.DOTALL)


class Pages(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_the_task_in_c(self) -> None:
        [block] = blocks("telemetry.md", "c")
        source, module = self.folder / "page.c", self.folder / "page.so"
        source.write_text(block)
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{ROOT / 'include'}", "-o", module, source], check=True)
        with Collector() as collector, Server("--data-dir", "none") as server:
            settings = {**ON, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "20"}
            with Subworker(server, modules=[module], environment=settings) as worker:
                self.assertEqual(worker.run("process")["status"], "success")
                attempt, load = collector.wait_for_span("worker.execute_task"), collector.wait_for_span("load")
        self.assertEqual((load.parent_id, load.attributes), (attempt.span_id, {"rows": 3}))

    def test_the_configuration_file(self) -> None:
        [block] = blocks("otel-c.md", "yaml")
        path = self.folder / "otel.yaml"
        with Collector() as collector:
            path.write_text(block.replace("http://collector:4317", collector.endpoint))
            done = run("doctor", "telemetry", "--json", env={**ON, "OTEL_CONFIG_FILE": str(path)})
            rows = [json.loads(line) for line in done.stdout.splitlines()]
            verdicts = {row["check"]: row["verdict"] for row in rows if "check" in row}
            self.assertEqual(verdicts["metrics"], "ok", done.stdout)
            self.assertNotIn("configuration", verdicts)
            self.assertEqual({resource["service.name"] for resource in (metric.resource for metric in collector.metrics())}, {"shop"})

    def test_the_table_of_defaults(self) -> None:
        done = run("doctor", "telemetry", "--json", env=ON)
        shown = {row["variable"]: row["value"] for row in map(json.loads, done.stdout.splitlines()) if "variable" in row}
        table = (ROOT / "docs" / "telemetry.md").read_text().split("| variable | default |", 1)[1].split("\n\n", 1)[0]
        rows = re.findall(r"^\| (`[A-Z].*?) \| `(.*?)` \|", table, re.MULTILINE)
        self.assertGreater(len(rows), 6)
        for names, value in rows:
            for name in re.findall(r"`(\w+)`", names):
                expected = {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": None}.get(name, value)
                with self.subTest(name):
                    self.assertEqual(shown.get(name), expected)


if __name__ == "__main__":
    unittest.main()
