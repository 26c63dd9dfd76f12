# SPDX-License-Identifier: Apache-2.0
"""Callbacks: the client that submitted a task tells a listener of the caller's choice when it has ended.

One message a task over TCP or a Unix socket: four bytes of length, most significant first, then JSON. The client
dials the address that its own caller gave, nobody else's; when the client is gone, so is the callback (the result
stays with the control plane).
"""

from __future__ import annotations

import logging
import socket
import struct
from typing import Any

from .. import _core
from ..tasks.models import TaskResult, TaskStatus

logger = logging.getLogger("fastqueue")

MESSAGE_MAX = 64 << 20
ATTEMPTS = 3
SECONDS = 10.0


class CallbackId(str):
    """The id of a task submitted with a callback. As documentation shows both, it also answers like a result."""

    status = TaskStatus.PENDING

    @property
    def task_id(self) -> str:
        return str(self)


def frame(message: bytes) -> bytes:
    if len(message) > MESSAGE_MAX:
        raise ValueError(f"a message of {len(message)} bytes is larger than {MESSAGE_MAX}")
    return struct.pack(">I", len(message)) + message


def message_for(result: TaskResult, data: dict[str, Any] | None) -> bytes:
    body: dict[str, Any] = {
        "task_id": result.task_id,
        "status": result.status.value,
        "result": result.result,
        "error": result.error,
        "started_at": result.started_at.isoformat() if result.started_at is not None else None,
        "completed_at": result.completed_at.isoformat() if result.completed_at is not None else None,
        "callback_data": data,
    }
    return _core.json_encode(body)


class Target:
    """A listener's address: tcp://host:port, unix:///path or ipc:///path."""

    def __init__(self, address: str) -> None:
        text = "unix://" + address[len("ipc://") :] if address.startswith("ipc://") else address
        self.kind, self.host, self.port, self.path, _, _ = _core.parse_address(text)
        if self.kind == "tls":
            raise ValueError("callbacks go over tcp:// or unix://")
        self.address = address

    async def send(self, message: bytes) -> None:
        import asyncio

        for attempt in range(ATTEMPTS):
            try:
                async with asyncio.timeout(SECONDS):
                    await self._send_once(message)
                return
            except (OSError, TimeoutError) as error:
                if attempt + 1 == ATTEMPTS:
                    logger.error("callback to %s failed: %s", self.address, error)
                else:
                    await asyncio.sleep(0.2 * 2**attempt)

    async def _send_once(self, message: bytes) -> None:
        import asyncio

        if self.kind == "unix":
            _, writer = await asyncio.open_unix_connection(self.path)
        else:
            _, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(frame(message))
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()

    def send_blocking(self, message: bytes) -> None:
        try:
            family = socket.AF_UNIX if self.kind == "unix" else None
            if family is not None:
                connection = socket.socket(family, socket.SOCK_STREAM)
                connection.settimeout(SECONDS)
                connection.connect(self.path)
            else:
                connection = socket.create_connection((self.host, self.port), timeout=SECONDS)
            with connection:
                connection.sendall(frame(message))
        except OSError as error:
            logger.error("callback to %s failed: %s", self.address, error)
