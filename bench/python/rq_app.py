"""RQ's tasks. It keeps results by default."""
import os
import time

from marks import BODY, mark


def noop(body):
    mark()


def sleep(body):
    time.sleep(0.001)
    mark()


def queue():
    from redis import Redis
    from rq import Queue

    return Queue("bench", connection=Redis.from_url(os.environ["BENCH_SERVER"]))


def submit_each(kind, count):
    to = queue()
    for _ in range(count):
        to.enqueue("rq_app." + kind, BODY)


def submit_batches(kind, count, size):
    from rq import Queue

    to = queue()
    for _ in range(0, count, size):
        to.enqueue_many([Queue.prepare_data("rq_app." + kind, (BODY,)) for _ in range(size)])
