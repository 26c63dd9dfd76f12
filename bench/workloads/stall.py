"""PING every half millisecond while a backlog is compacted and more tasks are submitted: how long the server keeps others waiting. The wait includes
what the processors' other users take."""
import json
import subprocess

from record import Case
from stage import ECHO, Server, folder, load, spawn

NAME, TITLE, ORDER, RATIO = "stall", "Waiting for the server while a million tasks are compacted", 41, "max_us"


def stalled(count: int) -> dict:
    with folder() as path, Server("sync", path, "--compact-after", f"{count * 210}") as server:
        load("submit", server.port, count, batch=512)
        asking = spawn([ECHO, "alive", server.port, count // 125, 500], stdout=subprocess.PIPE)
        load("submit", server.port, count * 7 // 10, batch=64)
        told = json.loads(asking.communicate(timeout=300)[0])
    return {key: value for key, value in told.items() if key.endswith("_us")}


def run(bench) -> None:
    count = bench.count(1_000_000, 50_000)
    bench.alternate([Case("fastqueue", "sync", f"{count:,} tasks", lambda: stalled(count))])
