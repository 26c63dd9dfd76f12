# SPDX-License-Identifier: Apache-2.0
"""Client: submits tasks from asyncio programs and awaits their results."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from datetime import datetime
from typing import TYPE_CHECKING, Any, Mapping, Sequence

from ..errors import FastQueueError, TaskTimeout, make
from ..tasks.models import TaskPriority, TaskResult, TaskStatus
from ..tasks.options import Seconds, SubmitOptions, TaskOptions
from ..tasks.serializer import SerializationFormat
from .callback import CallbackId, Target, message_for
from .convert import Submit, TaskName, batch_submit, options_without_none, task_result, with_priority, workers_page
from .driver import AsyncDriver
from .requests import ACKNOWLEDGED, ANSWERED, ENDED, Request
from .settings import Settings
from .tracking import REMEMBERED, Tracker

if TYPE_CHECKING:
    from typing import Unpack

logger = logging.getLogger("fastqueue")

_WORKERS_FRESH = 1.0


class Client:
    """A connection to a control plane, for one event loop.

    address: tcp://host:port, tls://host:port or unix:///path, also with user:token@ before the host, or several with
    commas between, of which the active control plane is found; default $FASTQUEUE_CONTROL_PLANE_ADDRESS, else
    tcp://127.0.0.1:5555. timeout: seconds that a call may take,
    $FASTQUEUE_TIMEOUT or 30; 0 = no limit. retries: how often a request whose answer was lost with the connection is
    sent again (under the same id, so that it never becomes a second task), $FASTQUEUE_RETRIES or 3.
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
        self._driver: AsyncDriver | None = None
        self._tracker = Tracker(track_results)
        self._workers: set[tuple[str, str]] = set()
        self._workers_at = -math.inf
        self._chores: set[asyncio.Task[Any]] = set()
        self._unacknowledged: dict[int, str] = {}

    # --- life ----------------------------------------------------------------------------------------------------
    async def start(self) -> None:
        """Connects. ConnectError when no control plane answers within the timeout."""
        if self.running:
            await self._driver_here().wait_ready(self._settings.timeout)
            return
        driver = self._driver = AsyncDriver(self._settings)
        try:
            await driver.wait_ready(self._settings.timeout)
        except BaseException:
            driver.close()
            if self._driver is driver:
                self._driver = None
            raise
        await self._refresh_workers()

    def stop(self) -> None:
        """Closes the connection. Calls that still wait raise ClientClosed; submitted tasks run all the same."""
        for chore in self._chores:
            chore.cancel()
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    async def __aenter__(self) -> Client:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self.stop()

    def _driver_here(self) -> AsyncDriver:
        driver = self._driver
        if driver is None:
            raise make("CLOSED", "the client is not started: await client.start()")
        if driver.loop is not asyncio.get_running_loop():
            raise RuntimeError("this client was started on another event loop; use one client for each loop")
        return driver

    async def _started(self, *submits: Submit) -> AsyncDriver:
        try:
            if not self.running:
                await self.start()
            return self._driver_here()
        except BaseException as error:
            for submit in submits:
                submit.fail(error)
            raise

    # --- submitting ----------------------------------------------------------------------------------------------
    async def delay(
        self,
        task_name: TaskName,
        *args: Any,
        priority: TaskPriority | str | None = None,
        eta: datetime | None = None,
        countdown: Seconds | None = None,
        **kwargs: Any,
    ) -> str:
        """Submits a task and returns its id as soon as the control plane has it on disk.

        `priority`, `eta` and `countdown` are taken from the keyword arguments; for a task with parameters of these
        names, and for all other options, use submit().
        """
        options = options_without_none({"priority": priority, "eta": eta, "countdown": countdown})
        return await self._delay(Submit(task_name, args, kwargs, options, self._settings.format, self._settings.server))

    async def submit(
        self,
        task_name: TaskName,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        **options: Unpack[SubmitOptions],
    ) -> str:
        """delay() with every option of SubmitOptions: countdown, eta, expires, timeout, retries, backoff, unique, …"""
        return await self._delay(Submit(task_name, args, kwargs or {}, options, self._settings.format, self._settings.server))

    async def submit_task(
        self,
        task_name: TaskName,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        priority: TaskPriority | str | None = None,
        *,
        wait: float | None = None,
        **options: Unpack[TaskOptions],
    ) -> TaskResult:
        """Submits a task and waits until it has ended.

        `wait`: seconds to wait at most, default the client's timeout; math.inf without limit. A task that has not ended
        by then is neither lost nor submitted again: the result tells how it stands, and get_task_result() asks later.
        """
        chosen = with_priority(options, priority)
        submit = Submit(task_name, args, kwargs or {}, chosen, self._settings.format, self._settings.server)
        driver = await self._started(submit)
        limit = self._settings.timeout if wait is None else wait
        request, task_id = driver.request(ENDED, limit, lambda session, tag: submit.send(session, tag, True), submit.span)
        try:
            result = task_result(await driver.wait(request))
        except TaskTimeout:
            if not request.acknowledged:
                raise
            result = await self._unfinished(task_id, limit)
        self._tracker.results[result.task_id] = result
        return result

    async def submit_batch(
        self, tasks: Sequence[Mapping[str, Any]], default_priority: TaskPriority | str | None = None
    ) -> list[str]:
        """Submits many tasks in one write: dicts of task_name, args, kwargs and any submit option. The ids, in order.

        All are sent before the first error is raised; a task that was refused stops no other.
        """
        submits = [batch_submit(spec, default_priority, self._settings.format, self._settings.server) for spec in tasks]
        driver = await self._started(*submits)
        sent = [self._send(driver, submit) for submit in submits]
        ids: list[str] = []
        first_error: FastQueueError | None = None
        for position, row in enumerate(sent):
            try:
                ids.append(await self._acknowledged(driver, *row))
            except FastQueueError as error:
                first_error = first_error or error
            except asyncio.CancelledError as error:
                for request, _, _ in sent[position + 1 :]:
                    driver.forget(request)
                    request.give_up(error)
                    self._unacknowledged.pop(request.tag, None)
                raise
        if first_error is not None:
            raise first_error
        return ids

    async def delay_with_callback(
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
        """delay(), and this client sends one message to `callback_address` when the task has ended.

        The listener is fastqueue.patterns.nng_patterns.PairPattern(address, is_server=True). The message is sent by
        this process and goes with it.
        """
        target = Target(callback_address)
        message_for(TaskResult("", TaskStatus.PENDING), callback_data)
        options = options_without_none({"priority": priority, "eta": eta, "countdown": countdown})
        submit = Submit(task_name, args, kwargs, options, self._settings.format, self._settings.server)

        def tell(result: TaskResult | None) -> None:
            if result is not None:
                self._chore(target.send(message_for(result, callback_data)))

        return CallbackId(await self._delay(submit, tell))

    async def _delay(self, submit: Submit, tell: Any = None) -> str:
        driver = await self._started(submit)
        return await self._acknowledged(driver, *self._send(driver, submit, tell))

    def _send(self, driver: AsyncDriver, submit: Submit, tell: Any = None) -> tuple[Request, str, bool]:
        track = tell is not None or self._tracker.has_room
        request, task_id = driver.request(
            ACKNOWLEDGED, self._settings.timeout, lambda session, tag: submit.send(session, tag, track), submit.span
        )
        if track:
            self._track(request, task_id, tell)
        self._unacknowledged[request.tag] = task_id
        return request, task_id, track

    async def _acknowledged(self, driver: AsyncDriver, request: Request, task_id: str, track: bool) -> str:
        try:
            acknowledged: str = await driver.wait(request)
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

    async def _unfinished(self, task_id: str, limit: float | None) -> TaskResult:
        result = await self.get_task_status(task_id)
        if result is None:
            result = TaskResult(task_id, TaskStatus.PENDING)
        elif result.status.is_final:
            return await self.get_task_result(task_id) or result
        result.error = f"the task has not ended within {limit:g} s; it is {result.status.value}"
        return result

    # --- asking --------------------------------------------------------------------------------------------------
    async def get_task_result(self, task_id: str, wait: float | None = None) -> TaskResult | None:
        """The result of a task that has ended; None if it is unknown, or has not ended within `wait` seconds (0)."""
        driver = await self._started()
        if wait is not None and wait > 0:
            request, _ = driver.request(ENDED, wait, lambda session, tag: session.watch(task_id, tag))
            try:
                fields = await driver.wait(request)
            except TaskTimeout:
                return None
        else:
            fields = await self.command("FQ.RESULT", task_id)
        if fields is None:
            return None
        result = task_result(fields)
        return result if result.status.is_final else None

    async def get_task_status(self, task_id: str) -> TaskResult | None:
        """How a task stands now, without its result; None if it is unknown."""
        fields = await self.command("FQ.STATUS", task_id)
        return None if fields is None else task_result(fields)

    async def cancel_task(self, task_id: str) -> bool:
        """True if the task was cancelled, or its worker was told; False if it is too late, or there is no such task."""
        try:
            return bool(await self.command("FQ.CANCEL", task_id, repeatable=False))
        except FastQueueError as error:
            if error.name in ("UNKNOWNTASK", "NOTCANCELLABLE"):
                return False
            raise

    async def command(self, *words: str | bytes | int, repeatable: bool = True) -> Any:
        """Any command of the protocol; the answer as Python values."""
        driver = await self._started()
        args = tuple(word if isinstance(word, (str, bytes)) else str(word) for word in words)
        request, _ = driver.request(
            ANSWERED, self._settings.timeout, lambda session, tag: session.command(args, tag, repeatable)
        )
        return await driver.wait(request)

    # --- what the client itself knows ------------------------------------------------------------------------------
    def get_result(self, task_id: str) -> TaskResult | None:
        """The result if this client has been told it already; asks nobody."""
        return self._tracker.result(task_id)

    def get_status(self, task_id: str) -> TaskStatus | None:
        """The state as far as this client has been told; asks nobody."""
        return self._tracker.status(task_id)

    @property
    def task_results(self) -> dict[str, TaskResult]:
        """Results of tasks that this client submitted: the last ones, `track_results` at most."""
        return self._tracker.results

    @property
    def pending_tasks(self) -> deque[str]:
        """Ids of submits that the control plane has not acknowledged yet."""
        return deque(self._unacknowledged.values())

    @property
    def workers(self) -> set[tuple[str, str]]:
        """(worker id, address) of active workers as last heard; a look has them asked for again, once a second."""
        driver = self._driver
        if driver is not None and driver.ready and time.monotonic() - self._workers_at > _WORKERS_FRESH:
            self._workers_at = time.monotonic()
            driver.loop.call_soon_threadsafe(lambda: self._chore(self._refresh_workers()))
        return set(self._workers)

    @property
    def running(self) -> bool:
        """True between start() and stop()."""
        driver = self._driver
        return driver is not None and not driver.closed and not driver.loop.is_closed()

    @property
    def address(self) -> str:
        """The control plane's address, without credentials."""
        return self._settings.address

    @property
    def discovery_address(self) -> str:
        """Older name of `address`."""
        return self._settings.address

    @property
    def timeout(self) -> float:
        """Seconds that a call may take; 0 = no limit."""
        return self._settings.timeout or 0

    @property
    def retries(self) -> int:
        """How often a lost request is repeated."""
        return self._settings.retries

    @property
    def serialization_format(self) -> SerializationFormat:
        return self._settings.format

    async def _refresh_workers(self) -> None:
        found: set[tuple[str, str]] = set()
        cursor = "0"
        try:
            while True:
                cursor, page = workers_page(await self.command("FQ.WORKERS", "CURSOR", cursor, "COUNT", 1000))
                found |= page
                if cursor == "0":
                    break
        except FastQueueError as error:
            logger.debug("the workers cannot be listed: %s", error)
            return
        self._workers, self._workers_at = found, time.monotonic()

    def _chore(self, work: Any) -> None:
        chore = asyncio.get_running_loop().create_task(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)
