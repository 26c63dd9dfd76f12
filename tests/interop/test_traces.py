"""One task is one connected trace, with the documented names and attributes, whatever runs it and however it is exported."""
import re

import pytest
from backends import is_connected
from queue_under_test import C_TASKS, PYTHON_TASKS, Queue, telemetry
from signals import ERROR, UNSET

WAYS = [(protocol, tls) for protocol in ("grpc", "http/protobuf", "http/json") for tls in (False, True)]


def variables_for(collector, certificates, protocol="grpc", tls=False, **more):
    authority = {"OTEL_EXPORTER_OTLP_CERTIFICATE": certificates["ca"]} if tls else {}
    return lambda service: telemetry(collector.endpoint(protocol, tls), service, protocol, **authority, **more)


def pick(trace, name):
    found = [span for span in trace if span.name == name]
    assert len(found) == 1, f"{name} is there {len(found)} times:\n" + "\n".join(map(str, trace))
    return found[0]


def check_submission(span, name, priority, service):
    assert (span.kind, span.status, span.parent_id, span.service) == ("producer", UNSET, "", service)
    assert span.attributes["task.name"] == name
    assert span.attributes["task.priority"] == priority
    assert span.attributes["messaging.system"] == "fastqueue"
    assert span.attributes["messaging.operation.name"] == "submit"
    assert span.attributes["messaging.operation.type"] == "send"
    assert span.flags & 1


def check_execution(span, submission, task_id, name, priority):
    assert (span.kind, span.service) == ("consumer", "fastqueue-worker")
    assert span.parent_id == submission.span_id
    assert span.flags & 0x300 == 0x300, "the parent is known to be remote"
    assert [(link.trace_id, link.span_id) for link in span.links] == [(submission.trace_id, submission.span_id)]
    assert span.attributes["task.id"] == task_id
    assert span.attributes["task.name"] == name
    assert span.attributes["task.priority"] == priority
    assert span.attributes["worker.id"] == "worker1"
    assert span.attributes["messaging.system"] == "fastqueue"
    assert span.attributes["messaging.operation.name"] == "execute"
    assert span.attributes["messaging.operation.type"] == "process"
    assert span.attributes["messaging.message.id"] == task_id
    assert submission.start <= span.start <= span.end


@pytest.fixture(params=WAYS, ids=[f"{protocol}{'-tls' if tls else ''}" for protocol, tls in WAYS])
def queue(request, collector, certificates):
    with Queue(variables_for(collector, certificates, *request.param)) as running:
        yield running


def test_otlp_trace_of_python_task_over_each_protocol(queue, collector):
    with queue.worker(PYTHON_TASKS):
        task_id = queue.submit_by_python("process_data", {"a": 1}, priority="high")
        assert queue.wait(task_id)["status"] == "success"
        trace = collector.trace_of_task(task_id, lambda spans: is_connected(spans) and len(spans) >= 3)
    submission, execution = pick(trace, "client.submit_task"), pick(trace, "worker.execute_task")
    check_submission(submission, "process_data", "high", "my-app")
    check_execution(execution, submission, task_id, "process_data", "high")
    assert execution.status == UNSET
    custom = pick(trace, "custom_operation")
    assert custom.parent_id == execution.span_id
    assert custom.attributes == {"key": "value", "size": 1}
    assert execution.start <= custom.start <= custom.end <= execution.end
    # What a process says of itself.
    for span in trace:
        assert span.resource["telemetry.sdk.language"] == "c"
        assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", span.resource["service.instance.id"])
    assert submission.resource["service.instance.id"] != execution.resource["service.instance.id"]


def test_otlp_trace_of_c_task_over_each_protocol(queue, collector):
    with queue.worker(C_TASKS):
        good = queue.submit_by_command("add", 1, 2)
        bad = queue.submit_by_command("fail", "Invalid data format")
        assert queue.wait(good)["status"] == "success"
        assert queue.wait(bad)["status"] == "failure"
        trace = collector.trace_of_task(good)
        failed = collector.trace_of_task(bad)
    submission, execution = pick(trace, "client.submit_task"), pick(trace, "worker.execute_task")
    check_submission(submission, "add", "normal", "my-app")
    check_execution(execution, submission, good, "add", "normal")
    assert execution.status == UNSET
    execution = pick(failed, "worker.execute_task")
    assert execution.status == ERROR
    assert execution.exception.attributes["exception.type"] == "DemoError"
    assert execution.exception.attributes["exception.message"] == "Invalid data format"


def test_failed_python_task_is_an_error_with_its_exception(collector, certificates):
    with Queue(variables_for(collector, certificates)) as queue, queue.worker():
        task_id = queue.submit_by_python("reject", "Invalid data format")
        assert queue.wait(task_id)["status"] == "failure"
        execution = pick(collector.trace_of_task(task_id), "worker.execute_task")
    assert execution.status == ERROR
    assert "Invalid data format" in execution.status_message
    event = execution.exception
    assert event.attributes["exception.type"].endswith("InvalidFormat")
    assert event.attributes["exception.message"] == "Invalid data format"
    assert "raise InvalidFormat(message)" in event.attributes["exception.stacktrace"]
    assert execution.start <= event.at <= execution.end
    # Also on the span itself, where the guide's picture shows them.
    assert execution.attributes["exception.type"] == event.attributes["exception.type"]
    assert execution.attributes["exception.message"] == "Invalid data format"
    assert execution.attributes["error.type"] == event.attributes["exception.type"]


@pytest.mark.parametrize("name", ["traced", "traced_async"])
def test_trace_task_decorator_nests_under_the_execution(collector, certificates, name):
    with Queue(variables_for(collector, certificates)) as queue, queue.worker():
        task_id = queue.submit_by_python(name, 1)
        trace = collector.trace_of_task(task_id, lambda spans: is_connected(spans) and len(spans) >= 4)
    execution, decorated, inner = (pick(trace, n) for n in ("worker.execute_task", f"task.{name}", "inner"))
    assert decorated.parent_id == execution.span_id
    assert inner.parent_id == decorated.span_id


def test_client_without_telemetry_gets_its_root_from_the_control_plane(collector, certificates):
    with Queue(variables_for(collector, certificates)) as queue, queue.worker(C_TASKS):
        task_id = queue.submit_by_resp("add", 1, 2)
        assert queue.wait(task_id)["status"] == "success"
        trace = collector.trace_of_task(task_id)
    submission, execution = pick(trace, "client.submit_task"), pick(trace, "worker.execute_task")
    assert submission.service == "fastqueue-control-plane"
    assert execution.parent_id == submission.span_id


def test_retries_are_spans_of_their_own_linked_to_the_attempt_before(collector, certificates):
    with Queue(variables_for(collector, certificates)) as queue, queue.worker(C_TASKS):
        task_id = queue.submit_by_resp("flaky", options=("RETRIES", 3, "BACKOFF", 10))
        assert queue.wait(task_id)["status"] == "success"
        def executions(spans):
            return sorted((s for s in spans if s.name == "worker.execute_task"), key=lambda s: s.start)
        trace = collector.trace_of_task(task_id, lambda spans: len(executions(spans)) == 3 and is_connected(spans))
    first, second, third = executions(trace)
    submission = pick(trace, "client.submit_task")
    assert [span.status for span in (first, second, third)] == [ERROR, ERROR, UNSET]
    assert [span.attributes["fastqueue.task.attempt"] for span in (first, second, third)] == [1, 2, 3]
    assert {span.parent_id for span in (first, second, third)} == {submission.span_id}
    assert first.span_id in {link.span_id for link in second.links}
    assert second.span_id in {link.span_id for link in third.links}


def test_waiting_is_visible_in_the_trace(collector, certificates):
    with Queue(variables_for(collector, certificates)) as queue:
        task_id = queue.submit_by_resp("add", 1, 2, options=("DELAY", 150))
        with queue.worker(C_TASKS):
            assert queue.wait(task_id)["status"] == "success"
            trace = collector.trace_of_task(
                task_id, lambda spans: is_connected(spans) and {"task.scheduled"} <= {s.name for s in spans})
    delay, execution = pick(trace, "task.scheduled"), pick(trace, "worker.execute_task")
    assert 0.1e9 <= delay.end - delay.start <= 5e9
    assert delay.end <= execution.start + 5e6


def test_killed_task_is_closed_as_error_by_the_supervisor(collector, certificates):
    with Queue(variables_for(collector, certificates), "--max-crashes", "1") as queue, queue.worker():
        task_id = queue.submit_by_python("die")
        assert queue.wait(task_id)["status"] == "failure"
        trace = collector.trace_of_task(task_id)
    assert pick(trace, "worker.execute_task").status == ERROR


def test_no_span_is_sent_with_telemetry_off(collector, certificates):
    """The control plane and the worker are silent; trace contexts still travel."""
    trace_id = "5f" * 16
    with Queue(lambda service: {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint("grpc")}) as queue, queue.worker(C_TASKS):
        task_id = queue.submit_by_resp("add", 1, 2, options=("TRACEPARENT", f"00-{trace_id}-{'a1' * 8}-01"))
        assert queue.wait(task_id)["status"] == "success"
    # A witness behind it: what would have been sent had come before.
    with Queue(variables_for(collector, certificates)) as queue, queue.worker(C_TASKS):
        witness = queue.submit_by_resp("add", 1, 2)
        collector.trace_of_task(witness)
    assert [span for span in collector.spans() if span.trace_id == trace_id] == []
