# SPDX-License-Identifier: Apache-2.0
"""Network namespaces on one switch, each a machine of its own, and lines between any two of them that can be cut, also one way.

    with Net(["n0", "n1", "p0"]) as net:
        Popen(net.place("n0").line([...]))     # listens at net.place("n0").address; we reach all of them, and they us
        net.cut("n0", "n1"); net.heal()

A cut line swallows: the sender's entry for its neighbour names a card that nobody has. So nobody is told, and what is under way
is sent again and again, as when a switch dies.
"""
import dataclasses
import os
import shutil
import subprocess

NOBODY = "02:00:00:00:00:99"


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a program runs and listens."""
    address: str = "127.0.0.1"
    namespace: str | None = None

    def line(self, words: list[str]) -> list[str]:
        return words if self.namespace is None else ["ip", "netns", "exec", self.namespace, *words]


def ip(*words: str, check: bool = True) -> None:
    subprocess.run(["ip", *words], check=check, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)


def lacking() -> str | None:
    """What this machine refuses, in words; None: all is there."""
    if shutil.which("ip") is None:
        return "ip(8) is not installed (Debian package iproute2)"
    probe = f"fqprobe{os.getpid()}"
    try:
        ip("netns", "add", probe)
        ip("link", "add", probe, "type", "veth", "peer", "name", "eth0", "netns", probe)
    except subprocess.SubprocessError:
        return "network namespaces are not permitted here (they need root, or a container with NET_ADMIN and SYS_ADMIN)"
    finally:
        ip("netns", "del", probe, check=False)
    return None


class Net:
    def __init__(self, names: list[str]):
        self.names = names
        self.cuts: set[tuple[str, str]] = set()
        self.number = 0

    def __enter__(self) -> "Net":
        self._make_switch()
        try:
            for name in self.names:
                self._plug(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for name in self.names:
            ip("netns", "del", self.place(name).namespace, check=False)
        ip("link", "del", self._switch, check=False)

    @property
    def _switch(self) -> str:
        return f"fqc{self.number}"

    def _make_switch(self) -> None:
        """The first number that nobody else has taken."""
        for self.number in range(1, 250):
            try:
                ip("link", "add", self._switch, "type", "bridge")
            except subprocess.CalledProcessError:
                continue
            ip("addr", "add", f"10.199.{self.number}.254/24", "dev", self._switch)
            ip("link", "set", self._switch, "up")
            return
        raise AssertionError("no number is left for a switch")

    def _plug(self, name: str) -> None:
        place = self.place(name)
        ip("netns", "add", place.namespace)
        port = f"{self._switch}{name}"
        ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", place.namespace)
        ip("link", "set", port, "master", self._switch, "up")
        ip("-n", place.namespace, "addr", "add", f"{place.address}/24", "dev", "eth0")
        ip("-n", place.namespace, "link", "set", "lo", "up")
        ip("-n", place.namespace, "link", "set", "eth0", "up")

    def place(self, name: str) -> Place:
        return Place(f"10.199.{self.number}.{self.names.index(name) + 1}", f"fqc{self.number}{name}")

    def cut_one_way(self, sender: str, receiver: str) -> None:
        """What `sender` sends to `receiver` vanishes."""
        ip("-n", self.place(sender).namespace, "neigh", "replace", self.place(receiver).address, "lladdr", NOBODY, "dev", "eth0", "nud", "permanent")
        self.cuts.add((sender, receiver))

    def cut(self, one: str, *others: str) -> None:
        """Between `one` and each of the others nothing passes."""
        for other in others:
            self.cut_one_way(one, other)
            self.cut_one_way(other, one)

    def heal(self) -> None:
        for sender, receiver in self.cuts:
            ip("-n", self.place(sender).namespace, "neigh", "del", self.place(receiver).address, "dev", "eth0")
        self.cuts.clear()
