# SPDX-License-Identifier: Apache-2.0
"""Collectors that are away, slow, hostile; and an end while the queue of spans is full."""
import contextlib
import pathlib
import re
import socket
import sys
import tempfile
import time

from case import Figure, Run, at_least, at_most, case, holds, percentile, told, zero
from crowd import peak_bytes
from harness import ROOT, Server
from test_tls import Authority

sys.path.insert(0, str(ROOT / "tests" / "support_py"))
from collector import Collector  # noqa: E402

MIB = 1 << 20
# protocol and script of the fake collector: tests/support/otlp_server.h
BEHAVIOURS = {
    "slow by 30 s": ("grpc", "slow:30000"),
    "never answers": ("http", "hang"),
    "asks to wait (429)": ("http", "429:after=30"),
    "unavailable (gRPC 14)": ("grpc", "14:retry=30000"),
    "fails (500)": ("http", "500"),
    "takes a part": ("grpc", "partial:5:no_room"),
    "answers garbage": ("grpc", "garbage"),
    "answers 1 GiB": ("http", f"body:{1 << 30}"),
    "redirects": ("http", "redirect:http://127.0.0.1:9/v1/traces"),
    "resets in the answer": ("grpc", "half"),
    "sends frames without end": ("grpc", "flood"),
}
CI_SLICE = ("never answers", "answers 1 GiB")


def settings(endpoint: str, protocol: str, **more: str) -> dict:
    return {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc" if protocol == "grpc" else "http/protobuf", "OTEL_METRIC_EXPORT_INTERVAL": "200", **more}


def what_became(link) -> dict:
    line = re.search(r"^telemetry_traces:(.*)", link.command("INFO", "telemetry"), re.M).group(1)
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)}


def run_tasks(server: Server, seconds: float) -> tuple[list[float], dict, float]:
    """Tasks from submit to result, one after another: milliseconds of each; what became of their spans; peak memory."""
    times = []
    with server.connect() as link:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            task = link.command("FQ.SUBMIT", "path", "{}")
            token = link.command("FQ.FETCH", "TASKS", "path")[0]["token"]
            link.command("FQ.COMPLETE", task, token, "1")
            link.command("FQ.RESULT", task)
            times.append((time.perf_counter() - began) * 1000)
        return times, what_became(link), peak_bytes(server) / MIB


def measure(environment: dict, seconds: float) -> tuple[list[float], dict, float, float]:
    """The same on a server of its own, and how long its end took."""
    with Server("--data-dir", "none", environment=environment) as server:
        found = run_tasks(server, seconds)
        began = time.monotonic()
        server.terminate()
        return *found, time.monotonic() - began


def judged(run: Run, name: str, found, usual_ms: float, usual_mib: float) -> list[Figure]:
    times, spans, memory, ended = found
    lost = spans["dropped_queue_full"] + spans["dropped_failed"] + spans["dropped_rejected"]
    known = spans["exported"] + lost + spans["queued"]
    most = max(3 * usual_ms, usual_ms + run.scale(25, 1000))  # a loaded machine decides about single milliseconds
    return [at_most(f"p99 of a task, collector {name}", percentile(times, 0.99), round(most, 2), "ms"),
            told(f"spans lost and counted, {name}", lost), at_most(f"spans neither sent, waiting nor counted as lost (a batch on its way), {name}", spans["created"] - known, 2048),
            at_most(f"memory beside the usual, {name}", memory - usual_mib, 24, "MiB"), at_most(f"end, {name}", ended, run.scale(5, 10), "s")]


def worst(figures: list[Figure]) -> list[Figure]:
    """The matrix in four lines."""
    def values(start: str) -> list:
        return [figure.value for figure in figures if figure.name.startswith(start + ", ") or figure.name.startswith(start + " (")]

    tails = values("p99 of a task")  # one of them with a collector that is well
    return [told("ways to misbehave", len(tails) - 1), told("worst p99 of a task", max(tails), "ms"),
            told("most memory beside the usual", max(values("memory beside the usual")), "MiB"), told("longest end", max(values("end")), "s")]


@case(38, "Collectors that are down, slow, refusing, lying, hostile",
      expected="tasks as fast as ever; memory bounded; what is lost is counted; the end is not delayed", ci=True, needs=("openssl",))
def collectors(run: Run) -> list[Figure]:
    seconds = run.scale(4, 0.6)
    with Collector() as collector:
        measure(settings(collector.endpoint, "grpc"), 0.3)
        times, spans, usual_mib, _ = measure(settings(collector.endpoint, "grpc"), seconds)
    usual_ms = percentile(times, 0.99)
    figures = [told("tasks a run", len(times)), told("p99 of a task, collector well", usual_ms, "ms"), told("spans exported then", spans["exported"])]
    for name, (protocol, script) in BEHAVIOURS.items():
        if run.ci and name not in CI_SLICE:
            continue
        with Collector(protocol, behaviour=script) as collector:
            figures += judged(run, name, measure(settings(collector.endpoint, protocol), seconds), usual_ms, usual_mib)
            collector.kill()  # it may be busy with an answer of 1 GiB
    if run.ci:
        return worst(figures) + figures
    with contextlib.ExitStack() as held:
        away = held.enter_context(socket.socket())
        away.bind(("127.0.0.1", 0))  # bound, and nobody listens
        figures += judged(run, "down", measure(settings(f"http://127.0.0.1:{away.getsockname()[1]}", "grpc"), seconds), usual_ms, usual_mib)
        folder = pathlib.Path(held.enter_context(tempfile.TemporaryDirectory()))
        identity = tuple(map(str, Authority(folder).issue("collector", "DNS:localhost")))
        secret = held.enter_context(Collector("http", tls=identity))
        figures += judged(run, "with a certificate that nobody vouches for", measure(settings(secret.endpoint, "http"), seconds), usual_ms, usual_mib)
        figures.append(zero("requests that it saw", len(secret.requests)))
    return worst(figures) + figures


@case(39, "The end while the queue of spans is full", expected="over within 5 s, whatever the collector does", ci=True)
def full_queue(run: Run) -> list[Figure]:
    figures = []
    for name, script in (("never answers", "hang"), ("trickles", "trickle")):
        with Collector(behaviour=script) as collector:
            environment = settings(collector.endpoint, "grpc", OTEL_BSP_MAX_QUEUE_SIZE="256", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="64")
            with Server("--data-dir", "none", environment=environment) as server:
                _, spans, _ = run_tasks(server, run.scale(3, 0.5))
                began = time.monotonic()
                code = server.terminate()
                took = time.monotonic() - began
            figures += [at_least(f"spans that found the queue full, collector {name}", spans["dropped_queue_full"], 1),
                        holds(f"exit code 0, {name}", code == 0, str(code)), at_most(f"end after, {name}", took, run.scale(5, 10), "s")]
    return figures
