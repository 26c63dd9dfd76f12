"""The same control plane under `fastqueue bench`, the load generator for users: by FastQueue's own C client library, submitter and worker in one process.
What it costs beside the raw drivers of the other tables is the library's."""
import json
import subprocess

import peers.all
from record import Case
from stage import BINARY, spawn

NAME, TITLE, ORDER = "client", "By the client library: fastqueue bench, 100 B", 16
TIMEOUT = 300


def benched(verb: str, mode: str, count: int):
    def measure() -> dict:
        with peers.all.running("fastqueue", mode) as server:
            process = spawn([BINARY, "bench", verb, "--control-plane-address", f"tcp://127.0.0.1:{server.port}", "--count", count, "--json"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            try:
                out, error = process.communicate(timeout=TIMEOUT)
            finally:
                process.kill()
            if process.returncode != 0:
                raise RuntimeError(f"fastqueue bench {verb}: {error.decode().strip()}")
            told = json.loads(out)["runs"][0]
        values = {"rate": told["per_second"], "server_cpu_us": told["server_cpu_us_per_task"], "client_cpu_us": told["own_cpu_us_per_task"]}
        timed = told.get("result") or (told["ack"] if verb == "ack" else None)
        return values | ({f"{key}_us": timed[f"{key}_us"] for key in ("p50", "p90", "p99", "max")} if timed else {})
    return measure


def run(bench) -> None:
    counts = {"cycle": bench.count(300_000, 30_000), "submit": bench.count(300_000, 30_000), "latency": bench.count(5_000, 500),
              "ack": bench.count(5_000, 500)}
    bench.alternate([Case("fastqueue bench", mode, verb, benched(verb, mode, count), {"verb": verb})
                     for mode in ("sync", "relaxed", "memory") for verb, count in counts.items()])
