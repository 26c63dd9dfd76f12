"""One round of a Python task queue: fill it, start a worker, and watch its tasks run."""
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import peers.all
from peers.python_workers import HERE, Pool, address, environment
from stage import TICKS, folder, spawn

sys.path.insert(0, str(HERE))
import marks  # noqa: E402 (the tasks' own module, which is no package)

FROM, TO = 0.1, 0.95  # of the tasks: what is measured; before it the worker starts and warms up, behind it it runs dry
LIMIT = 180.0


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for one in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{one}/task"):
                found += map(int, pathlib.Path(f"/proc/{one}/task/{thread}/children").read_text().split())
    return found


def tree_cpu(pid: int) -> float:
    """Seconds of all of them, those that have ended and were waited for included."""
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def submit(pool: Pool, env: dict, kind: str, count: int, *form: str) -> dict:
    done = subprocess.run([pool.python, str(HERE / "submit.py"), pool.app, kind, str(count), *form], env=env, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{pool.subject}: submitting failed: {done.stderr.strip().splitlines()[-1:]}")
    return json.loads(done.stdout)


def end(worker: subprocess.Popen) -> None:
    """Nothing of it is left, whatever it thinks of signals."""
    family = tree(worker.pid)
    worker.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(5)
    for pid in family:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    worker.wait()


def submitting(pool: Pool, redis, count: int, form: str, size: str) -> dict:
    """Submits `count` tasks that nobody runs. A tenth of them one after another, as that takes longest."""
    with folder() as path, empty(pool, redis) as server:
        site = pathlib.Path(path) / "site"
        site.mkdir()
        env = environment(pool, address(pool, server.port), "", site)
        env.pop("BENCH_MARKS")
        before = server.cpu()
        asked = max(1, count // 10) if form == "each" else count
        values = submit(pool, env, "noop", asked, form, size)
        return {**values, "server_cpu_us": (server.cpu() - before) * 1e6 / asked}


@contextlib.contextmanager
def empty(pool: Pool, redis):
    """A server with nothing in it: a control plane of its own, or the Redis of them all, emptied."""
    if pool.server == "fastqueue":
        with peers.all.running("fastqueue", "sync") as server:
            yield server
        return
    with socket.create_connection(("127.0.0.1", redis.port)) as link:
        link.sendall(b"*1\r\n$8\r\nFLUSHALL\r\n")
        link.recv(64)
    yield redis


def measure(pool: Pool, redis, kind: str, count: int, processes: int) -> dict:
    """Fills the queue with `count` tasks, then starts a worker: tasks a second, and processor time per task of worker and server."""
    with folder() as path, empty(pool, redis) as server:
        board, site = os.path.join(path, "marks"), pathlib.Path(path) / "site"
        marks.create(board)
        site.mkdir()
        cells = marks.cells(board)
        env = environment(pool, address(pool, server.port), board, site)
        filled = submit(pool, env, kind, count, *pool.prefill)
        command = [part.format(n=processes, server=address(pool, server.port)) for part in pool.command]
        log_path = os.path.join(path, "log")
        with open(log_path, "wb") as log:
            worker = spawn(command, env=env, cwd=HERE, stdout=log, stderr=log)
        try:
            values = watch(worker, server, cells, count)
        except RuntimeError as error:
            last = pathlib.Path(log_path).read_text(errors="replace").strip().splitlines()[-3:]
            raise RuntimeError(f"{pool.subject} ({pool.pool}): {error}: {' / '.join(last)}") from None
        finally:
            end(worker)
            cells.release()
        return {**values, **filled}


def watch(worker: subprocess.Popen, server, cells: memoryview, count: int) -> dict:
    def at_least(wanted: float) -> tuple[int, float, float, float]:
        limit = time.monotonic() + LIMIT
        while True:
            done = sum(cells.tolist()) if wanted else 0
            if done >= wanted:
                return done, time.monotonic(), tree_cpu(worker.pid), server.cpu()
            if worker.poll() is not None:
                raise RuntimeError(f"the worker ended with {worker.returncode} after {done} tasks")
            if time.monotonic() > limit:
                raise RuntimeError(f"only {done} of {count} tasks ran in {LIMIT:g} s")
            time.sleep(0.01)

    first, last = at_least(count * FROM), at_least(count * TO)
    tasks, seconds, worker_cpu, server_cpu = (b - a for a, b in zip(first, last))
    return {"rate": tasks / seconds, "server_cpu_us": server_cpu * 1e6 / tasks, "worker_cpu_us": worker_cpu * 1e6 / tasks, "seconds": seconds}
