# SPDX-License-Identifier: Apache-2.0
"""Coroutine functions as tasks."""

from __future__ import annotations

import asyncio
import time
from typing import AsyncIterator, Iterator

import pytest

from conftest import ControlPlane, Worker
from fastqueue import Client, TaskStatus


@pytest.fixture
def async_worker(server: ControlPlane) -> Iterator[Worker]:
    process = Worker(
        server, "async_tasks", options=("--concurrency", "1", "--async-concurrency", "50", "--kill-grace", "1")
    ).wait_active(server)
    yield process
    process.stop()


@pytest.fixture
async def client(server: ControlPlane, async_worker: Worker) -> AsyncIterator[Client]:
    async with Client(server.address, timeout=40) as connected:
        yield connected


async def test_results_and_exceptions(client: Client) -> None:
    assert (await client.submit_task("async_add", (1, 2.5))).unwrap() == 3.5
    assert (await client.submit_task("triple", (14,))).unwrap() == 42
    failed = await client.submit_task("async_fail", ("no",))
    assert (failed.error_type, failed.error) == ("LookupError", "no")
    assert failed.traceback is not None and "async_tasks.py" in failed.traceback
    wrong = await client.submit_task("async_add", (1,))
    assert wrong.error_type == "TypeError"
    assert (await client.submit_task("async_exit")).error_type == "SystemExit"
    assert (await client.submit_task("async_add", (1, 1))).ok


async def test_coroutines_run_side_by_side_up_to_the_limit(client: Client) -> None:
    began = time.monotonic()
    results = await asyncio.gather(*(client.submit_task("meet", (0.2,)) for _ in range(200)))
    most = max(result.unwrap() for result in results)
    assert 30 <= most <= 50
    assert time.monotonic() - began < 20, "they did not wait for one another"


async def test_each_keeps_its_context(client: Client) -> None:
    names = [f"name-{number}" for number in range(40)]
    results = await asyncio.gather(*(client.submit_task("remember", (name,)) for name in names))
    for name, result in zip(names, results):
        seen = result.unwrap()
        assert seen == {"before": "nobody", "after": name, "in_subtask": name, "task_id": result.task_id}


async def test_functions_beside_coroutines(client: Client) -> None:
    mixed = [client.submit_task("plain_beside_coroutines", (n,)) for n in range(50)]
    mixed += [client.submit_task("meet", (0.05,)) for _ in range(50)]
    results = await asyncio.gather(*mixed)
    assert [r.unwrap() for r in results[:50]] == [2 * n for n in range(50)]
    assert all(r.ok for r in results[50:])


async def test_cancel_reaches_a_coroutine(client: Client) -> None:
    task_id = await client.delay("async_sleep", 60)
    neighbour = asyncio.create_task(client.submit_task("async_sleep", (1.0,)))
    await asyncio.sleep(0.3)
    assert await client.cancel_task(task_id) is True
    result = await client.get_task_result(task_id, wait=20)
    assert result is not None and result.status is TaskStatus.CANCELLED
    assert (await neighbour).unwrap() == "slept"


async def test_the_time_limit_cancels_a_coroutine_which_may_clean_up(client: Client) -> None:
    result = await client.submit_task("async_sleep", (60,), timeout=0.3)
    assert (result.status, result.error_type) == (TaskStatus.FAILURE, "SoftTimeLimit"), result
    assert (await client.submit_task("clean_up_when_cancelled", timeout=0.3)).unwrap() == "cleaned up"


async def test_a_blocked_loop_costs_the_task_that_blocks_it(client: Client) -> None:
    neighbours = [asyncio.create_task(client.submit_task("async_sleep", (0.8,))) for _ in range(5)]
    await asyncio.sleep(0.2)
    blocking = await client.submit_task("block_the_loop", (30,), timeout=0.3)
    assert blocking.status is TaskStatus.FAILURE, blocking
    for result in await asyncio.gather(*neighbours):
        assert result.unwrap() == "slept"


async def test_what_a_task_leaves_behind_ends_nobody_else(client: Client) -> None:
    assert (await client.submit_task("leave_something_behind")).unwrap() == "left"
    await asyncio.sleep(0.3)
    assert (await client.submit_task("async_add", (1, 2))).unwrap() == 3


async def test_a_drain_waits_for_coroutines(server: ControlPlane, async_worker: Worker) -> None:
    async with Client(server.address) as client:
        running = await client.delay("async_sleep", 0.8)
        await asyncio.sleep(0.3)
        assert await asyncio.to_thread(async_worker.stop) == 0
        result = await client.get_task_result(running, wait=5)
        assert result is not None and result.unwrap() == "slept"


async def test_a_child_forked_by_a_coroutine_never_answers(client: Client) -> None:
    first = (await client.submit_task("fork_in_a_coroutine", ("return",))).unwrap()
    assert first > 0 and (await client.submit_task("fork_in_a_coroutine", ("raise",))).unwrap() == first
