# SPDX-License-Identifier: Apache-2.0
"""A real control plane and real workers for the tests."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Iterator

import pytest

from fastqueue import SyncClient
from fastqueue.__main__ import binary

HERE = Path(__file__).resolve().parent
START_LIMIT = 60.0
STARTED: list[subprocess.Popen[bytes]] = []


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ControlPlane:
    """`fastqueue control-plane` on a port and a data directory of its own; kill() and start() again keep both."""

    def __init__(self, folder: Path, *options: str, env: dict[str, str] | None = None, in_memory: bool = False) -> None:
        self.folder = folder
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.options = options
        self.data_dir = "none" if in_memory else str(folder / "data")
        self.env = {**os.environ, **(env or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> ControlPlane:
        log = open(self.folder / "control-plane.log", "ab")
        with log:
            self.process = subprocess.Popen(
                [
                    binary(),
                    "control-plane",
                    "--base-address",
                    self.address,
                    "--http-address",
                    "off",
                    "--data-dir",
                    self.data_dir,
                    "--allow-volatile",
                    *self.options,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=self.env,
            )
        STARTED.append(self.process)
        deadline = time.monotonic() + START_LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the control plane did not start:\n{self.log()}") from None
                time.sleep(0.02)

    def log(self) -> str:
        return (self.folder / "control-plane.log").read_text(errors="replace")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the control plane did not end on SIGTERM:\n{self.log()}") from None
        self.process = None


class Worker:
    """`fastqueue subworker` with task modules of this folder."""

    def __init__(
        self, server: ControlPlane, *modules: str, options: tuple[str, ...] = (), env: dict[str, str] | None = None
    ) -> None:
        self.log_path = server.folder / f"worker-{len(list(server.folder.glob('worker-*.log')))}.log"
        merged = {**os.environ, "FASTQUEUE_PYTHON": sys.executable, **(env or {})}
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [
                    binary(),
                    "subworker",
                    "--control-plane-address",
                    server.address,
                    "--task-modules",
                    *modules,
                    *options,
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=HERE / "modules",
                env=merged,
            )

        STARTED.append(self.process)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def wait_active(self, server: ControlPlane) -> Worker:
        deadline = time.monotonic() + START_LIMIT
        with SyncClient(server.address) as client:
            while not client.workers:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the worker did not start:\n{self.log()}")
                time.sleep(0.02)
        return self

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the worker did not drain:\n{self.log()}") from None


@pytest.fixture(scope="session", autouse=True)
def nothing_left_running() -> Iterator[None]:
    """A test that fails half way leaves no process behind."""
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("FASTQUEUE_", "FASTWORKER_")) and name != "FASTQUEUE_BINARY":
            monkeypatch.delenv(name)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path).start()
    yield plane
    plane.stop()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    plane = ControlPlane(tmp_path_factory.mktemp("server"), in_memory=True).start()
    yield plane
    plane.stop()


@pytest.fixture
def worker(server: ControlPlane) -> Iterator[Worker]:
    process = Worker(server, "plain_tasks", options=("--concurrency", "1", "--kill-grace", "1")).wait_active(server)
    yield process
    process.stop()
