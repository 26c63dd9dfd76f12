# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that does to bytes what networks do: delay, narrow, split, stall, swallow, reset, half-close, cut.

    with Chaos(server.port) as net:
        net.up.delay_s = 0.2            # towards the server; net.down: towards the client; changes hold from the next bytes on
        link = net.connect()
        net.down.swallow = True         # an asymmetric blackhole

One thread and a selector, so that a stopped direction costs nothing and nothing depends on the scheduler of threads.
"""
import heapq
import itertools
import selectors
import socket
import struct
import threading
import time

CHUNK = 16384


class Way:
    """What happens to the bytes of one direction."""

    def __init__(self):
        self.delay_s = 0.0
        self.bytes_per_s = 0        # 0 = as fast as it goes
        self.chunk_bytes = 0        # at most so many in one write; 0 = as they come
        self.stalled = False        # nothing is read: the sender's window fills up
        self.swallow = False        # read and thrown away: acknowledged by the kernel, never delivered
        self.cut_after_bytes = None  # both sides are reset when so many bytes of a connection have come this way
        self.passed = 0


class Pipe:
    """One direction of one connection."""

    def __init__(self, way: Way, source: socket.socket, sink: socket.socket):
        self.way, self.source, self.sink = way, source, sink
        self.waiting: list[tuple[float, int, bytes]] = []
        self.waiting_bytes = 0
        self.passed = 0
        self.free_at = 0.0  # when the narrow line has room again
        self.ended = self.told_end = False


class Chaos:
    def __init__(self, port: int, host: str = "127.0.0.1"):
        self.target = (host, port)
        self.up, self.down = Way(), Way()
        self.refuse = False
        self.cuts = 0
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._pairs: list[tuple[Pipe, Pipe]] = []
        self._order = itertools.count()
        self._lock = threading.Lock()
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "Chaos":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop = True
        self._thread.join()
        for up, _down in self._pairs:
            up.source.close()
            up.sink.close()
        self._listener.close()

    # --- what a test does
    def reset_all(self) -> int:
        """RST to both sides of every connection. How many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for up, _down in pairs:
            self._reset(up)
        return len(pairs)

    def half_close_all(self, way: str = "up") -> None:
        """The sending half towards the server ("up") or the client ("down") ends, the other goes on."""
        with self._lock:
            for up, down in self._pairs:
                pipe = up if way == "up" else down
                try:
                    pipe.sink.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

    @property
    def open(self) -> int:
        with self._lock:
            return len(self._pairs)

    # --- the thread
    @staticmethod
    def _reset(pipe: Pipe) -> None:
        for sock in (pipe.source, pipe.sink):
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                if self.refuse:
                    raise OSError
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            for sock in (client, server):
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._pairs.append((Pipe(self.up, client, server), Pipe(self.down, server, client)))

    def _take(self, pipe: Pipe, now: float) -> bool:
        """Reads what has come. False when the pair is over."""
        way = pipe.way
        if pipe.ended or way.stalled or pipe.waiting_bytes > 4 * CHUNK:
            return True
        try:
            data = pipe.source.recv(CHUNK)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        if not data:
            pipe.ended = True
            return True
        if way.swallow:
            return True
        pipe.passed += len(data)
        way.passed += len(data)
        if way.cut_after_bytes is not None and pipe.passed >= way.cut_after_bytes:
            self.cuts += 1
            return False
        step = way.chunk_bytes or len(data)
        for at in range(0, len(data), step):
            heapq.heappush(pipe.waiting, (now + way.delay_s, next(self._order), data[at:at + step]))
        pipe.waiting_bytes += len(data)
        return True

    def _give(self, pipe: Pipe, now: float) -> bool:
        way = pipe.way
        while pipe.waiting and pipe.waiting[0][0] <= now and pipe.free_at <= now:
            due, order, data = pipe.waiting[0]
            part = data[:max(1, way.bytes_per_s // 50)] if way.bytes_per_s else data
            try:
                sent = pipe.sink.send(part)
            except (BlockingIOError, InterruptedError):
                return True
            except OSError:
                return False
            pipe.waiting_bytes -= sent
            if way.bytes_per_s:
                pipe.free_at = now + sent / way.bytes_per_s
            if sent == len(data):
                heapq.heappop(pipe.waiting)
            else:
                pipe.waiting[0] = (due, order, data[sent:])
            if way.chunk_bytes:
                break  # one piece a round: the peer sees it alone
        if pipe.ended and not pipe.waiting and not pipe.told_end:
            pipe.told_end = True
            try:
                pipe.sink.shutdown(socket.SHUT_WR)
            except OSError:
                return False
        return True

    def _run(self) -> None:
        while not self._stop:
            self._accept()
            now = time.monotonic()
            over, moved = [], False
            with self._lock:
                pairs = list(self._pairs)
            for pair in pairs:
                before = [pipe.waiting_bytes + pipe.passed for pipe in pair]
                alive = all(self._take(pipe, now) and self._give(pipe, now) for pipe in pair)
                if not alive or all(pipe.told_end for pipe in pair):
                    over.append((pair, alive))
                moved = moved or [pipe.waiting_bytes + pipe.passed for pipe in pair] != before
            with self._lock:
                for pair, alive in over:
                    if pair in self._pairs:
                        self._pairs.remove(pair)
                        if alive:
                            pair[0].source.close()
                            pair[0].sink.close()
                        else:
                            self._reset(pair[0])
            if not moved:
                self._sleep(pairs, now)

    def _sleep(self, pairs, now: float) -> None:
        """Until something can be read or is due; 10 ms at most, for orders come from other threads."""
        due = [max(pipe.waiting[0][0], pipe.free_at) for pair in pairs for pipe in pair if pipe.waiting]
        wait = min([0.01] + [max(0.0, at - now) for at in due])
        with selectors.PollSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            for pair in pairs:
                for pipe in pair:
                    if not pipe.ended and not pipe.way.stalled and pipe.waiting_bytes <= 4 * CHUNK:
                        try:
                            selector.register(pipe.source, selectors.EVENT_READ)
                        except (KeyError, ValueError):
                            pass
            selector.select(wait)
