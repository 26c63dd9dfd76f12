"""The servers that are measured, FastQueue among them: each starts on loopback with its data in a folder it is given.

A subject is a class with NAME (the word for --peers), MODES (mode -> what is on disk when the server has answered, in a sentence) and
PROGRAM (what has to be installed); its object offers start(folder, mode), port, pids(), version(), flags, ready(), kill() and stop().
"""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import time

from stage import cpu_seconds, family, free_port, resident_bytes, spawn


class Peer:
    NAME = ""
    PROGRAM = ""
    PACKAGE = ""
    MODES: dict[str, str] = {}

    def __init__(self) -> None:
        self.port = 0
        self.folder = ""
        self.mode = ""
        self.flags: list[str] = []
        self.process: subprocess.Popen | None = None

    @classmethod
    def program(cls) -> str | None:
        return shutil.which(cls.PROGRAM, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")

    @classmethod
    def missing(cls) -> str | None:
        """Why it cannot be measured here, or nothing."""
        return None if cls.program() else f"{cls.PROGRAM} is not installed (Debian package {cls.PACKAGE})"

    def arguments(self, folder: str, mode: str) -> list[str]:
        raise NotImplementedError

    def ask(self, link: socket.socket) -> bool:
        """Whether the server, on a fresh connection, is ready to serve."""
        raise NotImplementedError

    @classmethod
    def version(cls) -> str:
        raise NotImplementedError

    def start(self, folder: str, mode: str) -> int:
        self.folder, self.mode, self.port = folder, mode, free_port()
        return self.restart()

    def restart(self, settle: bool = True) -> int:
        self.flags = self.arguments(self.folder, self.mode)
        self.process = spawn([self.program() or self.PROGRAM, *self.flags], cwd=self.folder)
        self.ready()
        if settle:
            self.settle()
        return self.port

    def ready(self, seconds: float = 120) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"{self.NAME} did not start: {' '.join(self.flags)}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as link:
                if self.ask(link):
                    return
            time.sleep(0.005)
        raise RuntimeError(f"{self.NAME} did not answer in {seconds} s")

    def settle(self, seconds: float = 3) -> None:
        """What a server still does after its start (files made ready) is no task's cost: waits until it rests."""
        end, before = time.monotonic() + seconds, -1.0
        while time.monotonic() < end and self.cpu() != before:
            before = self.cpu()
            time.sleep(0.06)

    def pids(self) -> list[int]:
        """Its process and what that has started and not yet waited for (a compaction, a rewrite of a log)."""
        return family(self.process.pid) if self.process else []

    def cpu(self) -> float:
        return sum(cpu_seconds(pid, children=True) for pid in self.pids())

    def main_cpu(self) -> float:
        """Of its process alone, without what that has started."""
        return cpu_seconds(self.process.pid) if self.process else 0

    def resident(self) -> int:
        return resident_bytes(self.process.pid) if self.process else 0

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
        self.process = None

    def on_disk(self) -> int:
        return sum(path.stat().st_size for path in pathlib.Path(self.folder).rglob("*") if path.is_file())


def first_line(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else "unknown"
