"""NATS JetStream: one stream of kind work queue, in memory or in files (synced by its default interval of two minutes)."""
import socket

from peers import Peer, first_line


class JetStream(Peer):
    NAME = "jetstream"
    PROGRAM = "nats-server"
    PACKAGE = "nats-server"
    MODES = {"memory": "nothing on disk", "file": "files, synced every 2 minutes (the default sync_interval)"}

    def arguments(self, folder: str, mode: str) -> list[str]:
        return ["--jetstream", "--addr", "127.0.0.1", "--port", str(self.port), "--store_dir", folder]

    def ask(self, link: socket.socket) -> bool:
        return link.recv(512).startswith(b"INFO")

    @classmethod
    def version(cls) -> str:
        return first_line(cls.program() or cls.PROGRAM, "--version")
