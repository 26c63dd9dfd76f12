# SPDX-License-Identifier: Apache-2.0
"""The command line is the fastqueue binary; these functions are its verbs for Python programs."""

from __future__ import annotations

import importlib
import subprocess
from typing import Any, Sequence

from .__main__ import binary, environment, main
from .tasks.registry import task_registry

__all__ = [
    "convert_arg_type",
    "convert_args",
    "get_task_status",
    "list_tasks",
    "load_tasks",
    "main",
    "start_control_plane",
    "start_subworker",
    "start_worker",
    "submit_task",
]


def convert_arg_type(text: str) -> bool | int | float | str:
    """A word of a command line as bool, int or float if it reads as one, else as it is."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return text if value != value or value in (float("inf"), float("-inf")) else value
    return text


def convert_args(args: Sequence[str] | None) -> tuple[bool | int | float | str, ...]:
    return tuple(convert_arg_type(text) for text in args or ())


def load_tasks(modules: Sequence[str]) -> None:
    """Imports task modules into this process; what fails, fails here."""
    for module in modules:
        importlib.import_module(module)


def list_tasks(modules: Sequence[str] = ()) -> list[str]:
    """Names of the tasks that `modules`, and this process, define."""
    load_tasks(modules)
    return sorted(task_registry.list_tasks())


def run(verb: str, *words: Any) -> int:
    """Runs `fastqueue verb words…` and returns its exit code."""
    return subprocess.run([binary(), verb, *map(str, words)], env=environment(), check=False).returncode


def start_control_plane(*words: Any) -> int:
    return run("control-plane", *words)


def start_subworker(*words: Any) -> int:
    return run("subworker", *words)


def start_worker(*words: Any) -> int:
    return run("subworker", *words)


def submit_task(*words: Any) -> int:
    return run("submit", *words)


def get_task_status(*words: Any) -> int:
    return run("status", *words)
