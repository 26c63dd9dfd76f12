# SPDX-License-Identifier: Apache-2.0
"""The @task decorator and the registry of the functions that it has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Callable, ParamSpec, TypeVar, overload

if TYPE_CHECKING:
    from typing import Unpack

    from .options import DeclaredOptions

P = ParamSpec("P")
R = TypeVar("R")

_DECLARABLE = frozenset(("priority", "expires", "timeout", "retries", "backoff", "result_ttl"))


class TaskRegistry:
    """Names and functions, and the options that were declared with them."""

    def __init__(self) -> None:
        self._tasks: dict[str, Callable[..., Any]] = {}
        self._options: dict[str, DeclaredOptions] = {}
        self._names: dict[int, str] = {}

    def register(
        self, func: Callable[P, R], name: str | None = None, **options: Unpack[DeclaredOptions]
    ) -> Callable[P, R]:
        """Registers `func` under `name` (default: its own). A name that is taken is taken over, with a warning."""
        if not callable(func):
            raise TypeError(f"a task has to be callable, not {type(func).__name__}")
        key = name if name is not None else getattr(func, "__name__", "")
        if not isinstance(key, str) or not key or any(c.isspace() for c in key):
            raise ValueError(f"{key!r} is no name for a task: it has to be a str without white space")
        unknown = set(options) - _DECLARABLE
        if unknown:
            raise TypeError(f"unknown task option {sorted(unknown)[0]!r}; known are {', '.join(sorted(_DECLARABLE))}")
        previous = self._tasks.get(key)
        if previous is not None and previous is not func:
            import logging

            logging.getLogger("fastqueue").warning("task %r is defined twice; the last definition counts", key)
            self._names.pop(id(previous), None)
        self._tasks[key] = func
        self._options[key] = options
        self._names[id(func)] = key
        return func

    def replace(self, func: Callable[..., Any], by: Callable[..., Any]) -> None:
        """Where `func` is registered, `by` is from now on. Does nothing for a function that is not."""
        name = self._names.pop(id(func), None)
        if name is not None:
            self._tasks[name] = by
            self._names[id(by)] = name

    def get_task(self, name: str) -> Callable[..., Any] | None:
        """The function registered under `name`, or None."""
        return self._tasks.get(name)

    def list_tasks(self) -> dict[str, Callable[..., Any]]:
        """A copy of all names and functions."""
        return dict(self._tasks)

    def get_options(self, name: str) -> DeclaredOptions:
        """The options declared for `name`; empty if it is not registered here."""
        options = self._options.get(name)
        return options if options is not None else {}

    def name_of(self, task: str | Callable[..., Any]) -> str:
        """The name of a task given by its name or by its function."""
        if isinstance(task, str):
            return task
        name = self._names.get(id(task))
        if name is None:
            raise ValueError(f"{getattr(task, '__qualname__', task)!r} is not registered with @task")
        return name


task_registry = TaskRegistry()


@overload
def task(func_or_name: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def task(
    func_or_name: str | None = None, /, *, name: str | None = None, **options: Unpack[DeclaredOptions]
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def task(func_or_name: Any = None, /, *, name: str | None = None, **options: Unpack[DeclaredOptions]) -> Any:
    """Makes a function a task: `@task`, `@task("name")`, `@task(name="name", retries=3, timeout=60)`.

    The function comes back as it was and can still be called. `retries`, `backoff` and `timeout` (seconds) hold for every
    submit that names none of its own; `priority`, `expires` and `result_ttl` for clients that import this definition.
    """
    if func_or_name is not None and not isinstance(func_or_name, str):
        return task_registry.register(func_or_name, name, **options)
    if func_or_name is not None and name is not None:
        raise TypeError("the name of a task was given twice")
    chosen = func_or_name if func_or_name is not None else name

    def decorate(func: Callable[P, R]) -> Callable[P, R]:
        return task_registry.register(func, chosen, **options)

    return decorate
