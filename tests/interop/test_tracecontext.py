"""W3C Trace Context through a task: what is submitted as TRACEPARENT and TRACESTATE comes out at the task as the rules say.

Each case goes in by the bare protocol and is seen twice: in the spans that the Collector got, and in what the worker is handed.
"""
import re

import pytest
from queue_under_test import C_TASKS, Queue, telemetry

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"

ACCEPTED = {
    "version_00": GOOD,
    "random_flag_of_level_2": f"00-{TRACE}-{PARENT}-03",
    "unknown_flags_are_ignored": f"00-{TRACE}-{PARENT}-09",
    "higher_version": f"cc-{TRACE}-{PARENT}-01",
    "higher_version_with_more_fields": f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like",
    "leading_and_trailing_blanks": f" \t{GOOD}\t ",
}
REFUSED = {
    "version_ff": f"ff-{TRACE}-{PARENT}-01",
    "version_00_with_more_fields": f"{GOOD}-x",
    "version_00_with_trailing_dash": f"{GOOD}-",
    "higher_version_without_dash": f"cc-{TRACE}-{PARENT}-01.what",
    "upper_case_trace_id": f"00-{TRACE.upper()}-{PARENT}-01",
    "upper_case_parent_id": f"00-{TRACE}-{PARENT.upper()}-01",
    "zero_trace_id": f"00-{'0' * 32}-{PARENT}-01",
    "zero_parent_id": f"00-{TRACE}-{'0' * 16}-01",
    "no_hexadecimal_trace_id": f"00-{'.' * 32}-{PARENT}-01",
    "no_hexadecimal_flags": f"00-{TRACE}-{PARENT}-.1",
    "short_trace_id": f"00-{TRACE[1:]}-{PARENT}-01",
    "long_trace_id": f"00-{TRACE}0-{PARENT}-01",
    "short_flags": f"00-{TRACE}-{PARENT}-1",
    "one_digit_version": f"0-{TRACE}-{PARENT}-01",
    "empty": "",
    "twice_in_one": f"{GOOD},{GOOD}",
}
TRACESTATES = {
    "one_member": ("vendor=opaque", "vendor=opaque"),
    "order_is_kept": ("b=2,a=1", "b=2,a=1"),
    "tenant_key": ("tenant@system=1", "tenant@system=1"),
    "blanks_around_members": ("a=1 , b=2", "a=1,b=2"),
    "empty_members": ("a=1,,b=2", "a=1,b=2"),
    "32_members": (",".join(f"k{i}={i}" for i in range(32)), ",".join(f"k{i}={i}" for i in range(32))),
    "33_members": (",".join(f"k{i}={i}" for i in range(33)), ""),
    "key_of_256": ("z" * 256 + "=1", "z" * 256 + "=1"),
    "key_of_257": ("z" * 257 + "=1", ""),
    "upper_case_key": ("FOO=1", ""),
    "value_with_equals": ("foo=bar=baz", ""),
    "value_of_256": ("foo=" + "v" * 256, "foo=" + "v" * 256),
    "value_of_257": ("foo=" + "v" * 257, ""),
    "no_value": ("foo=", ""),
    "bad_member_spoils_all": ("foo=1,bar", ""),
}


@pytest.fixture(scope="module")
def queue(collector):
    with Queue(lambda service: telemetry(collector.endpoint("grpc"), service)) as running, running.worker(C_TASKS):
        yield running


def run(queue, collector, *options):
    """The execution of a task that was submitted with these options, and the span above it if somebody made one."""
    task_id = queue.submit_by_resp("noop", options=options)
    assert queue.wait(task_id)["status"] == "success"

    def pair(spans):
        [execution] = [span for span in spans if span.attributes.get("task.id") == task_id
                       and span.name == "worker.execute_task"] or [None]
        above = [span for span in spans if execution and span.span_id == execution.parent_id]
        return (execution, above[0] if above else None) if execution and (above or execution.parent_id == PARENT) else None
    return pair(collector.trace_of_task(task_id, pair))


@pytest.mark.parametrize("name", ACCEPTED)
def test_valid_traceparent_is_continued(queue, collector, name):
    execution, _ = run(queue, collector, "TRACEPARENT", ACCEPTED[name])
    assert execution.trace_id == TRACE
    assert execution.parent_id == PARENT
    assert execution.flags & 0xff == (3 if name.startswith("random") else 1), "other flags are sent as 0"


@pytest.mark.parametrize("name", REFUSED)
def test_invalid_traceparent_starts_a_new_trace(queue, collector, name):
    """And the tracestate that came with it is dropped."""
    execution, submission = run(queue, collector, "TRACEPARENT", REFUSED[name], "TRACESTATE", "foo=1")
    assert execution.trace_id not in (TRACE, TRACE.upper(), "0" * 32)
    assert execution.trace_state == ""
    assert (submission.name, submission.parent_id) == ("client.submit_task", "")


@pytest.mark.parametrize("name", TRACESTATES)
def test_tracestate_travels_or_is_dropped_whole(queue, collector, name):
    given, expected = TRACESTATES[name]
    execution, _ = run(queue, collector, "TRACEPARENT", GOOD, "TRACESTATE", given)
    assert execution.trace_id == TRACE, "a bad tracestate never costs the trace"
    assert re.sub(r"[ \t]*,[ \t,]*", ",", execution.trace_state) == expected


def test_tracestate_without_traceparent_is_ignored(queue, collector):
    execution, _ = run(queue, collector, "TRACESTATE", "foo=1")
    assert execution.trace_state == ""


def test_trace_headers_of_the_http_api(queue, collector):
    """Header names count in any case; the body's own fields would win."""
    status, _, text = queue.server.http("POST", "/api/v1/tasks", '{"name": "noop"}',
                                        {"Content-Type": "application/json", "TraceParent": GOOD, "tracestate": "a=1"})
    assert status == 201, text
    task_id = re.search(r'"id": *"([^"]+)"', text).group(1)
    def mine(spans):
        return [span for span in spans if span.attributes.get("task.id") == task_id]
    execution = mine(collector.trace_of_task(task_id, mine))[0]
    assert (execution.trace_id, execution.parent_id, execution.trace_state) == (TRACE, PARENT, "a=1")


@pytest.mark.parametrize("propagators", ["b3", "b3multi", "jaeger"])
def test_queue_speaks_tracecontext_whatever_the_propagators(collector, propagators):
    """OTEL_PROPAGATORS chooses what goes over other carriers; between submitter and worker the trace is never lost."""
    variables = {"OTEL_PROPAGATORS": propagators}
    with Queue(lambda service: telemetry(collector.endpoint("grpc"), service, **variables)) as queue:
        with queue.worker(C_TASKS):
            task_id = queue.submit_by_command("noop")
            collector.trace_of_task(task_id)
