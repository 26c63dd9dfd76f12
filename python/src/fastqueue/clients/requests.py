# SPDX-License-Identifier: Apache-2.0
"""Requests in flight: what both drivers share. No I/O, no thread, no event loop."""

from __future__ import annotations

from typing import Any, Callable, Protocol

from ..errors import FastQueueError, from_number, make
from .span import SubmitSpan

READY, SUBMITTED, RESULT, REPLY, CANCEL, DRAIN = range(6)
ACKNOWLEDGED, ENDED, ANSWERED = range(3)

Event = tuple[int, int, int, Any, str, Any]


class Promise(Protocol):
    """What a caller waits on: asyncio's Future, or the threads' one."""

    def done(self) -> bool: ...
    def set_result(self, result: Any, /) -> None: ...
    def set_exception(self, exception: BaseException, /) -> None: ...


class Request:
    """One thing asked of the control plane. `awaits` says which event settles its promise."""

    __slots__ = ("tag", "awaits", "promise", "deadline", "losses", "on_end", "acknowledged", "span")

    def __init__(
        self, tag: int, awaits: int, promise: Promise, deadline: float, span: SubmitSpan | None = None
    ) -> None:
        self.tag = tag
        self.awaits = awaits
        self.promise = promise
        self.deadline = deadline
        self.losses = 0
        self.on_end: Callable[[dict[str, Any] | None], None] | None = None
        self.acknowledged = False
        self.span = span

    def settle(self, value: Any) -> None:
        if not self.promise.done():
            self.promise.set_result(value)

    def give_up(self, error: BaseException) -> None:
        """Nobody waits for it any more."""
        if self.span is not None:
            self.span.end(None, error)

    def fail(self, error: BaseException) -> None:
        self.give_up(error)
        if not self.promise.done():
            self.promise.set_exception(error)


class Requests:
    """Requests by tag, and what events and the end of a connection do to them."""

    def __init__(self, retries: int) -> None:
        self.retries = retries
        self.by_tag: dict[int, Request] = {}
        self._last_tag = 0

    def new(self, awaits: int, promise: Promise, deadline: float, span: SubmitSpan | None = None) -> Request:
        self._last_tag += 1
        request = Request(self._last_tag, awaits, promise, deadline, span)
        self.by_tag[request.tag] = request
        return request

    def drop(self, request: Request) -> None:
        self.by_tag.pop(request.tag, None)

    def dispatch(self, events: list[Event]) -> bool:
        """Settles what the events answer. True if the session has become ready."""
        ready = False
        for kind, tag, error, message, task_id, payload in events:
            if kind == READY:
                ready = True
                continue
            request = self.by_tag.get(tag)
            if request is None:
                continue
            if kind == SUBMITTED:
                self._submitted(request, error, message, task_id)
            elif kind == RESULT or kind == REPLY:
                del self.by_tag[tag]
                if error and request.awaits == ENDED:
                    request.settle(None) if from_number(error).name == "UNKNOWNTASK" else request.fail(
                        from_number(error, message)
                    )
                elif error:
                    request.fail(from_number(error, message))
                elif request.awaits != ACKNOWLEDGED:
                    request.settle(payload)
                if request.on_end is not None and kind == RESULT:
                    request.on_end(None if error else payload)
        return ready

    def _submitted(self, request: Request, error: int, message: str, task_id: str) -> None:
        if error:
            del self.by_tag[request.tag]
            request.fail(from_number(error, message))
            if request.on_end is not None:
                request.on_end(None)
            return
        request.acknowledged = True
        if request.span is not None:
            request.span.end(task_id)
        if request.awaits == ACKNOWLEDGED:
            request.settle(task_id)
            if request.on_end is None:
                del self.by_tag[request.tag]

    def lost(self, reason: str) -> list[Request]:
        """The connection broke: requests that were repeated as often as they may be fail; they are returned."""
        spent = []
        for request in list(self.by_tag.values()):
            if request.acknowledged or request.promise.done():
                continue
            request.losses += 1
            if request.losses > self.retries:
                spent.append(request)
                self.drop(request)
                request.fail(
                    make(
                        "DISCONNECTED",
                        f"the connection was lost before the answer came ({reason}); "
                        "the task may or may not have been taken, ask with the same id",
                    )
                )
        return spent

    def overdue(self, now: float, describe: Callable[[], str]) -> list[Request]:
        """Requests whose time is up fail; they are returned."""
        late = [r for r in self.by_tag.values() if r.deadline <= now and not r.promise.done()]
        for request in late:
            self.drop(request)
            request.fail(make("TIMEOUT", describe()))
        return late

    def fail_all(self, error: FastQueueError) -> None:
        waiting, self.by_tag = self.by_tag, {}
        for request in waiting.values():
            request.fail(error)
