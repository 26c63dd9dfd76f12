# SPDX-License-Identifier: Apache-2.0
"""Span processors written in Python, such as the OpenTelemetry SDK's BatchSpanProcessor, told of native spans."""

from __future__ import annotations

import atexit
import time
from types import MappingProxyType
from typing import Any, NamedTuple

from .. import _core
from .span_context import span_context

_processors: tuple[Any, ...] = ()
_resource: Any = None
_hooked = False


def add(processor: Any) -> None:
    global _processors, _hooked
    _processors = (*_processors, processor)
    _core.telemetry_processors(True)
    if not _hooked:
        _hooked = True
        atexit.register(shutdown)


def on_start(span: _core.Span, context: Any) -> None:
    for processor in _processors:
        processor.on_start(span, parent_context=context)


def on_end(span: _core.Span, mirror: dict[str, Any]) -> None:
    readable = readable_span(span, mirror)
    for processor in _processors:
        processor.on_end(readable)


def force_flush(timeout_millis: int = 30000) -> bool:
    done = [processor.force_flush(timeout_millis) for processor in _processors]
    return all(result is not False for result in done)


def shutdown() -> None:
    global _processors
    ended, _processors = _processors, ()
    _core.telemetry_processors(False)
    for processor in ended:
        processor.shutdown()


class Event(NamedTuple):
    name: str
    timestamp: int
    attributes: Any
    dropped_attributes: int = 0


class Link(NamedTuple):
    context: Any
    attributes: Any
    dropped_attributes: int = 0


class ReadableSpan:
    """A finished span, where the OpenTelemetry SDK, whose class has the same attributes, is not installed."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)

    def get_span_context(self) -> Any:
        return self.__dict__["context"]


def resource() -> Any:
    """The SDK's resource with the process's service name."""
    global _resource
    if _resource is None:
        try:
            from opentelemetry.sdk.resources import Resource

            import os

            name = os.environ.get("OTEL_SERVICE_NAME") or "fastqueue"
            _resource = Resource.create({"service.name": name})
        except ImportError:
            return None
    return _resource


def _event(row: tuple[Any, ...], end: int) -> Any:
    name, attributes, timestamp, *failure = row if len(row) == 4 else (*row,)
    attributes = dict(attributes or {})
    if failure:
        kind, message, stack = failure[0]
        described = {"exception.type": kind, "exception.message": message, "exception.stacktrace": stack}
        attributes = {**described, **attributes}
    try:
        from opentelemetry.sdk.trace import Event as SdkEvent

        return SdkEvent(name, attributes, timestamp or end)
    except ImportError:
        return Event(name, timestamp or end, attributes)


def _links(mirror: dict[str, Any]) -> tuple[Any, ...]:
    links: list[Any] = list(mirror.get("links") or ())
    for context, attributes in mirror.get("added_links", ()):
        try:
            from opentelemetry.trace import Link as ApiLink

            links.append(ApiLink(context, dict(attributes or {})))
        except ImportError:
            links.append(Link(context, dict(attributes or {})))
    return tuple(links)


def readable_span(span: _core.Span, mirror: dict[str, Any]) -> Any:
    end = mirror.get("end_time") or time.time_ns()
    parent = mirror.get("parent")
    number, description = mirror.get("status", (0, None))
    fields: dict[str, Any] = {
        "name": span.name,
        "context": span.get_span_context(),
        "parent": span_context(parent) if parent is not None else None,
        "attributes": MappingProxyType(mirror.get("attributes") or {}),
        "events": tuple(_event(row, end) for row in mirror.get("events", ())),
        "links": _links(mirror),
        "start_time": mirror.get("start_time") or end,
        "end_time": end,
        "resource": resource(),
    }
    try:
        from opentelemetry.sdk.trace import ReadableSpan as SdkSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanKind, Status, StatusCode

        status = Status(StatusCode(number), description if number == StatusCode.ERROR.value else None)
        return SdkSpan(
            **fields,
            kind=SpanKind(mirror.get("kind", 0)),
            status=status,
            instrumentation_scope=InstrumentationScope(*mirror.get("scope", ("fastqueue", _core.VERSION))[:3]),
        )
    except ImportError:
        return ReadableSpan(**fields, kind=mirror.get("kind", 0), status=(number, description))
