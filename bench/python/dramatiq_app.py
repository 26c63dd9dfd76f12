"""Dramatiq's tasks. No results are kept, its default."""
import asyncio
import os
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from marks import BODY, mark

broker = RedisBroker(url=os.environ["BENCH_SERVER"])
broker.add_middleware(AsyncIO())
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(body):
    mark()


@dramatiq.actor
def sleep(body):
    time.sleep(0.001)
    mark()


@dramatiq.actor
async def async_noop(body):
    mark()


@dramatiq.actor
async def async_sleep(body):
    await asyncio.sleep(0.001)
    mark()


def submit_each(kind, count):
    chosen = globals()[kind]
    for _ in range(count):
        chosen.send(BODY)


def submit_batches(kind, count, size):
    chosen = globals()[kind]
    for _ in range(0, count, size):
        dramatiq.group(chosen.message(BODY) for _ in range(size)).run()
