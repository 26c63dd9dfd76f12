# SPDX-License-Identifier: Apache-2.0
"""A client that lives as long as a FastAPI (or Starlette) application."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, AsyncIterator, Callable, Coroutine

from ..clients.client import Client

if TYPE_CHECKING:
    from ..tasks.models import TaskResult, TaskStatus


class FastQueue:
    """Starts a client with the application's lifespan and stops it with it; the client's methods are here, too."""

    def __init__(self, app: Any, *, client_kwargs: dict[str, Any] | None = None) -> None:
        self.client = Client(**(client_kwargs or {}))
        inner = app.router.lifespan_context

        @asynccontextmanager
        async def lifespan(application: Any) -> AsyncIterator[Any]:
            async with self.client, inner(application) as state:
                yield state

        app.router.lifespan_context = lifespan

    @property
    def worker_count(self) -> int:
        return len(self.client.workers)

    @property
    def delay(self) -> Callable[..., Coroutine[Any, Any, str]]:
        return self.client.delay

    @property
    def submit_task(self) -> Callable[..., Coroutine[Any, Any, TaskResult]]:
        return self.client.submit_task

    async def get_task_result(self, task_id: str, wait: float | None = None) -> TaskResult | None:
        return await self.client.get_task_result(task_id, wait)

    async def get_task_status(self, task_id: str) -> TaskResult | None:
        return await self.client.get_task_status(task_id)

    async def cancel_task(self, task_id: str) -> bool:
        return await self.client.cancel_task(task_id)

    def get_result(self, task_id: str) -> TaskResult | None:
        return self.client.get_result(task_id)

    def get_status(self, task_id: str) -> TaskStatus | None:
        return self.client.get_status(task_id)

    def __getattr__(self, name: str) -> Any:
        if name == "client":
            raise AttributeError(name)
        return getattr(self.client, name)


FastWorker = FastQueue
