# SPDX-License-Identifier: Apache-2.0
"""Memory of the extension: what is made is given back, and cycles are found by the collector."""

from __future__ import annotations

import asyncio
import gc
import sys
import tracemalloc
from typing import Any, Callable

import pytest

from conftest import ControlPlane
from fastqueue import Client, EncodingError, SyncClient, _core
from fastqueue.clients.requests import READY, REPLY, SUBMITTED


def grown(work: Callable[[], Any], times: int) -> tuple[int, int]:
    """Blocks and resident bytes that `times` calls leave behind, after a warm-up."""
    for _ in range(times // 4):
        work()
    gc.collect()
    blocks, resident = sys.getallocatedblocks(), resident_bytes()
    for _ in range(times):
        work()
    gc.collect()
    return sys.getallocatedblocks() - blocks, resident_bytes() - resident


def resident_bytes() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def test_encoding_leaves_nothing_behind() -> None:
    value = {"a": [1, 2.5, None, "é" * 100, {"b": [True] * 50}], "big": 10**50}

    def work() -> None:
        _core.json_encode(value)
        for bad in ({1: 2}, [float("nan")], ["\ud800"], [[object()]]):
            try:
                _core.json_encode(bad)
            except EncodingError:
                pass

    blocks, resident = grown(work, 20_000)
    assert blocks < 200 and resident < 2_000_000


def test_a_session_leaves_nothing_behind() -> None:
    def work() -> None:
        session = _core.Session()
        session.connected(1.0)
        assert session.take_output().startswith(b"*")
        events = session.feed(b"%2\r\n+proto\r\n:3\r\n+server\r\n+fastqueue\r\n", 1.1)
        assert [event[0] for event in events] == [READY]
        for tag in range(1, 20):
            session.submit("name", b"{}", tag, True, unique="u", traceparent="x")
        session.command(("FQ.STATS",), 100, True)
        session.take_output()
        identifier = b"$36\r\n01a2038c-2bb7-7e49-b675-422799a047f0\r\n"
        answered = session.feed(identifier * 10 + b"-FULL no room\r\n" * 9 + b"%1\r\n+a\r\n*2\r\n,1.5\r\n_\r\n", 1.2)
        assert [event[0] for event in answered] == [SUBMITTED] * 19 + [REPLY]
        assert answered[-1][5] == {"a": [1.5, None]} and answered[-2][2] < 0
        session.disconnected(2.0)
        session.events()

    blocks, resident = grown(work, 2000)
    assert blocks < 200 and resident < 2_000_000


def test_refused_calls_leave_nothing_behind() -> None:
    session = _core.Session()

    def work() -> None:
        for call in (
            lambda: session.submit("", b"", 1),
            lambda: session.submit("x", b"", 1, id="short"),
            lambda: session.submit("x", b"", 1, priority="urgent"),
            lambda: session.command((), 1, True),
            lambda: session.command(("a", 5), 1, True),  # type: ignore[arg-type]
            lambda: session.watch("short", 1),
            lambda: session.feed("text", 1.0),  # type: ignore[arg-type]
            lambda: session.forget(-1),
            lambda: _core.parse_address("::::"),
            lambda: _core.Session(user=3),  # type: ignore[arg-type]
        ):
            with pytest.raises((TypeError, ValueError, OverflowError)):
                call()

    blocks, resident = grown(work, 500)
    assert blocks < 300 and resident < 3_000_000


async def test_a_client_in_use_does_not_grow(shared_server: ControlPlane) -> None:
    async with Client(shared_server.address, track_results=10) as client:

        async def work() -> None:
            ids = await asyncio.gather(*(client.submit("leak", (n,), countdown=3600) for n in range(50)))
            await asyncio.gather(*(client.cancel_task(task_id) for task_id in ids))

        for _ in range(10):
            await work()
        gc.collect()
        blocks = sys.getallocatedblocks()
        for _ in range(40):
            await work()
        await asyncio.sleep(0.1)
        gc.collect()
        assert sys.getallocatedblocks() - blocks < 3000, "2,000 submits and as many cancels"
        driver = client._driver
        assert driver is not None and len(driver.requests.by_tag) <= 10 and len(client.task_results) <= 10


def test_clients_that_nobody_stops_close_their_files(
    shared_server: ControlPlane, recwarn: pytest.WarningsRecorder
) -> None:
    import os

    def work() -> None:
        SyncClient(shared_server.address).command("PING")

    work()
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        work()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before


def test_the_module_can_be_loaded_and_dropped_again() -> None:
    import importlib.util

    def load() -> None:
        spec = importlib.util.spec_from_file_location("fastqueue._core", _core.__file__)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert module.Session is not _core.Session, "state is the module's own"
        module.Session()

    blocks, _ = grown(load, 40)
    assert blocks < 1000


def test_tracemalloc_sees_no_growth_in_the_package(shared_server: ControlPlane) -> None:
    with SyncClient(shared_server.address, track_results=5) as client:
        for _ in range(200):
            client.cancel_task(client.submit("leak", countdown=60))
        tracemalloc.start()
        before = tracemalloc.take_snapshot()
        for _ in range(500):
            client.cancel_task(client.submit("leak", countdown=60))
        gc.collect()
        difference = tracemalloc.take_snapshot().compare_to(before, "filename")
        tracemalloc.stop()
        ours = sum(row.size_diff for row in difference if "fastqueue" in row.traceback[0].filename)
        assert ours < 100_000
