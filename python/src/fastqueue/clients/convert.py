# SPDX-License-Identifier: Apache-2.0
"""Between calls of a client and the wire: payloads, submit words, task maps."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, Callable, Mapping, cast

from .. import _core
from ..errors import InvalidArgument, make
from ..propagation import current_trace_context
from ..tasks.models import TaskPriority, TaskResult, TaskStatus
from ..tasks.options import SubmitOptions, TaskOptions, wire_options
from ..tasks.registry import task_registry
from ..tasks.serializer import SerializationFormat, decode_json, decode_pickle, encode_pickle
from .span import SubmitSpan

TaskName = str | Callable[..., Any]


class Submit:
    """A submit, ready for the session, and its span `client.submit_task`, which somebody has to end."""

    __slots__ = ("name", "payload", "options", "span")

    def __init__(
        self,
        task: TaskName,
        args: Any,
        kwargs: Mapping[str, Any],
        options: SubmitOptions,
        format: SerializationFormat,
        server: tuple[str, int] = ("", 0),
    ) -> None:
        self.name = task_registry.name_of(task)
        declared = task_registry.get_options(self.name)
        merged: SubmitOptions = {**declared, **options} if declared else options
        self.options = wire_options(merged) if merged else {}
        for key in kwargs:
            if not isinstance(key, str):
                raise TypeError(f"a keyword argument is named by a str, not {type(key).__name__}")
        body = {"args": list(args), "kwargs": dict(kwargs)}
        if format is SerializationFormat.PICKLE:
            self.payload = encode_pickle(body)
            self.options["encoding"] = "pickle"
        else:
            self.payload = _core.json_encode(body)
        self.span = SubmitSpan.start(self.name, str(self.options.get("priority") or "normal"), server)
        self.options.update(current_trace_context() if self.span is None else self.span.trace_context())

    def send(self, session: _core.Session, tag: int, want_result: bool) -> str:
        return session.submit(self.name, self.payload, tag, want_result, **self.options)


    def fail(self, error: BaseException) -> None:
        """It cannot be sent at all."""
        if self.span is not None:
            self.span.end(None, error)


def options_without_none(options: dict[str, Any]) -> SubmitOptions:
    given = {key: value for key, value in options.items() if value is not None}
    return cast(SubmitOptions, given)


def with_priority(options: TaskOptions, priority: TaskPriority | str | None) -> SubmitOptions:
    merged = cast(SubmitOptions, dict(options))
    if priority is not None:
        merged["priority"] = priority
    return merged


def moment(unix_ms: Any) -> datetime | None:
    return datetime.fromtimestamp(unix_ms / 1000, timezone.utc) if unix_ms else None


def decode_result(value: Any, encoding: str) -> Any:
    """A task's result from its bytes."""
    data = value.encode("utf-8") if isinstance(value, str) else bytes(value)
    if encoding in ("", "json"):
        return decode_json(data)
    if encoding == "pickle":
        return decode_pickle(data)
    return data


def _text(value: Any) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value or None


def _result_state(fields: Mapping[str, Any], status: TaskStatus) -> str | None:
    # A pushed result says no state: it is there, or the task had ended long before.
    if status is not TaskStatus.SUCCESS:
        return None
    return "stored" if "result" in fields else "evicted"


def task_result(fields: Mapping[str, Any]) -> TaskResult:
    """A TaskResult of a task map, or of the fields of a result event."""
    try:
        status = TaskStatus(fields["status"])
    except (KeyError, ValueError):
        raise make("PROTOCOL", f"the answer describes no task: {fields!r:.200}") from None
    priority = fields.get("priority")
    error = fields.get("error") or {}
    value = None
    if fields.get("result") is not None and status is TaskStatus.SUCCESS:
        value = decode_result(fields["result"], str(fields.get("encoding") or "json"))
    return TaskResult(
        task_id=str(fields.get("id", "")),
        status=status,
        result=value,
        error=_text(fields.get("error_message") or error.get("message")),
        error_type=_text(fields.get("error_type") or error.get("type")),
        traceback=_text(fields.get("error_stack") or error.get("stack")),
        started_at=moment(fields.get("started_at")),
        completed_at=moment(fields.get("completed_at")),
        submitted_at=moment(fields.get("submitted_at")),
        name=fields.get("name"),
        priority=TaskPriority(priority) if priority else None,
        attempt=int(fields.get("attempt") or 0),
        worker_id=fields.get("worker") or None,
        result_state=fields.get("result_state") or _result_state(fields, status),
    )


_BATCH_KEYS = frozenset(("task_name", "args", "kwargs"))


def batch_submit(
    spec: Mapping[str, Any],
    default_priority: TaskPriority | str | None,
    format: SerializationFormat,
    server: tuple[str, int] = ("", 0),
) -> Submit:
    """One row of submit_batch()."""
    if not isinstance(spec, Mapping) or "task_name" not in spec:
        raise InvalidArgument('each task of a batch is a dict with a "task_name"')
    options: dict[str, Any] = {key: value for key, value in spec.items() if key not in _BATCH_KEYS}
    if default_priority is not None:
        options.setdefault("priority", default_priority)
    return Submit(
        spec["task_name"], spec.get("args", ()), spec.get("kwargs", {}), options_without_none(options), format, server
    )


def workers_page(reply: Any) -> tuple[str, set[tuple[str, str]]]:
    """The next cursor and the (id, address) of active workers of one page of FQ.WORKERS."""
    cursor, rows = reply
    found = set()
    for row in rows:
        if row.get("active", 1):
            meta = row.get("meta") or {}
            address = meta.get("address") or meta.get("host") if isinstance(meta, dict) else ""
            found.add((str(row.get("id", "")), str(address or "")))
    return str(cursor), found
