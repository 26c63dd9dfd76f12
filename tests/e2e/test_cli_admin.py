"""workers, queues, pause, resume, top, doctor and token."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from commandline import C_TASKS, Shell, Worker, clean_environment, run
from harness import PROGRAM, Server, free_port


class Views(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server().__enter__()
        cls.addClassCleanup(cls.server.stop)
        cls.shell = Shell(cls.server)

    def test_queue_without_a_worker_is_marked(self) -> None:
        self.shell("submit", "orphan", "--non-blocking", "--priority", "critical")
        row = next(row for row in self.shell.json("queues") if row["name"] == "orphan")
        self.assertEqual((row["critical"], row["workers"], row["note"]), (1, 0, "no worker offers this name"))
        line = next(line for line in self.shell("queues").stdout.splitlines() if line.startswith("orphan "))
        self.assertIn("no worker offers this name", line)

    def test_workers(self) -> None:
        with Worker(self.shell, "--worker-id", "w-1", "--concurrency", "3"):
            self.shell("submit", "add", "1", "2")
            row = next(row for row in self.shell.json("workers") if row["id"] == "w-1")
            self.assertEqual((row["slots"], row["active"]), (3, 1))
            self.assertIn("add", row["tasks"])
            self.assertRegex(self.shell("workers").stdout, r"(?m)^w-1 +active +3 ")

    def test_pause_and_resume(self) -> None:
        self.assertEqual(self.shell("pause", "held").stdout, "held is paused\n")
        self.assertEqual(self.shell("pause", "held").stdout, "held is paused already\n")
        self.shell("submit", "held", "--non-blocking")
        row = next(row for row in self.shell.json("queues") if row["name"] == "held")
        self.assertEqual(row["paused"], 1)
        with self.server.connect() as link:
            self.assertEqual(link.command("FQ.FETCH", "WORKER", "x", "TASKS", "held"), [])
            self.assertEqual(self.shell("resume", "held").stdout, "held is handed out\n")
            self.assertEqual(len(link.command("FQ.FETCH", "WORKER", "x", "TASKS", "held")), 1)
        self.assertEqual(self.shell("pause", "--all").returncode, 0)
        self.assertIn("ALL PAUSED", self.shell("top", "--once").stdout)
        self.assertEqual(self.shell("resume", "--all").returncode, 0)
        for words in (("pause",), ("resume",), ("pause", "held", "--all")):
            self.assertEqual(self.shell(*words).returncode, 2)


class Screen:
    """`fastqueue top` on a terminal of 30 lines and 100 columns."""

    def __init__(self, test: unittest.TestCase, shell: Shell):
        self.test, self.seen = test, b""
        self.master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen([str(PROGRAM), "top", "--interval", "100ms"], stdin=terminal, stdout=terminal,
                                        stderr=subprocess.PIPE, env={**clean_environment(shell.env), "TERM": "xterm"})
        os.close(terminal)

    def __enter__(self) -> "Screen":
        return self

    def __exit__(self, *_) -> None:
        self.process.kill()
        self.process.communicate()
        os.close(self.master)

    def resize(self, lines: int, columns: int) -> None:
        """What was drawn before is forgotten."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)
        self.seen = b""

    def read_until(self, pattern: bytes) -> None:
        end = time.monotonic() + 30
        while not re.search(pattern, self.seen, re.S):
            self.test.assertLess(time.monotonic(), end, self.seen[-2000:])
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536)


class Top(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server().__enter__()
        self.addCleanup(self.server.stop)
        self.shell = Shell(self.server)

    def test_plain_picture(self) -> None:
        with Worker(self.shell, "--worker-id", "w-1"):
            for n in range(20):
                self.shell("submit", "sleep_ms", "10")
            done = self.shell("top")
            self.assertEqual(done.returncode, 0, done)
            self.assertNotIn("\x1b", done.stdout)
            self.assertIn(f"tcp://127.0.0.1:{self.server.port}", done.stdout)
            self.assertRegex(done.stdout, r"(?m)^sleep_ms ")
            self.assertRegex(done.stdout, r"(?m)^w-1 +active ")
            (sample,) = self.shell.json("top")
        self.assertEqual((sample["completed_total"], sample["durability"]), (20, "sync"))
        # A percentile is at most an eighth above the truth, and a 10 ms sleep never takes less.
        self.assertGreaterEqual(sample["run_us"]["p50"], 10_000)
        self.assertLess(sample["wait_us"]["p50"], sample["run_us"]["p50"] * 100)

    def test_live_screen(self) -> None:
        self.shell("submit", "waiting.task", "--non-blocking")
        with Screen(self, self.shell) as screen:
            screen.read_until(rb"\x1b\[\?1049h.*waiting\.task.*waiting\.task")  # the other screen, and drawn twice
            # A narrower terminal: lines are cut, and the picture is drawn at once.
            screen.resize(10, 20)
            screen.read_until(rb"\x1b\[J.*\x1b\[J.*\x1b\[J")
            picture = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", screen.seen.split(b"\x1b[H")[-2])
            self.assertLessEqual(max(map(len, picture.replace(b"\r", b"").split(b"\n"))), 20)
            self.assertLessEqual(picture.count(b"\n"), 10)
            os.write(screen.master, b"q")
            screen.read_until(rb"\x1b\[\?1049l")
            self.assertEqual(screen.process.wait(30), 0)

    def test_live_screen_survives_a_restart_of_the_control_plane(self) -> None:
        self.shell("submit", "waiting.task", "--non-blocking")
        with Screen(self, self.shell) as screen:
            screen.read_until(rb"waiting\.task")
            self.server.kill()
            screen.read_until(rb"cannot connect to tcp://")
            self.server.start()
            screen.read_until(rb"cannot connect to tcp://.*waiting\.task")
            screen.process.send_signal(signal.SIGTERM)
            screen.read_until(rb"\x1b\[\?1049l")
            self.assertEqual(screen.process.wait(30), 0)


class Doctor(unittest.TestCase):
    def findings(self, shell: Shell, *words) -> dict[str, list]:
        done = shell("doctor", "--json", *words)
        found: dict[str, list] = {}
        for line in done.stdout.splitlines():
            row = json.loads(line)
            found.setdefault(row["check"], []).append(row)
        found["exit code"] = done.returncode
        return found

    def test_healthy(self) -> None:
        with Server() as server:
            found = self.findings(Shell(server), "--data-dir", server.data_dir, "--allow-volatile", "--task-modules", C_TASKS)
            self.assertEqual(found["exit code"], 0, found)
            for check in ("address", "connection", "credentials", "version", "clock", "data directory", "task modules"):
                self.assertEqual(found[check][0]["verdict"], "ok", found[check])
            self.assertEqual(found["credentials"][0]["found"], "may: submit work read admin")
            self.assertIn(f"runs on it ({server.process.pid}", found["owner"][0]["found"].replace("pid=", "").replace("pid ", ""))
            # It looked, and took nothing: the server still owns its directory.
            self.assertEqual(server.run_to_end("--data-dir", server.data_dir)[0], 75)

    def test_text_says_what_to_do(self) -> None:
        done = run("doctor", "--control-plane-address", f"tcp://127.0.0.1:{free_port()}", "--data-dir", "none")
        self.assertEqual(done.returncode, 1, done)
        self.assertRegex(done.stdout, r"(?m)^failed   connection ")
        self.assertIn("-> start it with 'fastqueue control-plane'", done.stdout)
        self.assertRegex(done.stdout, r"\d+ ok, \d+ warnings?, 1 failed\n")

    def test_each_trouble_is_named(self) -> None:
        nobody = Shell(type("Nowhere", (), {"port": free_port()}))
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o755)
            found = self.findings(nobody, "--data-dir", folder, "--allow-volatile", "--task-modules", "./none.so", "no_such_module")
            self.assertEqual(found["data directory"][0]["verdict"], "warning")
            self.assertIn("mode 755", found["data directory"][0]["found"])
        self.assertEqual([row["verdict"] for row in found["task modules"]], ["failed", "failed"])
        self.assertEqual(found["connection"][0]["verdict"], "failed")
        self.assertEqual(found["exit code"], 1)
        bad_name = self.findings(Shell(type("Nowhere", (), {"port": 1})), "-a", "tcp://no-such-host.invalid:5555")
        self.assertEqual(bad_name["address"][0]["verdict"], "failed")
        bad_address = self.findings(Shell(type("Nowhere", (), {"port": 1})), "-a", "http://somewhere")
        self.assertEqual(bad_address["address"][0]["verdict"], "failed")

    def test_credentials(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            reader = json.loads(run("token", "new", "--json", "--user", "eye", "--roles", "read").stdout)
            users = os.path.join(folder, "users")
            with open(os.open(users, os.O_CREAT | os.O_WRONLY, 0o600), "w") as out:
                out.write(reader["users_file_line"] + "\n")
            with Server("--users-file", users, environment={"FASTQUEUE_TOKEN": "root-token"}) as server:
                none = self.findings(Shell(server))
                self.assertEqual(none["credentials"][0]["verdict"], "failed", none)
                wrong = self.findings(Shell(server, FASTQUEUE_TOKEN="wrong"))
                self.assertEqual(wrong["credentials"][0]["verdict"], "failed", wrong)
                self.assertIn("FASTQUEUE_TOKEN", wrong["credentials"][0]["remedy"])
                eye = self.findings(Shell(server, FASTQUEUE_USER="eye", FASTQUEUE_TOKEN=reader["token"]))
                self.assertEqual(eye["credentials"][0]["found"], "may: read")
                root = self.findings(Shell(server, FASTQUEUE_TOKEN="root-token"))
                self.assertEqual(root["credentials"][0]["found"], "may: submit work read admin")


class Tokens(unittest.TestCase):
    def test_tokens_differ_and_roles_are_checked(self) -> None:
        first, second = (json.loads(run("token", "new", "--json").stdout) for _ in range(2))
        self.assertNotEqual(first["token"], second["token"])
        self.assertRegex(first["token"], r"^[0-9a-f]{64}$")
        self.assertRegex(first["users_file_line"], r"^default submit,work,read,admin sha256:[0-9a-f]{64}$")
        self.assertNotIn(first["token"], first["users_file_line"])
        self.assertEqual(run("token", "new", "--roles", "root").returncode, 2)
        self.assertEqual(run("token", "old").returncode, 2)


if __name__ == "__main__":
    unittest.main()
