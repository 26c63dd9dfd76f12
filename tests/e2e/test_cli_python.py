"""Python task modules from the command line: the package's sources beside the extension of the build tree."""
import pathlib
import shutil
import sys
import tempfile
import unittest

from commandline import C_TASKS, Shell, Worker, run
from harness import BUILD, ROOT, Server

EXTENSION = next((BUILD / "python" / "fastqueue").glob("_core*.so"), None)
MODULE = """
from fastqueue import task

@task
def greet(who: str, mark: str = "!") -> str:
    return f"hello {who}{mark}"

@task("async.double")
async def double(number: int) -> int:
    return 2 * number

@task
def unlucky() -> None:
    raise LookupError("nothing there")
"""


@unittest.skipIf(EXTENSION is None, "the Python extension is not built (cmake -D FQ_PYTHON=ON)")
class PythonModules(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        shutil.copytree(ROOT / "python" / "src" / "fastqueue", cls.folder / "fastqueue")
        shutil.copy(EXTENSION, cls.folder / "fastqueue")
        (cls.folder / "greetings.py").write_text(MODULE)
        (cls.folder / "broken.py").write_text("import greetings\nraise ImportError('out of order')\n")
        cls.env = {"PYTHONPATH": str(cls.folder), "FASTQUEUE_PYTHON": sys.executable}

    def test_names_of_a_module(self) -> None:
        done = run("list", "--task-modules", "greetings", C_TASKS, env=self.env)
        self.assertEqual(done.returncode, 0, done)
        names = done.stdout.splitlines()
        self.assertEqual(names[:4], ["Available tasks:", "  - async.double", "  - greet", "  - unlucky"])
        self.assertIn("  - add", names)
        broken = run("list", "--task-modules", "broken", env=self.env)
        self.assertEqual(broken.returncode, 1, broken)
        self.assertEqual(broken.stderr, "Failed to import broken: ImportError: out of order\n")

    def test_doctor_loads_modules(self) -> None:
        done = run("doctor", "--data-dir", "none", "--task-modules", "greetings", "broken", env=self.env)
        self.assertIn("greetings: 3 tasks\n", done.stdout)
        self.assertIn("broken: ImportError: out of order\n", done.stdout)

    def test_both_kinds_of_modules_in_one_worker(self) -> None:
        with Server() as server:
            shell = Shell(server, **self.env)
            with Worker(shell, "--concurrency", "1", modules=("greetings", C_TASKS)):
                self.assertIn("Result: hello world!\n", shell("submit", "greet", "world").stdout)
                self.assertIn("Result: hello you?\n", shell("submit", "greet", "--kwargs", "who=you", "mark=?").stdout)
                self.assertIn("Result: 42\n", shell("submit", "async.double", "21").stdout)
                self.assertIn("Result: 5\n", shell("submit", "add", "2", "3").stdout)
                failed = shell("submit", "unlucky")
                self.assertEqual((failed.returncode, "Error: LookupError: nothing there\n" in failed.stdout), (1, True), failed)
                stack = shell("result", failed.stdout.split()[4])
                self.assertIn("Traceback", stack.stdout)

    def test_module_that_does_not_import_ends_the_command(self) -> None:
        with Server() as server:
            done = Shell(server, **self.env)("subworker", "--task-modules", "broken")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("out of order", done.stderr)


if __name__ == "__main__":
    unittest.main()
