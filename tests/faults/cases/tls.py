# SPDX-License-Identifier: Apache-2.0
"""Certificates that are not good, protocols that are too old, and new certificates while everybody works."""
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import warnings

from case import Figure, Run, at_least, at_most, case, holds, percentile, told, zero
from crowd import metric, wait_until
from harness import PROGRAM, Link, Server, encode
from test_tls import Authority, openssl

TOKEN = "a-token-for-tls"


class Office:
    """An authority with good and bad certificates, and servers that show them."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.ours = Authority(folder)
        (folder / "other").mkdir()
        self.other = Authority(folder / "other")
        self.good = self.ours.issue("server", "DNS:localhost,IP:127.0.0.1")

    def expired(self, name: str) -> tuple:
        cert, key = self.ours.issue(name, "DNS:localhost,IP:127.0.0.1")
        openssl("x509", "-req", "-in", self.folder / f"{name}.csr", "-CA", self.ours.cert, "-CAkey", self.ours.key, "-CAcreateserial",
                "-days", "-1", "-extfile", self.folder / f"{name}.ext", "-out", cert)
        return cert, key

    def self_signed(self, name: str) -> tuple:
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", f"/CN={name}",
                "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert)
        return cert, key

    def server(self, identity: tuple, *options: str) -> Server:
        server = Server("--data-dir", "none", *options, "--tls-cert", str(identity[0]), "--tls-key", str(identity[1]), http=True,
                        environment={"FASTQUEUE_TOKEN": TOKEN})
        server.options += ["--base-address", f"tls://127.0.0.1:{server.port}"]
        return server

    def dial(self, server: Server, identity: tuple | None = None, **settings) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=str(self.ours.cert))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old versions are the point
            for name, value in settings.items():
                setattr(context, name, value)
        if identity:
            context.load_cert_chain(*map(str, identity))
        plain = socket.create_connection(("127.0.0.1", server.port), 10)
        try:
            return context.wrap_socket(plain, server_hostname="127.0.0.1")
        except BaseException:
            plain.close()
            raise


def is_served(office: Office, server: Server, identity: tuple | None = None, **settings) -> bool:
    try:
        with Link(office.dial(server, identity, **settings), token=TOKEN) as link:
            return link.command("PING") == "PONG"
    except (OSError, EOFError):
        return False


def client_refuses(office: Office, identity: tuple, host: str = "127.0.0.1") -> tuple[bool, str]:
    """Our own client against a server with this certificate."""
    with office.server(identity) as server:
        done = subprocess.run([str(PROGRAM), "submit", "a.task", "--non-blocking", "--request-timeout", "3s"], capture_output=True, text=True, timeout=60,
                              env=Server._environment({"FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tls://{host}:{server.port}", "FASTQUEUE_TOKEN": TOKEN,
                                                       "FASTQUEUE_TLS_CA": str(office.ours.cert)}))
        text = (done.stderr + done.stdout).strip().splitlines()
        return done.returncode != 0, text[-1] if text else ""


def renegotiates(office: Office, server: Server) -> bool:
    """openssl's own client asks for a renegotiation in TLS 1.2."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-tls1_2", "-CAfile", str(office.ours.cert)],
                          input="R\n", capture_output=True, text=True, timeout=20)
    return done.returncode == 0 and "error" not in (done.stderr + done.stdout).lower()


def is_cut_command_executed(office: Office, server: Server) -> bool:
    """Half a command, then the end of the TCP stream without TLS's goodbye."""
    task_id = "00000000-0000-4000-8000-00000000cafe"
    sock = office.dial(server)
    sock.sendall(encode("AUTH", TOKEN))
    sock.recv(100)
    sock.sendall(encode("FQ.SUBMIT", "cut", "{}", "ID", task_id)[:-4])
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()
    with Link(office.dial(server), token=TOKEN) as link:
        return link.command("FQ.STATUS", task_id) is not None


@case(32, "Bad certificates, old versions, renegotiation, cut streams", expected="refused by whoever sees it; one line a minute; counted",
      needs=("openssl",), ci=True)
def bad_tls(run: Run) -> list[Figure]:
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        office = Office(pathlib.Path(folder))
        foreign = office.other.issue("server", "DNS:localhost,IP:127.0.0.1")
        for name, identity in (("expired", office.expired("late")), ("of another authority", foreign),
                               ("for another name", office.ours.issue("elsewhere", "DNS:elsewhere.example")),
                               ("signed by itself", office.self_signed("self"))):
            refused, said = client_refuses(office, identity)
            figures.append(holds(f"our client refuses a server whose certificate is {name}", refused and "certificate" in said.lower(), said[:120]))
        with office.server(office.good) as server:
            for name, version in (("1.0", ssl.TLSVersion.TLSv1), ("1.1", ssl.TLSVersion.TLSv1_1)):
                figures.append(holds(f"TLS {name} is refused", not is_served(office, server, minimum_version=version, maximum_version=version)))
            for name, version in (("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)):
                figures.append(holds(f"TLS {name} is served", is_served(office, server, minimum_version=version, maximum_version=version)))
            figures.append(holds("renegotiation is refused", not renegotiates(office, server)))
            figures.append(holds("half a command before a cut is not executed", not is_cut_command_executed(office, server)))
        with office.server(office.good, "--tls-client-ca", str(office.ours.cert)) as server:
            figures.append(holds("mutual TLS: a good client is served", is_served(office, server, office.ours.issue("mail"))))
            failures = metric(server, "fastqueue_tls_handshakes_failed_total")
            bad = {"none": None, "an expired one": office.expired("old"), "one of another authority": office.other.issue("mail"),
                   "one signed by itself": office.self_signed("own")}
            for name, identity in bad.items():
                figures.append(holds(f"mutual TLS: a client with {name} is refused", not is_served(office, server, identity)))
            for _ in range(run.scale(200, 20)):
                is_served(office, server)
            counted = metric(server, "fastqueue_tls_handshakes_failed_total") - failures
            figures += [at_least("failed handshakes counted", counted, run.scale(200, 20) + len(bad)),
                        at_most("lines in the log about them", handshake_lines(server), 1)]
    return figures


def handshake_lines(server: Server) -> int:
    return len([line for line in server.log().splitlines() if "handshake failed" in line])


@case(33, "New certificates under load", expected="no connection dropped, no request failed; new ones see the new certificate",
      needs=("openssl",), ci=True)
def reload(run: Run) -> list[Figure]:
    reloads, errors, times, serials = run.scale(50, 6), [], [], set()
    with tempfile.TemporaryDirectory() as folder:
        office = Office(pathlib.Path(folder))
        with office.server(office.good) as server:
            stop = threading.Event()

            def work() -> None:
                try:
                    with Link(office.dial(server), token=TOKEN) as link:
                        while not stop.is_set():
                            began = time.perf_counter()
                            link.command("FQ.SUBMIT", "busy", "{}", "EXPIRES", "1000")
                            times.append((time.perf_counter() - began) * 1000)
                            time.sleep(0.001)
                except Exception as error:  # noqa: BLE001  is the finding
                    errors.append(repr(error))

            threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
            for thread in threads:
                thread.start()
            for n in range(reloads):
                office.ours.issue("server", "DNS:localhost,IP:127.0.0.1")
                server.process.send_signal(signal.SIGHUP)
                wait_until(lambda: server.log().count("read anew") == n + 1, 10, "the reload")
                with office.dial(server) as fresh:
                    serials.add(fresh.getpeercert()["serialNumber"])
            # A pair that does not fit is refused and the old one stays.
            office.good[1].write_bytes(office.ours.key.read_bytes())
            server.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "stay as they were" in server.log(), 10, "the refusal")
            still = is_served(office, server)
            stop.set()
            for thread in threads:
                thread.join(30)
    return [told("reloads", reloads), told("requests of 8 connections meanwhile", len(times)), zero("connections dropped", len(errors), errors[0][:80] if errors else ""),
            holds("each new connection sees the new certificate", len(serials) == reloads, str(len(serials))),
            holds("a key that does not fit is refused, the old one serves on", still), told("their p99", percentile(times, 0.99), "ms")]
