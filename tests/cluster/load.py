# SPDX-License-Identifier: Apache-2.0
"""A submitter and a worker that know every control plane's address, go where the active one is, and outlive all that happens; and the
oracle: what was acknowledged is there at the end, and what ran twice had its lease ended."""
import threading
import time
import uuid

from harness import RespError, encode

LOST = (OSError, EOFError, ConnectionError, AssertionError)
BURST = 32
PATIENCE_S = 5  # for one answer; then whoever else may lead is asked


class Load:
    def __init__(self, planes: list):
        self.planes = planes
        self.submitted: dict[str, None] = {}  # acknowledged, in this order
        self.completed: set[str] = set()  # acknowledged
        self.stale = 0                    # completions refused because the lease was over: those tasks may run twice
        self.runs: dict[str, int] = {}
        self.refusals: dict[str, int] = {}
        self.acknowledged_at: list[float] = []
        self.errors: list[str] = []
        self.pause_s = 0.0                # between submissions of a burst
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.submit, self.work)]

    def __enter__(self) -> "Load":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def connected(self, use) -> None:
        """Runs `use` on the active control plane again and again, whichever that is."""
        turn = 0
        while not self.stopping.is_set():
            plane = self.planes[turn % len(self.planes)]
            turn += 1
            try:
                with plane.connect(protocol=2, timeout=PATIENCE_S) as link:
                    while not self.stopping.is_set():
                        use(link)
            except LOST:
                time.sleep(0.01)
            except RespError as error:
                self.refusals[error.code] = self.refusals.get(error.code, 0) + 1
                if error.code not in ("NOTACTIVE", "FULL", "DRAINING"):
                    self.errors.append(str(error))
                    return
                time.sleep(0.02)

    def submit(self) -> None:
        retry: list[str] = []

        def burst(link) -> None:
            retry.extend(str(uuid.uuid4()) for _ in range(BURST - len(retry)))
            ids = list(retry)
            link.send(b"".join(encode("FQ.SUBMIT", "t", '{"args":[],"kwargs":{}}', "ID", one) for one in ids))
            refused = None
            for one in ids:
                answer = link.read(raise_error=False)
                if answer == one:
                    self.submitted[one] = None
                    retry.remove(one)
                else:
                    refused = answer
            if refused is not None:
                raise RespError(refused)
            self.acknowledged_at.append(time.monotonic())
            time.sleep(self.pause_s)
        self.connected(burst)

    def work(self) -> None:
        pending: dict[str, str] = {}  # finished, not yet acknowledged

        def turn(link) -> None:
            for one, token in list(pending.items()):
                link.send(encode("FQ.COMPLETE", one, token, "1"))
            for one in list(pending):
                answer = link.read(raise_error=False)
                if str(answer).startswith(("NOTACTIVE", "FULL")):
                    raise RespError(answer)
                pending.pop(one)
                if str(answer).startswith("STALELEASE"):
                    self.stale += 1
                else:
                    self.completed.add(one)
            for grant in link.command("FQ.FETCH", "TASKS", "t", "COUNT", str(BURST), "BLOCK", "200") or []:
                fields = dict(zip(grant[::2], grant[1::2])) if isinstance(grant, list) else grant
                self.runs[fields["id"]] = self.runs.get(fields["id"], 0) + 1
                pending[fields["id"]] = fields["token"]
        self.connected(turn)

    def longest_gap(self, since: float, until: float) -> float:
        """Seconds without an acknowledged submission, around that stretch."""
        times = [one for one in self.acknowledged_at if one >= since - 1]
        gaps = [(b - a) for a, b in zip(times, times[1:]) if b >= since and a <= until]
        return max(gaps, default=0.0)

    def wait_for_progress(self, limit: float = 60) -> float:
        """Until something more is acknowledged; seconds that it took."""
        begin, before = time.monotonic(), len(self.acknowledged_at)
        while len(self.acknowledged_at) <= before:
            if time.monotonic() - begin > limit or self.errors:
                raise AssertionError(f"nothing was acknowledged for {limit} s; refusals {self.refusals}, errors {self.errors}")
            time.sleep(0.002)
        return time.monotonic() - begin

    def judge(self) -> dict:
        """After stop, with an active control plane: everything acknowledged is known there."""
        assert not self.errors, self.errors
        lost, ids = [], sorted(self.submitted)
        with self.active().connect(protocol=3, timeout=60) as link:
            for at in range(0, len(ids), 500):
                part = ids[at:at + 500]
                link.send(b"".join(encode("FQ.STATUS", one) for one in part))
                for one in part:
                    state = link.read(raise_error=False)
                    known = isinstance(state, dict)
                    if not known or (one in self.completed and state.get("status") != "success"):
                        lost.append((one, state))
        twice = sum(1 for count in self.runs.values() if count > 1)
        assert not lost, f"{len(lost)} of {len(ids)} acknowledged are lost: {lost[:3]}"
        return {"acknowledged": len(ids), "completed": len(self.completed), "lost": 0, "ran twice": twice, "stale tokens": self.stale}

    def active(self, limit: float = 60):
        end = time.monotonic() + limit
        while time.monotonic() < end:
            for plane in self.planes:
                try:
                    with plane.connect(protocol=2, timeout=5) as link:
                        link.command("FQ.STATS")
                        return plane
                except (*LOST, RespError):
                    pass
            time.sleep(0.05)
        raise AssertionError("no control plane became active")
