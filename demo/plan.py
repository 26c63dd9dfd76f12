# SPDX-License-Identifier: Apache-2.0
"""What the demo submits, and how each task has to end."""
from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import Any

PRIORITIES = ("critical", "high", "normal", "low")


@dataclass
class Job:
    kind: str  # the line that it is counted in
    name: str
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    status: str = "success"
    result: Any = None
    error: str = ""  # type of the error

    def complaint(self, outcome) -> str:
        """What is wrong with the outcome; "" if nothing is."""
        if outcome is None:
            return f"{self.name}: no outcome"
        if outcome.status.value != self.status:
            return f"{self.name}: {outcome.status.value} instead of {self.status} ({outcome.error_type}: {outcome.error})"
        if self.status == "success" and outcome.result != self.result:
            return f"{self.name}{self.args}: {outcome.result!r} instead of {self.result!r}"
        if self.error and outcome.error_type != self.error:
            return f"{self.name}: {outcome.error_type} instead of {self.error}"
        return ""


def mail(number: int) -> Job:
    fields = {"who": f"reader {number}", "day": "Monday"}
    text = "Dear {who}, see you on {day}.".format(**fields)
    expected = {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    return Job("Python", "mail.render", ("Dear {who}, see you on {day}.",), fields, result=expected)


def good_jobs(dice: random.Random) -> list[Job]:
    jobs = []
    for n in range(3000):
        jobs.append(Job("C", "add", (n, 1), result=n + 1))
    for n in range(1500):
        jobs.append(Job("C", "word_count", ("all work and no play " * (n % 5 + 1),), result=5 * (n % 5 + 1)))
    for n in range(50):
        jobs.append(Job("C", "sleep_ms", (20,), result=20))
    for n in range(1000):
        a, b = dice.choice((101, 103, 107, 109)), dice.choice((211, 223, 227))
        jobs.append(Job("Python", "prime_factors", (a * b,), result=[a, b]))
    for n in range(400):
        jobs.append(Job("Python", "slug", (f"Chapter {n}: The Sea!",), result=f"chapter-{n}-the-sea"))
    jobs += [mail(n) for n in range(300)]
    for n in range(300):
        jobs.append(Job("Python, async", "fetch", (n, 0.05), result={"page": n, "bytes": n * 100}))
    return jobs


def special_jobs() -> list[Job]:
    jobs = []
    for n in range(100):
        delay = {"delay": 0.2 + n / 100}
        jobs.append(Job("delayed up to 1.2 s", "echo", ({"n": n},), options=delay, result={"n": n}))
    for n in range(20):
        retried = {"retries": 3, "backoff": 0.05}
        jobs.append(Job("fails twice, retried", "flaky", options=retried, result=3))
    jobs.append(Job("raises, as it should", "parse_order", ({"amount": -5},), status="failure", error="ValueError"))
    jobs.append(Job("crashes, as it should", "segfault", status="failure", error="WorkerLost"))
    jobs.append(Job("expires unserved", "nobody.offers.this", options={"expires": 0.5}, status="expired"))
    jobs.append(Job("cancelled in time", "add", (1, 1), options={"delay": 3600}, status="cancelled"))
    return jobs


def make_plan() -> list[Job]:
    dice = random.Random(5555)
    jobs = good_jobs(dice)
    for job in jobs:
        job.options["priority"] = dice.choices(PRIORITIES, (1, 2, 5, 2))[0]
    jobs += special_jobs()
    dice.shuffle(jobs)
    return jobs
