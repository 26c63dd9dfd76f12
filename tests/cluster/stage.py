# SPDX-License-Identifier: Apache-2.0
"""What the cases share: control planes on the cluster's log, and a scene of servers, planes and load that the oracle judges at its end."""
import random
import shutil
import statistics
import time

from harness import Link, Server
from load import Load
from nats import Nats, version
from net import Net, Place

PLANES_START_S = 60


class Skipped(Exception):
    """What the machine lacks, in a sentence."""


class Plane(Server):
    """A control plane on the cluster's log. Ready means: it answers, be it as a standby."""

    def __init__(self, nats: Nats, name: str, *options: str, place: Place = Place(), environment: dict | None = None):
        super().__init__("--journal", nats.url(name), *options, environment=environment)
        self.place = place
        self.options += ["--worker-id", f"plane-{self.port}"]
        if place.namespace is not None:
            self.options += ["--listen", f"tcp://{place.address}:{self.port}", "--protected-mode", "off"]

    def command_line(self) -> list[str]:
        return self.place.line(super().command_line())

    def connect(self, protocol: int = 3, token: str | None = None, timeout: float = 30) -> Link:
        return self.connect_at(self.place.address, protocol, token, timeout)

    def wait_until_up(self) -> None:
        end = time.monotonic() + PLANES_START_S
        starts = f" pid={self.process.pid} "
        while starts not in (text := self.log()) or " server standby " not in text[text.rfind(starts):]:
            if self.process.poll() is not None or time.monotonic() > end:
                raise AssertionError(f"the control plane did not start:\n{text[-2000:]}")
            time.sleep(0.01)

    def log_of_this_start(self) -> str:
        text, starts = self.log(), f" pid={self.process.pid} "
        return text[text.rfind(starts):] if starts in text else ""

    def leads(self) -> bool:
        """It did at some time since its start."""
        return "server ready, leading" in self.log_of_this_start()


class Stage:
    """What the runner asks of a case: the nats-server, the dice, how often; `quick`: among the ordinary tests, on a machine that
    may be busy."""

    def __init__(self, program: str, seed: int, count: int = 0, quick: bool = False):
        self.program, self.dice, self.count, self.quick = program, random.Random(seed), count, quick
        self.name = f"t{seed & 0xffffffff:x}"

    def nats(self, **options) -> Nats:
        return Nats(program=self.program, **options)

    def times(self, usual: int) -> int:
        return self.count or usual

    def can_always_sync(self) -> bool:
        """`sync_interval: always` came with 2.10."""
        return tuple(int(part) for part in version(self.program).lstrip("v").split("-")[0].split(".")[:2]) >= (2, 10)


class Scene:
    """Servers, control planes and load; at the end the oracle. With a Net the servers are n0, n1, … there and the planes p0, p1, …"""

    def __init__(self, stage: Stage, planes: int = 2, options: tuple = (), environments: list | None = None, net: Net | None = None, **nats):
        place = net.place if net is not None else lambda _: Place()
        self.net, self.stage, self.stream = net, stage, f"FQ_LOG_{stage.name}"
        self.nats = stage.nats(places=[place(f"n{index}") for index in range(nats.pop("count", 3))], **nats)
        self.planes = [Plane(self.nats, stage.name, *options, place=place(f"p{index}"), environment=environment)
                       for index, environment in enumerate(environments or [None] * planes)]
        self.load = Load(self.planes)
        self.figures: dict = {}

    def begin(self) -> None:
        self.nats.__enter__()
        for plane in self.planes:
            plane.start()
        self.load.active()
        self.load.__enter__()
        self.load.wait_for_progress()

    def put_away(self) -> None:
        self.load.stopping.set()
        for plane in self.planes:
            if plane.process is not None and plane.process.poll() is None:
                plane.kill()
            shutil.rmtree(plane.folder, ignore_errors=True)
        self.nats.__exit__(None, None, None)

    def __enter__(self) -> "Scene":
        try:
            self.begin()
        except BaseException:
            self.show_logs()
            self.put_away()
            raise
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if kind is None:
                self.load.wait_for_progress()
                self.load.stop()
                self.figures.update(self.load.judge())
                self.judge_anew()
        except BaseException:
            self.show_logs()
            raise
        finally:
            if kind is not None:
                self.show_logs()
            self.put_away()

    def show_logs(self) -> None:
        for plane in self.planes:
            print(f"plane-{plane.port}, exit code {plane.process and plane.process.poll()}:\n{plane.log()[-1500:]}", flush=True)

    def active(self) -> Plane:
        return self.load.active()

    def other(self, plane: Plane) -> Plane:
        return next(one for one in self.planes if one is not plane)

    def leader(self) -> int:
        for _ in range(600):
            index = self.nats.leader(self.stream)
            if index is not None:
                return index
            time.sleep(0.05)
        raise AssertionError("nobody leads the stream")

    def breathe(self, low: float = 0.2, high: float = 1.0) -> None:
        time.sleep(self.stage.dice.uniform(low, high))

    def judge_anew(self) -> None:
        """The same by a control plane that has nothing but the log: it reads every message, checksums, chain and noted states."""
        for plane in self.planes:
            if plane.process.poll() is None:
                plane.terminate()
        self.planes[0].start()
        self.load.judge()


def spread(name: str, seconds: list[float]) -> dict:
    ordered = sorted(seconds)
    at = min(len(ordered) - 1, int(len(ordered) * 0.99))
    return {f"{name} p50 s": round(statistics.median(ordered), 2), f"{name} p99 s": round(ordered[at], 2)}
