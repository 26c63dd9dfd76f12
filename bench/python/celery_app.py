"""Celery's tasks. BENCH_RESULTS=1 keeps results in Redis, as FastQueue does; without it none are kept, Celery's default."""
import os
import time

from celery import Celery, group
from marks import BODY, mark

app = Celery("bench", broker=os.environ["BENCH_SERVER"],
             backend=os.environ["BENCH_SERVER"] if os.environ.get("BENCH_RESULTS") else None)
app.conf.update(worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "4")), worker_hijack_root_logger=False, worker_send_task_events=False,
                task_default_delivery_mode="transient", broker_connection_retry_on_startup=True)


@app.task(name="noop")
def noop(body):
    mark()


@app.task(name="sleep")
def sleep(body):
    time.sleep(0.001)
    mark()


def submit_each(kind, count):
    chosen = {"noop": noop, "sleep": sleep}[kind]
    for _ in range(count):
        chosen.delay(BODY)


def submit_batches(kind, count, size):
    """One connection for all, which is what Celery's group does."""
    chosen = {"noop": noop, "sleep": sleep}[kind]
    for _ in range(0, count, size):
        group(chosen.s(BODY) for _ in range(size)).apply_async()
