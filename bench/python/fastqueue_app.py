"""FastQueue's tasks, and their submission by its blocking and its asyncio client."""
import asyncio
import os
import time

from fastqueue import Client, SyncClient, task
from marks import BODY, mark


@task("noop")
def noop(body: str) -> None:
    mark()


@task("sleep")
def sleep(body: str) -> None:
    time.sleep(0.001)
    mark()


@task("async_noop")
async def async_noop(body: str) -> None:
    mark()


@task("async_sleep")
async def async_sleep(body: str) -> None:
    await asyncio.sleep(0.001)
    mark()


def submit_each(kind: str, count: int) -> None:
    with SyncClient(os.environ["BENCH_SERVER"]) as client:
        for _ in range(count):
            client.delay(kind, BODY)


def submit_batches(kind: str, count: int, size: int) -> None:
    with SyncClient(os.environ["BENCH_SERVER"]) as client:
        tasks = [{"task_name": kind, "args": (BODY,)}] * size
        for _ in range(0, count, size):
            client.submit_batch(tasks)


def submit_async(kind: str, count: int, at_once: int) -> None:
    async def some(client: Client, share: int) -> None:
        for _ in range(share):
            await client.delay(kind, BODY)

    async def run() -> None:
        async with Client(os.environ["BENCH_SERVER"]) as client:
            await asyncio.gather(*(some(client, count // at_once) for _ in range(at_once)))

    asyncio.run(run())
