# SPDX-License-Identifier: Apache-2.0
"""Forked processes deliver their own spans and measurements, once, and hang on the span they were forked in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support_py"))

from collector import Collector  # noqa: E402
from telemetry_support import ON, run  # noqa: E402

NO_METRICS = {**ON, "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


def test_os_fork_in_the_middle_of_a_span() -> None:
    done = run(
        """
        import os, sys
        from fastqueue.telemetry import trace_operation
        with trace_operation("before"): pass
        with trace_operation("around") as around:
            pid = os.fork()
            if pid == 0:
                with trace_operation("child"): pass
                sys.exit(0)  # by the ordinary way out
            assert os.waitpid(pid, 0)[1] == 0
            with trace_operation("parent"): pass
        """,
        NO_METRICS,
    )
    around = [span for span in done.spans if span.name == "around"]
    child, parent = done.span("child"), done.span("parent")
    mine = [span for span in around if span.resource["process.pid"] == parent.resource["process.pid"]]
    assert len(mine) == 1 and done.span("before").resource == parent.resource
    assert child.parent == parent.parent == mine[0].id and child.trace == mine[0].trace
    for key in ("process.pid", "service.instance.id"):
        assert child.resource[key] != parent.resource[key]


def test_a_prefork_server() -> None:
    """As gunicorn works: telemetry starts before the fork, workers serve and end by themselves."""
    done = run(
        """
        import os, sys
        from fastqueue.telemetry import record_task_metric, trace_operation
        with trace_operation("preload"):
            record_task_metric("submitted", "preload")
        children = []
        for number in range(3):
            pid = os.fork()
            if pid == 0:
                for request in range(10):
                    with trace_operation(f"request {number} {request}"):
                        record_task_metric("submitted", f"worker {number}")
                sys.exit(0)
            children.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0, 0]
        """,
        {**ON, "OTEL_LOGS_EXPORTER": "none"},
    )
    assert sorted(span.name for span in done.spans) == sorted(
        ["preload", *(f"request {number} {request}" for number in range(3) for request in range(10))]
    )
    assert len({span.resource["service.instance.id"] for span in done.spans}) == 4


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing(method: str, tmp_path: object) -> None:
    done = run(
        f"""
        import multiprocessing
        import telemetry_children
        from fastqueue.telemetry import trace_operation
        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            with trace_operation("parent"):
                process = context.Process(target=telemetry_children.child, args=("in a process",))
                process.start(); process.join()
                with context.Pool(2) as pool:
                    assert pool.map(telemetry_children.square, [1, 2, 3]) == [1, 4, 9]
                    pool.close(); pool.join()
        """,
        NO_METRICS,
    )
    names = sorted(span.name for span in done.spans)
    assert names == ["in a process", "parent", "square 1", "square 2", "square 3"], done.errors
    if method == "fork":
        assert done.span("in a process").parent == done.span("parent").id


def test_threads_while_forking() -> None:
    with Collector() as collector:
        env = collector.environment(OTEL_METRIC_EXPORT_INTERVAL="5")
        run(
            """
        import os, sys, threading
        from fastqueue.telemetry import Observation, get_meter, trace_operation
        def busy(options):
            try: import no_module_of_this_name      # takes the lock that a fork takes too
            except ImportError: pass
            return [Observation(1)]
        get_meter().create_observable_gauge("busy", [busy])
        stop = threading.Event()
        def work():
            while not stop.is_set():
                with trace_operation("busy", {"a": 1}): stop.wait(0.0002)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads: thread.start()
        for number in range(10):
            pid = os.fork()
            if pid == 0:
                with trace_operation(f"child {number}"): pass
                from fastqueue.telemetry import flush
                flush(5)
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
        stop.set()
        for thread in threads: thread.join()
        """,
            env,
        )
        for number in range(10):
            assert len(collector.wait_for_spans(f"child {number}")) == 1
        collector.wait_for_metric("busy")
