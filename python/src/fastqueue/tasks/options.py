# SPDX-License-Identifier: Apache-2.0
"""Options of a submit, and their form on the wire."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any, TypedDict, Union

from ..errors import InvalidArgument
from .models import TaskPriority

Seconds = Union[float, timedelta]


class CommonOptions(TypedDict, total=False):
    expires: Seconds
    timeout: Seconds
    retries: int
    backoff: Seconds
    result_ttl: Seconds


class DeclaredOptions(CommonOptions, total=False):
    """What can be declared with @task."""

    priority: TaskPriority | str


class TaskOptions(CommonOptions, total=False):
    """What can be said of one submit. Durations are seconds or timedeltas.

    delay, countdown: start not before this time has passed (two names of one thing). eta: start not before this moment;
    without a time zone it is local time. expires: a task that has not started by then ends as expired. timeout: the
    longest an attempt may run. retries: how often a failed attempt is repeated; backoff: the first pause before that,
    doubled each time. unique: while a task with this key has not ended, a second submit answers the first one's id.
    result_ttl: how long the result is kept; 0 = not at all. id: a UUID; the same id is never a second task.
    """

    delay: Seconds | None
    countdown: Seconds | None
    eta: datetime | None
    unique: str
    id: str


class SubmitOptions(TaskOptions, total=False):
    """TaskOptions and the priority."""

    priority: TaskPriority | str


_INT64_MAX = 2**63 - 1


def milliseconds(name: str, value: Any, at_least: int = 1) -> int:
    """A duration in milliseconds; short ones are rounded up."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
        raise TypeError(f"{name} is seconds or a timedelta, not {type(value).__name__}")
    if seconds != seconds or seconds < 0:
        raise InvalidArgument(f"{name} cannot be {value!r}")
    if seconds > _INT64_MAX / 1e6:
        raise InvalidArgument(f"{name} is too long: {value!r}")
    return max(at_least, -int(-seconds * 1000 // 1))


def priority_text(priority: Any) -> str:
    """The priority's word; the enum, its value or its value in capitals are taken."""
    if isinstance(priority, str):
        word = str.__str__(priority.value if isinstance(priority, TaskPriority) else priority).lower()
        if word in ("critical", "high", "normal", "low"):
            return word
    raise InvalidArgument(f"{priority!r} is no priority: critical, high, normal, low")


def _delay(options: SubmitOptions, wire: dict[str, Any]) -> None:
    given = [key for key in ("delay", "countdown", "eta") if options.get(key) is not None]
    if len(given) > 1:
        raise InvalidArgument(f"{given[0]} and {given[1]} exclude each other")
    eta: Any = options.get("eta")
    if eta is not None:
        if not isinstance(eta, datetime):
            raise TypeError(f"eta is a datetime, not {type(eta).__name__}")
        at = int(eta.timestamp() * 1000)
        if at > time.time() * 1000:
            wire["at_unix_ms"] = at
    elif given:
        delay = milliseconds(given[0], options.get("countdown", options.get("delay")), 0)
        if delay > 0:
            wire["delay_ms"] = delay


_DURATIONS = (
    ("expires", "expires_ms", 1),
    ("timeout", "timeout_ms", 1),
    ("backoff", "backoff_ms", 1),
    ("result_ttl", "result_ttl_ms", 0),
)


def wire_options(options: SubmitOptions) -> dict[str, Any]:
    """The keyword arguments of Session.submit() for `options`."""
    wire: dict[str, Any] = {}
    for key, value in options.items():
        if key not in _KNOWN:
            raise TypeError(f"unknown submit option {key!r}; known are {', '.join(sorted(_KNOWN))}")
        if value is None and key not in ("delay", "countdown", "eta"):
            raise TypeError(f"{key} cannot be None")
    if "priority" in options:
        wire["priority"] = priority_text(options["priority"])
    _delay(options, wire)
    given: dict[str, Any] = {**options}
    for key, wire_key, at_least in _DURATIONS:
        if key in given:
            wire[wire_key] = milliseconds(key, given[key], at_least)
    if "retries" in options:
        retries: Any = options["retries"]
        if isinstance(retries, bool) or not isinstance(retries, int):
            raise TypeError(f"retries is an int, not {type(retries).__name__}")
        if not 0 <= retries < 2**31:
            raise InvalidArgument(f"retries cannot be {retries}")
        wire["retries"] = retries
    if "unique" in options:
        wire["unique"] = options["unique"]
    if "id" in options:
        wire["id"] = str(options["id"])
    return wire


_KNOWN = SubmitOptions.__optional_keys__
