#!/usr/bin/env python3
"""Life of the control plane: where it listens, whom it refuses, how it drains and what it finds again."""
import hashlib
import os
import pathlib
import signal
import socket
import stat
import tempfile
import time
import unittest

from harness import Link, RespError, Server, encode, free_port


class Start(unittest.TestCase):
    def test_start_block_says_what_matters(self) -> None:
        with Server() as server:
            for word in ("version=", f"pid={server.process.pid}", f"data_dir={server.data_dir}", "durability=sync",
                         "recovered_tasks=0", f"address=tcp://127.0.0.1:{server.port}", "connections="):
                self.assertIn(word, server.log())
            self.assertEqual(stat.S_IMODE(os.stat(server.data_dir).st_mode), 0o700)

    def test_protected_mode_refuses_with_three_ways_out(self) -> None:
        code, text = Server.run_to_end("--base-address", "tcp://0.0.0.0:0")
        self.assertEqual(code, 78, text)
        for way in ("tcp://127.0.0.1", "FASTQUEUE_TOKEN", "--protected-mode off"):
            self.assertIn(way, text)
        code, text = Server.run_to_end("--http-address", "0.0.0.0:0")
        self.assertEqual(code, 78, text)
        self.assertIn("--http-address", text)

    def test_protected_mode_accepts_a_token_or_the_risk(self) -> None:
        with Server("--base-address", "tcp://0.0.0.0:0", environment={"FASTQUEUE_TOKEN": "t" * 20}) as server:
            self.assertIn("unencrypted", server.log())
        with Server("--base-address", "tcp://0.0.0.0:0", "--protected-mode", "off") as server:
            self.assertIn("has no credentials", server.log())

    def test_address_in_use_is_named(self) -> None:
        with Server() as server:
            code, text = Server.run_to_end("--base-address", f"tcp://127.0.0.1:{server.port}")
            self.assertEqual(code, 69, text)
            self.assertIn(f"tcp://127.0.0.1:{server.port}", text)

    def test_http_port_in_use(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            code, text = Server.run_to_end("--http-address", f"127.0.0.1:{taken.getsockname()[1]}")
            self.assertEqual(code, 69, text)

    def test_bad_addresses(self) -> None:
        for address, reason in (("tcp://::1:5", "bracket"), ("ftp://x", "tcp://"), ("tcp://u:secretword@127.0.0.1:0", "FASTQUEUE_TOKEN"),
                                ("tls://127.0.0.1:0", "--tls-cert")):
            code, text = Server.run_to_end("--base-address", address)
            self.assertEqual(code, 78, text)
            self.assertIn(reason, text)
            self.assertNotIn("secretword", text)

    def test_data_directory_has_one_owner(self) -> None:
        with Server() as server:
            code, text = Server.run_to_end("--data-dir", server.data_dir)
            self.assertEqual(code, 75, text)
            self.assertIn(str(server.process.pid), text)

    def test_memory_only_says_so_and_forgets(self) -> None:
        with Server("--data-dir", "none") as server:
            self.assertIn("memory only", server.log())
            with server.connect() as link:
                link.command("FQ.SUBMIT", "a.task", "{}")
            server.kill()
            server.start()
            with server.connect() as link:
                self.assertEqual(link.command("FQ.LIST")[1], [])


class Listening(unittest.TestCase):
    def test_unix_socket(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "queue.sock"
            with Server("--base-address", f"unix://{path}") as server:
                self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o660)
                with server.connect() as link:
                    self.assertEqual(link.command("PING"), "PONG")
                code, text = Server.run_to_end("--base-address", f"unix://{path}")
                self.assertEqual(code, 69, text)
                server.kill()  # leaves a stale socket, which the next one takes over
                self.assertTrue(path.exists())
                server.start()
                with server.connect() as link:
                    self.assertEqual(link.command("PING"), "PONG")
            self.assertFalse(path.exists())

    def test_several_addresses_at_once(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            port, path = free_port(), f"{folder}/queue.sock"
            addresses = [f"tcp://127.0.0.1:{port}", f"unix://{path}"]
            targets = [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, path)]
            if pathlib.Path("/proc/net/if_inet6").exists():
                addresses.append(f"tcp://[::1]:{port}")
                targets.append((socket.AF_INET6, ("::1", port)))
            with Server("--listen", *addresses) as server:
                for family, target in targets:
                    with socket.socket(family) as sock:
                        sock.connect(target)
                        with Link(sock) as link:
                            self.assertEqual(link.command("PING"), "PONG")
                for address in addresses:
                    self.assertIn(f"address={address}", server.log())

    def test_half_closed_connection_gets_its_replies(self) -> None:
        with Server() as server, socket.create_connection(("127.0.0.1", server.port)) as link:
            link.sendall(encode("FQ.SUBMIT", "a.task", "{}") * 50)
            link.shutdown(socket.SHUT_WR)
            link.settimeout(10)
            got = b""
            while piece := link.recv(65536):
                got += piece
            self.assertEqual(got.count(b"$36\r\n"), 50)

    def test_a_reply_in_front_of_a_wait_does_not_wait_for_its_end(self) -> None:
        own = "01890000-0000-7000-8000-000000000001"
        with Server() as server, server.connect() as submitter, server.connect() as worker:
            for link in (submitter, worker):
                link.sock.settimeout(10)
            submitter.send(encode("FQ.SUBMIT", "a.task", "{}", "ID", own) + encode("FQ.RESULT", own, "WAIT", "600000"))
            self.assertEqual(submitter.read(), own)
            worker.send(encode("ECHO", "in front") + encode("FQ.FETCH", "TASKS", "another.task", "BLOCK", "600000"))
            self.assertEqual(worker.read(), "in front")

    def test_quit_behind_large_replies(self) -> None:
        with Server() as server, server.connect(protocol=2) as link:
            for _ in range(8):
                link.command("FQ.SUBMIT", "big.task", "x" * 900_000, "ENCODING", "raw")
            link.send(encode("FQ.FETCH", "TASKS", "big.task", "COUNT", "8") + encode("QUIT"))
            link.sock.shutdown(socket.SHUT_WR)
            time.sleep(0.5)
            self.assertEqual(len(link.read()), 8)
            self.assertEqual(link.read(), "OK")
            self.assertEqual(link.sock.recv(1), b"")

    def test_peer_that_ends_and_never_reads_is_dropped(self) -> None:
        with Server() as server, server.connect() as link:
            for _ in range(8):
                link.command("FQ.SUBMIT", "big.task", "x" * 900_000, "ENCODING", "raw")
            with socket.create_connection(("127.0.0.1", server.port)) as deaf:
                deaf.sendall(encode("FQ.FETCH", "TASKS", "big.task", "COUNT", "8"))
                deaf.shutdown(socket.SHUT_WR)
                time.sleep(0.3)
                self.assertEqual(link.command("FQ.STATS")["connections"], 2)
            end = time.monotonic() + 10  # its socket is closed now, with unread data: the next write fails
            while link.command("FQ.STATS")["connections"] > 1:
                self.assertLess(time.monotonic(), end)
                time.sleep(0.02)

    def test_large_replies_to_a_slow_reader_are_whole(self) -> None:
        with Server() as server, server.connect() as link:
            payload = "x" * 700_000
            for _ in range(10):
                link.command("FQ.SUBMIT", "big.task", payload, "ENCODING", "raw")
            link.send(encode("FQ.FETCH", "TASKS", "big.task", "COUNT", "10"))
            time.sleep(0.3)
            self.assertEqual([len(task["payload"]) for task in link.read()], [700_000] * 10)

    def test_login_is_needed_and_has_a_deadline(self) -> None:
        with Server("--auth-deadline", "300ms", environment={"FASTQUEUE_TOKEN": "a-very-long-token-1"}) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as silent:
                silent.settimeout(10)
                silent.sendall(encode("PING"))
                start = time.monotonic()
                got = b""
                while piece := silent.recv(4096):
                    got += piece
                self.assertTrue(got.startswith(b"-NOAUTH"), got)
                self.assertLess(time.monotonic() - start, 5)
            with self.assertRaisesRegex(RespError, "WRONGPASS"):
                server.connect(token="wrong")
            with server.connect() as link:
                time.sleep(0.5)
                self.assertEqual(link.command("PING"), "PONG")

    def test_users_are_read_anew_upon_sighup(self) -> None:
        def line(name: str, roles: str, token: str) -> str:
            return f"{name} {roles} sha256:{hashlib.sha256(token.encode()).hexdigest()}\n"

        with tempfile.TemporaryDirectory() as folder:
            users = pathlib.Path(folder) / "users"
            users.touch(0o600)
            users.write_text(line("alice", "submit,read", "alice-token") + line("bob", "submit", "bob-token"))
            with Server("--users-file", str(users)) as server:
                alice, bob = server.connect(protocol=2), server.connect(protocol=2)
                self.assertEqual(alice.command("AUTH", "alice", "alice-token"), "OK")
                self.assertEqual(bob.command("AUTH", "bob", "bob-token"), "OK")
                users.write_text(line("alice", "submit", "alice-token"))
                server.process.send_signal(signal.SIGHUP)
                with self.assertRaises((EOFError, OSError)):
                    for _ in range(500):
                        bob.command("PING")
                        time.sleep(0.01)
                with self.assertRaisesRegex(RespError, "NOPERM"):
                    alice.command("FQ.LIST")
                users.write_text("nonsense\n")
                server.process.send_signal(signal.SIGHUP)
                end = time.monotonic() + 10
                while "stay as they were" not in server.log():
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.01)
                self.assertEqual(alice.command("PING"), "PONG")
                alice.close()
                bob.close()


class End(unittest.TestCase):
    def test_restart_keeps_tasks(self) -> None:
        with Server() as server:
            with server.connect() as link:
                ids = [link.command("FQ.SUBMIT", "keep.task", '{"args":[%d]}' % i, "PRIORITY", p)
                       for i, p in enumerate(["low", "normal", "high", "critical"])]
            self.assertEqual(server.terminate(), 0)
            server.start()
            self.assertIn("recovered_tasks=4", server.log())
            with server.connect() as link:
                tasks = link.command("FQ.FETCH", "TASKS", "keep.task", "COUNT", "4")
                self.assertEqual([task["id"] for task in tasks], ids[::-1])

    def test_drain_waits_for_what_runs(self) -> None:
        with Server() as server, server.connect() as worker, server.connect() as other:
            task_id = worker.command("FQ.SUBMIT", "slow.task", "{}")
            worker.command("FQ.REGISTER", "w1", "TASKS", "slow.task")
            task = worker.command("FQ.FETCH", "WORKER", "w1")[0]
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(worker.read_push()[0], "fq.drain")
            with self.assertRaisesRegex(RespError, "DRAINING"):
                other.command("FQ.SUBMIT", "late.task", "{}")
            self.assertIsNone(server.process.poll())
            self.assertEqual(worker.command("FQ.COMPLETE", task_id, task["token"], '"done"'), "OK")
            self.assertEqual(server.process.wait(30), 0)
            server.start()
            with server.connect() as link:
                self.assertEqual(link.command("FQ.STATUS", task_id)["status"], "success")

    def test_second_signal_ends_at_once(self) -> None:
        with Server() as server, server.connect() as worker:
            worker.command("FQ.SUBMIT", "slow.task", "{}")
            worker.command("FQ.FETCH", "TASKS", "slow.task")
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            self.assertIsNone(server.process.poll())
            server.process.send_signal(signal.SIGINT)
            self.assertEqual(server.process.wait(10), 0)

    def test_drain_has_a_time_limit(self) -> None:
        with Server("--drain-timeout", "500ms") as server, server.connect() as worker:
            worker.command("FQ.SUBMIT", "slow.task", "{}")
            worker.command("FQ.FETCH", "TASKS", "slow.task")
            start = time.monotonic()
            self.assertEqual(server.terminate(), 0)
            self.assertGreater(time.monotonic() - start, 0.4)


if __name__ == "__main__":
    unittest.main()
