# SPDX-License-Identifier: Apache-2.0
"""Load with an oracle: submitters and workers that outlive the server's deaths and write down every acknowledged step.

    with Server(...) as server, Storm(server, dice) as storm:
        server.kill(); server.start()
        storm.check(link)                  # what was acknowledged so far is there
        storm.settle(); storm.figures()    # everything ends; the sums

Acknowledged means that the reply has been read. A task handed out more than once is explained when each earlier holder's
result was not accepted (its token is stale) and its lease had run out: these workers send no heartbeats and leave no instance
behind, so nothing but its end gives a lease back, not even a restart. What that does not explain is counted by itself.
"""
import dataclasses
import hashlib
import random
import threading
import time
import uuid

from case import Figure, told, zero
from harness import Link, RespError, Server, encode

LOST = (OSError, EOFError, ConnectionError)
NAME = "storm.task"
BURST = 32
LEASE_S = 30.0  # of a server that is not told otherwise
ROUNDING_S = 0.02  # of clocks that count in milliseconds
ID_MEMORY_S, ID_MEMORY_TASKS = 600, 1_000_000  # what a server promises at least, and half of its count: tasks end in another order


@dataclasses.dataclass
class Task:
    """What the driver knows of one task."""
    payload: bytes
    tokens: list[int] = dataclasses.field(default_factory=list)  # as handed out, in the order of arrival
    asked_at: list[float] = dataclasses.field(default_factory=list)  # when the request left that a token answered
    arrived_at: list[float] = dataclasses.field(default_factory=list)
    acknowledged: bool = False
    acknowledged_at: float = 0.0
    cancelled: bool = False
    outcome: str = ""  # acknowledged final state: success or failure
    outcome_token: int = 0
    outcome_at: float = 0.0


class Storm:
    """One thread per submitter and per worker. Even workers carry their leases over a lost connection, odd ones forget."""

    def __init__(self, server: Server, dice: random.Random, submitters: int = 1, workers: int = 2,
                 payload_bytes: int = 40, pause_s: float = 0.0, lease_s: float = LEASE_S):
        self.server, self.dice, self.lease_s = server, dice, lease_s
        self.pause_s, self.filler = pause_s, "x" * payload_bytes
        self.tasks: dict[str, Task] = {}
        self.errors: list[str] = []
        self.refused = 0
        self.delays: list[float] = []  # of bursts, seconds
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._submit, args=(random.Random(dice.random()),), daemon=True)
                        for _ in range(submitters)]
        self.threads += [threading.Thread(target=self._work, args=(random.Random(dice.random()), number % 2 == 0),
                                          daemon=True) for number in range(workers)]

    def __enter__(self) -> "Storm":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    # --- the two kinds of peers
    def _connected(self, use) -> None:
        while not self.stopping.is_set():
            try:
                with self.server.connect(timeout=20) as link:
                    while not self.stopping.is_set():
                        use(link)
            except LOST:
                time.sleep(0.002)
            except RespError as error:
                self.errors.append(str(error))
                time.sleep(0.01)

    def _submit(self, dice: random.Random) -> None:
        waiting: list[str] = []  # sent, and not acknowledged yet: the same ids go again

        def burst(link: Link) -> None:
            while len(waiting) < BURST:
                task_id = str(uuid.UUID(int=dice.getrandbits(128), version=4))
                self.tasks[task_id] = Task(b'{"args":["%s%s"],"kwargs":{}}' % (task_id.encode(), self.filler.encode()))
                waiting.append(task_id)
            began = time.monotonic()
            link.send(b"".join(encode("FQ.SUBMIT", NAME, self.tasks[i].payload, "ID", i) for i in waiting))
            answers = [link.read(raise_error=False) for _ in waiting]
            self.delays.append(time.monotonic() - began)
            for task_id, answer in zip(list(waiting), answers):
                if answer == task_id:
                    self.tasks[task_id].acknowledged_at = time.monotonic()
                    self.tasks[task_id].acknowledged = True
                    waiting.remove(task_id)
                elif str(answer).startswith(("FULL", "BUSY", "DRAINING")):
                    self.refused += 1
                else:
                    self.errors.append(f"submit of {task_id} answered {answer!r}")
            if waiting or dice.random() < 0.2:
                self._cancel(link, dice)
            if self.pause_s or waiting:
                time.sleep(max(self.pause_s, 0.02 if waiting else 0))

        self._connected(burst)

    def _cancel(self, link: Link, dice: random.Random) -> None:
        known = [i for i in list(self.tasks)[-200:] if self.tasks[i].acknowledged]
        for task_id in dice.sample(known, min(2, len(known))):
            link.send(encode("FQ.CANCEL", task_id))
            if link.read(raise_error=False) == 1:
                self.tasks[task_id].cancelled = True

    def _work(self, dice: random.Random, keeps: bool) -> None:
        held: list[tuple[str, str]] = []

        def batch(link: Link) -> None:
            if not keeps:
                held.clear()
            if not held:
                self._fetch(link, held)
            ends = ["failure" if dice.random() < 0.1 else "success" for _ in held]
            link.send(b"".join(self._report(i, token, end) for (i, token), end in zip(held, ends)))
            for (task_id, token), end in zip(list(held), ends):
                self._note(task_id, int(token), end, link.read(raise_error=False))
                held.remove((task_id, token))

        self._connected(batch)

    def _fetch(self, link: Link, held: list) -> None:
        asked_at = time.monotonic()
        for grant in link.command("FQ.FETCH", "TASKS", NAME, "COUNT", "16", "BLOCK", "100"):
            task = self.tasks[grant["id"]]
            if grant["payload"] != task.payload.decode():
                self.errors.append(f"the payload of {grant['id']} changed")
            if task.outcome and task.outcome_at < asked_at:
                self.errors.append(f"{grant['id']} was handed out after its end was acknowledged")
            self._note_grant(grant["id"], task, int(grant["token"]), asked_at)
            held.append((grant["id"], grant["token"]))

    def _note_grant(self, task_id: str, task: Task, token: int, asked_at: float) -> None:
        """A token is above all that had arrived before it was asked for; two workers' replies may cross on their way."""
        if token in task.tokens:
            self.errors.append(f"the token of {task_id} was given twice")
        if any(token < old for old, arrived in zip(task.tokens, task.arrived_at) if arrived < asked_at):
            self.errors.append(f"the token of {task_id} did not grow")
        task.tokens.append(token)
        task.asked_at.append(asked_at)
        task.arrived_at.append(time.monotonic())

    @staticmethod
    def _report(task_id: str, token: str, end: str) -> bytes:
        if end == "failure":
            return encode("FQ.FAIL", task_id, token, "StormError", "as drawn", "NORETRY")
        return encode("FQ.COMPLETE", task_id, token, f'"{task_id}"')

    def _note(self, task_id: str, token: int, end: str, answer) -> None:
        task = self.tasks[task_id]
        if answer == "OK":
            if task.outcome and (task.outcome_token, task.outcome) != (token, end):
                self.errors.append(f"two ends of {task_id} were accepted")
            task.outcome, task.outcome_token, task.outcome_at = end, token, time.monotonic()
        elif not str(answer).startswith(("STALELEASE", "NOTASK", "UNKNOWNTASK")):
            self.errors.append(f"the end of {task_id} answered {answer!r}")

    # --- what must be so
    def check(self, link: Link, dice: random.Random, most: int = 300) -> list[str]:
        """Of what was acknowledged before this call, a sample and the newest: ids that are gone or went back."""
        known = self.remembered()
        lost = self.missing(link, known[-100:] + dice.sample(known, min(most, len(known))))
        self.errors += [f"{task_id} is {status}, acknowledged {outcome}" for task_id, outcome, status in lost]
        return [task_id for task_id, _, _ in lost]

    def known(self) -> list[tuple[str, str]]:
        """What is acknowledged at this instant: (id, final state or "submitted"), oldest submit first."""
        return [(i, t.outcome or "submitted") for i, t in list(self.tasks.items()) if t.acknowledged]

    def remembered(self) -> list[tuple[str, str]]:
        """Of what is known, all that a server has to know as well: what is not ended, and ids within --id-memory."""
        known, since = self.known(), time.monotonic() - ID_MEMORY_S
        older, newest = known[:-ID_MEMORY_TASKS], known[-ID_MEMORY_TASKS:]
        return [one for one in older if self.tasks[one[0]].acknowledged_at > since] + newest

    @staticmethod
    def missing(link: Link, known: list[tuple[str, str]]) -> list[tuple[str, str, str | None]]:
        """Of these, the ones that a server does not know, or knows in an earlier state: (id, acknowledged, found)."""
        lost = []
        for start in range(0, len(known), 500):
            part = known[start:start + 500]
            link.send(b"".join(encode("FQ.STATUS", i) for i, _ in part))
            for task_id, outcome in part:
                view = link.read()
                status = view and view["status"]
                if view is None or (outcome != "submitted" and status not in (outcome, "cancelled")):
                    lost.append((task_id, outcome, status))
        return lost

    def settle(self, limit_s: float = 120) -> None:
        """Stops the load and works off what is left."""
        self.stop()
        end = time.monotonic() + limit_s
        held: list[tuple[str, str]] = []
        with self.server.connect() as link:
            while True:
                self._fetch(link, held)
                link.send(b"".join(self._report(i, token, "success") for i, token in held))
                for task_id, token in held:
                    self._note(task_id, int(token), "success", link.read(raise_error=False))
                states = link.command("FQ.STATS")["states"]
                if not held and states["pending"] + states["started"] + states["scheduled"] == 0:
                    return
                held.clear()
                if time.monotonic() > end:
                    self.errors.append(f"not settled in {limit_s} s: {states}")
                    return

    def lost(self) -> dict[str, int]:
        """Over everything, once settled: acknowledged submits that are gone, acknowledged ends that are not so."""
        gone = undone = wrong = 0
        ids = list(self.tasks)
        with self.server.connect() as link:
            for start in range(0, len(ids), 500):
                part = ids[start:start + 500]
                link.send(b"".join(encode("FQ.RESULT", i) for i in part))
                for task_id in part:
                    task, view = self.tasks[task_id], link.read()
                    if view is None:
                        gone += task.acknowledged
                        continue
                    undone += not self._agrees(task, view["status"])
                    wrong += view["status"] == "success" and view.get("result") != f'"{task_id}"'
        return {"gone": gone, "undone": undone, "wrong": wrong}

    @staticmethod
    def _agrees(task: Task, status: str) -> bool:
        if task.outcome:
            return status == task.outcome or (task.cancelled and status == "cancelled")
        if task.cancelled and not task.tokens:
            return status == "cancelled"
        return status in ("success", "failure", "cancelled")

    def duplicates(self) -> tuple[int, int]:
        """(executions beyond the first of their task, those of them that neither fencing nor a lease's end explains)."""
        again = unexplained = 0
        for task_id, task in list(self.tasks.items()):
            again += max(0, len(task.tokens) - 1)
            unexplained += any(token == task.outcome_token and token != max(task.tokens) for token in task.tokens)
            early = self.early_grants(task, self.lease_s)
            unexplained += len(early)
            self.errors += [f"{task_id} was handed out again {after:.3f} s after a lease of {self.lease_s} s was asked for" for after in early]
        return again, unexplained

    @staticmethod
    def early_grants(task: Task, lease_s: float) -> list[float]:
        """Seconds from asking for a lease to the arrival of the next one of the same task, where the first cannot have ended."""
        grants = sorted(zip(task.tokens, task.asked_at, task.arrived_at))
        spans = [later[2] - earlier[1] for earlier, later in zip(grants, grants[1:])]
        return [span for span in spans if span < lease_s - ROUNDING_S]

    def figures(self) -> list[Figure]:
        """The sums, once settled."""
        lost, (again, unexplained) = self.lost(), self.duplicates()
        tasks = list(self.tasks.values())
        if self.errors:
            print("\n".join(self.errors[:10]))
        return [told("submits acknowledged", sum(t.acknowledged for t in tasks), "tasks"),
                told("ends acknowledged", sum(bool(t.outcome) for t in tasks), "tasks"),
                told("cancels acknowledged", sum(t.cancelled for t in tasks), "tasks"),
                zero("acknowledged submits lost", lost["gone"], "tasks"),
                zero("acknowledged ends undone", lost["undone"], "tasks"),
                zero("wrong results", lost["wrong"], "tasks"),
                told("executions beyond the first", again, "tasks"),
                zero("of these not explained by a stale token and an ended lease", unexplained, "tasks"),
                zero("contradictions seen on the way", len(self.errors))]


def listing(server: Server) -> dict[str, str]:
    """Every task as clients see it, by id."""
    found = {}
    with server.connect() as link:
        cursor = "0"
        while True:
            cursor, page = link.command("FQ.LIST", "COUNT", "1000", "CURSOR", cursor)
            found.update((task["id"], repr(sorted(task.items()))) for task in page)
            if cursor == "0":
                return found


def digest(server: Server) -> tuple[str, int]:
    """(hash over every task's state, their number): the same before and after a replay."""
    lines = sorted(listing(server).values())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16], len(lines)
