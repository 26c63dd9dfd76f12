# SPDX-License-Identifier: Apache-2.0
"""PairPattern, the listener of callbacks, under the name that programs know. There is no NNG behind it.

PairPattern speaks the callbacks' own framing (fastqueue.clients.callback) over TCP or a Unix socket. The other patterns
carried messages between workers; the control plane does that now, and they say so.
"""

from __future__ import annotations

import asyncio
import struct
from enum import Enum
from typing import Any, NoReturn

from ..clients.callback import MESSAGE_MAX, Target, frame


class PatternType(Enum):
    REQ_REP = "req_rep"
    PUB_SUB = "pub_sub"
    SURVEYOR_RESPONDENT = "surveyor_respondent"
    BUS = "bus"
    PAIR = "pair"


class PairPattern:
    """Messages between two programs. The server side listens and takes messages of every peer that connects."""

    def __init__(self, address: str, is_server: bool = False) -> None:
        self.address = address
        self.is_server = is_server
        self.socket: Any = None
        self._target = Target(address)
        self._messages: asyncio.Queue[bytes] = asyncio.Queue(maxsize=1000)
        self._writer: asyncio.StreamWriter | None = None
        self._readers: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()

    async def start(self) -> None:
        """Listens, or connects."""
        target = self._target
        if self.is_server:
            if target.kind == "unix":
                self.socket = await asyncio.start_unix_server(self._serve, target.path)
            else:
                self.socket = await asyncio.start_server(self._serve, target.host, target.port)
            return
        if target.kind == "unix":
            reader, writer = await asyncio.open_unix_connection(target.path)
        else:
            reader, writer = await asyncio.open_connection(target.host, target.port)
        self.socket = writer
        self._adopt(reader, writer)

    async def send(self, data: bytes) -> None:
        """Sends to the peer that connected last; a server without one waits for it."""
        await self._connected.wait()
        writer = self._writer
        if writer is None:
            raise ConnectionError(f"{self.address} is closed")
        writer.write(frame(data))
        await writer.drain()

    async def recv(self) -> bytes:
        """The next message."""
        return await self._messages.get()

    def close(self) -> None:
        for reader in self._readers:
            reader.cancel()
        if self._writer is not None:
            self._writer.close()
            self._writer = None
        if self.is_server and self.socket is not None:
            self.socket.close()
        self.socket = None

    def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._adopt(reader, writer)

    def _adopt(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._connected.set()
        task = asyncio.get_running_loop().create_task(self._read(reader, writer))
        self._readers.add(task)
        task.add_done_callback(self._readers.discard)

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (length,) = struct.unpack(">I", await reader.readexactly(4))
                if length > MESSAGE_MAX:
                    return
                await self._messages.put(await reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None
                self._connected.clear()


def _gone(name: str, instead: str) -> NoReturn:
    raise NotImplementedError(f"{name} was a pattern between NNG sockets, which FastQueue does not use: {instead}")


class ReqRepPattern:
    """Not available: see the message."""

    def __init__(self, address: str, is_server: bool = False) -> None:
        _gone("ReqRepPattern", "submit a task and await its result with Client.submit_task()")


class PubSubPattern:
    """Not available: see the message."""

    def __init__(self, address: str, is_publisher: bool = False, subscribe_topic: bytes = b"") -> None:
        _gone("PubSubPattern", "results are pushed to clients that wait for them")


class SurveyorRespondentPattern:
    """Not available: see the message."""

    def __init__(self, address: str, is_surveyor: bool = False) -> None:
        _gone("SurveyorRespondentPattern", "the control plane hands tasks to workers")


class BusPattern:
    """Not available: see the message."""

    def __init__(self, address: str, listen: bool = False) -> None:
        _gone("BusPattern", "workers register with the control plane")
