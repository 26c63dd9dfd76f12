# SPDX-License-Identifier: Apache-2.0
"""The FastAPI integration: a client that lives as long as the application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import Any, AsyncIterator

from fastapi import FastAPI

from conftest import ControlPlane
from fastqueue import TaskStatus
from fastqueue.integration.fastapi import FastQueue, FastWorker


async def test_the_client_starts_and_stops_with_the_application(shared_server: ControlPlane) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        events.append("in")
        yield
        events.append("out")

    app = FastAPI(lifespan=lifespan)
    queue = FastQueue(app, client_kwargs={"address": shared_server.address})
    assert FastWorker is FastQueue and not queue.client.running
    async with app.router.lifespan_context(app):
        assert queue.client.running and events == ["in"]
        task_id = await queue.delay("web.task", 1, priority="high")
        status = await queue.get_task_status(task_id)
        assert status is not None and status.status is TaskStatus.PENDING
        assert queue.get_status(task_id) is TaskStatus.PENDING and queue.get_result(task_id) is None
        assert await queue.get_task_result(task_id) is None
        assert len(await queue.submit_batch([{"task_name": "web.task"}])) == 1
        assert queue.worker_count == 0 and queue.timeout == 30
        assert await queue.cancel_task(task_id) is True
    assert not queue.client.running and events == ["in", "out"]


async def test_the_example_answers(shared_server: ControlPlane, monkeypatch: Any) -> None:
    monkeypatch.setenv("FASTQUEUE_CONTROL_PLANE_ADDRESS", shared_server.address)
    from fastqueue.examples import fastapi_example as example

    async with example.app.router.lifespan_context(example.app):
        task_id = (await example.add(1, 2))["task_id"]
        assert (await example.task(task_id))["status"] == "pending"
