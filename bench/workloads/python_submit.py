"""Submitting from Python by each queue's own client."""
import record
from peers import python_cases

NAME = "python_submit"
TITLE = "Submitting from Python, 100 B, each queue's own client"
RATIO = "submit_rate"
ORDER = 62


def run(bench: record.Bench) -> None:
    python_cases.submit(bench, bench.count(20_000, 2_000))
    bench.note("FastQueue's submit has returned when the task is on the disk; the peers' when Redis has it in memory.")
