# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry API, where a program has loaded it: one context for both, and one pipeline for FastQueue's spans.

Where the program has set no provider, ours stands in its place, in a way that leaves the program free to set one later.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from .. import _core

_PLACES = {
    "opentelemetry.trace": ("opentelemetry.trace", "_TRACER_PROVIDER", "TracerProvider", "OTEL_PYTHON_TRACER_PROVIDER"),
    "opentelemetry.metrics": (
        "opentelemetry.metrics._internal",
        "_METER_PROVIDER",
        "MeterProvider",
        "OTEL_PYTHON_METER_PROVIDER",
    ),
    "opentelemetry._logs": (
        "opentelemetry._logs._internal",
        "_LOGGER_PROVIDER",
        "LoggerProvider",
        "OTEL_PYTHON_LOGGER_PROVIDER",
    ),
}
_providers: dict[str, Any] = {}


def provider(name: str) -> Any:
    """Ours, for `opentelemetry.trace`, `.metrics` or `._logs`."""
    found = _providers.get(name)
    if found is None:
        from importlib import import_module

        home = {"opentelemetry.trace": "tracer_provider", "opentelemetry.metrics": "meter_provider"}.get(
            name, "logger_provider"
        )
        found = _providers[name] = getattr(import_module(f"{__package__}.{home}"), _PLACES[name][2])()
    return found


def install(name: str) -> None:
    """Puts our provider where the API looks for one, unless there is one or the environment names one.

    Not through set_..._provider(): that can be done once only, and belongs to the program.
    """
    home, place, _, variable = _PLACES[name]
    module: Any = sys.modules.get(home)
    if module is None or not hasattr(module, place) or os.environ.get(variable) or not _core.telemetry_is_on():
        return
    if getattr(module, place) is None:
        setattr(module, place, provider(name))
    if name == "opentelemetry.trace":
        _core.attach_current()


def is_delegated(name: str) -> bool:
    """True when the program has set a provider of its own, and is to get what FastQueue records."""
    if _core.telemetry_state()[2] or name not in sys.modules:
        return False
    home, place, _, _ = _PLACES[name]
    chosen = getattr(sys.modules.get(home), place, None)
    return chosen is not None and chosen is not _providers.get(name)


def load() -> tuple[Any, ...]:
    """For the C code: what it needs of the API."""
    from opentelemetry import context, trace

    (key,) = trace.set_span_in_context(trace.INVALID_SPAN, context.Context())
    trace.Span.register(_core.Span)
    trace.Tracer.register(_core.Tracer)
    ours = provider("opentelemetry.trace")
    return (
        trace,
        context.get_current,
        context.attach,
        context.detach,
        context.Context,
        key,
        ours,
        start_as_current_span,
    )


def _tracer() -> Any:
    from opentelemetry import trace

    return trace.get_tracer_provider().get_tracer("fastqueue", _core.VERSION)


def start_span(
    name: str,
    attributes: Any,
    kind: int,
    links: Any = None,
    context: Any = None,
    start_time: int = 0,
    record_exception: bool = True,
    set_status: bool = True,
) -> Any:
    """A span of the program's provider."""
    from opentelemetry.trace import SpanKind

    return _tracer().start_span(
        name,
        context=context,
        kind=SpanKind(kind),
        attributes=attributes,
        links=links,
        start_time=start_time or None,
        record_exception=record_exception,
        set_status_on_exception=set_status,
    )


def start_as_current_span(
    name: str,
    attributes: Any,
    kind: int,
    links: Any,
    context: Any,
    start_time: int,
    record_exception: bool,
    set_status: bool,
    end_on_exit: bool,
) -> Any:
    """A context manager of the program's provider."""
    from opentelemetry.trace import SpanKind

    return _tracer().start_as_current_span(
        name,
        context=context,
        kind=SpanKind(kind),
        attributes=attributes,
        links=links,
        start_time=start_time or None,
        record_exception=record_exception,
        set_status_on_exception=set_status,
        end_on_exit=end_on_exit,
    )


def finish_submit(span: Any, ids: dict[str, str], exception: BaseException | None, error_type: str | None) -> None:
    """Ends a span that start_span() has made for a submit."""
    from opentelemetry.trace import Status, StatusCode

    span.set_attributes(ids)
    if exception is not None:
        span.record_exception(exception)
        span.set_attribute("error.type", error_type or type(exception).__qualname__)
        span.set_status(Status(StatusCode.ERROR, str(exception)))
    span.end()
