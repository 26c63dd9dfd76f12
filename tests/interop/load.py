"""A known load, worked by a client of the bare protocol that says itself how long its tasks have run, so that each duration
is known to the microsecond."""
import time

from backends import wait_for

# (task, priority, run times in ms, failures among them)
LOAD = [("process_data", "high", [20.0] * 60, 0), ("process_data", "normal", [40.0] * 30, 0),
        ("bad", "normal", [8.0] * 40, 40), ("slow", "low", [7000.0] * 20, 0)]
QUEUED = {"critical": 1, "high": 2, "normal": 3, "low": 4}
TOTAL = len(LOAD) + sum(len(times) for _, _, times, _ in LOAD)


def work(server, tasks) -> None:
    """Submits and runs tasks: (name, priority, milliseconds, fails)."""
    with server.connect() as link:
        names = sorted({name for name, *_ in tasks})
        link.command("FQ.REGISTER", "worker1", "INSTANCE", "n1", "TASKS", *names)
        for name, priority, *_ in tasks:
            link.command("FQ.SUBMIT", name, "{}", "PRIORITY", priority)
        planned = {}
        for name, priority, ms, fails in tasks:
            planned.setdefault((name, priority), []).append((ms, fails))
        left = len(tasks)
        while left > 0:
            grants = link.command("FQ.FETCH", "WORKER", "worker1", "COUNT", 100)
            for grant in grants:
                ms, fails = planned[(grant["name"], grant["priority"])].pop()
                run = ("RUN", round(ms * 1000))
                if fails:
                    link.command("FQ.FAIL", grant["id"], grant["token"], "ValueError", "as planned", "NORETRY", *run)
                else:
                    link.command("FQ.COMPLETE", grant["id"], grant["token"], "null", *run)
                left -= 1
        link.command("FQ.UNREGISTER", "worker1")


def apply(server, prometheus) -> None:
    """The load. Each series has been scraped with a first value before it grows, as a rate needs it."""
    work(server, [(name, priority, times[0], failures > 0) for name, priority, times, failures in LOAD])
    wait_for(lambda: prometheus.value("sum(fastqueue_tasks_duration_count)") == len(LOAD), "the first values are scraped",
             seen=lambda: prometheus.query("fastqueue_tasks_duration_count"))
    time.sleep(1.2)  # two more scrapes
    work(server, [(name, priority, ms, i < failures)
                  for name, priority, times, failures in LOAD for i, ms in enumerate(times)])
    with server.connect() as link:
        for priority, count in QUEUED.items():
            for _ in range(count):
                link.command("FQ.SUBMIT", "waits", "{}", "PRIORITY", priority)
    wait_for(lambda: prometheus.value("sum(fastqueue_tasks_duration_count)") == TOTAL, "the load is scraped",
             seen=lambda: prometheus.query("fastqueue_tasks_duration_count"))
    wait_for(lambda: prometheus.value("sum(fastqueue_queue_size)") == sum(QUEUED.values()), "the queue is scraped",
             seen=lambda: prometheus.query("fastqueue_queue_size"))
