"""Python tasks that do nothing: how much a worker's process costs per task, and how fast it gets through a filled queue."""
import record
from peers import python_cases

NAME = "python_noop"
TITLE = "Python tasks that do nothing, one worker process, a filled queue"
RATIO = "rate"
ORDER = 60


def run(bench: record.Bench) -> None:
    python_cases.drain(bench, [("noop", 1), ("async_noop", 1)], bench.count(1_000_000, 100_000))
    bench.note("Peers' queues are in Redis's memory, nothing on disk; FastQueue's control plane syncs. Worker CPU: all processes of the worker. "
               "The rate is that between a tenth and 95 % of the tasks: neither the start nor the end of the worker is in it.")
