# SPDX-License-Identifier: Apache-2.0
"""Notices when a program loads the OpenTelemetry API, or logging: they are not loaded for our sake, for it costs memory."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from typing import Any, Sequence

from .. import _core

_MODULES = ("opentelemetry.trace", "opentelemetry.metrics", "opentelemetry._logs", "logging")


class Watcher:
    """Finds the modules as always, and has the bridge told once one of them is complete."""

    def __init__(self) -> None:
        self.awaited = set(_MODULES)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name not in self.awaited:
            return None
        self.awaited.discard(name)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            _tell_after(spec.loader, name)
        return spec


def _tell_after(loader: Any, name: str) -> None:
    execute = loader.exec_module

    def exec_module(module: Any) -> None:
        execute(module)
        _loaded(name)

    loader.exec_module = exec_module


def _loaded(name: str) -> None:
    if name == "logging":
        if _core.log_enabled():
            from .logs import attach

            attach()
        return
    from .bridge import install

    install(name)


_watcher: Watcher | None = None


def watch() -> None:
    global _watcher
    loaded = [name for name in _MODULES if name in sys.modules]
    if _watcher is None:
        _watcher = Watcher()
        _watcher.awaited.difference_update(loaded)
        sys.meta_path.insert(0, _watcher)  # type: ignore[arg-type, unused-ignore]
    for name in loaded:
        _loaded(name)
