# SPDX-License-Identifier: Apache-2.0
"""Exceptions: a class for each row of the error table that a user may want to catch, and what tasks raise."""

from __future__ import annotations

import builtins
from typing import Any

from . import _core


class FastQueueError(Exception):
    """Every error of FastQueue. `number`, `name` and `code` are those of the C interface and of the wire."""

    number: int = -2
    name: str = "INVALID"
    code: str = "ERR"
    retryable: bool = False


class InvalidArgument(FastQueueError, ValueError):
    """An argument cannot be what it is."""


class ServerError(FastQueueError):
    """The control plane answered with an error that has no class of its own."""


class ProtocolError(FastQueueError):
    """The peer does not speak the protocol."""


class AuthenticationError(FastQueueError, PermissionError):
    """No credential was given where one is needed, or a wrong one."""


class PermissionDenied(FastQueueError, PermissionError):
    """The credential lacks the role for this command."""


class TooBig(FastQueueError, ValueError):
    """A value is larger than the control plane allows."""


class QueueFull(FastQueueError):
    """The queue, or the disk below it, is full."""


class ServerBusy(FastQueueError):
    """The control plane is at one of its limits, or shutting down. The same request may succeed later."""


class IdConflict(FastQueueError):
    """The id is already that of a task with another body."""


class StaleLease(FastQueueError):
    """The task is no longer leased under this token."""


class UnknownTask(FastQueueError, LookupError):
    """The control plane knows no task of this id."""


class ConnectError(FastQueueError, builtins.ConnectionError):
    """The control plane cannot be reached. The message says where it was looked for and what to do."""


class Disconnected(FastQueueError, builtins.ConnectionError):
    """The connection was lost, and the request may not be repeated any more often."""


class TaskTimeout(FastQueueError, TimeoutError):
    """No answer in time."""


class ClientClosed(FastQueueError):
    """The client has been stopped."""


class TLSError(FastQueueError, builtins.ConnectionError):
    """TLS could not be set up."""


class EncodingError(FastQueueError, TypeError, ValueError):
    """A value cannot be encoded or decoded; nothing is ever converted silently."""


class TaskFailed(FastQueueError):
    """Raised by TaskResult.unwrap(): the task has not succeeded. `result` is the whole TaskResult."""

    def __init__(self, message: str, result: Any = None) -> None:
        super().__init__(message)
        self.result = result


class NoRetry(Exception):
    """Raise it (or a subclass) in a task to fail it for good, whatever number of retries it has."""


class SoftTimeLimit(Exception):
    """Raised in a task whose time is up; the process is killed if the task does not end within the grace."""


class TaskCancelled(BaseException):
    """Raised in a task that was cancelled. No Exception, so that a broad `except` does not swallow it."""


_CLASSES: dict[str, type[FastQueueError]] = {
    "INVALID": InvalidArgument,
    "SYNTAX": InvalidArgument,
    "PROTOCOL": ProtocolError,
    "NOPROTO": ProtocolError,
    "NOAUTH": AuthenticationError,
    "WRONGPASS": AuthenticationError,
    "NOPERM": PermissionDenied,
    "TOOBIG": TooBig,
    "FULL": QueueFull,
    "BUSY": ServerBusy,
    "DRAINING": ServerBusy,
    "IDCONFLICT": IdConflict,
    "STALELEASE": StaleLease,
    "UNKNOWNTASK": UnknownTask,
    "CONNECT": ConnectError,
    "DISCONNECTED": Disconnected,
    "TIMEOUT": TaskTimeout,
    "CLOSED": ClientClosed,
    "TLS": TLSError,
    "ENCODING": EncodingError,
    "SERVER": ServerError,
}
_ROWS = {row[0]: row for row in _core.error_rows()}
_NUMBERS = {row[1]: row[0] for row in _ROWS.values()}


def from_number(number: int, message: str = "") -> FastQueueError:
    """The exception for a number of the error table."""
    row = _ROWS.get(number) or _ROWS[_NUMBERS["SERVER"]]
    error = _CLASSES.get(row[1], FastQueueError)(message or row[3])
    error.number, error.name, error.code, error.retryable = row[0], row[1], row[2], row[4]
    return error


def make(name: str, message: str) -> FastQueueError:
    """The exception of the row called `name`."""
    return from_number(_NUMBERS[name], message)


_core.set_error_factory(from_number)
