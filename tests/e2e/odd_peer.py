"""A peer that speaks RESP3 and answers as told, in turn or out of it: for what a healthy control plane never says."""
import socket
import subprocess
import threading

from commandline import run


def resp(value) -> bytes:
    """A RESP3 value; bytes stand for themselves."""
    if isinstance(value, bytes):
        return value
    if value is None:
        return b"_\r\n"
    if isinstance(value, bool):
        return b"#t\r\n" if value else b"#f\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, float):
        return b",%r\r\n".replace(b"%r", repr(value).encode())
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogateescape")
        return b"$%d\r\n%s\r\n" % (len(data), data)
    if isinstance(value, dict):
        return b"%%%d\r\n" % len(value) + b"".join(resp(key) + resp(part) for key, part in value.items())
    return b"*%d\r\n" % len(value) + b"".join(map(resp, value))


class Peer:
    """Logs everybody in and answers commands by their names, or by their first two words. An answer may be a function of the
    words; b"" closes the connection; what it does not know is OK."""

    def __init__(self, answers: dict, hello=None):
        self.answers = {"HELLO": hello if hello is not None else {"proto": 3}, **answers}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://127.0.0.1:%d" % self.listener.getsockname()[1]
        self.asked: list[list[str]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_) -> None:
        self.listener.close()

    def named(self, name: str) -> list[list[str]]:
        """The requests of that command so far."""
        return [words for words in list(self.asked) if words[0] == name]

    def __call__(self, *words, **options) -> subprocess.CompletedProcess:
        return run(*words, "-a", self.address, env={"FASTQUEUE_TIMEOUT": "5"}, **options)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_safely, args=(connection,), daemon=True).start()

    def _serve_safely(self, connection: socket.socket) -> None:
        try:
            self._serve(connection)
        except OSError:  # a client that is killed resets its connection
            pass

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as requests:
            for line in requests:
                words = []
                for _ in range(int(line[1:])):
                    words.append(requests.read(int(requests.readline()[1:]) + 2)[:-2].decode())
                self.asked.append(words)
                name = " ".join(words[:2]) if " ".join(words[:2]) in self.answers else words[0]
                answer = self.answers.get(name, b"+OK\r\n")
                answer = resp(answer(words) if callable(answer) else answer)
                if not answer:
                    return
                connection.sendall(answer)
