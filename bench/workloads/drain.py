"""The queue is full and nobody submits: one worker takes, acknowledges and takes again, 256 at a time."""
from drive import SUBJECTS, case, tasks, usable
from workloads.cycle import MODES

NAME, TITLE, ORDER = "drain", "Drain, 100 B", 13


def run(bench) -> None:
    bench.alternate([case(bench, subject, mode, "work", "256 at a time", tasks(bench, subject, mode, 256), prefill=True, batch=256)
                     for subject in SUBJECTS if usable(bench, subject) and not subject.endswith("each") for mode in MODES[subject]])
