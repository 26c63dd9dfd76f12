# SPDX-License-Identifier: Apache-2.0
"""Spans of the user's own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Awaitable, Callable, ParamSpec, TypeVar, cast

from .. import _core
from ..tasks.functions import is_coroutine_function
from .kinds import StatusCode
from .noop import NoOpTracer

if TYPE_CHECKING:
    from ..tasks.registry import TaskRegistry

P = ParamSpec("P")
R = TypeVar("R")

trace_operation = _core.trace_operation


def get_tracer() -> Any:
    """A tracer with the methods of the OpenTelemetry API; a NoOpTracer when telemetry is off."""
    return _core.tracer() if _core.telemetry_start() else NoOpTracer()


def current_span() -> Any:
    """The current span, or None: of `trace_operation`, of the task that runs, or of the OpenTelemetry API."""
    return _core.current_span()


def decorated(operation: _core.Operation, func: Callable[P, R]) -> Callable[P, R]:
    """`func` with each call in an operation of its own."""
    if is_coroutine_function(func):
        coroutine = cast(Callable[P, Awaitable[Any]], func)

        @functools.wraps(func)
        async def traced_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            with operation.again():
                return await coroutine(*args, **kwargs)

        return cast(Callable[P, R], traced_coroutine)

    @functools.wraps(func)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        with operation.again():
            return func(*args, **kwargs)

    return traced


def _task_span(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _core.Operation:
    return trace_operation(
        "task." + name, {"task.name": name, "task.args_count": len(args), "task.kwargs_count": len(kwargs)}
    )


def _succeeded(span: Any) -> None:
    if type(span) is _core.Span:
        span.set_status(StatusCode.OK)
    elif span is not None:
        from opentelemetry import trace

        span.set_status(trace.Status(trace.StatusCode.OK))


def trace_task(func: Callable[P, R]) -> Callable[P, R]:
    """A span `task.<name>` around a task function, sync or async; above or below @task."""
    name = getattr(func, "__name__", type(func).__name__)
    if is_coroutine_function(func):
        coroutine = cast(Callable[P, Awaitable[Any]], func)

        @functools.wraps(func)
        async def traced_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            if not _core.telemetry_is_on():
                return await coroutine(*args, **kwargs)
            with _task_span(name, args, kwargs) as span:
                result = await coroutine(*args, **kwargs)
                _succeeded(span)
                return result

        return _replaced(func, cast(Callable[P, R], traced_coroutine))

    @functools.wraps(func)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _core.telemetry_is_on():
            return func(*args, **kwargs)
        with _task_span(name, args, kwargs) as span:
            result = func(*args, **kwargs)
            _succeeded(span)
            return result

    return _replaced(func, traced)


def _replaced(func: Callable[P, R], traced: Callable[P, R]) -> Callable[P, R]:
    """@trace_task above @task: the registry is given the traced function, too."""
    from ..tasks.registry import task_registry

    registry: TaskRegistry = task_registry
    registry.replace(func, traced)
    return traced
