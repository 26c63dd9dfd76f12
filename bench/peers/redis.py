"""Redis: in memory, with its append-only file synced every second, and synced at every write."""
import socket

from peers import Peer, first_line


class Redis(Peer):
    NAME = "redis"
    PROGRAM = "redis-server"
    PACKAGE = "redis-server"
    MODES = {"memory": "nothing on disk", "everysec": "append-only file, synced every second", "always": "append-only file, synced before every answer"}

    def arguments(self, folder: str, mode: str) -> list[str]:
        where = ["--appendonly", "no"] if mode == "memory" else ["--appendonly", "yes", "--appendfsync", mode]
        return ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--daemonize", "no", "--loglevel", "warning",
                "--logfile", "redis.log", *where]

    def ask(self, link: socket.socket) -> bool:
        link.sendall(b"*1\r\n$4\r\nPING\r\n")
        return link.recv(64).startswith(b"+PONG")

    @classmethod
    def version(cls) -> str:
        return first_line(cls.program() or cls.PROGRAM, "--version")
