# SPDX-License-Identifier: Apache-2.0
"""The demo: a durable control plane, a worker with tasks in C and in Python, a few thousand real tasks, one kill -9 in the middle.

Ends with 0 only when every task ended as it should. demo/run.sh starts it.
"""
from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict

from fastqueue import Client
from plan import PRIORITIES, Job, make_plan
from trace_tree import Receiver, tree

HERE = pathlib.Path(__file__).resolve().parent
STATES = ("success", "failure", "cancelled", "expired")
LIMIT_S = 90


def free_port() -> int:
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Stage:
    """The processes of the demo and their directory."""

    def __init__(self, program: str, modules: list[str], folder: pathlib.Path):
        self.program, self.modules, self.folder = program, modules, folder
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.control_plane: subprocess.Popen | None = None
        self.worker: subprocess.Popen | None = None

    def _start(self, log: str, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen:
        with open(self.folder / log, "ab") as out:
            return subprocess.Popen([self.program, *words], stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd=HERE,
                                    env={**os.environ, **(env or {})})

    def start_control_plane(self) -> None:
        self.control_plane = self._start(
            "control-plane.log", "control-plane", "--base-address", self.address, "--http-address", "off",
            "--data-dir", str(self.folder / "data"), "--allow-volatile", "--max-crashes", "2")

    def wait_until_up(self) -> None:
        host, port = self.address.removeprefix("tcp://").split(":")
        end = time.monotonic() + 30
        while time.monotonic() < end and self.control_plane.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return
            time.sleep(0.01)
        raise SystemExit("the control plane did not start:\n" + (self.folder / "control-plane.log").read_text())

    def start_worker(self) -> None:
        self.worker = self._start(
            "worker.log", "subworker", "--control-plane-address", self.address, "--worker-id", "demo-worker",
            "--task-modules", *self.modules)

    def start_traced_worker(self, env: dict[str, str]) -> subprocess.Popen:
        return self._start(
            "traced-worker.log", "subworker", "--control-plane-address", self.address, "--worker-id", "traced-worker",
            "--concurrency", "1", "--task-modules", "shop", env=env)

    def kill_control_plane(self) -> None:
        self.control_plane.kill()
        self.control_plane.wait()

    def stop(self) -> list[str]:
        """Ends both as an operator would; complaints if they do not end with 0."""
        complaints = []
        for name, process in (("worker", self.worker), ("control plane", self.control_plane)):
            if process is None:
                continue
            process.terminate()
            try:
                if process.wait(30) != 0:
                    complaints.append(f"the {name} ended with exit code {process.returncode}")
            except subprocess.TimeoutExpired:
                process.kill()
                complaints.append(f"the {name} did not end")
        return complaints

    def print_logs(self) -> None:
        for log in sorted(self.folder.glob("*.log")):
            print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n")


class Progress:
    """One line that is written over on a terminal, a line every half second elsewhere."""

    def __init__(self, total: int):
        self.total, self.done, self.began = total, 0, time.monotonic()
        self.live = sys.stdout.isatty()

    def say(self, text: str) -> None:
        print(("\r\033[K" if self.live else "") + text, flush=True)

    def show(self, stats: dict | None) -> None:
        filled = 30 * self.done // self.total
        waiting = "  ".join(f"{p} {stats['pending'][p]}" for p in PRIORITIES) if stats else "(reconnecting)"
        line = f"[{'#' * filled}{'.' * (30 - filled)}] {self.done:5}/{self.total}  waiting: {waiting}"
        print(("\r\033[K" if self.live else "") + line, end="" if self.live else "\n", flush=True)


async def run_job(client: Client, job: Job, progress: Progress):
    outcome = await client.submit_task(job.name, job.args, job.kwargs, wait=LIMIT_S, **job.options)
    progress.done += 1
    return outcome


async def run_cancelled(client: Client, job: Job, progress: Progress):
    task_id = await client.submit(job.name, job.args, job.kwargs, **job.options)
    await client.cancel_task(task_id)
    progress.done += 1
    return await client.get_task_result(task_id, wait=LIMIT_S)


async def watch(client: Client, stage: Stage, progress: Progress) -> None:
    """Shows progress; kills the control plane once, on the way."""
    cut = False
    while progress.done < progress.total:
        stats = None
        with contextlib.suppress(Exception):
            stats = await asyncio.wait_for(client.command("FQ.STATS"), 1)
        progress.show(stats)
        if not cut and progress.done > progress.total // 3:
            cut = True
            stage.kill_control_plane()
            progress.say("control plane killed with SIGKILL ... ")
            began = time.monotonic()
            stage.start_control_plane()
            await client.command("PING")
            progress.say(f"control plane started again, journal replayed, clients back: {time.monotonic() - began:.2f} s")
        await asyncio.sleep(0.1 if progress.live else 0.5)


async def run_all(stage: Stage, jobs: list[Job]) -> tuple[list, float]:
    async with Client(stage.address, timeout=LIMIT_S, retries=1000) as client:
        progress = Progress(len(jobs))
        began = time.monotonic()
        runs = [(run_cancelled if job.status == "cancelled" else run_job)(client, job, progress) for job in jobs]
        watcher = asyncio.create_task(watch(client, stage, progress))
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        seconds = time.monotonic() - began
        watcher.cancel()
        progress.show({"pending": dict.fromkeys(PRIORITIES, 0)})
        if progress.live:
            print()
        return outcomes, seconds


# --- figures --------------------------------------------------------------------------------------------------------------


def percentile(values: list[int], percent: float) -> int:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0


def duration(us: float) -> str:
    if us < 1000:
        return f"{us:.0f} us"
    return f"{us / 1000:.1f} ms" if us < 1_000_000 else f"{us / 1_000_000:.2f} s"


def print_table(rows: list[dict]) -> None:
    counts = Counter((row["priority"], row["status"]) for row in rows)
    waits, runs = defaultdict(list), []
    for row in rows:
        if row["attempt"] > 0:
            waits[row["priority"]].append(row["wait_us"])
            runs.append(row["run_us"])
    print(f"\n{'priority':10}" + "".join(f"{state:>11}" for state in STATES) + "   wait p50        p95        p99")
    for priority in PRIORITIES:
        figures = "".join(f"{duration(percentile(waits[priority], p)):>11}" for p in (50, 95, 99))
        print(f"{priority:10}" + "".join(f"{counts[priority, state]:11}" for state in STATES) + figures)
    figures = ", ".join(f"p{p} {duration(percentile(runs, p))}" for p in (50, 95, 99))
    print(f"\nrun time: {figures}")


def print_kinds(jobs: list[Job], complaints: dict[int, str]) -> None:
    kinds = Counter(job.kind for job in jobs)
    bad = Counter(jobs[i].kind for i in complaints)
    print(f"\n{'tasks':24}{'submitted':>10}{'as expected':>13}")
    for kind, count in kinds.items():
        print(f"{kind:24}{count:10}{count - bad[kind]:13}")


def list_tasks(stage: Stage) -> list[dict]:
    done = subprocess.run(
        [stage.program, "list", "--json", "--limit", "100000", "--control-plane-address", stage.address],
        stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def check(jobs: list[Job], outcomes: list) -> dict[int, str]:
    complaints = {}
    for index, (job, outcome) in enumerate(zip(jobs, outcomes)):
        said = f"{job.name}: {outcome!r}" if isinstance(outcome, BaseException) else job.complaint(outcome)
        if said:
            complaints[index] = said
    return complaints


def show_trace(stage: Stage) -> str | None:
    """One task with telemetry on, its spans drawn as a tree. A complaint if they do not come."""
    receiver = Receiver()
    env = {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
           "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    worker = stage.start_traced_worker({**env, "OTEL_SERVICE_NAME": "shop-worker"})
    try:
        subprocess.run([stage.program, "submit", "shop.checkout", "4711", "--control-plane-address", stage.address],
                       env={**os.environ, **env, "OTEL_SERVICE_NAME": "shop"}, stdout=subprocess.DEVNULL, check=True)
        arrived = receiver.wait_for("worker.execute_task", 2, 10) and receiver.wait_for("client.submit_task", 1, 5)
    finally:
        worker.terminate()
        worker.wait(30)
    if not arrived:
        return f"of the traced task only these spans came: {[span['name'] for span in receiver.spans]}"
    print("\nOne task as a trace, its first attempt failing (FASTQUEUE_TELEMETRY_ENABLED=true; drawn from the spans that were sent):\n")
    print("\n".join("  " + line for line in tree(receiver.spans)))
    return None


def print_next(program: str, c_tasks: str) -> None:
    shown, module = os.path.relpath(program), os.path.relpath(c_tasks)
    print(f"""
Try next:
  {shown} control-plane &      # keeps its journal in ~/.local/state/fastqueue
  {shown} subworker --task-modules {module} &
  {shown} submit add 2 3       # Result: 5
  {shown} submit word_count "to be or not to be" --priority high --json
  {shown} top                  # live: workers, queues, rates, percentiles
  {shown} doctor               # looks for trouble and says what to do
  redis-cli -p 5555 FQ.SUBMIT add '{{"args":[20,22],"kwargs":{{}}}}'""")


def perform(stage: Stage) -> int:
    jobs = make_plan()
    print(f"control plane at {stage.address}, durable in {stage.folder / 'data'}\n"
          f"worker with tasks in C (examples/c/tasks.c) and Python (demo/tasks.py)\n"
          f"{len(jobs)} tasks, four priorities; the control plane is killed on the way\n")
    stage.start_control_plane()
    stage.wait_until_up()
    stage.start_worker()
    outcomes, seconds = asyncio.run(run_all(stage, jobs))
    complaints = check(jobs, outcomes)
    rows = list_tasks(stage)
    print_kinds(jobs, complaints)
    print_table(rows)
    print(f"throughput: {len(jobs) / seconds:.0f} tasks/s over {seconds:.1f} s, the restart included; each one was on disk "
          "before it was acknowledged")
    untraced = show_trace(stage)
    if untraced:
        complaints[-1] = untraced
    if len(rows) != len(jobs):
        complaints[0] = f"the control plane holds {len(rows)} tasks instead of {len(jobs)}"
    problems = [*complaints.values(), *stage.stop()]
    for problem in problems[:10]:
        print("WRONG:", problem)
    if problems:
        stage.print_logs()
        return 1
    print(f"\nAll {len(jobs)} tasks ended as they should.")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--c-tasks", required=True)
    parser.add_argument("--folder", required=True)
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="demo-", dir=options.folder))
    stage = Stage(options.program, [options.c_tasks, "tasks"], folder)
    try:
        code = perform(stage)
    finally:
        for process in (stage.worker, stage.control_plane):
            if process is not None and process.poll() is None:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    if code == 0:
        print_next(options.program, options.c_tasks)
    return code


if __name__ == "__main__":
    sys.exit(main())
