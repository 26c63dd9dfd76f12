# SPDX-License-Identifier: Apache-2.0
"""SyncClient: the verbs of Client for programs without asyncio. Any number of threads may share one."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ..errors import ClientClosed, FastQueueError, TaskTimeout
from ..tasks.models import TaskPriority, TaskResult, TaskStatus
from ..tasks.options import Seconds, SubmitOptions, TaskOptions
from ..tasks.serializer import SerializationFormat
from .blocking import BlockingDriver
from .callback import CallbackId, Target, message_for
from .convert import Submit, TaskName, batch_submit, options_without_none, task_result, with_priority, workers_page
from .requests import ACKNOWLEDGED, ANSWERED, ENDED, Request
from .settings import Settings
from .tracking import REMEMBERED, Tracker

if TYPE_CHECKING:
    from typing import Unpack

logger = logging.getLogger("fastqueue")

# Tasks of a batch that leave together: what waits for the last one's turn grows no further.
_WRITTEN_AT_ONCE = 256


class SyncClient:
    """A blocking connection to a control plane. Arguments as for Client.

    It connects when it is first used. A forked child connects anew: a client made before the fork may be used in both.
    """

    def __init__(
        self,
        address: str | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        serialization_format: SerializationFormat | None = None,
        *,
        discovery_address: str | None = None,
        user: str | None = None,
        token: str | None = None,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        client_name: str | None = None,
        track_results: int = REMEMBERED,
    ) -> None:
        credentials = {"user": user, "token": token, "tls_ca": tls_ca, "tls_cert": tls_cert, "tls_key": tls_key}
        self._settings = Settings.resolve(
            address, timeout, retries, serialization_format, discovery_address, credentials, client_name
        )
        self._driver: BlockingDriver | None = None
        self._lock = threading.Lock()
        self._tracker = Tracker(track_results)
        self._unacknowledged: dict[int, str] = {}
        self._callbacks: _CallbackThread | None = None

    # --- life ----------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Connects. ConnectError when no control plane answers within the timeout."""
        driver = self._usable_driver()
        try:
            driver.wait_ready(self._settings.timeout)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Closes the connection. Calls that still wait raise ClientClosed; submitted tasks run all the same."""
        with self._lock:
            driver, self._driver = self._driver, None
            self._callbacks = None
        if driver is not None and driver.pid == os.getpid():
            driver.close()

    close = stop

    def __enter__(self) -> SyncClient:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _usable_driver(self) -> BlockingDriver:
        driver = self._driver
        if driver is not None and driver.pid == os.getpid() and not driver.closed:
            return driver
        if driver is not None and driver.pid != os.getpid():
            # A fork may have left any lock held: the child starts with new ones, and leaves the parent's socket alone.
            self._lock = threading.Lock()
            self._callbacks = None
            self._tracker = Tracker(self._tracker.limit)
            self._unacknowledged = {}
        with self._lock:
            current = self._driver
            if current is None or current.pid != os.getpid() or current.closed:
                self._driver = current = BlockingDriver(self._settings)
            return current

    # --- submitting ----------------------------------------------------------------------------------------------
    def delay(
        self,
        task_name: TaskName,
        *args: Any,
        priority: TaskPriority | str | None = None,
        eta: datetime | None = None,
        countdown: Seconds | None = None,
        **kwargs: Any,
    ) -> str:
        """Submits a task and returns its id as soon as the control plane has it on disk."""
        options = options_without_none({"priority": priority, "eta": eta, "countdown": countdown})
        return self._delay(Submit(task_name, args, kwargs, options, self._settings.format, self._settings.server))

    def submit(
        self,
        task_name: TaskName,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> str:
        """delay() with every option of SubmitOptions."""
        return self._delay(Submit(task_name, args, kwargs or {}, options, self._settings.format, self._settings.server))

    def submit_task(
        self,
        task_name: TaskName,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        priority: TaskPriority | str | None = None,
        *,
        wait: float | None = None,
        **options: Unpack[TaskOptions],
    ) -> TaskResult:
        """Submits a task and waits until it has ended, `wait` seconds at most (default: the client's timeout).

        A task that has not ended by then is neither lost nor submitted again: the result tells how it stands.
        """
        chosen = with_priority(options, priority)
        submit = Submit(task_name, args, kwargs or {}, chosen, self._settings.format, self._settings.server)
        limit = self._settings.timeout if wait is None else wait
        driver = self._usable_driver()
        request, task_id = driver.request(ENDED, limit, lambda session, tag: submit.send(session, tag, True), submit.span)
        try:
            result = task_result(driver.wait(request))
        except TaskTimeout:
            if not request.acknowledged:
                raise
            result = self._unfinished(task_id, limit)
        self._tracker.results[result.task_id] = result
        return result

    def submit_batch(
        self, tasks: Sequence[Mapping[str, Any]], default_priority: TaskPriority | str | None = None
    ) -> list[str]:
        """Submits many tasks without waiting for one before the next. The ids, in order."""
        submits = [batch_submit(spec, default_priority, self._settings.format, self._settings.server) for spec in tasks]
        driver = self._usable_driver()
        sent = []
        try:
            for position, submit in enumerate(submits, 1):
                sent.append(self._send(submit, None, write=position % _WRITTEN_AT_ONCE == 0))
        finally:
            driver.write()
        ids, first_error = [], None
        for request, task_id, track in sent:
            try:
                ids.append(self._acknowledged(request, task_id, track))
            except FastQueueError as error:
                first_error = first_error or error
        if first_error is not None:
            raise first_error
        return ids

    def delay_with_callback(
        self,
        task_name: TaskName,
        callback_address: str,
        *args: Any,
        callback_data: dict[str, Any] | None = None,
        priority: TaskPriority | str | None = None,
        eta: datetime | None = None,
        countdown: Seconds | None = None,
        **kwargs: Any,
    ) -> CallbackId:
        """delay(), and a thread of this process sends one message to `callback_address` when the task has ended."""
        target = Target(callback_address)
        message_for(TaskResult("", TaskStatus.PENDING), callback_data)
        options = options_without_none({"priority": priority, "eta": eta, "countdown": countdown})
        submit = Submit(task_name, args, kwargs, options, self._settings.format, self._settings.server)
        self._usable_driver()
        with self._lock:
            if self._callbacks is None:
                self._callbacks = _CallbackThread()
            thread = self._callbacks
        thread.expect()

        def tell(result: TaskResult | None) -> None:
            thread.deliver(target, message_for(result, callback_data) if result is not None else None)

        try:
            task_id = self._delay(submit, tell)
        except BaseException:
            thread.deliver(target, None)
            raise
        thread.drive(self._usable_driver())
        return CallbackId(task_id)

    def _delay(self, submit: Submit, tell: Any = None) -> str:
        return self._acknowledged(*self._send(submit, tell))

    def _send(self, submit: Submit, tell: Any, write: bool = True) -> tuple[Request, str, bool]:
        driver = self._usable_driver()
        track = tell is not None or self._tracker.has_room

        def send(session: Any, tag: int) -> str:
            task_id = submit.send(session, tag, track)
            self._unacknowledged[tag] = task_id
            if track:
                self._track(driver.requests.by_tag[tag], task_id, tell)
            return task_id

        request, task_id = driver.request(ACKNOWLEDGED, self._settings.timeout, send, submit.span, write)
        return request, task_id, track

    def _acknowledged(self, request: Request, task_id: str, track: bool) -> str:
        try:
            acknowledged: str = self._usable_driver().wait(request)
        except BaseException:
            self._tracker.open.discard(task_id)
            raise
        finally:
            self._unacknowledged.pop(request.tag, None)
        if track:
            self._tracker.renamed(task_id, acknowledged)
        return acknowledged

    def _track(self, request: Request, task_id: str, tell: Any) -> None:
        self._tracker.open.add(task_id)

        def ended(fields: dict[str, Any] | None) -> None:
            try:
                result = task_result(fields) if fields is not None else None
            except FastQueueError as error:
                logger.warning("the result of task %s cannot be read: %s", task_id, error)
                result = None
            self._tracker.ended(result.task_id if result is not None else task_id, result)
            if tell is not None:
                tell(result)

        request.on_end = ended

    def _unfinished(self, task_id: str, limit: float | None) -> TaskResult:
        result = self.get_task_status(task_id)
        if result is None:
            result = TaskResult(task_id, TaskStatus.PENDING)
        elif result.status.is_final:
            return self.get_task_result(task_id) or result
        result.error = f"the task has not ended within {limit:g} s; it is {result.status.value}"
        return result

    # --- asking --------------------------------------------------------------------------------------------------
    def get_task_result(self, task_id: str, wait: float | None = None) -> TaskResult | None:
        """The result of a task that has ended; None if it is unknown, or has not ended within `wait` seconds (0)."""
        driver = self._usable_driver()
        if wait is not None and wait > 0:
            request, _ = driver.request(ENDED, wait, lambda session, tag: session.watch(task_id, tag))
            try:
                fields = driver.wait(request)
            except TaskTimeout:
                return None
        else:
            fields = self.command("FQ.RESULT", task_id)
        if fields is None:
            return None
        result = task_result(fields)
        return result if result.status.is_final else None

    def get_task_status(self, task_id: str) -> TaskResult | None:
        """How a task stands now, without its result; None if it is unknown."""
        fields = self.command("FQ.STATUS", task_id)
        return None if fields is None else task_result(fields)

    def cancel_task(self, task_id: str) -> bool:
        """True if the task was cancelled, or its worker was told; False if it is too late, or there is no such task."""
        try:
            return bool(self.command("FQ.CANCEL", task_id, repeatable=False))
        except FastQueueError as error:
            if error.name in ("UNKNOWNTASK", "NOTCANCELLABLE"):
                return False
            raise

    def command(self, *words: str | bytes | int, repeatable: bool = True) -> Any:
        """Any command of the protocol; the answer as Python values."""
        args = tuple(word if isinstance(word, (str, bytes)) else str(word) for word in words)
        driver = self._usable_driver()
        request, _ = driver.request(
            ANSWERED, self._settings.timeout, lambda session, tag: session.command(args, tag, repeatable)
        )
        return driver.wait(request)

    # --- what the client itself knows ------------------------------------------------------------------------------
    def get_result(self, task_id: str) -> TaskResult | None:
        """The result if the control plane has told this client; asks nobody."""
        self._take_news()
        return self._tracker.result(task_id)

    def get_status(self, task_id: str) -> TaskStatus | None:
        """The state as far as this client has been told; asks nobody."""
        self._take_news()
        return self._tracker.status(task_id)

    def _take_news(self) -> None:
        driver = self._driver
        if driver is not None and driver.pid == os.getpid() and not driver.closed:
            driver.pump(0.0005)

    @property
    def task_results(self) -> dict[str, TaskResult]:
        """Results of tasks that this client submitted: the last ones, `track_results` at most."""
        self._take_news()
        return self._tracker.results

    @property
    def pending_tasks(self) -> deque[str]:
        """Ids of submits that the control plane has not acknowledged yet."""
        return deque(list(self._unacknowledged.values()))

    @property
    def workers(self) -> set[tuple[str, str]]:
        """(worker id, address) of active workers."""
        found: set[tuple[str, str]] = set()
        cursor = "0"
        while True:
            cursor, page = workers_page(self.command("FQ.WORKERS", "CURSOR", cursor, "COUNT", 1000))
            found |= page
            if cursor == "0":
                return found

    @property
    def running(self) -> bool:
        """True between the first use and stop()."""
        return self._driver is not None and not self._driver.closed

    @property
    def address(self) -> str:
        """The control plane's address, without credentials."""
        return self._settings.address

    @property
    def timeout(self) -> float:
        """Seconds that a call may take; 0 = no limit."""
        return self._settings.timeout or 0

    @property
    def retries(self) -> int:
        """How often a lost request is repeated."""
        return self._settings.retries


class _CallbackThread:
    """Delivers callbacks, and reads the connection while some are awaited, so that no other thread has to."""

    def __init__(self) -> None:
        self._messages: queue.SimpleQueue[tuple[Target, bytes | None]] = queue.SimpleQueue()
        self._awaited = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def expect(self) -> None:
        with self._lock:
            self._awaited += 1

    def deliver(self, target: Target, message: bytes | None) -> None:
        self._messages.put((target, message))

    def drive(self, driver: BlockingDriver) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, args=(driver,), daemon=True, name="fastqueue-callbacks"
                )
                self._thread.start()

    def _run(self, driver: BlockingDriver) -> None:
        while True:
            while not self._messages.empty():
                target, message = self._messages.get()
                if message is not None:
                    target.send_blocking(message)
                with self._lock:
                    self._awaited -= 1
            with self._lock:
                if self._awaited <= 0 or driver.closed:
                    self._thread = None
                    return
            try:
                driver.pump(60.0, lambda: not self._messages.empty())
            except ClientClosed:
                return
