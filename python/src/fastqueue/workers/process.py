# SPDX-License-Identifier: Apache-2.0
"""A fastqueue command as a child process of an asyncio program."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from ..__main__ import binary, environment
from ..tasks.registry import task_registry


def modules_of_registered_tasks() -> tuple[list[str], list[str]]:
    """The modules that define the tasks of this process, for --task-modules, and folders to find them in.

    A script is imported again under the name of its file: keep what it runs behind `if __name__ == "__main__"`.
    """
    modules: list[str] = []
    folders: list[str] = []
    for function in task_registry.list_tasks().values():
        module: str | None = getattr(function, "__module__", None)
        if module == "__main__":
            script: str | None = getattr(sys.modules["__main__"], "__file__", None)
            if script is None:
                raise RuntimeError("tasks typed into an interpreter cannot be run by a worker: put them into a module")
            folder, name = os.path.split(os.path.abspath(script))
            module = name.removesuffix(".py")
            folders.append(folder)
        if module is not None and module not in modules:
            modules.append(module)
    return modules, folders


class CommandProcess:
    """start() runs the command until it ends or stop() is called."""

    def __init__(self, arguments: list[str]) -> None:
        self.arguments = arguments
        self.process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Runs the command and returns when it has ended; RuntimeError if that was a failure."""
        modules, folders = modules_of_registered_tasks()
        env = environment()
        if folders:
            env["PYTHONPATH"] = os.pathsep.join([*dict.fromkeys(folders), *filter(None, [env.get("PYTHONPATH")])])
        arguments = [*self.arguments, *(["--task-modules", *modules] if modules else [])]
        self._stopping = False
        self.process = await asyncio.create_subprocess_exec(binary(), *arguments, env=env)
        try:
            code = await self.process.wait()
        except asyncio.CancelledError:
            self.stop()
            await self.process.wait()
            raise
        if code != 0 and not self._stopping:
            raise RuntimeError(f"fastqueue {arguments[0]} ended with exit code {code}")

    def stop(self) -> None:
        """Asks the command to drain and end."""
        self._stopping = True
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()


def flags(**values: Any) -> list[str]:
    """--name value for each value that is not None."""
    words: list[str] = []
    for name, value in values.items():
        if value is not None:
            words += ["--" + name.replace("_", "-"), str(value)]
    return words
