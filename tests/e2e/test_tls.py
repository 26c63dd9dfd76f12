#!/usr/bin/env python3
"""TLS on the queue's port, with certificates made here by openssl."""
import hashlib
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from harness import PROGRAM, Link, Server
from subworker import EXAMPLES, payload


def openssl(*args) -> None:
    subprocess.run(["openssl", *map(str, args)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.cert, self.key = folder / "ca.pem", folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=test ca",
                "-keyout", self.key, "-out", self.cert)

    def issue(self, name: str, alternative: str = "") -> tuple[pathlib.Path, pathlib.Path]:
        cert, key, request, extra = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                "-out", request)
        extra.write_text(f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n")
        openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-CAcreateserial", "-days", "1", "-extfile",
                extra, "-out", cert)
        return cert, key


@unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
class Tls(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.authority = Authority(pathlib.Path(self.folder.name))
        self.cert, self.key = self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")

    def tearDown(self) -> None:
        self.folder.cleanup()

    def server(self, *options: str, **more) -> Server:
        server = Server(*options, "--tls-cert", str(self.cert), "--tls-key", str(self.key), **more)
        server.options += ["--base-address", f"tls://127.0.0.1:{server.port}"]
        return server

    def dial(self, server: Server, identity: tuple | None = None, host: str = "127.0.0.1", **more) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.authority.cert))
        for name, value in more.items():
            setattr(context, name, value)
        if identity:
            context.load_cert_chain(*map(str, identity))
        plain = socket.create_connection(("127.0.0.1", server.port), 10)
        try:
            return context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise

    def test_commands_and_large_payloads(self) -> None:
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            with self.subTest(version=version), self.server() as server, Link(self.dial(server, maximum_version=version)) as link:
                self.assertEqual(link.command("PING"), "PONG")
                payload = "x" * 1_000_000
                task_id = link.command("FQ.SUBMIT", "big.task", payload, "ENCODING", "raw")
                for _ in range(5):
                    link.command("FQ.SUBMIT", "big.task", payload, "ENCODING", "raw")
                tasks = link.command("FQ.FETCH", "TASKS", "big.task", "COUNT", "6")
                self.assertEqual([len(t["payload"]) for t in tasks], [1_000_000] * 6)
                self.assertEqual(tasks[0]["id"], task_id)

    def test_old_versions_and_plain_text_are_refused(self) -> None:
        with self.server() as server:
            with self.assertRaises((ssl.SSLError, OSError)), self.dial(server, minimum_version=ssl.TLSVersion.TLSv1,
                                                                       maximum_version=ssl.TLSVersion.TLSv1_1):
                pass
            with socket.create_connection(("127.0.0.1", server.port), 10) as plain:
                plain.sendall(b"*1\r\n$4\r\nPING\r\n")
                self.assertNotIn(b"PONG", plain.recv(4096))
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.dial(server, host="other.example")
            with Link(self.dial(server)) as link:
                self.assertEqual(link.command("PING"), "PONG")

    def test_silent_handshake_has_a_deadline(self) -> None:
        with self.server("--auth-deadline", "400ms") as server:
            with socket.create_connection(("127.0.0.1", server.port), 10) as silent:
                start = time.monotonic()
                self.assertEqual(silent.recv(100), b"")
                self.assertLess(time.monotonic() - start, 5)

    def test_silent_handshakes_give_way(self) -> None:
        with self.server("--max-unauthenticated", "4", "--auth-deadline", "60s") as server:
            silent = [socket.create_connection(("127.0.0.1", server.port), 10) for _ in range(12)]
            try:
                for _ in range(3):
                    with Link(self.dial(server)) as link:
                        self.assertEqual(link.command("PING"), "PONG")
                self.assertEqual(silent[0].recv(100), b"")  # it had waited longest
            finally:
                for sock in silent:
                    sock.close()

    def test_client_certificate_logs_its_user_in(self) -> None:
        users = pathlib.Path(self.folder.name) / "users"
        users.touch(0o600)
        users.write_text(f"mail submit sha256:{hashlib.sha256(b'unused-token').hexdigest()}\n")
        with self.server("--tls-client-ca", str(self.authority.cert), "--users-file", str(users)) as server:
            with Link(self.dial(server, self.authority.issue("mail")), protocol=2) as link:
                self.assertEqual(len(link.command("FQ.SUBMIT", "a.task", "{}")), 36)
            with self.assertRaises((ssl.SSLError, OSError, EOFError)), Link(self.dial(server)) as link:
                link.command("PING")

    def test_a_worker_with_a_client_certificate(self) -> None:
        """The supervisor and its runners come over TLS, known by their certificate; one without is refused and says why."""
        users = pathlib.Path(self.folder.name) / "users"
        users.touch(0o600)
        users.write_text("".join(f"{name} {role} sha256:{hashlib.sha256(name.encode()).hexdigest()}\n"
                                 for name, role in (("worker", "work"), ("mail", "submit"))))
        with self.server("--tls-client-ca", str(self.authority.cert), "--users-file", str(users)) as server:
            cert, key = self.authority.issue("worker")
            line = [PROGRAM, "subworker", "--control-plane-address", f"tls://127.0.0.1:{server.port}", "--tls-ca",
                    self.authority.cert, "--concurrency", "2", "--task-modules", EXAMPLES]
            worker = subprocess.Popen([*map(str, line), "--tls-cert", str(cert), "--tls-key", str(key)],
                                      stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
            try:
                with Link(self.dial(server, self.authority.issue("mail"))) as link:
                    ids = [link.command("FQ.SUBMIT", "add", payload(n, 1)) for n in range(200)]
                    for n, task_id in enumerate(ids):
                        view = link.command("FQ.RESULT", task_id, "WAIT", "20000")
                        self.assertEqual((view["status"], view.get("result")), ("success", str(n + 1)), view)
            finally:
                worker.send_signal(signal.SIGTERM)
                errors = worker.communicate(timeout=30)[1].decode()
            self.assertEqual(worker.returncode, 0, errors)
            refused = subprocess.run([*map(str, line), "--tls-cert", str(self.cert), "--tls-key", str(self.key)],
                                     capture_output=True, text=True, timeout=60)
            self.assertEqual(refused.returncode, 69, refused.stderr)

    def test_certificates_are_read_anew_upon_sighup(self) -> None:
        with self.server() as server:
            with self.dial(server) as old:
                before = old.getpeercert()["serialNumber"]
                self.authority.issue("server", "DNS:localhost,IP:127.0.0.1")
                server.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + 10
                while "read anew" not in server.log():
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.01)
                with self.dial(server) as new:
                    self.assertNotEqual(new.getpeercert()["serialNumber"], before)
                old.sendall(b"*1\r\n$4\r\nPING\r\n")
                self.assertEqual(old.recv(100), b"+PONG\r\n")


if __name__ == "__main__":
    unittest.main()
