# SPDX-License-Identifier: Apache-2.0
"""The asyncio driver of a session: connects, writes once per turn of the loop, reconnects, times out."""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
import time
from typing import Any, Callable, cast

from ..errors import FastQueueError, make
from .requests import Request, Requests
from .settings import Settings
from .span import SubmitSpan

logger = logging.getLogger("fastqueue")

_SWEEP = 0.1
_CONNECT_LIMIT = 10.0


class _Link(asyncio.Protocol):
    """One connection. It tells its driver, which may meanwhile have another."""

    def __init__(self, driver: AsyncDriver) -> None:
        self.driver = driver
        self.transport: asyncio.Transport | None = None
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self.driver.link is self:
            self.driver.received(data)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self.driver.flush_soon()

    def connection_lost(self, exc: Exception | None) -> None:
        if self.driver.link is self:
            self.driver.link_lost(str(exc) if exc is not None else "closed by the control plane")


class AsyncDriver:
    """Owns a session and its connection. Everything happens on the event loop of open()."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests = Requests(settings.retries)
        self.link: _Link | None = None
        self.closed = False
        self.reason = "not tried yet"
        self._target = settings.target()
        self._session = settings.session()
        self._loop = asyncio.get_running_loop()
        self._ready = asyncio.Event()
        self._lost = asyncio.Event()
        self._flush_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._sweeper: asyncio.TimerHandle | None = None
        self._fatal: FastQueueError | None = None
        self._ssl = settings.ssl_context()
        self._connector = self._loop.create_task(self._serve(), name="fastqueue-connection")

    # --- for clients ---------------------------------------------------------------------------------------------
    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    @property
    def ready(self) -> bool:
        return self._session.ready

    async def wait_ready(self, timeout: float | None) -> None:
        """Returns when logged in; ConnectError when that takes longer than `timeout`."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            raise make("CONNECT", self.settings.unreachable(self.reason, timeout)) from None
        if self._fatal is not None:
            raise self._fatal

    def request(
        self, awaits: int, timeout: float | None, send: Callable[[Any, int], Any], span: SubmitSpan | None = None
    ) -> tuple[Request, Any]:
        """Calls `send(session, tag)` and has it written at the end of this turn of the loop."""
        if self._fatal is not None or self.closed:
            raise self._fatal or make("CLOSED", "the client is stopped")
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        request = self.requests.new(awaits, self._loop.create_future(), deadline, span)
        try:
            sent = send(self._session, request.tag)
        except BaseException as error:
            self.requests.drop(request)
            request.give_up(error)
            raise
        self.flush_soon()
        if deadline != math.inf and self._sweeper is None:
            self._sweeper = self._loop.call_later(_SWEEP, self._sweep)
        return request, sent

    def forget(self, request: Request) -> None:
        self.requests.drop(request)
        self._session.forget(request.tag)

    async def wait(self, request: Request) -> Any:
        """The request's answer. A caller that is cancelled takes the request with it."""
        future = cast("asyncio.Future[Any]", request.promise)
        try:
            return await future
        except asyncio.CancelledError as error:
            self.forget(request)
            request.give_up(error)
            raise

    def close(self) -> None:
        """Writes what is queued and forgets everything else."""
        if self.closed:
            return
        self.closed = True
        self._connector.cancel()
        for handle in (self._timer, self._sweeper):
            if handle is not None:
                handle.cancel()
        if self.link is not None and self.link.transport is not None:
            self._write(self.link.transport)
            self.link.transport.close()
        self.link = None
        self.requests.fail_all(make("CLOSED", "the client was stopped"))

    # --- connection ----------------------------------------------------------------------------------------------
    async def _connect(self) -> _Link:
        place = self._target.place
        if place.kind == "unix":
            _, link = await self._loop.create_unix_connection(lambda: _Link(self), place.path)
        else:
            secure = self._ssl if place.kind == "tls" else None
            _, link = await self._loop.create_connection(lambda: _Link(self), place.host, place.port, ssl=secure)
        return link

    async def _serve(self) -> None:
        try:
            await self._keep_connected()
        except asyncio.CancelledError:
            self.close()  # asyncio.run() ends: the connection goes with its loop
            raise

    async def _keep_connected(self) -> None:
        warned = False
        while not self.closed:
            delay = self._session.reconnect_delay()
            if delay > 1e9:
                return
            await asyncio.sleep(delay)
            try:
                async with asyncio.timeout(_CONNECT_LIMIT):
                    link = await self._connect()
            except ssl.SSLCertVerificationError as error:
                self._give_up(self.settings.untrusted(self._target.place, error))
                return
            except (OSError, TimeoutError, UnicodeError) as error:
                self.reason = str(error) or "no answer"
                self._target.lost(False, None)
                self._session.disconnected(time.monotonic())
                self._dispatch()
                if not warned:
                    logger.warning("%s does not answer (%s); trying again", self.settings.address, self.reason)
                    warned = True
                continue
            warned = False
            self._lost.clear()
            self.link = link
            if link.transport is None or link.transport.is_closing():
                self.link_lost("closed by the control plane")
                continue
            self._session.connected(time.monotonic())
            self.flush()
            await self._lost.wait()

    def link_lost(self, reason: str) -> None:
        link, self.link = self.link, None
        if link is not None and link.transport is not None:
            link.transport.abort()
        leader = self._session.leader
        self.reason = self._session.error if leader is not None else reason
        self._target.lost(leader is None, leader)
        self._session.disconnected(time.monotonic())
        self._dispatch()
        self._session_state()
        if self._fatal is None and leader is None:
            for request in self.requests.lost(reason):
                self._session.forget(request.tag)
        self._lost.set()

    def _session_state(self) -> None:
        if not self._session.ready:
            self._ready.clear()
        if self._session.reconnect_delay() > 1e9 and self._fatal is None:
            self._give_up(make("WRONGPASS", f"{self.settings.address}: {self._session.error}"))

    def _give_up(self, error: FastQueueError) -> None:
        self._fatal = error
        self.requests.fail_all(error)
        self._ready.set()

    # --- bytes ---------------------------------------------------------------------------------------------------
    def received(self, data: bytes) -> None:
        try:
            events = self._session.feed(data, time.monotonic())
        except FastQueueError as error:
            self.link_lost(str(error))
            return
        if self.requests.dispatch(events):
            self._ready.set()
        self.flush()

    def _dispatch(self) -> None:
        if self.requests.dispatch(self._session.events()):
            self._ready.set()

    def flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        self._flush_due = False
        if self.link is not None and self.link.transport is not None:
            self._write(self.link.transport)
        self._arm_timer()

    def _write(self, transport: asyncio.Transport) -> None:
        while self.link is not None and not self.link.paused:
            data = self._session.take_output()
            if not data:
                return
            transport.write(data)

    # --- time ----------------------------------------------------------------------------------------------------
    def _arm_timer(self) -> None:
        at = self._session.deadline() if self.link is not None else math.inf
        if at >= self._timer_at - 0.001 or self.closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = at
        self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._tick)

    def _tick(self) -> None:
        self._timer, self._timer_at = None, math.inf
        if self.link is None:
            return
        try:
            self._session.tick(time.monotonic())
        except FastQueueError as error:
            self.link_lost(str(error))
            return
        self.flush()

    def _sweep(self) -> None:
        self._sweeper = None
        for request in self.requests.overdue(time.monotonic(), self._describe_delay):
            self._session.forget(request.tag)
        if any(r.deadline != math.inf and not r.promise.done() for r in self.requests.by_tag.values()):
            self._sweeper = self._loop.call_later(_SWEEP, self._sweep)

    def _describe_delay(self) -> str:
        if self._session.ready:
            return f"no answer of {self.settings.address} within {self.settings.timeout:g} s"
        return self.settings.unreachable(self.reason, self.settings.timeout)
