# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from datetime import datetime, timezone

import pytest

from fastqueue import Task, TaskFailed, TaskPriority, TaskStatus
from fastqueue.clients.convert import task_result
from fastqueue.errors import ProtocolError
from fastqueue.tasks.models import CallbackInfo


def test_priorities_are_the_documented_words() -> None:
    assert {p.name: p.value for p in TaskPriority} == {
        "LOW": "low",
        "NORMAL": "normal",
        "HIGH": "high",
        "CRITICAL": "critical",
    }
    assert TaskPriority("high") is TaskPriority.HIGH and TaskPriority.HIGH == "high"


def test_states_are_lower_case_and_running_is_started() -> None:
    assert [s.value for s in TaskStatus] == [
        "scheduled",
        "pending",
        "started",
        "success",
        "failure",
        "cancelled",
        "expired",
    ]
    assert TaskStatus.RUNNING is TaskStatus.STARTED
    assert [s for s in TaskStatus if s.is_final] == [
        TaskStatus.SUCCESS,
        TaskStatus.FAILURE,
        TaskStatus.CANCELLED,
        TaskStatus.EXPIRED,
    ]


def test_a_task_has_the_documented_defaults() -> None:
    task, other = Task(name="add"), Task(name="add")
    assert task.id != other.id and len(task.id) == 36
    assert (task.args, task.kwargs, task.priority, task.status) == ((), {}, TaskPriority.NORMAL, TaskStatus.PENDING)
    assert (task.started_at, task.completed_at, task.result, task.error, task.callback) == (None,) * 5
    assert task.created_at.tzinfo is not None
    task.kwargs["x"] = 1
    assert other.kwargs == {}
    assert CallbackInfo("tcp://127.0.0.1:1").data is None


def test_a_result_of_a_task_map() -> None:
    result = task_result(
        {
            "id": "i",
            "name": "add",
            "status": "success",
            "priority": "low",
            "attempt": 2,
            "worker": "w",
            "submitted_at": 1000,
            "started_at": 1500,
            "completed_at": 2000,
            "result": b"[1]",
            "encoding": "json",
        }
    )
    assert result.result == [1] and result.ok and result.unwrap() == [1]
    assert result.started_at == datetime.fromtimestamp(1.5, timezone.utc)
    assert (result.priority, result.attempt, result.worker_id) == (TaskPriority.LOW, 2, "w")
    assert result.model_dump()["result"] == [1]


def test_a_failure_has_type_message_and_stack_from_either_form() -> None:
    pushed = task_result({"id": "i", "status": "failure", "error_type": "E", "error_message": "m", "error_stack": "s"})
    asked = task_result({"id": "i", "status": "failure", "error": {"type": "E", "message": "m", "stack": "s"}})
    for result in (pushed, asked):
        assert (result.error_type, result.error, result.traceback) == ("E", "m", "s")
        with pytest.raises(TaskFailed, match="E: m") as caught:
            result.unwrap()
        assert caught.value.result is result


def test_an_evicted_result_is_not_taken_for_none() -> None:
    result = task_result({"id": "i", "status": "success", "result_state": "evicted"})
    assert result.result is None
    with pytest.raises(TaskFailed, match="evicted"):
        result.unwrap()
    assert task_result({"id": "i", "status": "success", "result": "null"}).unwrap() is None


@pytest.mark.parametrize("fields", [{}, {"status": "dancing"}, {"id": "x"}])
def test_a_reply_that_is_no_task_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ProtocolError):
        task_result(fields)
