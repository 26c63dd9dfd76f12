# SPDX-License-Identifier: Apache-2.0
"""The demo's tasks in Python; examples/c/tasks.c has those in C."""
import asyncio
import hashlib
import re

from fastqueue import task


@task
def prime_factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while divisor * divisor <= number:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors + [number] if number > 1 else factors


@task
def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


@task("mail.render")
def render(template: str, **fields: str) -> dict:
    text = template.format(**fields)
    return {"text": text, "sha256": hashlib.sha256(text.encode()).hexdigest()}


@task
async def fetch(page: int, seconds: float) -> dict:
    """Stands for a slow service: coroutines of one runner wait side by side."""
    await asyncio.sleep(seconds)
    return {"page": page, "bytes": page * 100}


@task
def parse_order(order: dict) -> int:
    if order["amount"] < 0:
        raise ValueError("a negative amount")
    return order["amount"]
