# SPDX-License-Identifier: Apache-2.0
"""What goes with telemetry at work: said in the log, flushed when the process ends, carried into forked children."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Any

from .. import _core

_LEVELS = (10, 20, 30, 40)
_LOGGER = "fastqueue.telemetry"
_hooked = False


class _Mark:
    """Something to hang a hook of multiprocessing on."""


_mark = _Mark()


def started() -> None:
    """Called once telemetry has been found switched on."""
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(at_exit)
        os.register_at_fork(
            before=_core.observe_fork_before, after_in_parent=_core.observe_fork_after, after_in_child=_forked
        )
    _flush_with_multiprocessing()
    from .watch import watch

    watch()
    logging: Any = sys.modules.get("logging")
    if logging is not None: # else nobody has asked to see it
        logging.getLogger(_LOGGER).debug("OpenTelemetry tracer initialized")


def report(level: int, text: str) -> None:
    """A line of the SDK's."""
    import logging

    logging.getLogger(_LOGGER).log(_LEVELS[level] if 0 <= level < len(_LEVELS) else 30, "%s", text)


def flush(timeout: float | None = None) -> bool:
    """Sends what has been recorded; False if that could not be done in `timeout` seconds.

    The default is FASTQUEUE_TELEMETRY_EXIT_TIMEOUT, 1 second.
    """
    return _core.telemetry_flush(timeout)


def shutdown(timeout: float | None = None) -> bool:
    """flush(), and ends telemetry. The next use looks at the variables anew."""
    return _core.telemetry_shutdown(timeout)


def at_exit() -> None:
    _core.telemetry_shutdown(None, True)


def _forked() -> None:
    _core.observe_fork_after()
    _core.telemetry_forked()
    util: Any = sys.modules.get("multiprocessing.util")
    if util is not None:
        # Its children begin by forgetting what was to be done at their end, then call what is registered so.
        util.register_after_fork(_mark, _flush_at_end)


def _flush_at_end(_: Any) -> None:
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, _core.telemetry_flush, args=(None,), exitpriority=0)


def _flush_with_multiprocessing() -> None:
    """Children of multiprocessing end without atexit."""
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None and process.parent_process() is not None and "multiprocessing.util" in sys.modules:
        _flush_at_end(None)
