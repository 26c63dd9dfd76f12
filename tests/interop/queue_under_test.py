"""FastQueue as its users run it, exporting to a backend: a control plane, a worker, clients of three kinds."""
import json
import os
import pathlib
import subprocess
import sys

from harness import PROGRAM, Server
from subworker import EXAMPLES, Subworker

MODULES = pathlib.Path(__file__).resolve().parent / "modules"
C_TASKS = (EXAMPLES,)
PYTHON_TASKS = ("interop_tasks",)


def telemetry(endpoint: str, service: str, protocol: str = "grpc", **more: str) -> dict[str, str]:
    """The variables of the guide, and intervals for impatient tests."""
    return {"FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_BLRP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500", **more}


class Queue:
    """A control plane and clients. `variables(service)` gives the telemetry of each process."""

    def __init__(self, variables, *options: str, data_dir: str = "none"):
        self.variables = variables
        self.server = Server("--data-dir", data_dir, *options, http=True, environment=variables("fastqueue-control-plane"))

    def __enter__(self) -> "Queue":
        self.server.start()
        return self

    def __exit__(self, *_) -> None:
        self.server.stop()

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.server.port}"

    def worker(self, modules=PYTHON_TASKS, worker_id: str = "worker1", *options: str, **variables: str) -> Subworker:
        return Subworker(self.server, "--concurrency", "1", "--python", sys.executable, *options, worker_id=worker_id,
                         modules=modules,
                         environment={**self.variables("fastqueue-worker"), "PYTHONPATH": str(MODULES), **variables})

    def environment(self, service: str = "my-app", **variables: str) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("FASTQUEUE_", "OTEL_"))}
        return {**inherited, **self.variables(service), "FASTQUEUE_CONTROL_PLANE_ADDRESS": self.address, **variables}

    def python(self, script: str, service: str = "my-app", **variables: str) -> str:
        """Runs a client program; what it printed."""
        done = subprocess.run([sys.executable, "-c", script], env=self.environment(service, **variables),
                              capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def submit_by_python(self, name: str, *args, **options) -> str:
        """The id of a task submitted by the asyncio client; it never calls stop(), as the guide's example does not."""
        return self.python(f"""
import asyncio
from fastqueue import Client
async def main():
    client = Client()
    await client.start()
    print(await client.delay({name!r}, *{args!r}, **{options!r}))
asyncio.run(main())
""").strip()

    def submit_by_command(self, name: str, *args, **variables: str) -> str:
        """The id of a task submitted by the C client of the command line."""
        line = [str(PROGRAM), "submit", name, "--non-blocking", "--json", "--args", *map(json.dumps, args)]
        done = subprocess.run(line, env=self.environment(**variables), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)["id"]

    def submit_by_resp(self, name: str, *args, options=()) -> str:
        """The id of a task submitted by a client that knows nothing of telemetry, but passes what it is given."""
        with self.server.connect() as link:
            return link.command("FQ.SUBMIT", name, json.dumps({"args": args, "kwargs": {}}), *options)

    def wait(self, task_id: str, limit_s: float = 30) -> dict:
        with self.server.connect() as link:
            return link.command("FQ.RESULT", task_id, "WAIT", int(limit_s * 1000))
