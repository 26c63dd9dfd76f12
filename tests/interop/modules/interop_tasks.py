"""Tasks of the interop tests."""
import asyncio
import logging
import os
import sys
import time

from fastqueue import task
from fastqueue.telemetry import trace_operation, trace_task


class InvalidFormat(ValueError):
    pass


@task
def add(a, b):
    return a + b


@task
def process_data(data):
    with trace_operation("custom_operation", attributes={"key": "value", "size": len(data)}):
        return {"processed": data}


@task
@trace_task
def traced(value):
    with trace_operation("inner"):
        return value


@trace_task
@task
async def traced_async(value):
    with trace_operation("inner"):
        await asyncio.sleep(0.001)
    return value


@task
def reject(message):
    raise InvalidFormat(message)


@task
def flaky():
    raise ConnectionError("try again")


@task
def nap(seconds):
    time.sleep(seconds)


@task
def die():
    os._exit(3)


@task
def speak(text):
    logging.getLogger("interop").warning("logged: %s", text)
    print("printed:", text, flush=True)
    print("complained:", text, file=sys.stderr, flush=True)
