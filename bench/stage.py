"""What the benchmark scripts share: a control plane, workers and load on loopback, and their processes' own accounting."""
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/release").resolve()
BINARY = BUILD / "bin/fastqueue"
DRIVER = BUILD / "bench/driver-fastqueue"
ECHO = BUILD / "bench/echo"
TICKS = os.sysconf("SC_CLK_TCK")


LIBC = ctypes.CDLL(None, use_errno=True)


def end_with_parent() -> None:
    """A child's process ends when the script does, however that ends."""
    LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)


def spawn(args: list, stdout: int = subprocess.DEVNULL, stderr: int | None = subprocess.DEVNULL, **more) -> subprocess.Popen:
    return subprocess.Popen(list(map(str, args)), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, preexec_fn=end_with_parent, **more)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port: int, process: subprocess.Popen, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise SystemExit(f"{process.args}: ended with code {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as link:
            link.sendall(b"*1\r\n$4\r\nPING\r\n")
            if link.recv(16).startswith(b"+PONG"):
                return
        time.sleep(0.005)
    raise SystemExit("the server did not answer")


def cpu_seconds(pid: int, children: bool = False) -> float:
    """User and system time; `children`: with that of children that ended and were waited for. A process that has just ended has none."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(map(int, fields[11:15 if children else 13])) / TICKS


def family(pid: int) -> list[int]:
    """A process and its descendants."""
    found = [pid]
    for each in found:
        for listing in pathlib.Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, listing.read_text().split())
    return found


def resident_bytes(pid: int) -> int:
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def proportional_bytes(pid: int) -> int:
    """Resident bytes, of which those shared with others count by their share."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("the kernel does not tell a process's share of memory")


class Server:
    """A control plane on a free port; `mode` is sync, relaxed or none (memory only)."""

    def __init__(self, mode: str, folder: str, *more: str, env: dict | None = None, quiet: bool = False):
        self.mode, self.folder, self.more, self.env = mode, folder, more, {**os.environ, **(env or {})}
        self.stderr = subprocess.DEVNULL if quiet else None
        self.port = free_port()
        self.start()

    def start(self) -> None:
        where = ["--data-dir", "none"] if self.mode == "none" else ["--data-dir", self.folder, "--durability", self.mode]
        self.process = spawn(
            [BINARY, "control-plane", "--base-address", f"tcp://127.0.0.1:{self.port}", "--http-address", "off",
             "--log-level", "error", *where, *self.more], stderr=self.stderr, env=self.env)
        wait_for(self.port, self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)


def load(verb: str, port: int, count: int, task: str = "bench.noop", **options: int) -> dict:
    """A verb of the FastQueue driver against a server that somebody else measures; calls are all timed, none before."""
    words = [item for key, value in {"warm-up": 0, **options}.items() for item in (f"--{key}", str(value))]
    done = subprocess.run([DRIVER, verb, str(port), "--count", str(count), "--variant", task, *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


@contextlib.contextmanager
def folder():
    base = os.environ.get("FASTQUEUE_BENCH_DIR", str(BUILD))
    path = tempfile.mkdtemp(prefix="bench-", dir=base)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def subworker(port: int, *args: str, env: dict | None = None, concurrency: int = 1, quiet: bool = False):
    process = spawn(
        [BINARY, "subworker", "--control-plane-address", f"tcp://127.0.0.1:{port}", "--concurrency", str(concurrency),
         "--log-level", "warning", *args], env={**os.environ, **(env or {})}, stderr=subprocess.DEVNULL if quiet else None)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def runner_pids(supervisor: int) -> list[int]:
    listing = pathlib.Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    return [int(pid) for pid in listing]


def wait_until_done(port: int, count: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as link:
        stream = link.makefile("rwb")
        while True:
            stream.write(b"*1\r\n$8\r\nFQ.STATS\r\n")
            stream.flush()
            values = read_flat(stream)
            if int(values.get("completed", 0)) >= count:
                return
            time.sleep(0.002)


def read_flat(stream) -> dict:
    """A RESP2 map (array of pairs) as a dict of text; nested values are read and dropped."""
    def value():
        line = stream.readline().rstrip(b"\r\n")
        kind, rest = line[:1], line[1:]
        if kind in b"+:-,#":
            return rest.decode()
        if kind == b"$":
            return None if rest == b"-1" else stream.read(int(rest) + 2)[:-2].decode()
        return [value() for _ in range(int(rest))]
    items = value()
    return {items[i]: items[i + 1] for i in range(0, len(items) - 1, 2) if isinstance(items[i], str)}


def python_site(folder: pathlib.Path) -> dict:
    """The package as it would be installed, its sources and the extension side by side; the environment to find it by."""
    extension = next((BUILD / "python/fastqueue").glob("_core*.so"), None)
    if extension is None:
        raise SystemExit(f"no Python extension in {BUILD}: configure with -DFQ_PYTHON=ON")
    shutil.copytree(ROOT / "python/src/fastqueue", folder / "fastqueue", dirs_exist_ok=True)
    shutil.copy(extension, folder / "fastqueue")
    return {"PYTHONPATH": f"{folder}:{ROOT / 'bench'}", "FASTQUEUE_PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1"}
