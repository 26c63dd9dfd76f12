# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
import time
import uuid
from typing import Any

import pytest

from conftest import ControlPlane, Worker, free_port
from fastqueue import ConnectError, EncodingError, IdConflict, SyncClient, TaskPriority, TaskStatus
from fastqueue.errors import ClientClosed, InvalidArgument, TaskTimeout


def test_every_verb(server: ControlPlane, worker: Worker) -> None:
    with SyncClient(server.address) as client:
        result = client.submit_task("echo", (1,), {"a": "b"}, priority="high")
        assert result.unwrap() == {"args": [1], "kwargs": {"a": "b"}} and result.priority is TaskPriority.HIGH
        task_id = client.delay("echo", 2, priority=TaskPriority.LOW)
        waited = client.get_task_result(task_id, wait=20)
        assert waited is not None and waited.result == {"args": [2], "kwargs": {}}
        status = client.get_task_status(task_id)
        assert status is not None and status.status is TaskStatus.SUCCESS
        again = client.get_task_result(task_id)
        assert again is not None and again.result == waited.result
        ids = client.submit_batch([{"task_name": "echo", "args": (n,)} for n in range(20)], "low")
        assert [client.get_task_result(i, wait=20).unwrap()["args"] for i in ids] == [[n] for n in range(20)]  # type: ignore[union-attr]
        later = client.submit("echo", countdown=3600)
        assert client.cancel_task(later) is True and client.cancel_task(later) is False
        assert client.cancel_task(str(uuid.uuid4())) is False
        assert len(client.workers) == 1 and client.running and not client.pending_tasks
        deadline = time.monotonic() + 10
        while client.get_result(ids[-1]) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        assert client.get_status(ids[-1]) is TaskStatus.SUCCESS


def test_many_threads_share_one_client(server: ControlPlane, worker: Worker) -> None:
    with SyncClient(server.address) as client:
        failures: list[BaseException] = []

        def run(thread: int) -> None:
            try:
                for number in range(100):
                    result = client.submit_task("echo", (thread, number))
                    assert result.unwrap()["args"] == [thread, number]
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures and not any(thread.is_alive() for thread in threads)
        assert client._driver is not None and not client._driver.requests.by_tag


def test_a_thread_that_waits_does_not_keep_others_from_their_answers(shared_server: ControlPlane) -> None:
    with SyncClient(shared_server.address) as client:
        waiting = threading.Thread(target=lambda: client.submit_task("nobody.runs.this", wait=3))
        waiting.start()
        time.sleep(0.1)
        began = time.monotonic()
        for _ in range(20):
            assert client.command("PING") == "PONG"
        assert time.monotonic() - began < 2
        assert waiting.is_alive()
        waiting.join()


def test_stop_wakes_who_waits(shared_server: ControlPlane) -> None:
    client = SyncClient(shared_server.address)
    outcome: list[BaseException] = []

    def wait() -> None:
        try:
            client.submit_task("nobody.runs.this", wait=math.inf)
        except BaseException as error:
            outcome.append(error)

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    client.stop()
    for thread in threads:
        thread.join(10)
    assert [type(error) for error in outcome] == [ClientClosed] * 3
    assert client.command("PING") == "PONG", "it connects again when it is used again"
    client.stop()


def test_a_signal_may_interrupt_a_wait(shared_server: ControlPlane) -> None:
    import signal

    class Interrupted(Exception):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        with SyncClient(shared_server.address) as client:
            for _ in range(20):
                signal.setitimer(signal.ITIMER_REAL, 0.01)
                with pytest.raises(Interrupted):
                    client.submit_task("nobody.runs.this", wait=20)
                assert client.command("PING") == "PONG"
            assert client._driver is not None and not client._driver.requests.by_tag
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


class CountedSocket:
    """A socket that counts its writes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.writes = 0

    def send(self, data: bytes) -> int:
        self.writes += 1
        return int(self.inner.send(data))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def test_a_batch_leaves_in_few_writes(shared_server: ControlPlane) -> None:
    with SyncClient(shared_server.address) as client:
        driver = client._usable_driver()
        counted: Any = CountedSocket(driver._socket)
        driver._socket = counted
        ids = client.submit_batch([{"task_name": "nobody.runs.this", "args": (n,)} for n in range(1000)])
        assert len(set(ids)) == 1000 and 1 <= counted.writes <= 50
        # What stood in front of a task that cannot be sent is sent all the same.
        given = str(uuid.uuid4())
        with pytest.raises(InvalidArgument):
            client.submit_batch([{"task_name": "nobody.runs.this", "id": given}, {"task_name": "x", "id": "no uuid"}])
        assert client.get_task_status(given) is not None


def test_errors_and_limits(shared_server: ControlPlane) -> None:
    with SyncClient(shared_server.address, timeout=0.4) as client:
        result = client.submit_task("nobody.runs.this")
        assert result.status is TaskStatus.PENDING and result.error is not None and "0.4 s" in result.error
        assert client.get_task_result(result.task_id, wait=0.1) is None
        given = str(uuid.uuid4())
        client.submit("x", (1,), id=given)
        with pytest.raises(IdConflict):
            client.submit("x", (2,), id=given)
        with pytest.raises(EncodingError):
            client.delay("x", {1})
        with pytest.raises(InvalidArgument):
            client.submit_batch([{}])
        with pytest.raises(IdConflict):
            client.submit_batch([{"task_name": "x", "args": [3], "id": given}, {"task_name": "x"}])
    with pytest.raises(ConnectError, match="fastqueue control-plane"):
        SyncClient(f"tcp://127.0.0.1:{free_port()}", timeout=0.3).start()
    with pytest.raises(TaskTimeout):
        SyncClient(f"tcp://127.0.0.1:{free_port()}", timeout=0.3).delay("x")


def test_a_client_made_before_a_fork_works_in_both(shared_server: ControlPlane) -> None:
    client = SyncClient(shared_server.address)
    first = client.delay("x")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, client.delay("y").encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        second = pipe.read()
    os.waitpid(child, 0)
    assert client.get_task_status(first) is not None
    status = client.get_task_status(second)
    assert status is not None and status.name == "y"
    client.stop()


def test_it_needs_no_asyncio(shared_server: ControlPlane) -> None:
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; sys.modules['asyncio'] = None\n"
        "from fastqueue.clients.sync import SyncClient\n"
        f"with SyncClient({shared_server.address!r}) as c: print(c.get_task_status(c.delay('x')).status.value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "pending", done.stderr


def test_callbacks_of_blocking_programs(server: ControlPlane, worker: Worker, tmp_path: Any) -> None:
    import json
    import socket
    import struct

    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(20)
    address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    with SyncClient(server.address) as client:
        ids = [client.delay_with_callback("echo", address, n, callback_data={"n": n}) for n in range(3)]
        assert ids[0].task_id == ids[0] and ids[0].status is TaskStatus.PENDING
        bodies = []
        for _ in ids:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as stream:
                (length,) = struct.unpack(">I", stream.read(4))
                bodies.append(json.loads(stream.read(length)))
    listener.close()
    assert {body["task_id"] for body in bodies} == set(ids)
    assert {body["callback_data"]["n"]: body["result"]["args"] for body in bodies} == {0: [0], 1: [1], 2: [2]}
