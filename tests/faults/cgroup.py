# SPDX-License-Identifier: Apache-2.0
"""A control group (version 1) of its own for one case: so much memory, or so many processes, and no more."""
import contextlib
import os
import pathlib
import signal
import time


@contextlib.contextmanager
def control_group(controller: str, **limits: int):
    """Yields a function for Popen's preexec_fn that enters the group; `limits` by file: pids_max=100 is pids.max."""
    folder = pathlib.Path(f"/sys/fs/cgroup/{controller}/fq-fault-{os.getpid()}-{time.monotonic_ns()}")
    folder.mkdir()
    try:
        for name, value in limits.items():
            (folder / name.replace("_", ".", 1)).write_text(str(value))
        yield Group(folder)
    finally:
        end = time.monotonic() + 10
        while (left := Group(folder).members()) and time.monotonic() < end:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        with contextlib.suppress(OSError):
            folder.rmdir()


class Group:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def enter(self) -> None:
        """To be called in the child, before it becomes the program."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def members(self) -> list[int]:
        return [int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()]

    def read(self, name: str) -> str:
        return (self.folder / name).read_text()
