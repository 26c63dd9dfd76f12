"""Runs verbs of the program against a Server of the harness, with nothing of the caller's environment but what is given."""
import json
import os
import pathlib
import subprocess
import time

from harness import BUILD, PROGRAM, Server

C_TASKS = BUILD / "examples" / "tasks.so"
LIMIT_S = 60


def clean_environment(extra: dict | None = None) -> dict:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FASTQUEUE_", "FASTWORKER_", "OTEL_", "TRACE"))}
    return {**kept, **(extra or {})}


def run(*words, env: dict | None = None, stdin: bytes = b"", cwd: pathlib.Path | None = None) -> subprocess.CompletedProcess:
    """`fastqueue words…`; stdout and stderr are str unless they are no UTF-8."""
    done = subprocess.run([str(PROGRAM), *map(str, words)], input=stdin, capture_output=True, timeout=LIMIT_S,
                          env=clean_environment(env), cwd=cwd)
    done.bytes = done.stdout
    done.stdout = done.stdout.decode("utf-8", "surrogateescape")
    done.stderr = done.stderr.decode("utf-8", "surrogateescape")
    return done


class Shell:
    """Verbs for one server."""

    def __init__(self, server: Server, **env: str):
        self.env = {"FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{server.port}", **env}

    def __call__(self, *words, stdin: bytes = b"", env: dict | None = None) -> subprocess.CompletedProcess:
        return run(*words, env={**self.env, **(env or {})}, stdin=stdin)

    def json(self, *words) -> list:
        """The JSON documents that a verb prints, one a line; its exit code has to be 0."""
        done = self(*words, "--json")
        assert done.returncode == 0, (words, done)
        return [json.loads(line) for line in done.stdout.splitlines()]


class Worker:
    """A subworker with the C example tasks."""

    def __init__(self, shell: Shell, *options: str, modules: tuple = (C_TASKS,)):
        self.process = subprocess.Popen(
            [str(PROGRAM), "subworker", "--task-modules", *map(str, modules), *options], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=clean_environment(shell.env))
        self.shell = shell

    def __enter__(self) -> "Worker":
        end = time.monotonic() + LIMIT_S
        own = f"pid={self.process.pid}"
        while not any(own in row["meta"].split() for row in self.shell.json("workers")):
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < end, "the worker did not register"
            time.sleep(0.02)
        return self

    def __exit__(self, *_) -> None:
        self.process.terminate()
        out, _ = self.process.communicate(timeout=LIMIT_S)
        assert self.process.returncode == 0, out
