# SPDX-License-Identifier: Apache-2.0
"""Tasks of the example application."""
import time

from fastqueue import task
from fastqueue.telemetry import trace_operation, trace_task


@task
@trace_task
def process_data(data: dict) -> dict:
    with trace_operation("clean", attributes={"data.keys": len(data)}):
        time.sleep(0.01)
    return {"processed": data}


@task
def refuse(reason: str) -> None:
    raise ValueError(reason)
