# SPDX-License-Identifier: Apache-2.0
"""The `fastqueue` command of the package, and workers started from Python."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fastqueue
from conftest import ControlPlane, free_port
from fastqueue import Client, SyncClient
from fastqueue.workers.control_plane import ControlPlaneWorker
from fastqueue.workers.subworker import SubWorker

SCRIPT = Path(sys.executable).parent / "fastqueue"


@pytest.mark.parametrize("command", [[str(SCRIPT)], [sys.executable, "-m", "fastqueue"]])
def test_the_command_is_the_shipped_binary(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTQUEUE_BINARY", raising=False)
    assert (Path(fastqueue.__file__).parent / "bin" / "fastqueue").is_file()
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split() == ["fastqueue", fastqueue.__version__]
    assert subprocess.run([*command, "no-such-verb"], capture_output=True).returncode != 0


def test_submit_and_status_from_a_shell(server: ControlPlane) -> None:
    env = {**os.environ, "FASTQUEUE_CONTROL_PLANE_ADDRESS": server.address}
    done = subprocess.run(
        [sys.executable, "-m", "fastqueue", "submit", "--task-name", "add", "--args", "1", "2", "--non-blocking"],
        capture_output=True,
        text=True,
        env=env,
        check=True,
    )
    task_id = done.stdout.split()[-1]
    with SyncClient(server.address) as client:
        status = client.get_task_status(task_id)
        assert status is not None and status.name == "add"


def test_a_missing_binary_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from fastqueue.__main__ import main

    monkeypatch.setenv("FASTQUEUE_BINARY", "/no/such/binary")
    with pytest.raises(SystemExit, match="/no/such/binary"):
        main(["--version"])


def test_tasks_run_with_the_interpreter_of_the_command(server: ControlPlane, tmp_path: Path) -> None:
    (tmp_path / "which_python.py").write_text(
        "import sys\nfrom fastqueue import task\n@task\ndef which(): return sys.executable\n"
    )
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "fastqueue",
            "subworker",
            "--task-modules",
            "which_python",
            "-a",
            server.address,
            "-c",
            "1",
        ],
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
        env={k: v for k, v in os.environ.items() if k != "VIRTUAL_ENV"},
    )
    try:
        with SyncClient(server.address, timeout=40) as client:
            assert client.submit_task("which").unwrap() == sys.executable
    finally:
        process.terminate()
        assert process.wait(30) == 0


async def test_control_plane_and_worker_from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "service.py"
    address = f"tcp://127.0.0.1:{free_port()}"
    script.write_text(
        f"""
import asyncio
from fastqueue import Client, task
from fastqueue.workers.control_plane import ControlPlaneWorker
from fastqueue.workers.subworker import SubWorker

@task
def double(x): return 2 * x

async def main():
    plane = ControlPlaneWorker(base_address={address!r}, data_dir="none", http_address="off", concurrency=1)
    planes = asyncio.create_task(plane.start())
    worker = SubWorker("second", {address!r}, concurrency=1)
    workers = asyncio.create_task(worker.start())
    async with Client({address!r}, timeout=40) as client:
        print((await client.submit_task("double", (21,))).unwrap())
    while (status := await asyncio.to_thread(plane.get_subworker_status))["active_subworkers"] < 2:
        await asyncio.sleep(0.05)
    print(sorted(status["subworkers"]))
    worker.stop()
    await workers
    plane.stop()
    await planes

if __name__ == "__main__":
    asyncio.run(main())
"""
    )
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, str(script)], capture_output=True, text=True, timeout=90
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == ["42", "['control-plane', 'second']"]


async def test_a_worker_that_fails_says_so(server: ControlPlane) -> None:
    with pytest.raises(RuntimeError, match="subworker"):
        await SubWorker("x", server.address, no_such_option=1).start()
    plane = ControlPlaneWorker(base_address=server.address, http_address="off", data_dir="none")
    with pytest.raises(RuntimeError, match="control-plane"):
        await plane.start()
    assert not plane.running
    async with Client(server.address) as client:
        assert await client.command("PING") == "PONG"
