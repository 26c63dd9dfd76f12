"""Only the submissions, with 512 in flight and with one. Nobody works; every answer is awaited."""
from drive import SUBJECTS, case, tasks, usable
from workloads.cycle import MODES

NAME, TITLE, ORDER = "submit", "Submit only, 100 B", 12


def run(bench) -> None:
    bench.alternate([case(bench, subject, mode, "submit", f"{batch} in flight", tasks(bench, subject, mode, batch), batch=batch)
                     for subject in SUBJECTS if usable(bench, subject) for mode in MODES[subject] for batch in (512, 1)])
