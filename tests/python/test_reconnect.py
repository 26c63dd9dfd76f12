# SPDX-License-Identifier: Apache-2.0
"""Servers that die between a request and its answer."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from conftest import ControlPlane
from fastqueue import Client, SyncClient
from fastqueue.errors import ConnectError, Disconnected, TaskTimeout


async def test_submits_survive_a_killed_server(server: ControlPlane) -> None:
    async with Client(server.address, timeout=60) as client:
        before = await asyncio.gather(*(client.delay("kept", n) for n in range(200)))
        server.kill()
        during = [asyncio.create_task(client.delay("kept", n)) for n in range(200)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in during)
        server.start()
        after = await asyncio.gather(*during)
        assert len(set(before) | set(after)) == 400
        for task_id in (*before[::20], *after[::20]):
            assert await client.get_task_status(task_id) is not None
        stats = await client.command("FQ.QUEUES")
        assert sum(row["pending"] for row in stats[1]) == 400, "no submit became two tasks"


async def test_kills_in_the_middle_of_many_submits(server: ControlPlane) -> None:
    async with Client(server.address, timeout=60, retries=50) as client:
        for _ in range(3):
            batch = [asyncio.create_task(client.delay("kept", n)) for n in range(2000)]
            await asyncio.sleep(0.01)
            server.kill()
            server.start()
            ids = await asyncio.gather(*batch)
            assert len(set(ids)) == 2000
        queues = await client.command("FQ.QUEUES")
        assert sum(row["pending"] for row in queues[1]) == 6000


async def test_a_waiter_gets_its_result_from_the_next_server(server: ControlPlane) -> None:
    async with Client(server.address, timeout=60) as client, Client(server.address) as foreign:
        waiting = asyncio.create_task(client.submit_task("answered.later", wait=math.inf))
        await asyncio.sleep(0.2)
        server.kill()
        server.start()
        await foreign.command("FQ.REGISTER", "w", "TASKS", "answered.later")
        tasks: list[dict[str, str]] = []
        while not tasks:
            tasks = await foreign.command("FQ.FETCH", "WORKER", "w")
        await foreign.command("FQ.COMPLETE", tasks[0]["id"], tasks[0]["token"], '"here"')
        assert (await asyncio.wait_for(waiting, 20)).result == "here"


async def test_no_retries_means_none(server: ControlPlane) -> None:
    async with Client(server.address, timeout=20, retries=0) as client:
        assert server.process is not None
        import os
        import signal

        os.kill(server.process.pid, signal.SIGSTOP)
        doomed = asyncio.create_task(client.delay("x"))
        await asyncio.sleep(0.1)
        server.kill()
        with pytest.raises(Disconnected) as caught:
            await asyncio.wait_for(doomed, 10)
        assert "same id" in str(caught.value) and caught.value.retryable
        server.start()
        assert await client.get_task_status(await client.delay("y")) is not None


async def test_a_server_that_stays_away(server: ControlPlane) -> None:
    async with Client(server.address, timeout=0.6) as client:
        server.kill()
        with pytest.raises(TaskTimeout, match="fastqueue control-plane"):
            await client.delay("x")
        server.start()
        deadline = time.monotonic() + 20
        while True:
            try:
                await client.delay("x")
                break
            except TaskTimeout:
                assert time.monotonic() < deadline


def test_blocking_clients_reconnect_too(server: ControlPlane) -> None:
    with SyncClient(server.address, timeout=60) as client:
        first = client.delay("kept")
        server.kill()
        ids: list[str] = []
        threads = [threading.Thread(target=lambda: ids.append(client.delay("kept"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        assert not ids
        server.start()
        for thread in threads:
            thread.join(30)
        assert len(set(ids)) == 8
        assert client.get_task_status(first) is not None


@contextmanager
def standby(leader: str) -> Iterator[tuple[str, list[int]]]:
    """Answers every connection as a control plane does that follows `leader`; its address, and how often it was asked."""
    asked: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    asked.append(1)
                    texts = ("proto", 3, "role", "replica", "leader", leader)
                    words = "".join(f":{text}\r\n" if isinstance(text, int) else f"${len(text)}\r\n{text}\r\n" for text in texts)
                    connection.sendall(b"%3\r\n" + words.encode())
                    connection.recv(4096)

        threading.Thread(target=serve, daemon=True).start()
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


def nobody() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


async def test_of_several_addresses_the_one_that_answers_is_taken(server: ControlPlane) -> None:
    addresses = f"{nobody()}, {server.address}"
    async with Client(addresses, timeout=20) as client:
        assert await client.get_task_status(await client.delay("several")) is not None
        assert client.address == addresses.replace(" ", "")
    with SyncClient(addresses, timeout=20) as blocking:
        assert blocking.get_task_status(blocking.delay("several")) is not None


async def test_a_standby_sends_clients_to_the_one_that_leads(server: ControlPlane) -> None:
    leader = server.address.removeprefix("tcp://")
    with standby(leader) as (address, asked):
        addresses = f"{address},{nobody()},{server.address}"
        async with Client(addresses, timeout=20, retries=0) as client:
            assert await client.delay("led")
        with SyncClient(addresses, timeout=20, retries=0) as blocking:
            assert blocking.delay("led")
        assert len(asked) == 2, "each client asked the standby once and followed"


async def test_the_sentence_tells_of_a_standby(server: ControlPlane) -> None:
    with standby("") as (address, _):
        with pytest.raises(ConnectError, match="standby"):
            SyncClient(address, timeout=1).start()
        with pytest.raises(ConnectError, match="standby"):
            await Client(address, timeout=1).start()
