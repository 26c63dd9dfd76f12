# SPDX-License-Identifier: Apache-2.0
"""A network namespace at the other end of a cable that can be pulled.

    with Wire() as wire:
        server listens at wire.here, programs run by wire.line([...]) come from wire.there
        wire.pull(); wire.plug()
"""
import os
import socket
import subprocess
import threading


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=20)


class Wire:
    def __init__(self, number: int = 0):
        tag = f"{os.getpid() % 100000}{number}"
        self.namespace, self.near, self.far = f"fq{tag}", f"fqn{tag}", f"fqf{tag}"
        net = f"10.{200 + number}.{os.getpid() % 250}"
        self.here, self.there = f"{net}.1", f"{net}.2"

    def __enter__(self) -> "Wire":
        ip("netns", "add", self.namespace)
        try:
            ip("link", "add", self.near, "type", "veth", "peer", "name", self.far, "netns", self.namespace)
            ip("addr", "add", f"{self.here}/30", "dev", self.near)
            ip("-n", self.namespace, "addr", "add", f"{self.there}/30", "dev", self.far)
            ip("-n", self.namespace, "link", "set", "lo", "up")
            ip("-n", self.namespace, "link", "set", self.far, "up")
            self.plug()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        subprocess.run(["ip", "netns", "del", self.namespace], capture_output=True, timeout=20)
        subprocess.run(["ip", "link", "del", self.near], capture_output=True, timeout=20)

    def pull(self) -> None:
        """No byte passes; nobody is told."""
        ip("link", "set", self.near, "down")

    def plug(self) -> None:
        ip("link", "set", self.near, "up")

    def line(self, line: list[str]) -> list[str]:
        """The command line that runs `line` at the far end."""
        return ["ip", "netns", "exec", self.namespace, *line]

    def connect(self, port: int) -> socket.socket:
        """A connection from the far end to ours: made by a thread that is there for a moment."""
        made: list = []

        def make() -> None:
            try:
                with open(f"/run/netns/{self.namespace}") as there:
                    os.setns(there.fileno(), os.CLONE_NEWNET) if hasattr(os, "setns") else _setns(there.fileno())
                made.append(socket.create_connection((self.here, port), 10))
            except BaseException as error:  # noqa: BLE001  told in the caller's thread
                made.append(error)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if isinstance(made[0], BaseException):
            raise made[0]
        return made[0]


def _setns(fd: int) -> None:
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000) != 0:
        raise OSError(ctypes.get_errno(), "setns")
