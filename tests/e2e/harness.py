"""Runs a real control plane on free ports with a data directory of its own, and speaks RESP3 to it.

    with Server("--lease", "2s") as server, server.connect() as link:
        task_id = link.command("FQ.SUBMIT", "mail.send", "{}")

FASTQUEUE_BUILD names the build tree (default build/dev). With FASTQUEUE_TEST_NATS=nats://HOST:PORT[,...] servers keep their journals there
instead of in directories. Replies: maps are dicts, errors raise RespError, strings are str
(bytes that are no UTF-8 keep their value by surrogate escapes), nil is None.
"""
import http.client
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("FASTQUEUE_BUILD", ROOT / "build" / "dev")).resolve()
PROGRAM = BUILD / "bin" / "fastqueue"
START_LIMIT_S = 60  # sanitizers on a busy machine
STOP_LIMIT_S = 60


class RespError(Exception):
    """The server's error line; `code` is its first word."""

    @property
    def code(self) -> str:
        return str(self).split(" ", 1)[0]


def encode(*args) -> bytes:
    """A request: an array of bulk strings."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode("utf-8", "surrogateescape")
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


def free_port() -> int:
    """A port that nobody listens on, outside the range from which the kernel takes ports for clients."""
    while True:
        port = random.SystemRandom().randrange(12000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Link:
    """One connection. `pushes` collects push messages that came between replies."""

    def __init__(self, sock: socket.socket, protocol: int = 3, token: str | None = None, timeout: float = 30):
        self.sock = sock
        self.sock.settimeout(timeout)
        self.file = sock.makefile("rb")
        self.pushes: list = []
        if token is not None:
            self.command("AUTH", token)
        if protocol == 3:
            self.command("HELLO", "3")

    def __enter__(self) -> "Link":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self.file.close()
        self.sock.close()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def command(self, *args):
        self.send(encode(*args))
        return self.read()

    def read(self, raise_error: bool = True):
        """The next reply. An error raises, or is returned as its line."""
        while True:
            kind, value = self._value()
            if kind == b">":
                self.pushes.append(value)
            elif kind in (b"-", b"!"):
                if raise_error:
                    raise RespError(value)
                return value
            else:
                return value

    def read_push(self):
        """The next push message; replies must not be outstanding."""
        if not self.pushes:
            kind, value = self._value()
            assert kind == b">", f"a push was expected, not {kind!r} {value!r}"
            return value
        return self.pushes.pop(0)

    def _line(self) -> bytes:
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise EOFError("the server closed the connection")
        return line[:-2]

    def _bytes(self, count: int) -> str:
        data = self.file.read(count + 2)
        if len(data) != count + 2:
            raise EOFError("the server closed the connection")
        return data[:-2].decode("utf-8", "surrogateescape")

    def _value(self):
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind in (b"+", b"-", b"("):
            return kind, rest.decode("utf-8", "surrogateescape")
        if kind in (b"$", b"=", b"!"):
            return kind, None if rest == b"-1" else self._bytes(int(rest))
        if kind == b":":
            return kind, int(rest)
        if kind == b",":
            return kind, float(rest)
        if kind == b"#":
            return kind, rest == b"t"
        if kind == b"_":
            return kind, None
        if kind == b"%":
            return kind, {self._value()[1]: self._value()[1] for _ in range(int(rest))}
        if kind in (b"*", b"~", b">"):
            return kind, None if rest == b"-1" else [self._value()[1] for _ in range(int(rest))]
        raise AssertionError(f"not RESP: {line!r}")


class Server:
    """A control plane. It may be killed and started again: ports and data directory stay the same."""

    def __init__(self, *options: str, http: bool = False, environment: dict | None = None):
        self.options = [str(option) for option in options]
        self.port = free_port()
        self.http_port = free_port() if http else 0
        self.process: subprocess.Popen | None = None
        self.is_ended = False  # by the test
        self.log_before = 0
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="fq-e2e-"))
        self.log_path = self.folder / "log"
        self.environment = environment or {}
        self.data_dir = self._option("--data-dir") or str(self.folder / "data")

    def _option(self, name: str) -> str | None:
        return self.options[self.options.index(name) + 1] if name in self.options else None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    @property
    def token(self) -> str | None:
        return self.environment.get("FASTQUEUE_TOKEN")

    @staticmethod
    def _environment(extra: dict) -> dict:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("FASTQUEUE_", "OTEL_"))}
        return {**inherited, **extra}

    def command_line(self) -> list[str]:
        line = [str(PROGRAM), "control-plane", "--allow-volatile"]
        if self._option("--base-address") is None and self._option("--listen") is None:
            line += ["--base-address", f"tcp://127.0.0.1:{self.port}"]
        if self._option("--http-address") is None:
            line += ["--http-address", f"127.0.0.1:{self.http_port}" if self.http_port else "off"]
        if self._option("--data-dir") is None:
            line += ["--data-dir", self.data_dir]
        return line + self.journal() + self.options

    def journal(self) -> list[str]:
        servers = os.environ.get("FASTQUEUE_TEST_NATS")
        if not servers or {"--journal", "--durability"} & set(self.options) or self.data_dir == "none":
            return []
        return ["--journal", f"{servers}/{self.folder.name}"]

    def start(self, wait: bool = True) -> None:
        self.is_ended = False
        with open(self.log_path, "ab") as log:
            self.log_before = log.tell()  # process ids come again: only what is behind this place is this one's
            self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=self._environment(self.environment))
        if wait:
            self.wait_until_up()

    def wait_until_up(self) -> None:
        """Until the log says that it listens: no connection is used up, and TLS needs no client."""
        end = time.monotonic() + START_LIMIT_S
        starts = f" pid={self.process.pid} "
        while True:
            text = self.log_path.read_bytes()[self.log_before:].decode(errors="replace")
            if starts in text and " ready" in text[text.find(starts):]:
                return
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended with {self.process.returncode}:\n{text}")
            if time.monotonic() > end:
                raise AssertionError(f"the server did not start in {START_LIMIT_S} s:\n{text}")
            time.sleep(0.005)

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.is_ended = True

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.is_ended = True
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_LIMIT_S)

    def stop(self) -> None:
        """Ends it and removes its directory. A server that does not end properly is an error."""
        code = 0
        if self.process is not None and self.process.poll() not in (None, 0) and not self.is_ended:
            code = f"{self.process.returncode}: it ended by itself"
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                time.sleep(0.02)
                if self.process.poll() is None:
                    self.process.send_signal(signal.SIGTERM)  # the second one: no drain
                code = self.process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self.kill()
                code = "none: it had to be killed"
        log = self.log()
        shutil.rmtree(self.folder, ignore_errors=True)
        if code != 0:
            raise AssertionError(f"the server's exit code is {code}:\n{log}")

    def connect(self, protocol: int = 3, token: str | None = None, timeout: float = 30) -> Link:
        return self.connect_at("127.0.0.1", protocol, token, timeout)

    def connect_at(self, host: str, protocol: int = 3, token: str | None = None, timeout: float = 30) -> Link:
        address = self._option("--base-address") or ""
        if address.startswith("unix://"):
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(address[len("unix://"):])
        else:
            sock = socket.create_connection((host, self.port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return Link(sock, protocol, token or self.token, timeout)
        except BaseException:
            sock.close()
            raise

    def http(self, method: str, path: str, body: str | bytes | None = None, headers: dict | None = None):
        """(status, headers, text) of one request to the admin listener."""
        link = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=30)
        try:
            link.request(method, path, body, headers or {})
            answer = link.getresponse()
            return answer.status, answer.headers, answer.read().decode("utf-8", "surrogateescape")
        finally:
            link.close()

    def resident_bytes(self) -> int:
        pages = pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @classmethod
    def run_to_end(cls, *options: str, environment: dict | None = None, limit: float = 30) -> tuple[int, str]:
        """Starts one that is expected to refuse: its exit code and what it wrote."""
        server = cls(*options, environment=environment)
        try:
            done = subprocess.run(server.command_line(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=cls._environment(server.environment), timeout=limit)
            return done.returncode, done.stdout.decode(errors="replace")
        finally:
            shutil.rmtree(server.folder, ignore_errors=True)
