"""Python tasks that wait for a millisecond."""
import record
from peers import python_cases

NAME = "python_sleep"
TITLE = "Python tasks that sleep for 1 ms, one and two worker processes"
RATIO = "rate"
ORDER = 61


def run(bench: record.Bench) -> None:
    shapes = [("sleep", 1), ("sleep", 2), ("async_sleep", 1), ("async_sleep", 2)]
    python_cases.drain(bench, shapes[::2] if bench.quick else shapes, bench.count(6000, 1500), even=True)
    bench.note("FastQueue runs functions one after another in a process, so that a thousand sleeps of 1 ms last a second; peers with threads "
               "sleep several at once. Coroutines run side by side everywhere (100 at once).")
