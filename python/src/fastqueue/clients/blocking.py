# SPDX-License-Identifier: Apache-2.0
"""The blocking driver of a session, for any number of threads and without a thread of its own.

Threads that wait share the work: one of them, the driver of the moment, polls the socket for all, the others sleep on a
condition. When the driver's own answer is there, another waiter takes over. A thread that only submits writes to the
socket itself. So a call costs no hand-over between threads unless there are several.
"""

from __future__ import annotations

import logging
import math
import os
import select
import socket
import ssl
import threading
import time
from typing import Any, Callable

from ..errors import FastQueueError, make
from .requests import Request, Requests
from .settings import Settings
from .span import SubmitSpan

logger = logging.getLogger("fastqueue")

_CONNECT_LIMIT = 10.0
_READ_SIZE = 1 << 18


class Answer:
    """The promise of a request: its value or its exception, guarded by the driver's lock."""

    __slots__ = ("_value", "_error", "_done")

    def __init__(self) -> None:
        self._done = False
        self._value: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        return self._done

    def set_result(self, result: Any, /) -> None:
        self._value, self._done = result, True

    def set_exception(self, exception: BaseException, /) -> None:
        self._error, self._done = exception, True

    def take(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value


class BlockingDriver:
    """Owns a session and its socket. Any thread may call it; a forked child has to make its own."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.requests = Requests(settings.retries)
        self.closed = False
        self.pid = os.getpid()
        self.reason = "not tried yet"
        self._target = settings.target()
        self._session = settings.session()
        self._ssl = settings.ssl_context()
        self._socket: socket.socket | None = None
        self._unsent = b""
        self._connect_at = 0.0
        self._fatal: FastQueueError | None = None
        self._condition = threading.Condition(threading.Lock())
        self._driving = False
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    # --- for clients ---------------------------------------------------------------------------------------------
    def wait_ready(self, timeout: float | None) -> None:
        """Returns when logged in; ConnectError when that takes longer than `timeout`."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        if not self._wait(lambda: self._session.ready or self._fatal is not None, deadline):
            raise make("CONNECT", self.settings.unreachable(self.reason, timeout))
        if self._fatal is not None:
            raise self._fatal

    def request(
        self,
        awaits: int,
        timeout: float | None,
        send: Callable[[Any, int], Any],
        span: SubmitSpan | None = None,
        write: bool = True,
    ) -> tuple[Request, Any]:
        """Calls `send(session, tag)` and writes what it queued; `write` false: the caller calls write() when it has more."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        with self._condition:
            if self._fatal is not None or self.closed:
                raise self._fatal or make("CLOSED", "the client is stopped")
            request = self.requests.new(awaits, Answer(), deadline, span)
            try:
                sent = send(self._session, request.tag)
            except BaseException as error:
                self.requests.drop(request)
                request.give_up(error)
                raise
            if write:
                self._write()
                self._wake()
        return request, sent

    def write(self) -> None:
        """Writes what is queued."""
        with self._condition:
            self._write()
            self._wake()

    def wait(self, request: Request) -> Any:
        """The request's answer, TaskTimeout when its time is up."""
        answer = request.promise
        assert isinstance(answer, Answer)
        try:
            if not self._wait(answer.done, request.deadline):
                raise make("TIMEOUT", self._describe_delay())
        except BaseException as error:
            with self._condition:
                self.requests.drop(request)
                self._session.forget(request.tag)
                request.give_up(error)
            raise
        return answer.take()

    def pump(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Reads what comes, for so long at most."""
        self._wait(until, time.monotonic() + seconds)

    def close(self) -> None:
        with self._condition:
            if self.closed:
                return
            self.closed = True
            self._write()
            self._disconnect_socket()
            self.requests.fail_all(make("CLOSED", "the client was stopped"))
            self._wake()
            self._condition.notify_all()
            if not self._driving:
                self._close_pipe()

    def __del__(self) -> None:
        if getattr(self, "_wake_read", -1) >= 0:
            self._close_pipe()

    # --- who drives ----------------------------------------------------------------------------------------------
    def _wait(self, is_done: Callable[[], bool], deadline: float) -> bool:
        """True when `is_done()`, False when it is `deadline`."""
        with self._condition:
            while True:
                if is_done() or self.closed:
                    return is_done()
                left = deadline - time.monotonic()
                if left <= 0 and deadline != math.inf:
                    return False
                if self._driving:
                    self._condition.wait(None if left == math.inf else left)
                    continue
                self._driving = True
                try:
                    self._drive(deadline)
                finally:
                    self._driving = False
                    self._condition.notify_all()
                    if self.closed:
                        self._close_pipe()

    def _drive(self, deadline: float) -> None:
        """One turn: connect if it is time, wait for the socket, read, write. Holds the lock but while it blocks.

        The lock is given up inside `try`, so that an exception of a signal handler finds it taken again.
        """
        if self._socket is None:
            self._turn_disconnected(deadline)
            return
        connection = self._socket
        poller = select.poll()
        poller.register(self._wake_read, select.POLLIN)
        poller.register(connection, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        ready: list[tuple[int, int]] = []
        if not (isinstance(connection, ssl.SSLSocket) and connection.pending()):
            pause = min(deadline, self._session.deadline()) - time.monotonic()
            try:
                self._condition.release()
                ready = poller.poll(None if pause == math.inf else max(0, math.ceil(pause * 1000)))
            finally:
                self._condition.acquire()
        self._drain_pipe(ready)
        if self._socket is not connection:
            return
        self._read(connection)
        self._tick()
        self._write()

    def _turn_disconnected(self, deadline: float) -> None:
        now = time.monotonic()
        if now < self._connect_at:
            pause = min(self._connect_at, deadline) - now
            try:
                self._condition.release()
                ready = select.select([self._wake_read], [], [], pause)[0]
            finally:
                self._condition.acquire()
            self._drain_pipe([(self._wake_read, select.POLLIN)] if ready else [])
            return
        connection: socket.socket | None = None
        reason = ""
        untrusted: FastQueueError | None = None
        try:
            self._condition.release()
            connection = self._connect(min(_CONNECT_LIMIT, max(0.05, deadline - now)))
        except ssl.SSLCertVerificationError as error:
            untrusted = self.settings.untrusted(self._target.place, error)
        except (OSError, UnicodeError) as error:
            reason = str(error) or type(error).__name__
        finally:
            self._condition.acquire()
        if untrusted is not None:
            self._give_up(untrusted)
        elif connection is None:
            self._lost(reason)
        elif self.closed:
            connection.close()
        else:
            self._socket = connection
            self._session.connected(time.monotonic())
            self._write()

    def _connect(self, limit: float) -> socket.socket:
        place = self._target.place
        if place.kind == "unix":
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(limit)
                connection.connect(place.path)
            except BaseException:
                connection.close()
                raise
        else:
            connection = socket.create_connection((place.host, place.port), timeout=limit)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._ssl is not None and place.kind == "tls":
            plain = connection
            try:
                connection = self._ssl.wrap_socket(plain, server_hostname=place.host)
            except BaseException:
                plain.close()
                raise
        connection.setblocking(False)
        return connection

    # --- bytes (with the lock) -----------------------------------------------------------------------------------
    def _read(self, connection: socket.socket) -> None:
        while True:
            try:
                data = connection.recv(_READ_SIZE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lost(str(error))
                return
            if not data:
                self._lost("closed by the control plane")
                return
            try:
                events = self._session.feed(data, time.monotonic())
            except FastQueueError as error:
                self._lost(str(error))
                return
            self.requests.dispatch(events)
            if len(data) < _READ_SIZE:
                return

    def _write(self) -> None:
        while self._socket is not None:
            self._unsent = self._unsent or self._session.take_output()
            if not self._unsent:
                return
            try:
                sent = self._socket.send(self._unsent)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lost(str(error))
                return
            self._unsent = self._unsent[sent:]

    def _tick(self) -> None:
        if self._socket is None or time.monotonic() < self._session.deadline():
            return
        try:
            self._session.tick(time.monotonic())
        except FastQueueError as error:
            self._lost(str(error))

    def _lost(self, reason: str) -> None:
        was_connected = self._socket is not None
        leader = self._session.leader if was_connected else None
        was_open = was_connected and leader is None
        self.reason = self._session.error if leader is not None else reason
        self._target.lost(was_open, leader)
        self._disconnect_socket()
        now = time.monotonic()
        self._session.disconnected(now)
        self.requests.dispatch(self._session.events())
        delay = self._session.reconnect_delay()
        self._connect_at = now + delay
        if delay > 1e9:
            self._give_up(make("WRONGPASS", f"{self.settings.address}: {self._session.error}"))
        elif was_open:
            for request in self.requests.lost(reason):
                self._session.forget(request.tag)

    def _give_up(self, error: FastQueueError) -> None:
        self._fatal = error
        self.requests.fail_all(error)

    def _disconnect_socket(self) -> None:
        connection, self._socket = self._socket, None
        self._unsent = b""
        if connection is not None:
            connection.close()

    # --- waking the driver -----------------------------------------------------------------------------------------
    def _wake(self) -> None:
        # A driver that polls looks up by itself; it has to be told only of what changes what it polls for.
        if self._driving and (self._unsent or self._socket is None or self.closed):
            try:
                os.write(self._wake_write, b"x")
            except OSError:
                pass  # full: it is awake already

    def _drain_pipe(self, ready: list[tuple[int, int]]) -> None:
        if any(fd == self._wake_read for fd, _ in ready):
            try:
                os.read(self._wake_read, 4096)
            except OSError:
                pass

    def _close_pipe(self) -> None:
        for fd in (self._wake_read, self._wake_write):
            if fd >= 0:
                os.close(fd)
        self._wake_read = self._wake_write = -1

    def _describe_delay(self) -> str:
        if self._session.ready:
            return f"no answer of {self.settings.address} in time"
        return self.settings.unreachable(self.reason, self.settings.timeout)
