"""The tasks that the benchmarks run: one does nothing, one is busy for a millisecond."""
import time

from fastqueue import task


@task("bench.noop")
def noop(*args: object) -> None:
    return None


@task("bench.busy")
def busy(*args: object) -> None:
    end = time.thread_time_ns() + 1_000_000
    while time.thread_time_ns() < end:
        pass
