"""Sampling: the share is what was asked for, and a trace is there whole or not at all."""
import math

import pytest
from queue_under_test import C_TASKS, Queue, telemetry

TASKS = 3000


def submit_many(queue, count):
    """The ids of tasks that the asyncio client submitted, each with a trace of its own."""
    return queue.python(f"""
import asyncio
from fastqueue import Client
async def main():
    client = Client()
    await client.start()
    for start in range(0, {count}, 100):
        print("\\n".join(await asyncio.gather(*(client.delay("noop") for _ in range(100)))))
    client.stop()
asyncio.run(main())
""").split()


@pytest.mark.parametrize("sampler, ratio", [("traceidratio", 0.1), ("parentbased_traceidratio", 0.05)])
def test_sampled_share_is_within_statistical_bounds(collector, sampler, ratio):
    variables = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": str(ratio), "OTEL_BSP_MAX_QUEUE_SIZE": "8192"}
    with Queue(lambda service: telemetry(collector.endpoint("grpc"), service, **variables)) as queue:
        with queue.worker(C_TASKS):
            ids = set(submit_many(queue, TASKS))
            assert len(ids) == TASKS
            assert all(queue.wait(one)["status"] == "success" for one in ids)
        # The worker has ended and the client too: what they had to say is on its way. Count what was executed.
        def executed():
            return [s for s in collector.spans() if s.name == "worker.execute_task" and s.attributes["task.id"] in ids]
        def submitted():
            traces = {s.trace_id for s in executed()}
            return [s for s in collector.spans() if s.name == "client.submit_task" and s.trace_id in traces]
        collector.wait_for_spans(lambda _: executed() and len(submitted()) == len(executed()), "both halves of each trace")
    # Four standard deviations: false alarm once in 16,000 runs.
    spread = 4 * math.sqrt(TASKS * ratio * (1 - ratio))
    assert abs(len(executed()) - TASKS * ratio) <= spread
    assert {s.trace_id for s in executed()} == {s.trace_id for s in submitted()}


def test_unsampled_parent_is_obeyed_by_default(collector):
    """The default sampler follows the submitter's decision: an unsampled trace stays unseen."""
    with Queue(lambda service: telemetry(collector.endpoint("grpc"), service)) as queue, queue.worker(C_TASKS):
        silent = queue.submit_by_resp("noop", options=("TRACEPARENT", f"00-{'51' * 16}-{'a1' * 8}-00"))
        loud = queue.submit_by_resp("noop", options=("TRACEPARENT", f"00-{'52' * 16}-{'a1' * 8}-01"))
        assert queue.wait(silent)["status"] == "success"
        collector.trace_of_task(loud, lambda spans: bool(spans))
    assert [s for s in collector.spans() if s.trace_id == "51" * 16] == []
