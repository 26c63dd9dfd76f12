"""gearmand: in memory only (its persistent queues keep background jobs in a database; they are not measured)."""
import socket

from peers import Peer, first_line


class Gearmand(Peer):
    NAME = "gearmand"
    PROGRAM = "gearmand"
    PACKAGE = "gearman-job-server"
    MODES = {"memory": "nothing on disk"}

    def arguments(self, folder: str, mode: str) -> list[str]:
        return ["--listen", "127.0.0.1", "--port", str(self.port), "--log-file", "none", "--pid-file", f"{folder}/gearmand.pid",
                "--hashtable-buckets", "100003"]

    def ask(self, link: socket.socket) -> bool:
        link.sendall(b"version\n")
        return link.recv(64).startswith(b"OK")

    @classmethod
    def version(cls) -> str:
        return first_line(cls.program() or cls.PROGRAM, "--version").replace("\t", " ")
