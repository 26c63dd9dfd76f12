"""Telemetry off, on (traces of every task and metrics over gRPC, to a receiver on the same processors), and on with the collector gone: one C
runner, tasks that do nothing, durable. Spans that the receiver did not see are counted as lost."""
import json
import subprocess
import time

from drive import program
from record import Case
from stage import BUILD, Server, cpu_seconds, folder, free_port, load, runner_pids, subworker, wait_until_done

NAME, TITLE, ORDER = "telemetry", "Telemetry off, on, and on with the collector gone", 70


def settings(port: int) -> dict:
    return {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_METRIC_EXPORT_INTERVAL": "1000", "FASTQUEUE_TELEMETRY_EXIT_TIMEOUT": "10"}


def worked(env: dict, count: int) -> dict:
    module = str(BUILD / "bench/bench_tasks.so")
    with folder() as path, Server("sync", path, env=env, quiet=True) as server, \
            subworker(server.port, "--task-modules", module, env=env, quiet=True) as worker:
        load("call", server.port, 50)
        runner = runner_pids(worker.pid)[0]
        before, mine = cpu_seconds(server.process.pid), cpu_seconds(runner)
        start = time.monotonic()
        load("submit", server.port, count, batch=512)
        wait_until_done(server.port, count + 50)
        return {"rate": count / (time.monotonic() - start), "server_cpu_us": (cpu_seconds(server.process.pid) - before) / count * 1e6,
                "worker_cpu_us": (cpu_seconds(runner) - mine) / count * 1e6}


def with_receiver(count: int) -> dict:
    port = free_port()
    with program(BUILD / "bench/sink", port, stdout=subprocess.PIPE) as sink:
        values = worked(settings(port), count)
        sink.terminate()
        seen = json.loads(sink.communicate(timeout=60)[0])
    return {**values, "spans_lost": 2 * (count + 50) - seen["submits"] - seen["attempts"]}


def run(bench) -> None:
    count = bench.count(200_000, 20_000)
    bench.alternate([Case("fastqueue", "sync", "off", lambda: worked({}, count), {"telemetry": "off"}),
                     Case("fastqueue", "sync", "on", lambda: with_receiver(count), {"telemetry": "on"}),
                     Case("fastqueue", "sync", "on, collector gone", lambda: worked(settings(free_port()), count), {"telemetry": "gone"})])
