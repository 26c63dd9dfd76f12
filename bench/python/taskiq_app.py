"""Taskiq's tasks, on a Redis list or stream (BENCH_BROKER). No results are kept, its default."""
import asyncio
import os
import time

from marks import BODY, mark
from taskiq_redis import ListQueueBroker, RedisStreamBroker

KIND = RedisStreamBroker if os.environ.get("BENCH_BROKER") == "stream" else ListQueueBroker
broker = KIND(url=os.environ["BENCH_SERVER"])


@broker.task(task_name="noop")
def noop(body: str) -> None:
    mark()


@broker.task(task_name="sleep")
def sleep(body: str) -> None:
    time.sleep(0.001)
    mark()


@broker.task(task_name="async_noop")
async def async_noop(body: str) -> None:
    mark()


@broker.task(task_name="async_sleep")
async def async_sleep(body: str) -> None:
    await asyncio.sleep(0.001)
    mark()


def submit_async(kind: str, count: int, at_once: int) -> None:
    async def some(share: int) -> None:
        chosen = globals()[kind]
        for _ in range(share):
            await chosen.kiq(BODY)

    async def run() -> None:
        await broker.startup()
        await asyncio.gather(*(some(count // at_once) for _ in range(at_once)))
        await broker.shutdown()

    asyncio.run(run())


def submit_each(kind: str, count: int) -> None:
    submit_async(kind, count, 1)
