# SPDX-License-Identifier: Apache-2.0
"""The example application: submits a task every second and prints what became of it."""
import asyncio

from fastqueue import Client


async def main() -> None:
    client = Client()
    await client.start()
    number = 0
    while True:
        number += 1
        result = await client.submit_task("process_data", args=[{"number": number}], priority="high")
        print(result.status, result.result, flush=True)
        if number % 10 == 0:
            result = await client.submit_task("refuse", args=["every tenth is refused"])
            print(result.status, result.error, flush=True)
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
