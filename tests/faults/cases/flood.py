# SPDX-License-Identifier: Apache-2.0
"""Peers that take too much: connections, descriptors, replies, commands, time."""
import collections
import http.client
import multiprocessing
import pathlib
import resource
import select
import socket
import ssl
import tempfile
import threading
import time

from case import Figure, Run, at_least, at_most, case, holds, told, zero
from crowd import Pulse, info, link_to, metric, others, peak_bytes, reset, wait_until
from harness import Link, RespError, Server, encode, free_port
from test_tls import Authority

MIB = 1 << 20


def raise_open_files(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))
    return most


@case(21, "A client that never reads", expected="cut at the limit of unread output; memory bounded; others are served", ci=False)
def slow_reader(run: Run) -> list[Figure]:
    with Server("--data-dir", "none") as server, Pulse(server) as pulse:
        time.sleep(1)
        quiet, before = pulse.lap(), peak_bytes(server)
        deaf = socket.create_connection(("127.0.0.1", server.port))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        request = encode("COMMAND", "DOCS") * 500
        wanted, began, cut_after = 0, time.monotonic(), None
        while time.monotonic() - began < 60:
            try:
                wanted += deaf.send(request)
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                cut_after = time.monotonic() - began
                break
        loud, peak = pulse.lap(), peak_bytes(server)
        deaf.close()
        with server.connect() as probe:
            cut = info(probe, "cut_connections")
    return [at_most("memory grown by", (peak - before) / MIB, 96, "MiB"),
            told("requests written before it was held back", wanted // len(encode("COMMAND", "DOCS")), "commands"),
            at_most("cut after", cut_after if cut_after is not None else 999, 15, "s"),
            at_least("connections cut", cut, 1), *others(run, quiet, loud, pulse)]


@case(22, "No descriptors left", expected="accepting pauses without spinning; existing clients are served; heals by itself", ci=True)
def descriptors(run: Run) -> list[Figure]:
    with Server("--data-dir", "none", http=True) as server, Pulse(server) as pulse:
        time.sleep(0.3)
        quiet = pulse.lap()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (64, 64))
        crowd = []
        for _ in range(200):
            try:
                crowd.append(socket.create_connection(("127.0.0.1", server.port), 5))
            except OSError:
                pass
        cpu, began = server.cpu_seconds(), time.monotonic()
        served = len(pulse.times)
        time.sleep(run.scale(10, 1.5))
        spent = (server.cpu_seconds() - cpu) / (time.monotonic() - began)
        served = len(pulse.times) - served
        loud = pulse.lap()
        lines = server.log().count("turned away")
        for sock in crowd:
            sock.close()
        began = time.monotonic()

        def comes_in():
            try:
                with link_to(server.port, timeout=2) as link:
                    return link.command("PING") == "PONG"
            except (OSError, EOFError):
                return False

        wait_until(comes_in, 10, "a new client after the crowd left")
        healed = time.monotonic() - began
        away = metric(server, "fastqueue_connections_turned_away_total")
    return [at_most("processor while exhausted, one client at work", 100 * spent, 30, "%"),
            at_least("requests of an existing client meanwhile", served, 50),
            at_least("counted as turned away", away, 1), at_most("lines in the log", lines, 2),
            at_most("a new client is let in after", healed, 3, "s"), *others(run, quiet, loud, pulse)]


@case(23, "10,000 idle connections", expected="a few KiB each, no processor time, others are served", ci=True)
def idle_connections(run: Run) -> list[Figure]:
    wanted = run.scale(10_000, 1_500)
    wanted = min(wanted, raise_open_files(wanted + 300) - 300)
    with Server("--data-dir", "none", "--max-connections", str(wanted + 200)) as server:
        with Pulse(server) as pulse:
            time.sleep(0.5)
            quiet, before = pulse.lap(), server.resident_bytes()
            idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(wanted)]
            pulse.lap()
            time.sleep(run.scale(5, 1))
            loud = pulse.lap()
        with server.connect() as link:
            held = info(link, "connected_clients")
            each = (server.resident_bytes() - before) / wanted / 1024
            cpu, began = server.cpu_seconds(), time.monotonic()
            time.sleep(run.scale(5, 1))
            idle_cpu = 100 * (server.cpu_seconds() - cpu) / (time.monotonic() - began)
        for sock in idle:
            reset(sock)
    return [at_least("connections held", held, wanted), at_most("memory of one", each, 8, "KiB"),
            at_most("processor while all are idle", idle_cpu, 5, "%"), *others(run, quiet, loud, pulse)]


def _storm(port: int, seconds: float, rate: float, answers) -> None:
    done, began = 0, time.monotonic()
    while (now := time.monotonic()) - began < seconds:
        if done > (now - began) * rate:
            time.sleep(0.001)
            continue
        try:
            sock = socket.create_connection(("127.0.0.1", port), 5)
            reset(sock)
            done += 1
        except OSError:
            pass
    answers.put((done, time.monotonic() - began))


@case(24, "A storm of connections", expected="those who are connected are served as before", ci=True)
def connection_storm(run: Run) -> list[Figure]:
    with Server("--data-dir", "none") as server, Pulse(server) as pulse:
        time.sleep(0.5)
        quiet = pulse.lap()
        answers = multiprocessing.Queue()
        workers = [multiprocessing.Process(target=_storm, args=(server.port, run.scale(10, 1.5), 2500, answers)) for _ in range(2)]
        for worker in workers:
            worker.start()
        done = [answers.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join()
        loud = pulse.lap()
        left = wait_until(lambda: server.process.poll() is None and _settles(server), 10, "the storm to pass")
    rate = sum(count / took for count, took in done)
    return [told("connections made and reset", sum(count for count, _ in done)), told("rate", rate, "1/s"),
            holds("none of them is left", left), *others(run, quiet, loud, pulse)]


def _settles(server: Server) -> bool:
    with server.connect() as link:
        return info(link, "connected_clients") <= 2


@case(25, "Slow senders: before login, in the TLS handshake, in an HTTP request",
      expected="closed at the deadline; they hold nobody else's place", ci=True, needs=("openssl",))
def slowloris(run: Run) -> list[Figure]:
    deadline_s = run.scale(5, 1.5)
    token = "slow-senders-token"
    with tempfile.TemporaryDirectory() as folder:
        office = _Office(pathlib.Path(folder), token)
        cert, key = office.identity
        tls_port = free_port()
        server = Server("--data-dir", "none", "--auth-deadline", f"{int(deadline_s * 1000)}ms", "--tls-cert", str(cert), "--tls-key",
                        str(key), http=True, environment={"FASTQUEUE_TOKEN": token})
        server.options += ["--listen", f"tcp://127.0.0.1:{server.port}", f"tls://127.0.0.1:{tls_port}"]
        with server:
            plain = _Trickle([(server.port, f"127.0.0.{2 + n % 4}") for n in range(300)], b"*2\r\n$4\r\nAUTH\r\n$100\r\n" + b"x" * 100)
            tls = _Trickle([(tls_port, f"127.0.0.{2 + n % 4}") for n in range(300)], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + b"\0" * 500)
            web = _Trickle([(server.http_port, "127.0.0.2")] * 100, b"GET /metrics HTTP/1.1\r\nX-Slow: " + b"y" * 1000)
            logins, visits = [], []
            with plain, tls, web:
                end = time.monotonic() + run.scale(20, 11.5)
                while time.monotonic() < end:
                    for secure in (False, True):
                        began = time.monotonic()
                        with office.connect(tls_port) if secure else server.connect() as link:
                            link.command("PING")
                        logins.append(time.monotonic() - began)
                    began = time.monotonic()
                    if server.http("GET", "/readyz")[0] == 200:
                        visits.append(time.monotonic() - began)
                    time.sleep(0.05)
            with server.connect() as link:
                left = info(link, "connected_clients")
    slack = run.scale(1.5, 5)  # of a busy machine
    return [at_most("longest life before login", max(plain.lives), deadline_s + slack, "s"),
            at_most("longest life of an unfinished handshake", max(tls.lives), deadline_s + slack, "s"),
            at_most("longest life of an unfinished HTTP request", max(web.lives), 10 + slack, "s"),
            zero("slow senders left", left - 1 + plain.open + tls.open + web.open),
            told("rightful logins meanwhile", len(logins)), at_most("the slowest HTTP request of another", max(visits), run.scale(1, 5), "s"),
            at_most("the slowest rightful login, one after another on both ports", max(logins), run.scale(1, 5), "s")]


class _Office:
    """A certificate for a server, and clients that trust it."""

    def __init__(self, folder: pathlib.Path, token: str):
        authority = Authority(folder)
        self.identity = authority.issue("server", "IP:127.0.0.1")
        self.context = ssl.create_default_context(cafile=str(authority.cert))
        self.token = token

    def connect(self, port: int) -> Link:
        plain = socket.create_connection(("127.0.0.1", port), 10)
        try:
            return Link(self.context.wrap_socket(plain, server_hostname="127.0.0.1"), token=self.token)
        except BaseException:
            plain.close()
            raise


class _Trickle:
    """Connections that send a byte now and then; how long each of them lives."""

    def __init__(self, doors, text: bytes):
        self.doors, self.text = doors, text
        self.lives: list[float] = []
        self.open = 0
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "_Trickle":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop = True
        self._thread.join(30)

    def _run(self) -> None:
        living = {}
        for port, source in self.doors:
            sock = socket.create_connection(("127.0.0.1", port), 10, source_address=(source, 0))
            sock.setblocking(False)
            living[sock] = (time.monotonic(), 0)
        next_byte = 0.0
        while not self._stop and living:
            readable, _, _ = _select(list(living), 0.05)
            now = time.monotonic()
            gone = {sock for sock in readable if _is_over(sock)}
            if now >= next_byte:
                next_byte = now + 0.4
                for sock, (began, at) in list(living.items()):
                    try:
                        sock.send(self.text[at % len(self.text):][:1])
                        living[sock] = (began, at + 1)
                    except BlockingIOError:
                        pass
                    except OSError:
                        gone.add(sock)
            for sock in gone:
                self.lives.append(now - living.pop(sock)[0])
                sock.close()
        self.open = len(living)
        for sock, (began, _) in living.items():
            self.lives.append(time.monotonic() - began)
            sock.close()


def _select(socks, wait: float):
    poll = select.poll()
    by_fd = {sock.fileno(): sock for sock in socks}
    for fd in by_fd:
        poll.register(fd, select.POLLIN)
    return [by_fd[fd] for fd, _ in poll.poll(wait * 1000)], [], []


def _is_over(sock: socket.socket) -> bool:
    try:
        return sock.recv(4096) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


@case(28, "A pipeline of a million commands", expected="memory bounded by not reading on; others are served", ci=True)
def pipeline(run: Run) -> list[Figure]:
    count = 1_000_000
    with Server("--data-dir", "none") as server, Pulse(server) as pulse:
        time.sleep(0.5)
        quiet, before = pulse.lap(), peak_bytes(server)
        sock = socket.create_connection(("127.0.0.1", server.port))
        request = encode("PING") * 10_000
        sender = threading.Thread(target=lambda: [sock.sendall(request) for _ in range(count // 10_000)], daemon=True)
        sender.start()
        got = bytearray()
        answers = 0
        while answers < count:
            data = sock.recv(1 << 20)
            if not data:
                break
            got += data
            answers += got.count(b"+PONG\r\n")
            del got[:len(got) - len(got) % 7]
        loud = pulse.lap()
        peak = peak_bytes(server)
        sock.close()
    return [holds("every command is answered, in order", answers == count and not got, f"{answers}"),
            at_most("memory grown by", (peak - before) / MIB, 64, "MiB"),
            *others(run, quiet, loud, pulse)]


@case(30, "Guessing tokens", expected="each address slowed down; no flood in the log; a rightful login within 1 s", ci=True)
def guessing(run: Run) -> list[Figure]:
    seconds, token = run.scale(30, 2.5), "a-token-that-nobody-guesses"
    with Server("--data-dir", "none", http=True, environment={"FASTQUEUE_TOKEN": token}) as server:
        stop, guesses = threading.Event(), collections.Counter()

        def guess_wire(n: int) -> None:
            while not stop.is_set():
                try:
                    with link_to(server.port, protocol=2, timeout=60) as link:
                        while not stop.is_set():
                            try:
                                link.command("AUTH", f"guess-{n}")
                            except RespError:
                                guesses["wire"] += 1
                except (OSError, EOFError, RespError):
                    time.sleep(0.05)

        def guess_web(n: int) -> None:
            while not stop.is_set():
                try:
                    if server.http("GET", "/api/v1/stats", headers={"Authorization": f"Bearer guess-{n}"})[0] == 401:
                        guesses["web"] += 1
                except OSError:
                    time.sleep(0.05)

        threads = [threading.Thread(target=guess, args=(n,), daemon=True) for n in range(8) for guess in (guess_wire, guess_web)]
        for thread in threads:
            thread.start()
        wire, web, end = [], [], time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.monotonic()
            with link_to(server.port, "127.0.0.9", token=token) as link:
                link.command("PING")
            wire.append(time.monotonic() - began)
            began = time.monotonic()
            page = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30, source_address=("127.0.0.9", 0))
            page.request("GET", "/api/v1/stats", headers={"Authorization": f"Bearer {token}"})
            right = page.getresponse().status == 200
            page.close()
            web.append(time.monotonic() - began if right else 999)
            time.sleep(0.1)
        stop.set()
        made = sum(guesses.values())
        with link_to(server.port, "127.0.0.9", token=token) as link:
            failures = info(link, "auth_failures")
        lines = server.log().count("login refused")
        server.kill()
    return [at_most("guesses looked at, 16 guessers of one address", made / seconds, 30, "1/s"), told("refused logins counted", failures),
            at_most("lines in the log", lines, 2), at_most("slowest rightful login on the wire", max(wire), run.scale(1, 5), "s"),
            at_most("slowest rightful request over HTTP", max(web), run.scale(1, 5), "s")]
