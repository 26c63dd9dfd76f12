# SPDX-License-Identifier: Apache-2.0
"""Telemetry of Python tasks: what they record leaves through their supervisor, under the span of the attempt."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Callable, Iterator

import pytest

from conftest import ControlPlane, Worker
from fastqueue import SyncClient
from fastqueue.telemetry import shutdown, trace_operation
from telemetry_support import ON, Output, Span, take

FAST = {**ON, "OTEL_BSP_SCHEDULE_DELAY": "50", "OTEL_BLRP_SCHEDULE_DELAY": "50", "OTEL_METRIC_EXPORT_INTERVAL": "100"}


class Exported:
    """What a worker has printed so far."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker

    def until(self, is_there: Callable[[Output], bool]) -> Output:
        deadline = time.monotonic() + 15
        while True:
            text = self.worker.log()
            output = take(Output(), text[: text.rfind("\n") + 1])
            if is_there(output):
                return output
            assert time.monotonic() < deadline, f"{[span.name for span in output.spans]}\n{text[-4000:]}"
            time.sleep(0.02)

    def names(self, *names: str) -> Output:
        return self.until(lambda output: set(names) <= {span.name for span in output.spans})


@pytest.fixture
def traced(server: ControlPlane) -> Iterator[Worker]:
    env = {**FAST, "FASTQUEUE_CONTROL_PLANE_ADDRESS": server.address}
    process = Worker(server, "traced_tasks", options=("--concurrency", "1"), env=env).wait_active(server)
    yield process
    process.stop()


def execution(output: Output, task: str) -> Span:
    (found,) = [s for s in output.spans if s.name == "worker.execute_task" and s.attributes["task.name"] == task]
    return found


def test_spans_of_a_function_nest_under_its_attempt(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        result = client.submit_task("traced.plain", (3,), priority="high")
    output = Exported(traced).until(
        lambda out: {"worker.execute_task", "task.plain", "inside"} <= {s.name for s in out.spans}
        and bool(out.logs)
    )
    execute, task, inside = execution(output, "traced.plain"), output.span("task.plain"), output.span("inside")
    assert (task.parent, inside.parent) == (execute.id, task.id) and execute.trace == task.trace == inside.trace
    assert execute.attributes["task.id"] == result.task_id and execute.attributes["task.priority"] == "high"
    assert result.result is not None and task.trace in result.result
    (log,) = output.logs
    assert (log.body, log.trace, log.span, log.severity) == ("working on 3", inside.trace, inside.id, 9)
    assert log.attributes["task.id"] == result.task_id and log.attributes["fastqueue.task.attempt"] == 1


def test_what_a_task_measures_leaves_through_its_supervisor(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        client.submit_task("traced.plain", (3,), priority="high")
    output = Exported(traced).until(lambda out: {"app.items", "fastqueue.tasks.completed"} <= set(out.metrics))
    assert output.points("app.items") == [({"kind": "plain"}, 3)]
    ((attributes, count),) = output.points("fastqueue.tasks.completed")
    assert (attributes["task.name"], count) == ("by hand", 1)


def test_coroutines_keep_their_own_spans(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        ids = {client.delay("traced.coroutine", x * 10): x * 10 for x in (1, 2, 3)}
        for task_id in ids:
            assert client.get_task_result(task_id, wait=20) is not None
    output = Exported(traced).until(
        lambda out: sum(s.name == "worker.execute_task" for s in out.spans) == 3 and len(out.logs) == 3
    )
    attempts = {s.attributes["task.id"]: s for s in output.spans if s.name == "worker.execute_task"}
    by_id = {span.id: span for span in output.spans}
    for task_id, x in ids.items():
        operation = output.span(f"async {x}")
        assert by_id[by_id[operation.parent].parent] is attempts[task_id], "below task.coroutine of its own attempt"
        assert output.span(f"part {x}").parent == output.span(f"part {x + 1}").parent == operation.id
        (log,) = [log for log in output.logs if log.body == f"coroutine {x}"]
        assert (log.span, log.attributes["task.id"]) == (operation.id, task_id)


def test_a_failed_task_shows_its_exception(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        client.submit_task("traced.failing")
    span = execution(Exported(traced).names("worker.execute_task"), "traced.failing")
    assert (span.status, span.message) == (2, "Invalid data format")
    assert span.attributes["exception.type"] == span.attributes["error.type"] == "ValueError"
    assert "exception" in [name for name, _ in span.events]


def test_one_trace_from_submitter_to_the_task_of_a_task(
    server: ControlPlane, traced: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {**ON, "OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"}.items():
        monkeypatch.setenv(name, text)
    with SyncClient(server.address) as client:
        client.submit_task("traced.submits")
    output = Exported(traced).until(lambda out: sum(s.name == "worker.execute_task" for s in out.spans) == 2)
    outer, inner, submit = (
        execution(output, "traced.submits"),
        execution(output, "traced.plain"),
        output.span("client.submit_task"),
    )
    assert submit.parent == outer.id and inner.parent == submit.id and outer.trace == inner.trace
    assert submit.kind == 4 and submit.attributes["messaging.destination.name"] == "traced.plain"
    shutdown()


def test_children_that_a_task_forks_export_by_themselves(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        assert client.submit_task("traced.forks").result == 0
    output = Exported(traced).names("in a child", "in a raw child", "worker.execute_task")
    attempt = execution(output, "traced.forks")
    for name in ("in a child", "in a raw child"):
        span = output.span(name)
        assert (span.parent, span.trace) == (attempt.id, attempt.trace)
        assert span.resource["process.pid"] != attempt.resource.get("process.pid")


def test_with_telemetry_off_the_trace_still_travels(server: ControlPlane, tmp_path: Path) -> None:
    env = {"FASTQUEUE_CONTROL_PLANE_ADDRESS": server.address}
    worker = Worker(server, "traced_tasks", options=("--concurrency", "1"), env=env).wait_active(server)
    try:
        with SyncClient(server.address) as client, trace_operation("nothing") as span:
            assert span is None
            assert client.submit_task("traced.plain", (1,)).error is None
            assert client.submit_task("traced.coroutine", (1,)).result == 1
    finally:
        assert worker.stop() == 0
    assert "resourceSpans" not in worker.log()


def test_a_provider_that_a_task_module_sets_works_in_its_process(server: ControlPlane, tmp_path: Path) -> None:
    file = tmp_path / "spans"
    env = {**FAST, "SPANS_FILE": str(file)}
    worker = Worker(server, "provider_tasks", options=("--concurrency", "1"), env=env).wait_active(server)
    with SyncClient(server.address) as client:
        trace = client.submit_task("provided.plain").result
    output = Exported(worker).names("worker.execute_task")
    assert worker.stop() == 0
    rows = {words[0]: words for words in (line.split() for line in file.read_text().splitlines())}
    attempt = execution(output, "provided.plain")
    assert set(rows) == {"task.plain", "by_the_api", "by_fastqueue"} and {row[1] for row in rows.values()} == {trace}
    assert rows["task.plain"][3] == attempt.id and rows["by_the_api"][3] == rows["task.plain"][2]
    assert attempt.trace == trace and {span.name for span in output.spans} & set(rows) == set(), "each goes one way"


def test_what_had_ended_survives_the_process(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        client.delay("traced.dies")
        output = Exported(traced).until(
            lambda out: any(s.name == "worker.execute_task" and s.status == 2 for s in out.spans)
            and "app.items" in out.metrics
        )
    attempts = {s.id: s for s in output.spans if s.name == "worker.execute_task"}
    finished = [span for span in output.spans if span.name == "finished"][0]
    assert attempts[finished.parent].status == 2 and attempts[finished.parent].attributes["error.type"] == "worker_lost"
    assert "unfinished" not in {span.name for span in output.spans}
    ((attributes, count),) = output.points("app.items")
    assert attributes == {"kind": "dying"} and count % 100 == 0 and count > 0


def test_no_thread_runs_beside_the_tasks(server: ControlPlane, traced: Worker) -> None:
    with SyncClient(server.address) as client:
        assert client.submit_task("traced.threads").result == 1
