# SPDX-License-Identifier: Apache-2.0
"""Records of Python's logging as OpenTelemetry log records, with the span and the task in which they were written."""

from __future__ import annotations

import logging
from typing import Any

from .. import _core
from .. import failure

_OWN = "fastqueue.telemetry"
_MARK = "_fastqueue_emitted"
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", _MARK}


def _severity(level: int) -> int:
    """10, 20, 30, 40, 50 of logging are DEBUG, INFO, WARN, ERROR, FATAL; what lies between is counted up."""
    if level < 10:
        return 1 if level > 0 else 0
    step, rest = divmod(min(level, 53) - 10, 10)
    return 5 + 4 * step + min(3, rest)


def _attributes(record: logging.LogRecord) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "code.file.path": record.pathname,
        "code.function.name": record.funcName,
        "code.line.number": record.lineno,
    }
    for key, value in vars(record).items():
        if key not in _STANDARD:
            attributes[key] = value if isinstance(value, (str, bool, int, float, list, tuple, dict)) else str(value)
    if record.exc_info is not None and record.exc_info[1] is not None:
        described = failure.describe(record.exc_info[1])
        attributes.update(zip(("exception.type", "exception.message", "exception.stacktrace"), described))
    return attributes


def emit(record: logging.LogRecord) -> None:
    """Sends one record, once."""
    if record.name == _OWN or record.name.startswith("opentelemetry.") or getattr(record, _MARK, False):
        return
    setattr(record, _MARK, True)
    try:
        body = record.getMessage()
    except Exception:
        body = str(record.msg)
    _core.log_emit(
        record.name,
        _severity(record.levelno),
        record.levelname,
        body,
        _attributes(record),
        int(record.created * 1e9),
    )


class LoggingHandler(logging.Handler):
    """A handler for one's own logging set-up. With OTEL_LOGS_EXPORTER set, records leave without it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            emit(record)
        except Exception:
            self.handleError(record)


_attached = False


def attach() -> None:
    """Has every record that a logger lets through sent.

    No handler of the root logger: with one there, logging.basicConfig() would do nothing, and warnings of programs that
    set up no logging would no longer be printed.
    """
    global _attached
    if _attached:
        return
    _attached = True
    call_handlers = logging.Logger.callHandlers

    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:
        if _core.log_enabled():
            try:
                emit(record)
            except Exception:
                if logging.raiseExceptions:
                    raise
        call_handlers(self, record)

    logging.Logger.callHandlers = callHandlers  # type: ignore[method-assign]
