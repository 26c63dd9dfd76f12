"""Runs a real `fastqueue subworker` against a Server of harness.py, with the example tasks unless told otherwise.

    with Server("--data-dir", "none") as server, Subworker(server, "--concurrency", "1") as worker:
        view = worker.run("add", 1, 2)
"""
import json
import os
import pathlib
import signal
import subprocess
import time

from harness import BUILD, PROGRAM, START_LIMIT_S, STOP_LIMIT_S, Link, Server, encode

EXAMPLES = BUILD / "examples" / "tasks.so"
FINAL = ("success", "failure", "cancelled", "expired")


def payload(*args) -> str:
    return json.dumps({"args": args, "kwargs": {}})


class Subworker:
    def __init__(self, server: Server, *options: str, worker_id: str = "w1", modules=(EXAMPLES,),
                 environment: dict | None = None):
        self.server = server
        self.worker_id = worker_id
        self.log_path = server.folder / f"log-{worker_id}-{time.monotonic_ns()}"
        self.line = [str(PROGRAM), "subworker", "--control-plane-address", f"tcp://127.0.0.1:{server.port}",
                     "--worker-id", worker_id, *map(str, options), "--task-modules", *map(str, modules)]
        self.environment = Server._environment({**server.environment, **(environment or {})})
        self.process: subprocess.Popen | None = None
        self.link: Link | None = None

    def __enter__(self) -> "Subworker":
        self.start()
        return self

    def __exit__(self, kind, *_) -> None:
        if self.link is not None:
            self.link.close()
        code = self.stop()
        if kind is None and code != 0:
            raise AssertionError(f"the subworker's exit code is {code}:\n{self.log()}")

    def start(self, wait: bool = True) -> None:
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.line, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self.environment)
        if wait:
            self.attach()

    def attach(self) -> None:
        """Waits until the process that was started works, and connects for the test."""
        self.wait_for_log("registered with the control plane")
        self.link = self.server.connect()

    def wait_for_log(self, text: str, limit: float = START_LIMIT_S) -> None:
        end = time.monotonic() + limit
        while text not in self.log():
            if self.process.poll() is not None and text not in self.log():
                raise AssertionError(f"the subworker ended with {self.process.returncode}:\n{self.log()}")
            if time.monotonic() > end:
                raise AssertionError(f"'{text}' did not appear in {limit} s:\n{self.log()}")
            time.sleep(0.005)

    def wait_for_end(self, limit: float = STOP_LIMIT_S) -> int:
        return self.process.wait(limit)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM twice: running tasks are given back at once. The exit code."""
        for _ in range(2):
            if self.process.poll() is None:
                self.terminate()
                time.sleep(0.05)
        try:
            return self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return -signal.SIGKILL

    def runners(self) -> list[int]:
        """Process ids of the living runners."""
        pid = self.process.pid
        try:
            return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        except OSError:
            return []

    # --- tasks, over a connection of the test's own
    def submit(self, name: str, *args, options=()) -> str:
        return self.link.command("FQ.SUBMIT", name, payload(*args), *options)

    def submit_many(self, calls) -> list[str]:
        """`calls`: (name, args) pairs, in one write."""
        calls = list(calls)
        self.link.send(b"".join(encode("FQ.SUBMIT", name, payload(*args)) for name, args in calls))
        return [self.link.read() for _ in calls]

    def view(self, task_id: str) -> dict:
        return self.link.command("FQ.RESULT", task_id)

    def wait(self, task_id: str, limit: float = 60) -> dict:
        view = self.link.command("FQ.RESULT", task_id, "WAIT", int(limit * 1000))
        if view["status"] not in FINAL:
            raise AssertionError(f"still {view['status']} after {limit} s: {view}\n{self.log()}")
        return view

    def wait_for_status(self, task_id: str, status: str, limit: float = 30) -> dict:
        end = time.monotonic() + limit
        while (view := self.view(task_id))["status"] != status:
            if time.monotonic() > end:
                raise AssertionError(f"not {status} in {limit} s: {view}\n{self.log()}")
            time.sleep(0.005)
        return view

    def wait_until_started(self, task_id: str) -> dict:
        """Until the control plane knows that it runs."""
        end = time.monotonic() + 30
        while not (view := self.view(task_id))["started_at"]:
            if time.monotonic() > end:
                raise AssertionError(f"not started: {view}\n{self.log()}")
            time.sleep(0.005)
        return view

    def run(self, name: str, *args, options=(), limit: float = 60) -> dict:
        return self.wait(self.submit(name, *args, options=options), limit)

    @classmethod
    def run_to_end(cls, server: Server, *options: str, limit: float = 60, **more) -> tuple[int, str]:
        """One that is expected to end by itself: its exit code and what it wrote."""
        worker = cls(server, *options, **more)
        done = subprocess.run(worker.line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=worker.environment, timeout=limit)
        return done.returncode, done.stdout.decode(errors="replace")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
