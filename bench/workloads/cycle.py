"""A submitter, a worker and a server side by side: tasks are submitted, taken, and acknowledged, nothing else. The batch is what the submitter
has in flight and the worker takes at once, each in the peer's best form (an LPUSH of many tasks at once for Redis; "LPUSH each" is a command for each
task, as independent submitters send it, and like the other peers and FastQueue do); at most 8,192 tasks (or four batches) wait in the queue. Redis as a
plain list acknowledges nothing: a worker that dies loses what it took."""
from drive import SUBJECTS, case, tasks, usable

NAME, TITLE, ORDER = "cycle", "Submit, run, complete: 100 B tasks, one client, one worker, batches from 1 to 1,024", 10
MODES = {"fastqueue": ("sync", "relaxed", "memory"), "beanstalkd": ("memory", "wal"), "gearmand": ("memory",),
         "redis list, no ack": ("memory",), "redis list, LPUSH each": ("memory",),
         "redis reliable list": ("memory", "everysec"), "redis reliable, LPUSH each": ("memory",), "redis streams": ("memory", "everysec"),
         "jetstream": ("file", "memory")}


def run(bench) -> None:
    batches = (1, 64, 1024) if bench.quick else (1, 4, 16, 64, 256, 1024)
    bench.alternate([case(bench, subject, mode, "cycle", f"batches of {batch}", tasks(bench, subject, mode, batch), batch=batch, window=8192)
                     for subject in SUBJECTS if usable(bench, subject) for mode in MODES[subject] for batch in batches])


def chart(measurements: list) -> list:
    """Of each subject and mode the batch that gives the highest rate."""
    best: dict = {}
    for one in measurements:
        key = (one.subject, one.mode)
        if key not in best or one.values["rate"] > best[key].values["rate"]:
            best[key] = one
    return list(best.values())
