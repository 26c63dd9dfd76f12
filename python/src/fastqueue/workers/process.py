# SPDX-License-Identifier: Apache-2.0
"""A fastqueue command as a child process of an asyncio program."""
from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from ..__main__ import binary, environment
from ..tasks.registry import task_registry


def modules_of_registered_tasks() -> list[str]:
    """The modules that define the tasks of this process, as the command's --task-modules; a script by its file."""
    modules = []
    for function in task_registry.list_tasks().values():
        module = getattr(function, "__module__", None)
        if module == "__main__":
            module = getattr(sys.modules["__main__"], "__file__", None)
            module = os.path.abspath(module) if module is not None else None
        if module is not None and module not in modules:
            modules.append(module)
    return modules


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
        modules = modules_of_registered_tasks()
        arguments = [*self.arguments, *(["--task-modules", *modules] if modules else [])]
        self._stopping = False
        self.process = await asyncio.create_subprocess_exec(binary(), *arguments, env=environment())
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
