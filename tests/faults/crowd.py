# SPDX-License-Identifier: Apache-2.0
"""What cases with hostile peers share: the pulse of a well-behaved client beside them, and looks at the server."""
import pathlib
import re
import socket
import struct
import threading
import time

from case import Figure, Run, percentile
from harness import Link, Server


def wait_until(condition, seconds: float = 20, what: str = "it"):
    end = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"not in {seconds} s: {what}")
        time.sleep(0.01)
    return found


def link_to(port: int, source: str = "127.0.0.1", protocol: int = 3, token: str | None = None, timeout: float = 30) -> Link:
    sock = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return Link(sock, protocol, token, timeout)
    except BaseException:
        sock.close()
        raise


def info(link: Link, name: str, section: str = "clients") -> int:
    return int(re.search(rf"^{name}:(\d+)", link.command("INFO", section), re.M).group(1))


def metric(server: Server, name: str) -> float:
    headers = {"Authorization": f"Bearer {server.token}"} if server.token else {}
    page = server.http("GET", "/metrics", headers=headers)[2]
    return float(re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)", page, re.M).group(1))


def peak_bytes(server: Server) -> int:
    """The most memory that the server ever had."""
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) * 1024


def reset(sock: socket.socket) -> None:
    """Closes with RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Pulse:
    """A client that submits and pings all the time; how long its answers took, in milliseconds."""

    def __init__(self, server: Server, token: str | None = None, pause_s: float = 0.001):
        self.link = server.connect(token=token)
        self.pause_s = pause_s
        self.times: list[float] = []
        self.submitted = 0
        self.error: str | None = None
        self._stop = False
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop = True
        self._thread.join(30)
        self.link.close()

    def _beat(self) -> None:
        try:
            while not self._stop:
                began = time.perf_counter()
                if len(self.times) % 2:
                    self.link.command("FQ.SUBMIT", "pulse", "{}", "EXPIRES", "1000")
                    self.submitted += 1
                else:
                    self.link.command("PING")
                self.times.append((time.perf_counter() - began) * 1000)
                time.sleep(self.pause_s)
        except Exception as error:  # noqa: BLE001  a client that was served no more is the finding
            self.error = f"{type(error).__name__}: {error}"

    def lap(self) -> list[float]:
        """The times since the last call."""
        taken, self.times = self.times, []
        return taken


def others(run: Run, before: list[float], during: list[float], pulse: Pulse) -> list[Figure]:
    """How well-behaved clients fared. A loaded machine with two processors allows a coarse bound only, and beside other tests
    one that is there for those who are not served at all."""
    most_ms = run.scale(250, 3000)
    quiet, loud = percentile(before, 0.99), percentile(during, 0.99)
    return [Figure("others' p99 before", round(quiet, 2), "ms"),
            Figure("others' p99 during", round(loud, 2), "ms", f"<= {most_ms:g}", bool(during) and loud <= most_ms),
            Figure("others' errors", pulse.error or 0, "", "0", pulse.error is None)]
