"""FastQueue's control plane, as it was built."""
import socket

from peers import Peer, first_line
from stage import BINARY


class FastQueue(Peer):
    NAME = "fastqueue"
    PROGRAM = str(BINARY)
    MODES = {"sync": "synced before every answer (the default)", "relaxed": "at most 100 ms at risk", "memory": "nothing on disk"}

    @classmethod
    def program(cls) -> str | None:
        return str(BINARY) if BINARY.exists() else None

    def arguments(self, folder: str, mode: str) -> list[str]:
        where = ["--data-dir", "none"] if mode == "memory" else ["--data-dir", folder, "--durability", mode]
        return ["control-plane", "--base-address", f"tcp://127.0.0.1:{self.port}", "--http-address", "off", "--log-level", "error", *where]

    def ask(self, link: socket.socket) -> bool:
        link.sendall(b"*1\r\n$4\r\nPING\r\n")
        return link.recv(64).startswith(b"+PONG")

    @classmethod
    def version(cls) -> str:
        return first_line(str(BINARY), "--version")
