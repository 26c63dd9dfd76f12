# SPDX-License-Identifier: Apache-2.0
"""Names that programs import, and what the package costs before it is used."""

from __future__ import annotations

import asyncio
import importlib
import pathlib
import subprocess
import sys

import pytest

import fastqueue
from fastqueue import _core, errors

NAMES = {
    "fastqueue": "task Client SyncClient TaskPriority TaskStatus TaskResult Task CallbackInfo __version__ current_task "
    "EncodingError TaskCancelled SoftTimeLimit",
    "fastqueue.main": "task task_registry Worker Client",
    "fastqueue.clients.client": "Client",
    "fastqueue.clients.discovery": "ServiceDiscovery",
    "fastqueue.tasks.registry": "task task_registry TaskRegistry",
    "fastqueue.tasks.models": "Task TaskResult TaskPriority TaskStatus CallbackInfo",
    "fastqueue.tasks.serializer": "TaskSerializer SerializationFormat",
    "fastqueue.workers.worker": "Worker",
    "fastqueue.workers.control_plane": "ControlPlaneWorker",
    "fastqueue.workers.subworker": "SubWorker",
    "fastqueue.patterns.nng_patterns": "PatternType ReqRepPattern PubSubPattern SurveyorRespondentPattern BusPattern PairPattern",
    "fastqueue.telemetry": "get_tracer trace_task trace_operation get_meter record_task_metric record_worker_metric "
    "NoOpTracer NoOpSpan NoOpMeter NoOpCounter NoOpHistogram NoOpUpDownCounter",
    "fastqueue.telemetry.metrics": "record_queue_size",
    "fastqueue.cli": "main convert_arg_type convert_args load_tasks start_worker submit_task list_tasks start_control_plane "
    "start_subworker get_task_status",
    "fastqueue.examples.tasks": "add multiply async_add slow_task divide",
}


@pytest.mark.parametrize("module", NAMES)
def test_names_can_be_imported(module: str) -> None:
    loaded = importlib.import_module(module)
    for name in NAMES[module].split():
        assert getattr(loaded, name) is not None, f"{module}.{name}"


def test_all_is_complete_and_dir_shows_it() -> None:
    for name in fastqueue.__all__:
        assert getattr(fastqueue, name) is not None
        assert name in dir(fastqueue)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        fastqueue.nothing  # type: ignore[attr-defined]


def test_the_version_is_that_of_the_project() -> None:
    version = (pathlib.Path(__file__).resolve().parents[2] / "VERSION").read_text().strip()
    assert fastqueue.__version__ == version
    from importlib.metadata import version as installed

    assert installed("fastqueue") == version


def test_importing_the_package_loads_neither_asyncio_nor_a_client() -> None:
    code = (
        "import sys, fastqueue; from fastqueue import task, current_task\n"
        "print([m for m in ('asyncio', 'ssl', 'dataclasses', 'inspect', 'logging', 'fastqueue.clients.client') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_every_row_of_the_error_table_becomes_an_exception() -> None:
    rows = _core.error_rows()
    assert len({row[0] for row in rows}) == len(rows) > 20
    for number, name, code, text, retryable in rows:
        error = errors.from_number(number)
        assert isinstance(error, errors.FastQueueError)
        assert (error.number, error.name, error.code, str(error), error.retryable) == (
            number,
            name,
            code,
            text,
            retryable,
        )
    assert isinstance(errors.make("CONNECT", "x"), ConnectionError)
    assert isinstance(errors.make("TIMEOUT", "x"), TimeoutError)
    assert isinstance(errors.make("NOPERM", "x"), PermissionError)
    assert isinstance(errors.make("UNKNOWNTASK", "x"), LookupError)
    assert not isinstance(errors.from_number(-9999), errors.InvalidArgument)


@pytest.mark.parametrize("name", ["ReqRepPattern", "PubSubPattern", "SurveyorRespondentPattern", "BusPattern"])
def test_patterns_that_need_nng_say_what_to_use(name: str) -> None:
    patterns = importlib.import_module("fastqueue.patterns.nng_patterns")
    with pytest.raises(NotImplementedError, match=name):
        getattr(patterns, name)("tcp://127.0.0.1:1")


def test_discovery_says_what_to_use() -> None:
    from fastqueue.clients.discovery import ServiceDiscovery

    with pytest.raises(NotImplementedError, match="Client.workers"):
        ServiceDiscovery("tcp://127.0.0.1:5550")


def test_words_of_a_command_line() -> None:
    from fastqueue.cli import convert_args

    assert convert_args(["1", "2.5", "true", "False", "text", "1e3", "nan", ""]) == (
        1,
        2.5,
        True,
        False,
        "text",
        1000.0,
        "nan",
        "",
    )
    assert convert_args(None) == ()


def test_the_examples_run() -> None:
    from fastqueue.examples import tasks

    assert (tasks.add(2, 3), tasks.multiply(2, 3), asyncio.run(tasks.async_add(2, 3))) == (5, 6, 5)
    with pytest.raises(ValueError, match="Cannot divide by zero"):
        tasks.divide(1, 0)
