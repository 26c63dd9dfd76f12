# SPDX-License-Identifier: Apache-2.0
"""The task whose trace the demo draws: it fails once, is retried, and says what it does meanwhile."""
import time

from fastqueue import current_task, task
from fastqueue.telemetry import trace_operation, trace_task


@task("shop.checkout", retries=1, backoff=0.05)
@trace_task
def checkout(order: int) -> dict:
    with trace_operation("load cart", attributes={"order": order}):
        time.sleep(0.003)
    with trace_operation("charge card", attributes={"provider": "bank"}):
        time.sleep(0.008)
        if current_task().attempt == 1:
            raise ConnectionError("the bank does not answer")
    with trace_operation("send receipt"):
        time.sleep(0.004)
    return {"order": order, "paid": True}
