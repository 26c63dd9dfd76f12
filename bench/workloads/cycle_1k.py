"""As before, with 1 KiB a task and batches of 256; and synced before every answer, where a peer can."""
from drive import SUBJECTS, case, tasks, usable

NAME, TITLE, ORDER = "cycle_1k", "Submit, run, complete: 1 KiB tasks in batches of 256", 11
MODES = {"fastqueue": ("sync", "relaxed", "memory"), "beanstalkd": ("memory", "fsync"), "gearmand": ("memory",),
         "redis list, no ack": ("memory",), "redis reliable list": ("memory", "always"), "redis streams": ("memory", "always"),
         "jetstream": ("file", "memory")}


def run(bench) -> None:
    cases = []
    for subject in SUBJECTS:
        for mode in MODES.get(subject, ()) if usable(bench, subject) else ():
            share = 0.02 if (subject, mode) == ("beanstalkd", "fsync") else 0.5  # a sync for each task, whatever is in flight
            cases.append(case(bench, subject, mode, "cycle", "1 KiB, batches of 256", tasks(bench, subject, mode, 256, share), batch=256,
                              size=1024, window=8192))
    bench.alternate(cases)
