"""The demo ends with 0, and says so when a task does not end as it should."""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from commandline import C_TASKS, clean_environment
from harness import BUILD, PROGRAM, ROOT

EXTENSION = next((BUILD / "python" / "fastqueue").glob("_core*.so"), None)


@unittest.skipIf(EXTENSION is None, "the Python extension is not built (cmake -D FQ_PYTHON=ON)")
class Demo(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        shutil.copytree(ROOT / "python" / "src" / "fastqueue", self.folder / "fastqueue")
        shutil.copy(EXTENSION, self.folder / "fastqueue")

    def perform(self, script: pathlib.Path) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-B", str(script), "--program", str(PROGRAM), "--c-tasks", str(C_TASKS), "--folder", str(self.folder)],
            capture_output=True, text=True, timeout=240, env=clean_environment({"PYTHONPATH": str(self.folder)}))

    def test_every_task_ends_as_it_should(self) -> None:
        done = self.perform(ROOT / "demo" / "demo.py")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("control plane killed with SIGKILL", done.stdout)
        self.assertIn("tasks ended as they should", done.stdout)
        self.assertRegex(done.stdout, r"(?m)^crashes, as it should +1 +1$")
        self.assertRegex(done.stdout, r"(?m)^throughput: \d+ tasks/s")

    def test_a_wrong_end_is_noticed(self) -> None:
        shutil.copytree(ROOT / "demo", self.folder / "demo")
        tasks = self.folder / "demo" / "tasks.py"
        text = tasks.read_text()
        tasks.write_text(text.replace('raise ValueError("a negative amount")', "return 0"))
        self.assertNotEqual(tasks.read_text(), text)
        done = self.perform(self.folder / "demo" / "demo.py")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("WRONG: parse_order: success instead of failure", done.stdout)


if __name__ == "__main__":
    unittest.main()
