# SPDX-License-Identifier: Apache-2.0
"""A listener that is told when a task has ended: `python -m fastqueue.examples.callback_example`."""

from __future__ import annotations

import asyncio
import json

from fastqueue import Client
from fastqueue.patterns.nng_patterns import PairPattern

LISTENER = "tcp://127.0.0.1:5599"


async def main() -> None:
    listener = PairPattern(LISTENER, is_server=True)
    await listener.start()
    async with Client() as client:
        task_id = await client.delay_with_callback("add", LISTENER, 2, 3, callback_data={"order": 42})
        print("submitted", task_id)
        print("called back:", json.loads(await listener.recv()))
    listener.close()


if __name__ == "__main__":
    asyncio.run(main())
