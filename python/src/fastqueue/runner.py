# SPDX-License-Identifier: Apache-2.0
"""`python -m fastqueue.runner`: the process in which Python tasks run. `fastqueue subworker` starts it.

Functions run on the main thread, one after another, and never inside a running event loop; coroutine functions run side
by side on one asyncio loop, which is made only if there are any. Fetching, calling and answering is done in C.
"""

from __future__ import annotations

import contextvars
import faulthandler
import gc
import io
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Callable, cast

from . import _core, errors, failure
from .context import current
from .errors import NoRetry, SoftTimeLimit, TaskCancelled
from .tasks.functions import is_coroutine_function
from .tasks.options import wire_options
from .tasks.registry import task_registry
from .tasks.serializer import decode_json, decode_pickle, encode_pickle, scan_json

if TYPE_CHECKING:
    from .tasks.options import SubmitOptions
    from types import FrameType

WISH_NONE, WISH_CANCEL, WISH_TIMEOUT = 0, 1, 2


def load(module: str) -> None:
    """Imports `package.module`, or the file `path/to/module.py`."""
    import importlib.util

    if not module.endswith(".py"):
        importlib.import_module(module)
        return

    path = os.path.realpath(module)
    name = os.path.basename(path)[: -len(".py")]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{module} is no Python module")
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[name] = loaded
    sys.path.insert(1, os.path.dirname(path))
    spec.loader.exec_module(loaded)


def load_all(modules: list[str]) -> str | None:
    """Imports all; None, or why that failed."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for module in modules:
        try:
            load(module)
        except BaseException as error:
            why = f"task module {module!r} cannot be imported: {describe(error)[0]}: {error}"
            if isinstance(error, ImportError) and "fq_task_" in str(error):
                why += f"\na module of C tasks is in the way: name its path (./{module}.so), or rename one of the two"
            return f"{why}\n{failure.stack(error)}"
    if not task_registry.list_tasks():
        return f"no task is defined in {', '.join(modules) or 'no module'}: mark functions with @task"
    return None


def decode(payload: bytes, encoding: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of every payload that the C code leaves alone."""
    if encoding in ("", "json"):
        body = decode_json(payload)
    elif encoding == "pickle":
        body = decode_pickle(payload)
    elif encoding == "raw":
        return (payload,), {}
    else:
        raise errors.make("ENCODING", f"a payload in encoding {encoding!r} cannot be read by Python tasks")
    if isinstance(body, dict) and set(body) <= {"args", "kwargs"}:
        args: Any = body.get("args", [])
        kwargs: Any = body.get("kwargs", {})
        if isinstance(args, (list, tuple)) and isinstance(kwargs, dict):
            return tuple(args), kwargs
    raise errors.make("ENCODING", 'the payload is not {"args": […], "kwargs": {…}}')


def encode(value: Any, encoding: str) -> bytes:
    """A result in an encoding other than JSON."""
    if encoding == "pickle":
        return encode_pickle(value)
    raise errors.make("ENCODING", f"a result cannot be encoded as {encoding!r}")


def describe(error: BaseException) -> tuple[str, str, str, bool]:
    """(type, message, stack, no retry) of what a task raised."""
    return (*failure.describe(error), isinstance(error, (NoRetry, TaskCancelled)))


def leave_child(error: BaseException | None) -> None:
    """Ends a process that user code forked and that came back from the task."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        sys.stderr.write(failure.stack(error))
        code = 1
    try:
        if _core.telemetry_state()[0]:
            from .telemetry.lifecycle import at_exit

            at_exit()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


class Loop:
    """Coroutine functions: one asyncio loop, and functions between its turns."""

    def __init__(self, runner: _core.Runner, base: contextvars.Context) -> None:
        import asyncio

        self.asyncio = asyncio
        self.runner = runner
        self.base = base
        self.loop = asyncio.new_event_loop()
        self.running: dict[int, asyncio.Task[None]] = {}
        self.wishes: dict[int, int] = {}
        self.pid = os.getpid()
        self.turn_due = False
        self.failure: BaseException | None = None

    def start(
        self,
        task: _core.RunningTask,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any] | None,
    ) -> None:
        context = self.base.copy()
        context.run(_core.enter_task, task)
        steps = self.runner.steps(task, self._run(task, function, args, kwargs or {}))
        self.running[task.slot] = self.loop.create_task(steps, name=f"{task.name}-{task.id}", context=context)

    async def _run(
        self, task: _core.RunningTask, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        try:
            value = await function(*args, **kwargs)
            self._leave_if_forked(None)
        except BaseException as error:
            self._leave_if_forked(error)
            self.runner.finish_error(task, self._as_wished(task, error))
        else:
            self.runner.finish_value(task, value)
        finally:
            self.running.pop(task.slot, None)
            self.wishes.pop(task.slot, None)
            self.turn_soon()

    def _leave_if_forked(self, error: BaseException | None) -> None:
        if os.getpid() != self.pid:
            leave_child(error)

    def _as_wished(self, task: _core.RunningTask, error: BaseException) -> BaseException:
        wish = self.wishes.get(task.slot, WISH_NONE)
        if wish == WISH_NONE or not isinstance(error, self.asyncio.CancelledError):
            return error
        wished = (
            TaskCancelled("the task was cancelled") if wish == WISH_CANCEL else SoftTimeLimit(time_is_up(task.timeout))
        )
        return wished.with_traceback(error.__traceback__)

    def serve_wishes(self) -> None:
        """Cancels coroutines that the supervisor wants gone. The signal handler calls it between any two bytecodes."""
        for slot, coroutine in list(self.running.items()):
            wish = self.runner.wish(slot)
            if wish != WISH_NONE and slot not in self.wishes:
                self.wishes[slot] = wish
                self.loop.call_soon_threadsafe(coroutine.cancel)

    def turn_soon(self) -> None:
        if not self.turn_due:
            self.turn_due = True
            self.loop.call_soon(self._turn)

    def _turn(self) -> None:
        self.turn_due = False
        try:
            if self.runner.start_ready() or (self.runner.should_exit and self.runner.coroutines == 0):
                self.loop.stop()
        except BaseException as error:
            self.failure = error
            self.loop.stop()

    def _beat(self) -> None:
        self._turn()
        self.serve_wishes()
        self.loop.call_later(0.5, self._beat)

    def run(self) -> None:
        """Until the runner is to end and no coroutine is left."""
        self.loop.add_reader(self.runner.fd, self._turn)
        self.loop.call_soon(self._beat)
        try:
            while not (self.runner.should_exit and self.runner.coroutines == 0):
                try:
                    self.loop.run_forever()
                except (SystemExit, KeyboardInterrupt) as error:
                    # Of a background coroutine that a task left behind: it ends neither its neighbours nor the process.
                    sys.stderr.write(failure.stack(error))
                if self.failure is not None:
                    raise self.failure
                self.runner.run_ready(0.01)
                self.turn_soon()
        finally:
            self.loop.remove_reader(self.runner.fd)
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())


def time_is_up(seconds: float | None) -> str:
    return f"the time limit of {seconds:g} s has passed" if seconds is not None else "the time limit has passed"


class Signals:
    """The supervisor's soft signal becomes an exception in the function that runs, or cancels coroutines."""

    def __init__(self, runner: _core.Runner, loop: Loop | None) -> None:
        self.runner = runner
        self.loop = loop
        # What ends the supervisor is not for runners: it drains them. Handlers, unlike SIG_IGN, end at an exec.
        signal.signal(signal.SIGINT, self._ignore)
        signal.signal(signal.SIGTERM, self._ignore)
        signal.signal(_core.SOFT_SIGNAL, self._wish)

    @staticmethod
    def _ignore(number: int, frame: FrameType | None) -> None:
        pass

    def _wish(self, number: int, frame: FrameType | None) -> None:
        if self.loop is not None:
            self.loop.serve_wishes()
        slot = self.runner.sync_slot
        if slot is None:
            return
        wish = self.runner.wish(slot)
        if wish == WISH_CANCEL:
            raise TaskCancelled("the task was cancelled")
        if wish == WISH_TIMEOUT:
            task = current.get()
            raise SoftTimeLimit(time_is_up(task.timeout if task is not None else None))


def serve(runner: _core.Runner) -> None:
    """Declares the registered tasks and runs them until the runner is to end."""
    functions = [
        (name, function, is_coroutine_function(function)) for name, function in task_registry.list_tasks().items()
    ]
    base = contextvars.copy_context()
    has_coroutines = any(is_async for _, _, is_async in functions)
    loop = Loop(runner, base) if has_coroutines else None
    Signals(runner, loop)
    runner.bind(
        functions=functions,
        copy_context=base.copy,
        set_current=_core.enter_task,
        scan_json=scan_json,
        decode=decode,
        encode=encode,
        describe=describe,
        start=loop.start if loop is not None else describe,
        leave_child=leave_child,
        coroutines_max=runner.config["async_concurrency"] if has_coroutines else 1,
    )
    gc.collect()
    gc.freeze()
    runner.declare([name for name, _, _ in functions])
    for index, (name, _, _) in enumerate(functions):
        wire = wire_options(cast("SubmitOptions", task_registry.get_options(name)))
        declared = [int(wire.get(key, 0)) for key in ("retries", "backoff_ms", "timeout_ms")]
        if any(declared):
            runner.set_defaults(index, *declared)
    if loop is not None:
        loop.run()
    else:
        runner.run()


def main(argv: list[str] | None = None) -> int:
    modules = list(sys.argv[1:] if argv is None else argv)
    if "FASTQUEUE_RUNNER_FDS" not in os.environ:
        print("fastqueue.runner is started by `fastqueue subworker --task-modules …`, not by hand", file=sys.stderr)
        return 2
    # What a task prints is seen when it prints it, and where it crashed when it crashes.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    if sys.stderr is not None:
        faulthandler.enable()
    runner = _core.Runner()
    os.register_at_fork(after_in_child=runner.forked)
    if _core.telemetry_is_on():
        from .telemetry import lifecycle

        lifecycle.started()
    if runner.config["allow_pickle"]:
        os.environ["FASTQUEUE_ALLOW_PICKLE"] = "1"
    trouble = load_all(modules)
    try:
        if trouble is not None:
            runner.declare_failed(trouble)
            return 1
        serve(runner)
    except errors.FastQueueError as error:
        print(f"fastqueue.runner: {error}", file=sys.stderr)
        return 1
    finally:
        runner.close()
    return 0


if __name__ == "__main__":
    # Tasks import this module under its own name; one module object, not two.
    from fastqueue.runner import main as run_main

    sys.exit(run_main())
