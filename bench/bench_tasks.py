"""The task that the benchmarks run: it does nothing."""
from fastqueue import task


@task("bench.noop")
def noop(*args: object) -> None:
    return None
