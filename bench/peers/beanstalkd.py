"""beanstalkd: in memory, with a write-ahead log, and with that log synced at every write."""
import socket

from peers import Peer, first_line


class Beanstalkd(Peer):
    NAME = "beanstalkd"
    PROGRAM = "beanstalkd"
    PACKAGE = "beanstalkd"
    MODES = {"memory": "nothing on disk", "wal": "write-ahead log, synced every 50 ms (-b)", "fsync": "write-ahead log, synced at every write (-b -f0)"}

    def arguments(self, folder: str, mode: str) -> list[str]:
        where = {"memory": [], "wal": ["-b", folder], "fsync": ["-b", folder, "-f0"]}[mode]
        return ["-l", "127.0.0.1", "-p", str(self.port), *where]

    def ask(self, link: socket.socket) -> bool:
        link.sendall(b"list-tube-used\r\n")
        return link.recv(64).startswith(b"USING")

    @classmethod
    def version(cls) -> str:
        return first_line(cls.program() or cls.PROGRAM, "-v")
