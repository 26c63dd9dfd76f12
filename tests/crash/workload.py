#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a control plane whose system calls are recorded, and notes what it acknowledged, and when.

    workload.py OUT [--operations 2000] [--seed 1]

OUT/calls is the log of calls (call_log.h), OUT/acks has a line for each acknowledgement: the moment at which it had been read (ns,
CLOCK_MONOTONIC), the event types of which one must be in the journal, and the task's id. FASTQUEUE_BUILD names the build tree.
"""
import argparse
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import BUILD, RespError, Server  # noqa: E402

NAMES = ("mail.send", "image.scale", "report.make")
CLIENTS = 4


class Client:
    """One connection that submits, works and meddles."""

    def __init__(self, server: Server, seed: int, acks: list):
        self.link = server.connect()
        self.random = random.Random(seed)
        self.acks = acks  # shared: list.append is atomic
        self.mine: list[str] = []

    def ack(self, types: str, task_id: str) -> None:
        self.acks.append((time.monotonic_ns(), types, task_id))

    def submit(self) -> None:
        options = self.random.choice(((), (), ("PRIORITY", "high"), ("DELAY", "40"), ("RETRIES", "2", "BACKOFF", "30"), ("EXPIRES", "2000")))
        payload = "x" * self.random.choice((10, 100, 400, 3000))
        task_id = self.link.command("FQ.SUBMIT", self.random.choice(NAMES), payload, *options)
        self.ack("submitted", task_id)
        self.mine.append(task_id)

    def work(self) -> None:
        tasks = self.link.command("FQ.FETCH", "TASKS", *NAMES, "COUNT", str(self.random.randint(1, 3)))
        for task in tasks or []:
            self.ack("granted", task["id"])
        for task in tasks or []:
            self.finish(task["id"], task["token"])

    def finish(self, task_id: str, token: str) -> None:
        way = self.random.random()
        if way < 0.70:
            self.link.command("FQ.COMPLETE", task_id, token, '"%s"' % ("r" * self.random.choice((2, 50, 900))))
            self.ack("completed,cancelled", task_id)
        elif way < 0.85:
            self.link.command("FQ.FAIL", task_id, token, "ValueError", "no such thing", "STACK", "line\n" * 20)
            self.ack("failed,retried,cancelled", task_id)
        elif way < 0.95:
            self.link.command("FQ.RELEASE", task_id, token)
            self.ack("returned,cancelled,expired", task_id)
        # else it is kept until the lease ends

    def cancel(self) -> None:
        task_id = self.random.choice(self.mine)
        if self.link.command("FQ.CANCEL", task_id) == 1:
            self.ack("cancelled,cancel_requested", task_id)

    def operate(self) -> None:
        way = self.random.random()
        try:
            if way < 0.5 or not self.mine:
                self.submit()
            elif way < 0.9:
                self.work()
            elif way < 0.97:
                self.cancel()
            else:
                name = self.random.choice(NAMES)
                self.link.command("FQ.PAUSE", name)
                self.link.command("FQ.RESUME", name)
        except RespError as error:
            if error.code not in ("STALELEASE", "UNKNOWNTASK", "BADSTATE", "FULL"):
                raise


def run_clients(server: Server, operations: int, seed: int, acks: list) -> None:
    failures: list[BaseException] = []

    def loop(number: int) -> None:
        try:
            client = Client(server, seed * 100 + number, acks)
            for _ in range(operations // CLIENTS):
                client.operate()
        except BaseException as error:  # told by the main thread
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--operations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    calls = options.out / "calls"
    calls.unlink(missing_ok=True)
    data_dir = options.out / "data"
    data_dir.mkdir(mode=0o700)
    acks: list = []
    environment = {"LD_PRELOAD": str(BUILD / "tests/crash/librecord_calls.so"), "FQ_RECORD_DIR": str(data_dir), "FQ_RECORD_FILE": str(calls)}
    with Server("--data-dir", str(data_dir), "--segment-size", "64KiB", "--compact-after", "128KiB", "--result-cache-size", "40",
                "--lease", "1s", environment=environment) as server:
        run_clients(server, options.operations // 2, options.seed, acks)
        server.kill()  # and what the next boot does is recorded too
        server.start()
        run_clients(server, options.operations - options.operations // 2, options.seed + 1, acks)
        compactions = server.log().count("journal compacted")
    with open(options.out / "acks", "w", encoding="ascii") as file:
        for moment, types, task_id in sorted(acks):
            file.write(f"{moment} {types} {task_id}\n")
    print(f"{len(acks)} acknowledgements, {compactions} compactions, {calls.stat().st_size} bytes of calls")


if __name__ == "__main__":
    main()
