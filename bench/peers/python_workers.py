"""Python task queues: how a worker of each is started, and how its tasks are submitted. All under one interpreter, Debian's.

RQ and Celery are Debian's packages; the others are PyPI's, in a virtual environment of that same interpreter (requirements.txt); FastQueue's
package is run from the build. Each worker writes to the marks (bench/python/marks.py) when a task has run.
"""
import dataclasses
import os
import pathlib
import subprocess

from peers.redis import Redis
from stage import BINARY, ROOT, python_site

HERE = ROOT / "bench/python"
SYSTEM = "/usr/bin/python3"
VENV = ROOT / "build/bench/venv"
VENV_PYTHON = str(VENV / "bin/python")


@dataclasses.dataclass(frozen=True)
class Pool:
    """One way to run a queue's worker. `command` has {n} for the number of processes; `forms`: how it submits, form -> size."""
    subject: str
    pool: str
    app: str
    server: str                       # fastqueue, or redis
    command: tuple[str, ...]
    kinds: tuple[str, ...]
    results: str
    prefill: tuple[str, ...] = ("each",)
    env: tuple[tuple[str, str], ...] = ()
    packages: tuple[str, ...] = ()    # modules whose versions are told
    system: bool = False              # Debian's packages, not the virtual environment's
    slow: int = 1                     # how much less it is given to do

    @property
    def python(self) -> str:
        return SYSTEM if self.system or self.server == "fastqueue" else VENV_PYTHON


BOTH = ("noop", "sleep")
ALL = ("noop", "sleep", "async_noop", "async_sleep")
CELERY = (SYSTEM, "-m", "celery", "-A", "celery_app", "worker", "--loglevel", "ERROR", "--without-gossip", "--without-mingle",
          "--without-heartbeat", "--pool")


def celery(pool: str, at_once: str, results: bool = False) -> Pool:
    return Pool("celery", pool + (" with results" if results else ""), "celery", "redis", (*CELERY, pool, "--concurrency", at_once), BOTH,
                "kept in Redis" if results else "not kept",
                env=(("BENCH_PREFETCH", str(256 // int(at_once.format(n=1)))), *((("BENCH_RESULTS", "1"),) if results else ())),
                packages=("celery", "redis"), system=True, prefill=("batches", "100"), slow=64)


def taskiq(broker: str) -> Pool:
    return Pool("taskiq", broker, "taskiq", "redis",
                (VENV_PYTHON, "-m", "taskiq", "worker", "taskiq_app:broker", "--workers", "{n}", "--max-async-tasks", "100",
                 "--max-prefetch", "100", "--log-level", "ERROR", "--ack-type", "when_received"),
                ALL, "not kept", env=(("BENCH_BROKER", broker),), packages=("taskiq", "taskiq-redis", "redis", "uvloop"),
                prefill=("async", "50"), slow=32)


POOLS = (
    Pool("fastqueue", "subworker", "fastqueue", "fastqueue",
         (str(BINARY), "subworker", "--control-plane-address", "{server}", "--concurrency", "{n}", "--log-level", "warning",
          "--task-modules", "fastqueue_app"), ALL, "kept", prefill=("batches", "1000")),
    celery("prefork", "{n}"), celery("solo", "1"), celery("threads", "10"), celery("gevent", "100"), celery("eventlet", "100"),
    celery("solo", "1", True),
    Pool("rq", "Worker", "rq", "redis", (SYSTEM, "/usr/bin/rq", "worker", "--quiet", "--url", "{server}", "bench"), BOTH, "kept",
         packages=("rq", "redis"), system=True, prefill=("batches", "100"), slow=2000),
    Pool("rq", "SimpleWorker", "rq", "redis",
         (SYSTEM, "/usr/bin/rq", "worker", "--quiet", "--worker-class", "rq.SimpleWorker", "--url", "{server}", "bench"), BOTH, "kept",
         packages=("rq", "redis"), system=True, prefill=("batches", "100"), slow=150),
    Pool("dramatiq", "1 thread", "dramatiq", "redis",
         (VENV_PYTHON, "-m", "dramatiq", "dramatiq_app", "--processes", "{n}", "--threads", "1"), ALL, "not kept",
         env=(("dramatiq_queue_prefetch", "1000"),), packages=("dramatiq", "redis"), slow=16),
    Pool("dramatiq", "8 threads", "dramatiq", "redis",
         (VENV_PYTHON, "-m", "dramatiq", "dramatiq_app", "--processes", "{n}", "--threads", "8"), ALL, "not kept",
         env=(("dramatiq_queue_prefetch", "1000"),), packages=("dramatiq", "redis"), slow=16),
    Pool("huey", "threads", "huey", "redis",
         (VENV_PYTHON, str(VENV / "bin/huey_consumer"), "huey_app.huey", "--workers", "8", "--worker-type", "thread", "--quiet",
          "--no-periodic"), BOTH, "kept, but for None", packages=("huey", "redis"), slow=32),
    Pool("huey", "process", "huey", "redis",
         (VENV_PYTHON, str(VENV / "bin/huey_consumer"), "huey_app.huey", "--workers", "{n}", "--worker-type", "process", "--quiet",
          "--no-periodic"), BOTH, "kept, but for None", packages=("huey", "redis"), slow=32),
    taskiq("list"), taskiq("stream"),
)


def environment(pool: Pool, server: str, marks: str, site: pathlib.Path) -> dict[str, str]:
    """For worker and submitter. FastQueue's package is laid into `site`, as it would be installed."""
    paths = [str(HERE)]
    env = {**os.environ, "BENCH_SERVER": server, "BENCH_MARKS": marks, "PYTHONDONTWRITEBYTECODE": "1", **dict(pool.env)}
    if pool.server == "fastqueue":
        env.update(python_site(site), FASTQUEUE_PYTHON=SYSTEM)
        paths.insert(0, str(site))
    if pool.subject == "celery":
        env["C_FORCE_ROOT"] = "1"
    return {**env, "PYTHONPATH": ":".join(paths)}


def address(pool: Pool, port: int) -> str:
    return f"tcp://127.0.0.1:{port}" if pool.server == "fastqueue" else f"redis://127.0.0.1:{port}/0"


def missing(pool: Pool) -> str | None:
    """Why it cannot be measured here, or nothing."""
    if pool.server == "redis" and Redis.missing():
        return Redis.missing()
    if not os.path.exists(pool.python):
        return f"{os.path.relpath(pool.python, ROOT)} is not there (bench/python/install.sh makes it)"
    if pool.pool.split()[0] in ("gevent", "eventlet") and not has(pool.python, pool.pool):
        return f"{pool.pool} is not installed (Debian package python3-{pool.pool})"
    lacking = [name for name in pool.packages if not has(pool.python, name.replace("-", "_"))]
    return f"not installed for {pool.python}: {', '.join(lacking)}" if lacking else None


def has(python: str, module: str) -> bool:
    code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
    return subprocess.run([python, "-c", code], check=False, stderr=subprocess.DEVNULL).returncode == 0


def versions(pool: Pool) -> str:
    code = ("import importlib.metadata as m, sys, platform; "
            "print(platform.python_version(), *(n + ' ' + m.version(n) for n in sys.argv[1:]), sep=', ')")
    done = subprocess.run([pool.python, "-c", code, *pool.packages], stdout=subprocess.PIPE, text=True, check=False)
    return "Python " + done.stdout.strip()
