# SPDX-License-Identifier: Apache-2.0
"""Functions as tasks, in real runners under a real supervisor."""

from __future__ import annotations

import signal
import time
import uuid
from pathlib import Path
from typing import Iterator

import pytest

from conftest import ControlPlane, Worker
from fastqueue import FastQueueError, SerializationFormat, SyncClient, TaskStatus


@pytest.fixture
def client(server: ControlPlane, worker: Worker) -> Iterator[SyncClient]:
    with SyncClient(server.address, timeout=40) as connected:
        yield connected


def test_arguments_and_names(client: SyncClient) -> None:
    values = [None, True, 1, -(2**63), 2**80, 1.5, "é\u0000\U0001f600", [[]], {"k": {"n": None}}]
    assert client.submit_task("echo", values, {"ключ": "é"}).unwrap() == {"args": values, "kwargs": {"ключ": "é"}}
    assert client.submit_task("named.task").unwrap() == "named"
    assert client.submit_task("no_operation").unwrap() is None


def test_what_the_task_knows_of_itself(client: SyncClient) -> None:
    result = client.submit_task("who_am_i", timeout=30, priority="low")
    me = result.unwrap()
    assert (me["id"], me["name"], me["attempt"], me["priority"], me["timeout"]) == (
        result.task_id,
        "who_am_i",
        1,
        "low",
        30.0,
    )
    later = client.submit_task("who_am_i").unwrap()
    assert later["token"] > 0 and later["timeout"] is None and later["pid"] == me["pid"]


def test_what_a_definition_declares_holds_for_every_client(client: SyncClient) -> None:
    """This process has not imported the definition: it is the worker that knows of retries and time limit."""
    assert client.submit_task("declared_attempts", (3,)).unwrap() == [3, 30.0]
    assert client.submit_task("declared_attempts", (1,), timeout=5).unwrap() == [1, 5.0]
    result = client.submit_task("declared_attempts", (4,))
    assert (result.status, result.attempt) == (TaskStatus.FAILURE, 3)
    result = client.submit_task("declared_attempts", (3,), retries=1, backoff=0.01)
    assert (result.status, result.attempt) == (TaskStatus.FAILURE, 2)


def test_exceptions(client: SyncClient) -> None:
    result = client.submit_task("fail", ("häh\ud83d".encode("utf-8", "replace").decode(),))
    assert (result.status, result.error_type, result.error) == (TaskStatus.FAILURE, "ValueError", "häh?")
    assert (
        result.traceback is not None
        and "in fail" in result.traceback
        and "raise ValueError(message)" in result.traceback
    )
    wrong = client.submit_task("fail", (1, 2, 3))
    assert wrong.error_type == "TypeError" and wrong.error is not None and "positional" in wrong.error
    final = client.submit_task("fail_for_good", retries=5)
    assert final.error_type == "NoRetry" and final.attempt == 1
    long = client.submit_task("fail", ("é" * 100_000,))
    assert long.error is not None and set(long.error) == {"é"} and 5_000 < len(long.error) <= 8192


def test_a_failed_attempt_is_repeated_only_if_the_submit_said_so(client: SyncClient) -> None:
    assert client.submit_task("attempts_needed", (3,), retries=2, backoff=0.01).unwrap() == 3
    result = client.submit_task("attempts_needed", (3,), retries=1, backoff=0.01)
    assert (result.error, result.attempt) == ("attempt 2", 2)
    assert client.submit_task("attempts_needed", (2,)).attempt == 1


@pytest.mark.parametrize(
    ("code", "words"), [(0, "exit(0)"), (3, "exit(3)"), ("message", "exit(message)"), (None, "exit(")]
)
def test_exit_ends_the_task_and_nothing_else(client: SyncClient, code: object, words: str) -> None:
    before = client.submit_task("who_am_i").unwrap()["pid"]
    result = client.submit_task("call_exit", (code,))
    assert result.error_type == "SystemExit" and result.error is not None and words in result.error
    assert client.submit_task("who_am_i").unwrap()["pid"] == before


def test_an_interrupt_ends_the_task_and_nothing_else(client: SyncClient) -> None:
    assert client.submit_task("interrupt").error_type == "KeyboardInterrupt"
    assert client.submit_task("no_operation").ok


@pytest.mark.parametrize("kind", ["set", "nan", "bytes", "key", "object"])
def test_a_result_that_cannot_be_encoded_is_a_failure(client: SyncClient, kind: str) -> None:
    result = client.submit_task("unencodable", (kind,))
    assert (result.status, result.error_type) == (TaskStatus.FAILURE, "EncodingError")
    assert result.error is not None and result.result is None


def test_a_result_that_is_too_big_is_a_failure(client: SyncClient) -> None:
    assert len(client.submit_task("echo", ("x" * 900_000,)).unwrap()["args"][0]) == 900_000


def test_contextvars_do_not_leak_from_task_to_task(client: SyncClient) -> None:
    assert [client.submit_task("context_leak", (str(n),)).unwrap() for n in range(3)] == ["clean"] * 3


@pytest.mark.parametrize(("way", "code"), [("return", 0), ("raise", 1), ("exit", 7), ("_exit", 9)])
def test_a_forked_child_never_answers_for_the_task(client: SyncClient, way: str, code: int) -> None:
    pid = client.submit_task("who_am_i").unwrap()["pid"]
    assert client.submit_task("fork_a_child", (way,)).unwrap() == {"pid": pid, "child_code": code}
    assert client.submit_task("who_am_i").unwrap()["pid"] == pid


def test_payloads_of_other_clients(client: SyncClient) -> None:
    def run(*words: str | bytes) -> tuple[str, object]:
        task_id = client.command("FQ.SUBMIT", "echo", *words)
        result = client.get_task_result(task_id, wait=20)
        assert result is not None
        return result.status.value, result.result if result.ok else result.error_type

    assert run('{"args": [1]}') == ("success", {"args": [1], "kwargs": {}})
    assert run(' {"kwargs": {"a": "é"}} \n') == ("success", {"args": [], "kwargs": {"a": "é"}})
    assert run("{}") == ("success", {"args": [], "kwargs": {}})
    assert run('{"args": ["é"] } ') == ("success", {"args": ["é"], "kwargs": {}})
    for bad in (
        "",
        "[]",
        "1",
        "{",
        '{"args": 1}',
        '{"kwargs": []}',
        '{"args": [], "more": 1}',
        '{"args": [NaN]}',
        '{"args": []} x',
        b"\xff\xfe",
    ):
        assert run(bad) == ("failure", "EncodingError"), bad
    with pytest.raises(FastQueueError, match="--allow-pickle"):
        run("x", "ENCODING", "pickle")
    assert run("x", "ENCODING", "odd") == ("failure", "EncodingError")


def test_raw_payloads_are_one_argument(client: SyncClient) -> None:
    task_id = client.command("FQ.SUBMIT", "size_of", b"\x00\xff" * 50, "ENCODING", "raw")
    result = client.get_task_result(task_id, wait=20)
    assert result is not None and result.unwrap() == 100


def test_many_short_tasks(client: SyncClient) -> None:
    ids = client.submit_batch([{"task_name": "no_operation"}] * 3000)
    results = [client.get_task_result(task_id, wait=40) for task_id in ids]
    assert all(result is not None and result.ok for result in results)


def test_trace_context_goes_from_task_to_task(client: SyncClient, server: ControlPlane) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task_id = client.command("FQ.SUBMIT", "submit_another", f'{{"args":["{server.address}"]}}', "TRACEPARENT", parent)
    first = client.get_task_result(task_id, wait=20)
    assert first is not None
    second = client.get_task_result(first.unwrap(), wait=20)
    assert second is not None and second.unwrap()["traceparent"].split("-")[1] == parent.split("-")[1]


def test_cancel_raises_in_the_task(client: SyncClient) -> None:
    task_id = client.delay("sleep", 60)
    wait_started(client, task_id)
    began = time.monotonic()
    assert client.cancel_task(task_id) is True
    result = client.get_task_result(task_id, wait=20)
    assert result is not None and result.status is TaskStatus.CANCELLED
    assert client.submit_task("no_operation").ok and time.monotonic() - began < 15


def test_a_busy_loop_is_cancelled_too(client: SyncClient) -> None:
    pid = client.submit_task("who_am_i").unwrap()["pid"]
    task_id = client.delay("busy", 60)
    wait_started(client, task_id)
    assert client.cancel_task(task_id) is True
    result = client.get_task_result(task_id, wait=20)
    assert result is not None and result.status is TaskStatus.CANCELLED
    assert client.submit_task("who_am_i").unwrap()["pid"] == pid, "the process lives on"


def test_the_time_limit_raises_in_the_task_which_may_clean_up(client: SyncClient) -> None:
    pid = client.submit_task("who_am_i").unwrap()["pid"]
    began = time.monotonic()
    result = client.submit_task("sleep", (60,), timeout=0.3)
    assert (result.status, result.error_type) == (TaskStatus.FAILURE, "SoftTimeLimit"), result
    assert result.error is not None and "0.3 s" in result.error
    assert time.monotonic() - began < 15
    assert client.submit_task("sleep_until_stopped", (60,), timeout=0.3).unwrap() == "out of time"
    assert client.submit_task("who_am_i").unwrap()["pid"] == pid, "the process lives on"


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_task_that_kills_its_process_costs_itself_only(client: SyncClient, number: int) -> None:
    doomed = client.delay("die", int(number))
    ids = [client.delay("no_operation") for _ in range(20)]
    assert all((client.get_task_result(task_id, wait=40) or pytest.fail("lost")).ok for task_id in ids)
    result = client.get_task_result(doomed, wait=60)
    assert result is not None and result.status is TaskStatus.FAILURE and result.error_type == "WorkerLost"
    assert result.error is not None and f"signal {int(number)} " in result.error


def wait_started(client: SyncClient, task_id: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        status = client.get_task_status(task_id)
        if status is not None and status.started_at is not None:
            return
        time.sleep(0.02)
    # started_at comes with the first heartbeat; a task that is handed out to an idle runner runs long before.
    status = client.get_task_status(task_id)
    assert status is not None and status.status is TaskStatus.STARTED


def test_unknown_names_stay_queued(client: SyncClient) -> None:
    task_id = client.delay("nobody.offers.this." + uuid.uuid4().hex)
    time.sleep(0.3)
    status = client.get_task_status(task_id)
    assert status is not None and status.status is TaskStatus.PENDING


def test_a_worker_drains_and_ends_with_zero(server: ControlPlane, worker: Worker) -> None:
    with SyncClient(server.address) as client:
        running = client.delay("sleep", 0.7)
        wait_started(client, running)
        waiting = client.delay("sleep", 0)
        assert worker.stop() == 0
        result = client.get_task_result(running, wait=5)
        assert result is not None and result.unwrap() == "slept"
        left = client.get_task_status(waiting)
        assert left is not None and left.status in (TaskStatus.PENDING, TaskStatus.SUCCESS)


@pytest.mark.parametrize(
    ("modules", "words"),
    [
        (("broken_module",), ("broken_module", "a_module_that_does_not_exist", "ModuleNotFoundError")),
        (("no_such_module",), ("no_such_module", "ModuleNotFoundError")),
        (("empty_module",), ("empty_module", "@task")),
        (("plain_tasks", "broken_module"), ("broken_module",)),
    ],
)
def test_a_module_that_cannot_be_loaded_ends_the_command(
    server: ControlPlane, modules: tuple[str, ...], words: tuple[str, ...]
) -> None:
    worker = Worker(server, *modules, options=("--concurrency", "1"))
    assert worker.process.wait(30) == 1
    for word in words:
        assert word in worker.log()


def test_pickle_only_if_all_opt_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASTQUEUE_ALLOW_PICKLE", "1")
    strict = ControlPlane(tmp_path, in_memory=True, env={"FASTQUEUE_ALLOW_PICKLE": ""}).start()
    with SyncClient(strict.address, serialization_format=SerializationFormat.PICKLE, timeout=30) as client:
        with pytest.raises(FastQueueError, match="--allow-pickle"):
            client.delay("echo", 1)
    strict.stop()
    server = ControlPlane(tmp_path, "--allow-pickle", in_memory=True).start()
    client = SyncClient(server.address, serialization_format=SerializationFormat.PICKLE, timeout=30)
    refusing = Worker(
        server, "plain_tasks", options=("--concurrency", "1"), env={"FASTQUEUE_ALLOW_PICKLE": "0"}
    ).wait_active(server)
    refused = client.submit_task("echo", (1,))
    assert (
        refused.error_type == "EncodingError"
        and refused.error is not None
        and "FASTQUEUE_ALLOW_PICKLE" in refused.error
    )
    assert refusing.stop() == 0
    accepting = Worker(server, "plain_tasks", options=("--concurrency", "1", "--allow-pickle")).wait_active(server)
    assert client.submit_task("unencodable", ("set",)).unwrap() == {1, 2}
    assert client.submit_task("unencodable", ("key",)).unwrap() == {1: "one"}
    client.stop()
    assert accepting.stop() == 0
    server.stop()


def test_the_runner_is_not_for_people() -> None:
    import subprocess
    import sys

    done = subprocess.run([sys.executable, "-m", "fastqueue.runner", "x"], capture_output=True, text=True)
    assert done.returncode == 2 and "fastqueue subworker" in done.stderr
