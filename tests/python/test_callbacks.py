# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from conftest import ControlPlane, Worker, free_port
from fastqueue import Client, EncodingError, TaskStatus
from fastqueue.patterns.nng_patterns import PairPattern


@pytest.mark.parametrize("kind", ["tcp", "unix", "ipc"])
async def test_a_listener_is_told(server: ControlPlane, worker: Worker, tmp_path: Any, kind: str) -> None:
    address = f"tcp://127.0.0.1:{free_port()}" if kind == "tcp" else f"{kind}://{tmp_path}/listener.sock"
    listener = PairPattern(address, is_server=True)
    await listener.start()
    async with Client(server.address) as client:
        good = await client.delay_with_callback("echo", address, 5, callback_data={"order": 7}, priority="high")
        assert isinstance(good, str) and good.task_id == str(good) and good.status is TaskStatus.PENDING
        body = json.loads(await asyncio.wait_for(listener.recv(), 20))
        assert set(body) == {"task_id", "status", "result", "error", "started_at", "completed_at", "callback_data"}
        assert (body["task_id"], body["status"], body["callback_data"]) == (good, "success", {"order": 7})
        assert body["result"] == {"args": [5], "kwargs": {}} and body["completed_at"].endswith("+00:00")
        bad = await client.delay_with_callback("fail", address, "no")
        body = json.loads(await asyncio.wait_for(listener.recv(), 20))
        assert (body["task_id"], body["status"], body["error"], body["callback_data"]) == (bad, "failure", "no", None)
    listener.close()


async def test_a_listener_that_is_not_there_is_only_logged(
    server: ControlPlane, worker: Worker, caplog: pytest.LogCaptureFixture
) -> None:
    async with Client(server.address) as client:
        with caplog.at_level(logging.ERROR, "fastqueue"):
            task_id = await client.delay_with_callback("echo", f"tcp://127.0.0.1:{free_port()}")
            result = await client.get_task_result(task_id, wait=20)
            assert result is not None and result.ok
            for _ in range(200):
                if "callback to" in caplog.text:
                    break
                await asyncio.sleep(0.05)
        assert "callback to tcp://127.0.0.1" in caplog.text


async def test_what_cannot_be_called_back_is_refused_at_once(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        with pytest.raises(ValueError):
            await client.delay_with_callback("echo", "http://example.com/hook")
        with pytest.raises(ValueError):
            await client.delay_with_callback("echo", "tls://127.0.0.1:1")
        with pytest.raises(EncodingError):
            await client.delay_with_callback("echo", "tcp://127.0.0.1:1", callback_data={"x": object()})


async def test_a_pair_of_programs_talks_both_ways() -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    server, client = PairPattern(address, is_server=True), PairPattern(address)
    await server.start()
    await client.start()
    await client.send(b"ping" * 100_000)
    assert await server.recv() == b"ping" * 100_000
    await server.send(b"")
    assert await client.recv() == b""
    client.close()
    server.close()
