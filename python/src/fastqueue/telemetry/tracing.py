# SPDX-License-Identifier: Apache-2.0
"""Spans of the user's own."""

from __future__ import annotations

import functools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Awaitable, Callable, Generator, Mapping, ParamSpec, TypeVar, cast

from ..tasks.functions import is_coroutine_function
from .noop import NoOpTracer
from .switch import api

if TYPE_CHECKING:
    from ..tasks.registry import TaskRegistry

P = ParamSpec("P")
R = TypeVar("R")

SCOPE = "fastqueue"


def get_tracer() -> Any:
    """The OpenTelemetry tracer of FastQueue; a NoOpTracer when telemetry is off or the API is not installed."""
    trace = api("trace")
    return NoOpTracer() if trace is None else trace.get_tracer(SCOPE)


@contextmanager
def trace_operation(operation_name: str, attributes: Mapping[str, Any] | None = None) -> Generator[Any, None, None]:
    """A span around a block. An exception is recorded, sets the status ERROR and goes on its way."""
    trace = api("trace")
    if trace is None:
        yield None
        return
    with trace.get_tracer(SCOPE).start_as_current_span(
        operation_name, attributes=dict(attributes or {}), record_exception=True, set_status_on_exception=True
    ) as span:
        yield span


def _task_span(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    attributes = {"task.name": name, "task.args_count": len(args), "task.kwargs_count": len(kwargs)}
    return trace_operation(f"task.{name}", attributes)


def _succeeded(span: Any) -> None:
    if span is not None:
        status: Any = api("trace")
        if status is not None:
            span.set_status(status.Status(status.StatusCode.OK))


def trace_task(func: Callable[P, R]) -> Callable[P, R]:
    """A span `task.<name>` around a task function, sync or async; above or below @task."""
    name = getattr(func, "__name__", type(func).__name__)
    if is_coroutine_function(func):
        coroutine = cast(Callable[P, Awaitable[Any]], func)

        @functools.wraps(func)
        async def traced_coroutine(*args: P.args, **kwargs: P.kwargs) -> Any:
            with _task_span(name, args, kwargs) as span:
                result = await coroutine(*args, **kwargs)
                _succeeded(span)
                return result

        return _replaced(func, cast(Callable[P, R], traced_coroutine))

    @functools.wraps(func)
    def traced(*args: P.args, **kwargs: P.kwargs) -> R:
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
