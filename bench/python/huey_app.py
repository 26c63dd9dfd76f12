"""Huey's tasks. Results are kept by default, but for None, which these tasks return."""
import os
import time

from huey import RedisHuey
from marks import BODY, mark

huey = RedisHuey("bench", url=os.environ["BENCH_SERVER"])


@huey.task()
def noop(body):
    mark()


@huey.task()
def sleep(body):
    time.sleep(0.001)
    mark()


def submit_each(kind, count):
    chosen = globals()[kind]
    for _ in range(count):
        chosen(BODY)
