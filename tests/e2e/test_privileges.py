#!/usr/bin/env python3
"""What the control plane may do as a process: root is given up and does not come back, and nobody looks into its memory."""
import os
import pathlib
import pwd
import random
import resource
import shutil
import socket
import subprocess
import time
import unittest

from harness import PROGRAM, Server
from subworker import EXAMPLES, Subworker

USER = "nobody"
TOKEN = "fqt_a-token-that-is-in-no-environment"


def is_root() -> bool:
    return os.geteuid() == 0


def status_of(path: pathlib.Path) -> dict[str, list[str]]:
    rows = (line.split(":", 1) for line in (path / "status").read_text().splitlines())
    return {key: value.split() for key, value in rows}


def free_low_port() -> int:
    for port in random.sample(range(600, 1024), 424):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise unittest.SkipTest("no port below 1024 is free")


class UserServer(Server):
    """Of a program and in a folder that every user can reach, however private the build tree is."""

    def __init__(self, *options: str, environment: dict | None = None, http: bool = False):
        super().__init__(*options, environment=environment, http=http)
        self.folder.chmod(0o755)
        self.program = self.folder / "fastqueue"
        shutil.copy(PROGRAM, self.program)
        self.program.chmod(0o755)
        (self.folder / "data").mkdir()
        self.account = pwd.getpwnam(USER)
        os.chown(self.folder / "data", self.account.pw_uid, self.account.pw_gid)

    def command_line(self) -> list[str]:
        return [str(self.program), *super().command_line()[1:]]


@unittest.skipUnless(is_root(), "NOT TESTED: only root has privileges to give up")
class GivesUpRoot(unittest.TestCase):
    def test_reads_and_binds_as_root_and_works_as_the_user(self) -> None:
        environment = {"FASTQUEUE_TOKEN": TOKEN, "FASTQUEUE_TELEMETRY_ENABLED": "true",
                       "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
        server = UserServer("--run-as", USER, "--compact-after", "64KiB", environment=environment)
        server.port = free_low_port()
        users = server.folder / "users"
        users.write_text("ann read sha256:" + "0" * 64 + "\n")
        users.chmod(0o600)
        server.options += ["--users-file", str(users)]
        with server:
            threads = sorted(pathlib.Path(f"/proc/{server.process.pid}/task").iterdir())
            self.assertGreater(len(threads), 1)
            for thread in threads:
                self.assert_has_nothing(status_of(thread), server.account)
            self.assert_works(server)
            for file in pathlib.Path(server.data_dir).iterdir():
                self.assertEqual(file.stat().st_uid, server.account.pw_uid, file)
            self.assertNotIn("as root", server.log())

    def assert_has_nothing(self, status: dict, account) -> None:
        self.assertEqual(status["Uid"], [str(account.pw_uid)] * 4)
        self.assertEqual(status["Gid"], [str(account.pw_gid)] * 4)
        self.assertNotIn("0", status["Groups"])
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[name][0], 16), 0, name)
        self.assertEqual(status["NoNewPrivs"], ["1"])

    def assert_works(self, server: Server) -> None:
        """Writes as the user, and starts the compactor, which is a program of its own."""
        with server.connect() as link:
            for _ in range(100):
                link.command("FQ.SUBMIT", "x", "p" * 2000)
            end = time.monotonic() + 30
            while "compacted" not in server.log():
                self.assertLess(time.monotonic(), end, server.log())
                link.command("FQ.SUBMIT", "x", "p")
            self.assertGreaterEqual(int(link.command("FQ.STATS")["submitted"]), 100)

    def test_says_that_root_is_not_needed(self) -> None:
        with Server("--data-dir", "none") as server:
            self.assertIn("runs as root", server.log())
            self.assertIn("--run-as USER", server.log())

    def test_refuses_what_is_no_lesser_user(self) -> None:
        for name, why in (("root", "that is root"), ("no-such-user-here", "there is no such user")):
            code, log = Server.run_to_end("--data-dir", "none", "--run-as", name)
            self.assertEqual(code, 78, log)
            self.assertIn(why, log)

    def test_only_root_becomes_another_user(self) -> None:
        server = UserServer("--data-dir", "none", "--run-as", "daemon")
        done = subprocess.run(server.command_line(), user=server.account.pw_uid, group=server.account.pw_gid, extra_groups=[],
                              capture_output=True, text=True, timeout=30)
        shutil.rmtree(server.folder)
        self.assertEqual(done.returncode, 78, done.stderr)
        self.assertIn("only root can become another user", done.stderr + done.stdout)

    def test_who_is_that_user_already_goes_on(self) -> None:
        server = UserServer("--data-dir", "none", "--run-as", USER)
        with open(server.log_path, "ab") as log:
            server.process = subprocess.Popen(server.command_line(), user=server.account.pw_uid, group=server.account.pw_gid,
                                              extra_groups=[], stdout=log, stderr=log)
        try:
            server.wait_until_up()
        finally:
            server.stop()


@unittest.skipIf(b"__asan_init" in PROGRAM.read_bytes(), "NOT TESTED: the search for leaks needs memory to be open")
class KeepsItsMemory(unittest.TestCase):
    def test_no_core_and_no_token_to_read(self) -> None:
        with Server("--data-dir", "none", environment={"FASTQUEUE_TOKEN": TOKEN}) as server:
            proc = pathlib.Path(f"/proc/{server.process.pid}")
            self.assertRegex((proc / "limits").read_text(), r"Max core file size\s+0\s+0\s")
            if is_root():
                self.assertNotIn(TOKEN.encode(), (proc / "environ").read_bytes())
            else:
                with self.assertRaises(PermissionError):
                    (proc / "environ").read_bytes()

    @unittest.skipUnless(is_root(), "NOT TESTED: two users are needed, and only root is several")
    def test_no_process_of_the_same_user_looks_into_it(self) -> None:
        server = UserServer("--run-as", USER)
        with server:
            target = f"/proc/{server.process.pid}/maps"
            seen = subprocess.run(["cat", target], user=server.account.pw_uid, group=server.account.pw_gid, extra_groups=[],
                                  capture_output=True, text=True)
            self.assertNotEqual(seen.returncode, 0)
            self.assertEqual(seen.stdout, "")

    @unittest.skipUnless(is_root(), "NOT TESTED: two users are needed, and only root is several")
    def test_tasks_do_not_look_into_their_supervisor(self) -> None:
        with UserServer("--data-dir", "none", environment={"FASTQUEUE_TOKEN": TOKEN}) as server:
            module = server.folder / "tasks.so"
            shutil.copy(EXAMPLES, module)
            who = {"user": server.account.pw_uid, "group": server.account.pw_gid, "extra_groups": []}
            worker = Subworker(server, "--concurrency", "1", modules=[module])
            worker.line[0] = str(server.program)
            with open(worker.log_path, "ab") as log:
                worker.process = subprocess.Popen(worker.line, stdout=log, stderr=log, env=worker.environment, **who)
            worker.start = worker.attach  # it has been started, as somebody else
            with worker:
                def read(pid: int, file: str) -> subprocess.CompletedProcess:
                    return subprocess.run(["cat", f"/proc/{pid}/{file}"], capture_output=True, text=True, **who)

                self.assertEqual(worker.run("add", 1, 2)["result"], "3")
                runner = worker.runners()[0]
                self.assertNotEqual(read(worker.process.pid, "environ").returncode, 0)
                self.assertNotEqual(read(worker.process.pid, "maps").returncode, 0)
                self.assertNotIn(TOKEN, read(runner, "environ").stdout)  # open, and without the credential
                self.assertIn("FASTQUEUE_RUNNER_FDS", read(runner, "environ").stdout)
                self.assertEqual(read(runner, "oom_score_adj").stdout, "500\n")

    def test_core_dumps_on_request(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        with Server("--data-dir", "none", "--core-dumps") as server:
            limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
            shown = ["unlimited" if value == resource.RLIM_INFINITY else str(value) for value in (soft, hard)]
            self.assertRegex(limits, rf"Max core file size\s+{shown[0]}\s+{shown[1]}\s")


if __name__ == "__main__":
    unittest.main()
