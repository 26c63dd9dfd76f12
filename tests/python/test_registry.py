# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from fastqueue import Client
from fastqueue.clients.convert import Submit, batch_submit
from fastqueue.errors import InvalidArgument
from fastqueue.tasks import registry as registry_module
from fastqueue.tasks.functions import is_coroutine_function
from fastqueue.tasks.options import wire_options
from fastqueue.tasks.registry import TaskRegistry, task, task_registry
from fastqueue.tasks.serializer import SerializationFormat


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> TaskRegistry:
    registry = TaskRegistry()
    monkeypatch.setattr(registry_module, "task_registry", registry)
    monkeypatch.setattr("fastqueue.clients.convert.task_registry", registry)
    return registry


def test_every_form_of_the_decorator(fresh_registry: TaskRegistry) -> None:
    @task
    def one() -> int:
        return 1

    @task("second")
    def two() -> int:
        return 2

    @task()
    def three() -> int:
        return 3

    @task(name="fourth", retries=2, timeout=5)
    async def four() -> int:
        return 4

    assert (one(), two(), three(), asyncio.run(four())) == (1, 2, 3, 4)
    assert set(fresh_registry.list_tasks()) == {"one", "second", "three", "fourth"}
    assert fresh_registry.get_task("second") is two
    assert fresh_registry.get_options("fourth") == {"retries": 2, "timeout": 5}
    assert fresh_registry.name_of(four) == "fourth"


def test_what_cannot_be_a_task() -> None:
    with pytest.raises(TypeError, match="callable"):
        task(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="twice"):
        task("a", name="b")
    for name in ("", "two words", "line\nbreak"):
        with pytest.raises(ValueError, match="no name"):
            task(name)(lambda: None)
    with pytest.raises(TypeError, match="retires"):
        task(retires=3)(lambda: None)  # type: ignore[call-overload]


def test_a_name_defined_twice_warns_and_the_last_counts(
    fresh_registry: TaskRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    @task("same")
    def first() -> None: ...

    with caplog.at_level(logging.WARNING, "fastqueue"):

        @task("same")
        def second() -> None: ...

    assert "defined twice" in caplog.text and fresh_registry.get_task("same") is second


def test_list_tasks_is_a_copy(fresh_registry: TaskRegistry) -> None:
    fresh_registry.list_tasks()["x"] = print
    assert fresh_registry.get_task("x") is None


def test_declared_options_go_with_a_submit_unless_it_says_otherwise() -> None:
    @task(retries=3, timeout=60, priority="high")
    def declared() -> None: ...

    def options(**given: Any) -> dict[str, Any]:
        return Submit(declared, (), {}, given, SerializationFormat.JSON).options  # type: ignore[arg-type]

    assert options() == {"retries": 3, "timeout_ms": 60_000, "priority": "high"}
    assert options(retries=0, priority="low") == {"retries": 0, "timeout_ms": 60_000, "priority": "low"}
    with pytest.raises(ValueError, match="not registered"):
        Submit(print, (), {}, {}, SerializationFormat.JSON)


def test_options_on_the_wire() -> None:
    moment = datetime.now(timezone.utc) + timedelta(hours=1)
    assert wire_options({"countdown": 1.5}) == {"delay_ms": 1500}
    assert wire_options({"delay": timedelta(minutes=1)}) == {"delay_ms": 60_000}
    assert wire_options({"eta": moment}) == {"at_unix_ms": int(moment.timestamp() * 1000)}
    assert wire_options({"eta": moment - timedelta(days=1)}) == {}
    assert wire_options({"countdown": 0}) == {}
    assert wire_options({"timeout": 0.0001}) == {"timeout_ms": 1}
    assert wire_options({"result_ttl": 0, "expires": 2, "backoff": 0.25, "unique": "k", "id": "u"}) == {
        "result_ttl_ms": 0,
        "expires_ms": 2000,
        "backoff_ms": 250,
        "unique": "k",
        "id": "u",
    }
    assert wire_options({"priority": "HIGH"}) == {"priority": "high"}


@pytest.mark.parametrize(
    "options",
    [
        {"countdown": -1},
        {"timeout": float("nan")},
        {"priority": "urgent"},
        {"priority": 3},
        {"retries": -1},
        {"countdown": 1, "eta": datetime.now()},
        {"expires": 1e300},
    ],
)
def test_options_out_of_range(options: Any) -> None:
    with pytest.raises(InvalidArgument):
        wire_options(options)


@pytest.mark.parametrize(
    "options", [{"retires": 1}, {"timeout": "5"}, {"retries": 1.5}, {"retries": True}, {"eta": 5}, {"timeout": None}]
)
def test_options_of_a_wrong_type(options: Any) -> None:
    with pytest.raises(TypeError):
        wire_options(options)


def test_rows_of_a_batch() -> None:
    row = batch_submit(
        {"task_name": "t", "args": (1,), "kwargs": {"a": 2}, "countdown": 1}, "low", SerializationFormat.JSON
    )
    assert row.payload == b'{"args":[1],"kwargs":{"a":2}}' and row.options == {"delay_ms": 1000, "priority": "low"}
    with pytest.raises(InvalidArgument, match="task_name"):
        batch_submit({"args": ()}, None, SerializationFormat.JSON)


def test_kinds_of_functions() -> None:
    import functools

    async def coroutine() -> None: ...

    class Callable:
        async def __call__(self) -> None: ...

        async def method(self) -> None: ...

    assert is_coroutine_function(coroutine)
    assert is_coroutine_function(functools.partial(coroutine))
    assert is_coroutine_function(Callable()) and is_coroutine_function(Callable().method)
    assert not is_coroutine_function(len) and not is_coroutine_function(lambda: coroutine())


def test_arguments_of_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Client(timeout=0, retries=0).timeout, Client(timeout=0, retries=0).retries) == (0, 0)
    assert (Client().timeout, Client().retries, Client().address) == (30.0, 3, "tcp://127.0.0.1:5555")
    monkeypatch.setenv("FASTQUEUE_TIMEOUT", "7")
    monkeypatch.setenv("FASTWORKER_RETRIES", "1")
    monkeypatch.setenv("FASTQUEUE_CONTROL_PLANE_ADDRESS", "tls://user:secret@queue.example:7000")
    assert (Client().timeout, Client().retries) == (7.0, 1)
    assert Client().address == "tls://queue.example:7000"
    assert (Client("tcp://h", 2, 9).timeout, Client("h").address) == (2.0, "tcp://h:5555")
    for bad in ({"timeout": -1}, {"retries": -1}, {"timeout": float("nan")}, {"address": "ftp://x"}):
        with pytest.raises(ValueError):
            Client(**bad)  # type: ignore[arg-type]
    for bad in ({"timeout": "5"}, {"retries": 1.5}, {"timeout": SerializationFormat.JSON}):
        with pytest.raises(TypeError):
            Client(**bad)  # type: ignore[arg-type]
    monkeypatch.setenv("FASTQUEUE_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="FASTQUEUE_TIMEOUT"):
        Client()
    with pytest.warns(FutureWarning, match="discovery_address"):
        Client(timeout=1, discovery_address="tcp://127.0.0.1:5550")
    monkeypatch.setenv("FASTQUEUE_SERIALIZATION_FORMAT", "pickle")
    with pytest.raises(ValueError, match="FASTQUEUE_ALLOW_PICKLE"):
        Client(timeout=1)


def test_the_registry_of_programs_is_shared() -> None:
    import fastqueue
    import fastqueue.main

    assert fastqueue.task_registry is task_registry is fastqueue.main.task_registry
