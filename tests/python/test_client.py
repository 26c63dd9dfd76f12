# SPDX-License-Identifier: Apache-2.0
"""Client against a real control plane. Where no worker is needed, results are made with plain commands."""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from conftest import ControlPlane, Worker, free_port
from fastqueue import Client, ConnectError, FastQueueError, IdConflict, TaskPriority, TaskStatus
from fastqueue.errors import ClientClosed, EncodingError, InvalidArgument, PermissionDenied, TaskTimeout, TooBig


async def work(client: Client, worker: str, *names: str) -> None:
    """Registers as a worker of these names."""
    await client.command("FQ.REGISTER", worker, "TASKS", *names)


async def fetch(client: Client, worker: str, count: int = 1) -> list[dict[str, Any]]:
    tasks: list[dict[str, Any]] = []
    while len(tasks) < count:
        tasks += await client.command("FQ.FETCH", "WORKER", worker, "COUNT", min(500, count - len(tasks)))
    return tasks


async def test_the_example_of_the_documentation(
    server: ControlPlane, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTQUEUE_CONTROL_PLANE_ADDRESS", server.address)
    data = {"n": 1}
    from fastqueue import Client

    client = Client()
    await client.start()
    task_id = await client.delay("process_data", data, priority="high")
    assert isinstance(task_id, str) and uuid.UUID(task_id)
    result = await client.get_task_result(task_id, wait=20)
    assert result is not None and result.result == {"processed": {"n": 1}}
    assert (result.status, result.priority, result.name) == (TaskStatus.SUCCESS, TaskPriority.HIGH, "process_data")
    client.stop()


async def test_submit_task_waits_for_the_result(server: ControlPlane, worker: Worker) -> None:
    async with Client(server.address) as client:
        result = await client.submit_task("echo", args=(1, "é", None), kwargs={"priority": "mine", "x": [1.5]})
        assert result.unwrap() == {"args": [1, "é", None], "kwargs": {"priority": "mine", "x": [1.5]}}
        assert client.get_result(result.task_id) is not None and client.get_status(result.task_id) is TaskStatus.SUCCESS
        failed = await client.submit_task("fail", args=("Invalid data format",), priority=TaskPriority.CRITICAL)
        assert (failed.status, failed.error_type, failed.error) == (
            TaskStatus.FAILURE,
            "ValueError",
            "Invalid data format",
        )
        assert failed.traceback is not None and "plain_tasks.py" in failed.traceback
        assert len(client.workers) == 1


async def test_delay_is_remembered_by_the_client(server: ControlPlane, worker: Worker) -> None:
    async with Client(server.address) as client:
        task_id = await client.delay("echo", 1)
        assert client.get_status(task_id) in (TaskStatus.PENDING, TaskStatus.SUCCESS)
        for _ in range(1000):
            if (result := client.get_result(task_id)) is not None:
                break
            await asyncio.sleep(0.01)
        assert result is not None and result.result == {"args": [1], "kwargs": {}}
        client.task_results.clear()
        assert client.get_result(task_id) is None and client.get_status(task_id) is None
        assert not client.pending_tasks


async def test_ten_thousand_at_once_ending_in_reverse_order(shared_server: ControlPlane) -> None:
    count = 10_000
    async with Client(shared_server.address, timeout=120) as client, Client(shared_server.address) as foreign:
        await work(foreign, "w", "reversed")
        order: list[int] = []

        async def submit(number: int) -> Any:
            result = await client.submit_task("reversed", args=(number,))
            order.append(number)
            return result.result

        pending = [asyncio.create_task(submit(number)) for number in range(count)]
        tasks = await fetch(foreign, "w", count)
        assert len({task["id"] for task in tasks}) == count
        for task in reversed(tasks):
            number = task["payload"].removeprefix('{"args":[').split("]")[0]
            await foreign.command("FQ.COMPLETE", task["id"], task["token"], number)
        assert await asyncio.gather(*pending) == list(range(count))
        assert order == list(reversed(range(count)))


async def test_concurrent_submits_of_one_turn_are_one_write(
    shared_server: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Client(shared_server.address) as client:
        driver = client._driver
        assert driver is not None and driver.link is not None and driver.link.transport is not None
        writes: list[int] = []
        original = driver.link.transport.write
        monkeypatch.setattr(
            driver.link,
            "transport",
            Spy(driver.link.transport, lambda data: (writes.append(len(data)), original(data))),
        )
        await asyncio.gather(*(client.delay("nobody.runs.this", number) for number in range(100)))
        assert len(writes) == 1 and writes[0] > 5000


class Spy:
    def __init__(self, transport: Any, write: Any) -> None:
        self._transport, self.write = transport, write

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


async def test_options_reach_the_control_plane(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        later = await client.submit("later", countdown=3600, retries=2, priority="critical")
        status = await client.get_task_status(later)
        assert status is not None and status.status is TaskStatus.SCHEDULED and status.priority is TaskPriority.CRITICAL
        assert await client.get_task_result(later) is None
        eta = await client.delay("later", eta=datetime.now(timezone.utc) + timedelta(hours=1))
        scheduled = await client.get_task_status(eta)
        assert scheduled is not None and scheduled.status is TaskStatus.SCHEDULED
        first = await client.submit("once", unique="key")
        assert await client.submit("once", unique="key") == first
        given = str(uuid.uuid4())
        assert await client.submit("own.id", (1,), id=given) == given
        assert await client.submit("own.id", (1,), id=given) == given
        with pytest.raises(IdConflict) as caught:
            await client.submit("own.id", (2,), id=given)
        assert caught.value.code == "IDCONFLICT" and not caught.value.retryable
        expired = await client.submit("never.run", expires=0.05)
        result = await client.get_task_result(expired, wait=10)
        assert result is not None and result.status is TaskStatus.EXPIRED


async def test_cancel(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        task_id = await client.delay("nobody.runs.this")
        assert await client.cancel_task(task_id) is True
        result = await client.get_task_result(task_id)
        assert result is not None and result.status is TaskStatus.CANCELLED
        assert await client.cancel_task(task_id) is False
        assert await client.cancel_task(str(uuid.uuid4())) is False


async def test_unknown_tasks_have_neither_status_nor_result(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        nobody = str(uuid.uuid4())
        assert await client.get_task_result(nobody) is None
        assert await client.get_task_result(nobody, wait=5) is None
        assert await client.get_task_status(nobody) is None
        with pytest.raises(FastQueueError):
            await client.get_task_status("no id")


async def test_a_batch_keeps_its_order_and_its_priorities(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        ids = await client.submit_batch(
            [{"task_name": "batch", "args": (n,)} for n in range(50)]
            + [{"task_name": "batch", "priority": "low", "countdown": 60}],
            default_priority="high",
        )
        assert len(set(ids)) == 51
        first, last = await client.get_task_status(ids[0]), await client.get_task_status(ids[-1])
        assert first is not None and first.priority is TaskPriority.HIGH
        assert last is not None and last.priority is TaskPriority.LOW and last.status is TaskStatus.SCHEDULED
        with pytest.raises(InvalidArgument):
            await client.submit_batch([{"name": "x"}])


async def test_a_wait_that_ends_early_says_how_the_task_stands(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address, timeout=0.3) as client, Client(shared_server.address) as foreign:
        result = await client.submit_task("slow.one")
        assert result.status is TaskStatus.PENDING and result.error is not None and "0.3 s" in result.error
        await work(foreign, "slow-worker", "slow.one")
        (task,) = await fetch(foreign, "slow-worker")
        assert task["id"] == result.task_id and task["attempt"] == 1
        await foreign.command("FQ.COMPLETE", task["id"], task["token"], "42")
        late = await client.get_task_result(result.task_id, wait=5)
        assert late is not None and late.result == 42
        assert await foreign.command("FQ.FETCH", "WORKER", "slow-worker") == [], "it was not submitted a second time"


async def test_nothing_that_cannot_be_sent_is_sent(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        for bad in ({1, 2}, float("nan"), b"bytes", {1: 2}):
            with pytest.raises(EncodingError):
                await client.delay("x", bad)
        with pytest.raises(TooBig):
            await client.delay("x", "y" * 2_000_000)
        for name in ("", "two words"):
            with pytest.raises(FastQueueError):
                await client.delay(name)
        with pytest.raises(FastQueueError):
            await client.submit("x", id="not-a-uuid")
        assert await client.command("PING") == "PONG"


async def test_a_control_plane_that_is_not_there(tmp_path: Any) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    client = Client(address, timeout=0.5)
    began = time.monotonic()
    with pytest.raises(ConnectError) as caught:
        await client.start()
    assert 0.4 < time.monotonic() - began < 5
    assert isinstance(caught.value, ConnectionError)
    for part in (address, "fastqueue control-plane", "FASTQUEUE_CONTROL_PLANE_ADDRESS"):
        assert part in str(caught.value)
    with pytest.raises(ConnectError):
        await Client(f"unix://{tmp_path}/nobody.sock", timeout=0.2).start()
    assert not client.running


async def test_something_else_answers() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    other = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    with pytest.raises(ConnectError, match=str(port)):
        await Client(f"tcp://127.0.0.1:{port}", timeout=0.5).start()
    other.close()


async def test_a_peer_that_never_answers_times_out() -> None:
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        try:
            while await reader.read(1000):
                pass
        except ConnectionError:
            pass

    silent = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    with pytest.raises(ConnectError):
        await Client(f"tcp://127.0.0.1:{port}", timeout=0.3).start()
    silent.close()
    for writer in connections:
        writer.close()


async def test_a_stopped_client_says_so(shared_server: ControlPlane) -> None:
    client = Client(shared_server.address)
    await client.start()
    waiting = asyncio.create_task(client.submit_task("nobody.runs.this", wait=math.inf))
    await asyncio.sleep(0.05)
    client.stop()
    client.stop()
    with pytest.raises(ClientClosed):
        await waiting
    task_id = await client.delay("it.starts.again")
    assert await client.get_task_status(task_id) is not None
    client.stop()


async def test_a_caller_that_is_cancelled_leaves_nothing_behind(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address) as client:
        for _ in range(20):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.submit_task("nobody.runs.this", wait=math.inf), 0.005)
        driver = client._driver
        assert driver is not None and not driver.requests.by_tag
        assert await client.command("PING") == "PONG"


def test_one_client_belongs_to_one_loop(shared_server: ControlPlane) -> None:
    client = Client(shared_server.address)

    async def first() -> None:
        await client.start()

    async def second() -> None:
        await client.delay("x")

    asyncio.run(first())
    asyncio.run(second())  # the first loop took its connection with it
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.start())
    with pytest.raises(RuntimeError, match="another event loop"):
        asyncio.run(second())
    loop.run_until_complete(asyncio.sleep(0))
    client.stop()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()


async def test_an_answer_that_does_not_come_raises_in_time(server: ControlPlane) -> None:
    import os
    import signal

    async with Client(server.address, timeout=0.5) as client:
        assert server.process is not None
        os.kill(server.process.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(TaskTimeout):
                await client.delay("x")
            assert time.monotonic() - began < 5
        finally:
            os.kill(server.process.pid, signal.SIGCONT)
        assert await client.command("PING") == "PONG"


async def test_credentials(tmp_path: Any) -> None:
    plane = ControlPlane(tmp_path, env={"FASTQUEUE_TOKEN": "secret-token"}).start()
    try:
        async with Client(plane.address, token="secret-token") as client:
            assert await client.command("PING") == "PONG"
        async with Client(plane.address.replace("tcp://", "tcp://default:secret-token@")) as client:
            assert await client.command("PING") == "PONG"
            assert "secret-token" not in client.address
        from fastqueue.errors import AuthenticationError

        for wrong in ("other", None):
            began = time.monotonic()
            with pytest.raises((AuthenticationError, ConnectError)) as caught:
                async with Client(plane.address, token=wrong, timeout=5) as client:
                    await client.delay("x")
            assert isinstance(caught.value, AuthenticationError), caught.value
            assert time.monotonic() - began < 4, "a wrong credential is not tried again"
    finally:
        plane.stop()


async def test_roles(tmp_path: Any) -> None:
    import hashlib

    users = tmp_path / "users"
    users.write_text(f"web submit sha256:{hashlib.sha256(b'web-secret').hexdigest()}\n")
    users.chmod(0o600)
    plane = ControlPlane(tmp_path, "--users-file", str(users), in_memory=True).start()
    try:
        async with Client(plane.address, user="web", token="web-secret") as client:
            task_id = await client.delay("x")
            assert (await client.get_task_status(task_id)) is not None
            assert client.workers == set(), "who may only submit is not told of workers"
            with pytest.raises(PermissionDenied) as caught:
                await client.command("FQ.WORKERS")
            assert isinstance(caught.value, PermissionError) and caught.value.code == "NOPERM"
    finally:
        plane.stop()


async def test_a_unix_socket(tmp_path: Any) -> None:
    plane = ControlPlane(tmp_path, "--listen", f"unix://{tmp_path}/fq.sock", f"tcp://127.0.0.1:{free_port()}")
    plane.port = int(plane.options[-1].rsplit(":", 1)[1])
    plane.start()
    try:
        async with Client(f"unix://{tmp_path}/fq.sock") as client:
            assert await client.get_task_status(await client.delay("x")) is not None
    finally:
        plane.stop()
