#!/usr/bin/env python3
"""What the machine does to the server: a disk that fails, no file descriptors left, a port that is taken."""
import contextlib
import pathlib
import resource
import select
import socket
import threading
import time
import unittest

from harness import BUILD, Server, encode

SHIM = BUILD / "tests" / "failing_sync.so"


class TakesDefaultHttpPort(Server):
    def command_line(self) -> list[str]:
        line = super().command_line()
        at = line.index("--http-address")
        return line[:at] + line[at + 2:]


class Failures(unittest.TestCase):
    def sanitized(self) -> bool:
        return b"__asan_init" in (BUILD / "bin" / "fastqueue").read_bytes()

    def test_failed_sync_ends_the_process_and_nothing_is_acknowledged(self) -> None:
        if not SHIM.exists() or self.sanitized():
            self.skipTest("a preloaded library and AddressSanitizer do not go together")
        with Server() as server:
            trigger = server.folder / "fail"
            server.environment = {"LD_PRELOAD": str(SHIM), "FAILING_SYNC": str(trigger)}
            server.kill()
            server.start()
            with server.connect() as link:
                kept = [link.command("FQ.SUBMIT", "kept.task", "{}") for _ in range(20)]
                trigger.touch()
                link.send(encode("FQ.SUBMIT", "lost.task", "{}") + encode("FQ.STATS") + encode("FQ.LIST"))
                with self.assertRaises((EOFError, ConnectionError)):
                    link.read()
            self.assertEqual(server.process.wait(20), 74)
            server.is_ended = True
            self.assertEqual(server.log().count("error journal failed"), 1, server.log())
            server.start()
            with server.connect() as link:
                states = [link.command("FQ.STATUS", task_id) for task_id in kept]
                self.assertEqual([s and s["status"] for s in states], ["pending"] * 20)

    def test_nobody_sees_what_a_hanging_disk_has_not_got(self) -> None:
        if not SHIM.exists() or self.sanitized():
            self.skipTest("a preloaded library and AddressSanitizer do not go together")
        with Server(http=True) as server:
            held = server.folder / "held"
            server.environment = {"LD_PRELOAD": str(SHIM), "HELD_SYNC": str(held)}
            server.kill()
            server.start()
            with contextlib.ExitStack() as stack:
                links = [stack.enter_context(server.connect()) for _ in range(9)]
                submitter, worker, waiter, watcher, *readers = links
                first = submitter.command("FQ.SUBMIT", "first.task", "{}")
                lease = worker.command("FQ.FETCH", "TASKS", "first.task")[0]
                self.assertEqual(watcher.command("FQ.WATCH", first), ["watching"])
                waiter.send(encode("FQ.RESULT", first, "WAIT", "20000"))
                parked = readers.pop()
                parked.send(encode("FQ.FETCH", "TASKS", "second.task", "BLOCK", "20000"))
                time.sleep(0.3)  # the idle mark is written
                stack.callback(held.unlink, missing_ok=True)
                held.touch()
                worker.send(encode("FQ.COMPLETE", first, lease["token"], "1"))
                submitter.send(encode("FQ.SUBMIT", "second.task", "{}"))
                time.sleep(0.2)
                for reader, command in zip(readers, (("FQ.STATS",), ("FQ.STATUS", first), ("INFO",), ("FQ.LIST",))):
                    reader.send(encode(*command))
                pages = []
                asked = [threading.Thread(target=lambda path=path: pages.append(server.http("GET", path)))
                         for path in ("/metrics", "/api/v1/stats")]
                for thread in asked:
                    thread.start()
                self.assertEqual(server.http("GET", "/healthz")[0], 200)
                seen, _, _ = select.select([link.sock for link in links], [], [], 0.5)
                self.assertEqual(seen, [])
                self.assertEqual(pages, [])
                held.unlink()
                self.assertEqual(worker.read(), "OK")
                self.assertEqual(waiter.read()["status"], "success")
                self.assertEqual(watcher.read_push()[1], first)
                self.assertEqual(parked.read()[0]["name"], "second.task")
                for thread in asked:
                    thread.join(20)
                self.assertEqual([page[0] for page in pages], [200, 200])

    def test_no_descriptors_left(self) -> None:
        with Server() as server, server.connect() as link:
            link.command("PING")
            open_now = len(list(pathlib.Path(f"/proc/{server.process.pid}/fd").iterdir()))
            before = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (open_now + 3, before[1]))
            callers = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(20)]
            time.sleep(0.3)
            cpu = server.cpu_seconds()
            time.sleep(1)
            self.assertLess(server.cpu_seconds() - cpu, 0.3, "a full process must not spin")
            self.assertEqual(link.command("PING"), "PONG")
            self.assertIn("turned away", server.log())
            hung_up = 0
            for caller in callers:
                caller.settimeout(0.2)
                try:
                    caller.sendall(encode("PING"))
                    hung_up += caller.recv(100) == b""
                except TimeoutError:
                    self.fail("a caller was left without an answer")
                except OSError:
                    hung_up += 1
                finally:
                    caller.close()
            self.assertGreater(hung_up, 10)
            resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, before)
            time.sleep(0.3)
            with server.connect() as again:
                self.assertEqual(again.command("PING"), "PONG")

    def test_limit_of_open_files_lowers_the_connection_limit(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with Server() as server:
            server.kill()
            try:
                # The child inherits the limit that is set here; a hard limit cannot be raised again without privilege.
                resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 300), hard))
                server.start()
                self.assertIn("server ready", server.log())
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
            row = next(line for line in limits.splitlines() if line.startswith("Max open files"))
            self.assertEqual(row.split()[3], row.split()[4], "the soft limit is raised to the hard one")

    def test_default_http_port_taken_is_a_warning(self) -> None:
        with socket.socket() as taken:
            try:
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                taken.bind(("127.0.0.1", 8080))
                taken.listen()
            except OSError:
                pass  # somebody else has it: as good
            with TakesDefaultHttpPort() as server, server.connect() as link:
                self.assertIn("http cannot listen on 127.0.0.1:8080", server.log())
                self.assertIn("going on without it", server.log())
                self.assertEqual(link.command("PING"), "PONG")


if __name__ == "__main__":
    unittest.main()
