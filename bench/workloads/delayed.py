"""A million tasks are submitted to be due some seconds later, all within the time it takes to submit them; then one worker takes them, 256 at a time. The
server's time is that from the submission to the last acknowledgement, waiting included. The longest wait is that of a PING (beanstalkd: not asked) while
they fall due and are worked off. Redis lists and streams, gearmand's protocol and JetStream 2.9 have no delayed tasks."""
import json
import subprocess
import time

import peers.all
from drive import drive, usable
from record import Case
from stage import ECHO, spawn

NAME, TITLE, ORDER, RATIO = "delayed", "Delayed tasks: a million timers", 50, "server_cpu_us"


def delayed(subject: str, mode: str, count: int, delay_s: int):
    def measure() -> dict:
        with peers.all.running(subject, mode) as server:
            empty, before = server.resident(), server.cpu()
            told = drive(server, subject, "submit", batch=512, count=count, delay=delay_s * 1000)
            values = {"submit_rate": told["rate"], "bytes_per_task": (server.resident() - empty) / count}
            asking = None
            if subject == "fastqueue":
                asking = spawn([ECHO, "alive", server.port, 1 + delay_s * 1000, 1000], stdout=subprocess.PIPE)
            time.sleep(max(0.0, delay_s - told["seconds"]))
            worked = drive(server, subject, "work", batch=256, count=count)
            if asking:
                waited = json.loads(asking.communicate(timeout=300)[0])
                values |= {"p99_us": waited["p99_us"], "max_us": waited["max_us"]}
            values |= {"drain_rate": worked["rate"], "server_cpu_us": (server.cpu() - before) / count * 1e6}
            return values
    return measure


def run(bench) -> None:
    count, delay_s = bench.count(1_000_000, 50_000), bench.count(10, 2)
    cases = [Case("fastqueue", mode, f"{count:,} tasks", delayed("fastqueue", mode, count, delay_s)) for mode in ("sync", "memory")]
    few = count // 5  # beanstalkd takes its second for these
    if usable(bench, "beanstalkd"):
        cases.append(Case("beanstalkd", "memory", f"{few:,} tasks", delayed("beanstalkd", "memory", few, delay_s)))
    bench.alternate(cases)
