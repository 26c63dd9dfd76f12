#!/usr/bin/env python3
"""What telemetry costs the queue: the same load with telemetry off, on, and on with a receiver that is not well.

usage: bench/telemetry/overhead.py BUILD_DIR [--quick]

Each pair is run alternately, off then on, and the medians are compared. On means: traces (all sampled) and metrics over gRPC to a
receiver on the same machine, which takes its share of the two cores, as control plane and runners do. Spans that did not come are counted
from what the receiver saw; a run that lost any is labelled so.
"""
import json
import pathlib
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from stage import BUILD, DRIVER, Server, cpu_seconds, folder, free_port, load, proportional_bytes, python_site, runner_pids, subworker, wait_until_done  # noqa: E402

QUICK = "--quick" in sys.argv
PAYLOAD = 100
ROUNDS = 3 if QUICK else 5
CPUS = 2


class Sink:
    """The receiver; `stop()` gives what came."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process = subprocess.Popen([BUILD / "bench/sink", str(self.port)], stdout=subprocess.PIPE)
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def stop(self) -> dict:
        self.process.terminate()
        return json.loads(self.process.communicate()[0])


def settings(endpoint: str) -> dict:
    return {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_METRIC_EXPORT_INTERVAL": "1000", "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "10"}


def run(module: str, env: dict, work, telemetry: bool) -> tuple[dict, dict | None]:
    """`work(server)` with or without telemetry: its figures, and what the receiver saw."""
    sink = Sink() if telemetry else None
    on = settings(sink.endpoint) if sink else {}
    with folder() as path, Server("sync", path, env=on) as server:
        with subworker(server.port, "--task-modules", module, env={**env, **on}, concurrency=CPUS) as worker:
            load("call", server.port, 50, bytes=PAYLOAD)
            before = cpu_seconds(server.process.pid), cpu_seconds(worker.pid)
            figures = work(server)
            figures["control plane CPU"] = cpu_seconds(server.process.pid) - before[0]
            figures["supervisor CPU"] = cpu_seconds(worker.pid) - before[1]
    return figures, sink.stop() if sink else None


def flat_out(task: str, count: int):
    def work(server: Server) -> dict:
        start = time.monotonic()
        load("submit", server.port, count, task, bytes=PAYLOAD, batch=512)
        wait_until_done(server.port, count + 50)
        return {"per_second": count / (time.monotonic() - start), "count": count}
    return work


def offered(rate: int, seconds: int):
    """A steady load, and beside it one task at a time whose way is timed."""
    def work(server: Server) -> dict:
        count = rate * seconds
        pacing = subprocess.Popen([DRIVER, "pace", str(server.port), "--count", str(count), "--bytes", str(PAYLOAD), "--rate", str(rate)],
                                  stdout=subprocess.PIPE)
        probe = 200 * seconds
        timed = load("call", server.port, probe, bytes=PAYLOAD)
        paced = json.loads(pacing.communicate()[0])
        wait_until_done(server.port, count + probe + 50)
        return {"per_second": paced["rate"], "p99_us": timed["p99_us"], "p50_us": timed["p50_us"], "count": count + probe}
    return work


def compare(what: str, module: str, env: dict, work, bound: str) -> None:
    off, on, lost, of = [], [], 0, 0
    for _ in range(ROUNDS):
        off.append(run(module, env, work, False)[0])
        figures, seen = run(module, env, work, True)
        on.append(figures)
        of += 2 * (figures["count"] + 50)
        lost += 2 * (figures["count"] + 50) - seen["submits"] - seen["attempts"]

    def middle(runs: list[dict], key: str) -> float:
        return statistics.median(each[key] for each in runs)

    rates = middle(off, "per_second"), middle(on, "per_second")
    print(f"{what:44} off {rates[0]:>9,.0f}/s  on {rates[1]:>9,.0f}/s  {rates[1] / rates[0]:6.1%}  (at least {bound})  "
          + (f"LOST {lost:,} of {of:,} spans" if lost else "no span lost"), flush=True)
    if "p99_us" in off[0]:
        tails = middle(off, "p99_us"), middle(on, "p99_us")
        print(f"{'  submit to result under it':44} p99 off {tails[0]:,.0f} us  on {tails[1]:,.0f} us  {tails[1] / tails[0]:6.1%}  (at most 110 %)")
    cpu = [1e6 * middle(runs, "control plane CPU") / runs[0]["count"] for runs in (off, on)]
    print(f"{'  control plane CPU a task':44} off {cpu[0]:.2f} us  on {cpu[1]:.2f} us", flush=True)


def memory(module: str) -> None:
    """Memory that telemetry adds to each process once its buffers have been full. What two processes share counts half for
    each; few tasks, because the trace context that each of them keeps is not a buffer."""
    sizes = {}
    for telemetry in (False, True):
        sink = Sink() if telemetry else None
        on = settings(sink.endpoint) if sink else {}
        with folder() as path, Server("sync", path, env=on) as server:
            with subworker(server.port, "--task-modules", module, env=on) as worker:
                load("submit", server.port, 5_000, bytes=PAYLOAD, batch=512)
                wait_until_done(server.port, 5_000)
                sizes[telemetry] = [proportional_bytes(pid) for pid in (server.process.pid, worker.pid, runner_pids(worker.pid)[0])]
        if sink:
            sink.stop()
    for index, name in enumerate(("control plane", "supervisor", "runner")):
        print(f"{'memory added to a ' + name:44} {(sizes[True][index] - sizes[False][index]) / 1e6:.1f} MB  (at most 4 MB)")


def main() -> int:
    c_module, env = str(BUILD / "bench/bench_tasks.so"), python_site(BUILD / "bench/site")
    count = 50_000 if QUICK else 200_000
    compare("C, 1 ms tasks on all cores", c_module, {}, flat_out("bench.busy", 2000 if QUICK else 8000), "95 %")
    compare("Python, 1 ms tasks on all cores", "bench_tasks", env, flat_out("bench.busy", 2000 if QUICK else 8000), "95 %")
    compare("C, 50,000 tasks/s offered", c_module, {}, offered(50_000, 2 if QUICK else 4), "95 %")
    compare("C, no-op tasks flat out", c_module, {}, flat_out("bench.noop", count), "75 %")
    compare("Python, no-op tasks flat out", "bench_tasks", env, flat_out("bench.noop", count // 2), "65 %")
    memory(c_module)
    return 0


if __name__ == "__main__":
    sys.exit(main())
