"""How long a submitter waits until its task is safe. `append` is what the disk itself takes: 4 KiB appended to a file of zeroes and
fdatasync, nothing else. With 64 submitters each has one task unacknowledged (beanstalkd, Redis and FastQueue: 64 connections; JetStream: 64 threads,
each with a connection; its file storage does not sync before it answers, and so promises less)."""
import json
import subprocess

import peers.all
from drive import SUBJECTS, drive, usable
from record import Case
from stage import BUILD, folder

NAME, TITLE, ORDER = "ack", "Durable acknowledgement, 100 B, 1 and 64 submitters", 30
MODES = {"fastqueue": ("sync",), "beanstalkd": ("fsync",), "redis list, no ack": ("always",), "redis streams": ("always",), "jetstream": ("file",)}
RATIO = "rate"


def append(count: int) -> dict:
    with folder() as path:
        done = subprocess.run([BUILD / "bench/append", path, str(count)], stdout=subprocess.PIPE, check=True)
    told = json.loads(done.stdout)
    return {key: value for key, value in told.items() if key.endswith("_us")}


def acknowledged(subject: str, mode: str, connections: int, count: int):
    def measure() -> dict:
        with peers.all.running(SUBJECTS[subject][0], mode) as server:
            return drive(server, subject, "ack", connections=connections, count=count)
    return measure


def run(bench) -> None:
    count = bench.count(3_000, 300)
    cases = [Case("append + fdatasync", "-", "4 KiB", lambda: append(count), {"connections": 1})]
    for connections in (1, 64):
        for subject in SUBJECTS:
            for mode in MODES.get(subject, ()) if usable(bench, subject) else ():
                some = count * (1 if connections == 1 or mode == "fsync" else 10)
                cases.append(Case(subject, mode, f"{connections} submitter{'s' if connections > 1 else ''}",
                                  acknowledged(subject, mode, connections, some), {"connections": connections}))
    bench.alternate(cases)
