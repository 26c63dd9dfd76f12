"""A million tasks of 100 B wait. Bytes are what the server's resident memory grew by, payload included; the restart is after kill -9, until the
server answers and has its tasks again (Redis: until it has stopped loading). Servers that keep nothing on disk have nothing to restart with."""
import time

import peers.all
from drive import SUBJECTS, drive, usable
from record import Case

NAME, TITLE, ORDER, RATIO = "backlog", "A backlog of a million: memory and restart", 40, "bytes_per_task"
MODES = {"fastqueue": ("sync", "memory"), "beanstalkd": ("memory", "wal"), "gearmand": ("memory",), "redis list, no ack": ("memory", "everysec"),
         "redis streams": ("memory", "everysec"), "jetstream": ("memory", "file")}
PERSISTENT = {"sync", "wal", "everysec", "file"}


def filled(subject: str, mode: str, count: int):
    def measure() -> dict:
        with peers.all.running(SUBJECTS[subject][0], mode) as server:
            empty = server.resident()
            told = drive(server, subject, "submit", batch=1024, count=count)
            values = {"submit_rate": told["rate"], "bytes_per_task": (server.resident() - empty) / count}
            if mode in PERSISTENT:
                time.sleep(1.5 if mode == "everysec" else 0)  # the file is written, or the tasks would be lost
                values["disk_bytes_per_task"] = server.on_disk() / count
                server.kill()
                start = time.monotonic()
                server.restart(settle=False)
                values["restart_s"] = time.monotonic() - start
            return values
    return measure


def run(bench) -> None:
    count = bench.count(1_000_000, 50_000)
    bench.alternate([Case(subject, mode, f"{count:,} tasks", filled(subject, mode, count), {"count": count})
                     for subject in SUBJECTS if usable(bench, subject) for mode in MODES.get(subject, ())])
