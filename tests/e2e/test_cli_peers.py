"""Verbs against peers that are no healthy control plane: every answer out of turn ends with a sentence and an exit code."""
import fcntl
import json
import os
import pathlib
import pty
import socket
import struct
import subprocess
import tempfile
import termios
import time
import unittest

from commandline import clean_environment, run
from harness import PROGRAM, Server, free_port
from odd_peer import Peer

ID = "018f0000-0000-7000-8000-00000000000a"
VERSION = (pathlib.Path(__file__).parent.parent.parent / "VERSION").read_text().split()[0]


class Errors(unittest.TestCase):
    def test_each_error_has_its_exit_code(self) -> None:
        verbs = (("queues",), ("workers",), ("list",), ("dead",), ("pause", "x"), ("resume", "--all"), ("status", ID), ("result", ID),
                 ("cancel", ID), ("dead", "purge", "--all"), ("dead", "requeue", ID), ("dead", "requeue", "--name", "x"), ("top",))
        codes = (("NOPERM not yours", 77), ("IO disk on fire", 74), ("CORRUPT rot", 70), ("TOOBIG no", 2), ("BADSTATE no", 1),
                 ("DRAINING later", 75), ("BUSY later", 75))
        for number, verb in enumerate(verbs):
            error, code = codes[number % len(codes)]
            line = f"-{error}\r\n".encode()
            names = ("FQ.QUEUES", "FQ.WORKERS", "FQ.LIST", "FQ.DEAD", "FQ.PAUSE", "FQ.RESUME", "FQ.STATUS", "FQ.RESULT", "FQ.CANCEL",
                     "FQ.STATS")
            with self.subTest(verb=verb), Peer(dict.fromkeys(names, line)) as peer:
                done = peer(*verb)
                self.assertEqual((done.returncode, done.stderr), (code, f"fastqueue: {error.split(' ', 1)[1]}\n"), done)

    def test_requests_cut_off(self) -> None:
        with Peer({"FQ.PAUSE": b""}) as peer:
            done = peer("pause", "x")
            self.assertEqual((done.returncode, done.stdout), (69, ""), done)

    def test_peers_that_are_no_control_plane(self) -> None:
        for hello, code in (({"proto": 2}, 69), (b"+OK\r\n", 69), (b"?\r\n", 69), (b"-NOPROTO only 2\r\n", 70), (b"-NOAUTH who?\r\n", 77)):
            with self.subTest(hello=hello), Peer({}, hello) as peer:
                done = peer("queues", "--request-timeout", "300ms")
                self.assertEqual((done.returncode, done.stdout), (code, ""), done)
                self.assertTrue(done.stderr.startswith("fastqueue: "))

    def test_waiting_for_a_result(self) -> None:
        for answer, code in ((b"-UNKNOWNTASK gone\r\n", 1), (b"-NOPERM no\r\n", 77), (["unknown"], 1)):
            with self.subTest(answer=answer), Peer({"FQ.WATCH": answer}) as peer:
                self.assertEqual(peer("result", ID, "--wait", "2s").returncode, code)

    def test_answers_that_are_no_list(self) -> None:
        odd = (b"+OK\r\n", [], ["0"], [0, []], ["0", "rows"], ["0" * 80, []], [["0"], []], ["0", [], "more"])
        for answer in odd:
            for verb in (("queues",), ("workers",), ("list",), ("dead",), ("dead", "requeue", "--name", "x")):
                with self.subTest(verb=verb, answer=answer), Peer(dict.fromkeys(("FQ.QUEUES", "FQ.WORKERS", "FQ.LIST", "FQ.DEAD"), answer)) as peer:
                    done = peer(*verb)
                    self.assertEqual(done.returncode, 70, done)
                    self.assertIn("something that is no list", done.stderr)
                    self.assertEqual(done.stdout.count("\n") <= 1, True, done)


class Rows(unittest.TestCase):
    def test_rows_without_what_they_should_have(self) -> None:
        rows = ["0", [{}, "text", 7, {"name": "x", "id": ID, "tasks": "none", "error": "text"}, [["deep"]]]]
        with Peer(dict.fromkeys(("FQ.QUEUES", "FQ.WORKERS", "FQ.LIST", "FQ.DEAD"), rows)) as peer:
            for verb in ("queues", "workers", "list", "dead"):
                done = peer(verb)
                self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 6), done)
                found = peer(verb, "--json")
                self.assertEqual(found.returncode, 0)
                self.assertEqual(json.loads(found.stdout.splitlines()[3])["name"], "x")
            # Only what has an id is requeued.
            done = peer("dead", "requeue", "--name", "x")
            self.assertEqual(done.returncode, 0, done)
            self.assertEqual([words for words in peer.asked if words[:2] == ["FQ.DEAD", "REQUEUE"]], [["FQ.DEAD", "REQUEUE", ID]])

    def test_every_kind_of_value_as_json(self) -> None:
        row = {"real": 1.5, "yes": True, "no": False, "nothing": None, "list": [1, "two"], "n" * 200: "long", "error": b"-ERR x\r\n"}
        with Peer({"FQ.QUEUES": ["0", [row]]}) as peer:
            done = peer("queues", "--json")
            self.assertEqual(done.returncode, 0, done)
            found = json.loads(done.stdout)
            self.assertEqual((found["real"], found["yes"], found["no"], found["nothing"], found["list"]),
                             (1.5, True, False, None, [1, "two"]))
            self.assertEqual(found["n" * 127], "long")

    def test_notes_states_and_many_names(self) -> None:
        queues = [{"name": "a", "paused": 1, "note": "by hand"}, {"name": "b", "paused": 1}, {"name": "c", "note": "no worker"}]
        names = [f"task{number:03}" for number in range(60)]
        far = int(time.time() * 1000) + 3600_000
        workers = [{"id": "w1", "active": 1, "tasks": names, "seen_at": far}, {"id": "w2", "tasks": ["x" * 200], "seen_at": 5}]
        with Peer({"FQ.QUEUES": ["0", queues], "FQ.WORKERS": ["0", workers]}) as peer:
            text = peer("queues").stdout
            self.assertIn("paused; by hand", text)
            self.assertRegex(text, r"(?m)^b .*paused$")
            self.assertRegex(text, r"(?m)^c .*no worker$")
            text = peer("workers").stdout
            self.assertIn("task000", text)
            self.assertNotIn("task059", text)
            self.assertIn("x" * 60, text)
            self.assertNotIn("x" * 61, text)

    def test_a_limit_ends_the_list(self) -> None:
        page = ["next", [{"id": ID, "name": "x"}] * 3]
        with Peer({"FQ.LIST": page}) as peer:
            done = peer("list", "--limit", "5")
            self.assertEqual(done.returncode, 0)
            self.assertEqual(done.stdout.count("018f0000"), 5, done)
            self.assertIn("(the first 5; --limit shows more)", done.stdout)

    def test_pause_says_what_changed(self) -> None:
        with Peer({"FQ.PAUSE": 1, "FQ.RESUME": 0, "FQ.DEAD": 1, "FQ.CANCEL": 1}) as peer:
            self.assertEqual(peer("pause", "x", "--json").stdout, '{"changed":1}\n')
            self.assertEqual(peer("pause", "x").stdout, "x is paused\n")
            self.assertEqual(peer("resume", "--all").stdout, "every name is handed out already\n")
            self.assertEqual(peer("pause").returncode, 2)
            self.assertEqual(peer("dead", "purge", "--all").stdout, "1 task purged\n")
            self.assertEqual(json.loads(peer("dead", "purge", "--all", "--json").stdout), {"purged": 1})
            self.assertEqual(peer("dead", "bury").returncode, 2)
            self.assertEqual(json.loads(peer("cancel", ID, "--json").stdout), {"id": ID, "cancelled": True})

    def test_tasks_with_every_field(self) -> None:
        base = {"id": ID, "name": "x", "priority": "normal", "attempt": 1}
        cases = (
            ({"status": "success", "result": "[1]"}, 0, "Result: [1]"),
            ({"status": "success", "result": "no json"}, 0, "no json"),
            ({"status": "success", "result": "\udcff\udcfe", "encoding": "raw"}, 0, "2 bytes"),
            ({"status": "success"}, 0, "success"),
            ({"status": "failure", "error": {"type": "E", "message": "m", "stack": "at"}}, 1, "E: m"),
            ({"status": "failure", "error": {"type": "OnlyType"}}, 1, "OnlyType"),
            ({"status": "failure", "error": {"message": "only text"}}, 1, "only text"),
            ({"status": "failure", "error": "plain"}, 1, "plain"),
            ({"status": "failure"}, 1, "failure"),
            ({"status": "cancelled"}, 1, "cancelled"),
            ({"status": "expired"}, 1, "expired"),
            ({"status": "started"}, 75, "started"),
        )
        for more, code, text in cases:
            with self.subTest(more=more), Peer({"FQ.RESULT": {**base, **more}, "FQ.STATUS": {**base, **more}}) as peer:
                done = peer("result", ID)
                self.assertEqual(done.returncode, code, done)
                self.assertIn(text, done.stdout + done.stderr)
                found = peer("result", ID, "--json")
                self.assertEqual((found.returncode, json.loads(found.stdout)["status"]), (code, more["status"]), found)
                self.assertEqual(peer("result", ID, "--raw").returncode, code)
                self.assertEqual(json.loads(peer("status", ID, "--json").stdout)["id"], ID)
        with Peer({"FQ.RESULT": "no task"}) as peer:
            self.assertEqual(peer("result", ID).returncode, 70)


class Top(unittest.TestCase):
    PERCENTILES = {"count": 4, "p50": 10, "p95": 2000, "p99": 3000000}
    STATS = {"states": {"scheduled": 1, "started": 2}, "pending": {"critical": 1, "normal": 5}, "version": VERSION, "durability": "sync",
             "wait_us": PERCENTILES, "run_us": PERCENTILES, "started_at": 1, "journal_records": 7, "journal_segments": 1, "paused": 1}
    QUEUES = ["more", [{"name": f"name{n:03}", "normal": n % 5, "completed": n % 3, "paused": n == 1} for n in range(90)]]
    WORKERS = ["0", [{"id": f"worker{n:02}", "active": n % 2, "slots": 2, "seen_at": 5} for n in range(12)]]

    def test_odd_answers(self) -> None:
        good = {"FQ.STATS": self.STATS, "FQ.QUEUES": self.QUEUES, "FQ.WORKERS": self.WORKERS}
        for name in ("FQ.STATS", "FQ.QUEUES", "FQ.WORKERS"):
            with self.subTest(refused=name), Peer({**good, name: b"-NOPERM no\r\n"}) as peer:
                self.assertEqual(peer("top", "--once").returncode, 77)
        for odd in (b"+OK\r\n", [], ["0", "rows"]):
            for name in ("FQ.QUEUES", "FQ.WORKERS"):
                with self.subTest(odd=odd, name=name), Peer({**good, name: odd}) as peer:
                    self.assertEqual(peer("top", "--once").returncode, 70)

    def test_picture(self) -> None:
        with Peer({"FQ.STATS": self.STATS, "FQ.QUEUES": self.QUEUES, "FQ.WORKERS": self.WORKERS}) as peer:
            text = peer("top", "--once").stdout
            self.assertIn("name004", text)
            self.assertIn("worker01", text)
            self.assertLess(text.index("worker01"), text.index("worker00"))  # who is gone comes last
            self.assertLess(text.index("name004"), text.index("name001"))  # the busiest first
            found = json.loads(peer("top", "--json").stdout)
            self.assertEqual((found["wait_us"]["p95"], found["workers"]), (2000, 12))
        with Peer({"FQ.STATS": {}, "FQ.QUEUES": ["0", []], "FQ.WORKERS": ["0", []]}) as peer:
            self.assertEqual(peer("top", "--once").returncode, 0)
            self.assertIsNone(json.loads(peer("top", "--json").stdout)["wait_us"])


class Terminal:
    """A verb on a terminal of its own; `until` waits for a text on it."""

    def __init__(self, *words: str, lines: int = 20, columns: int = 100, **env: str):
        self.master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        modes = termios.tcgetattr(terminal)
        modes[3] &= ~termios.ISIG  # Ctrl-C is a key like others
        termios.tcsetattr(terminal, termios.TCSANOW, modes)
        self.process = subprocess.Popen([str(PROGRAM), *words], stdin=terminal, stdout=terminal, stderr=terminal,
                                        env=clean_environment({"TERM": "xterm", **env}), start_new_session=True)
        os.close(terminal)
        self.text = ""

    def until(self, wanted: str) -> None:
        end = time.monotonic() + 30
        while wanted not in self.text:
            assert time.monotonic() < end, self.text[-300:]
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except OSError:  # the other end is closed
                assert wanted in self.text, self.text[-300:]

    def press(self, keys: str) -> None:
        self.text = ""
        os.write(self.master, keys.encode())

    def end(self) -> int:
        try:
            while chunk := os.read(self.master, 65536):
                self.text += chunk.decode(errors="replace")
        except OSError:  # the other end is closed
            pass
        os.close(self.master)
        return self.process.wait(30)


class Live(unittest.TestCase):
    def test_keys_of_top(self) -> None:
        answers = {"FQ.STATS": Top.STATS, "FQ.QUEUES": Top.QUEUES, "FQ.WORKERS": Top.WORKERS}
        with Peer(answers) as peer:
            for last in ("q", "Q", "\x03"):
                screen = Terminal("top", "-a", peer.address, "--interval", "60s")
                screen.until("and more")
                answers_before = len(peer.asked)
                screen.press(" ")  # at once, not in a minute
                screen.until("and more")
                self.assertGreater(len(peer.asked), answers_before)
                screen.press("p")
                screen.until("and more")
                asked = len(peer.asked)
                screen.press("xp")  # a key without a meaning, and on again
                screen.until("and more")
                self.assertGreaterEqual(len(peer.asked), asked)
                screen.press(last)
                self.assertEqual(screen.end(), 0)

    def test_a_peer_that_goes_wrong_is_told_on_the_screen(self) -> None:
        with Peer({"FQ.STATS": Top.STATS, "FQ.QUEUES": Top.QUEUES, "FQ.WORKERS": Top.WORKERS}) as peer:
            screen = Terminal("top", "-a", peer.address, "--interval", "100ms", "--request-timeout", "30s", NO_COLOR="1")
            screen.until("name014")
            peer.answers["FQ.STATS"] = b"-NOPERM not any more\r\n"
            screen.until("not any more")
            peer.answers["FQ.STATS"] = Top.STATS
            screen.text = ""
            screen.until("name014")
            screen.press("q")
            self.assertEqual(screen.end(), 0)

    def test_colours_are_for_terminals_that_want_them(self) -> None:
        rows = ["0", [{"id": "w1", "active": 1, "seen_at": 5}, {"id": "w2", "active": 0, "seen_at": 5}]]
        with Peer({"FQ.WORKERS": rows}) as peer:
            for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)):
                screen = Terminal("workers", "-a", peer.address, **env)
                self.assertEqual(screen.end(), 0)
                self.assertIn("w2", screen.text)
                self.assertEqual("\033[" in screen.text, coloured, (env, screen.text))
            screen = Terminal("doctor", "-a", peer.address, "--data-dir", "none")
            screen.end()
            self.assertIn("\033[", screen.text)


class Doctor(unittest.TestCase):
    def rows(self, *words, env: dict | None = None) -> dict:
        done = run("doctor", "--json", *words, env=env)
        return {row["check"]: row for row in map(json.loads, done.stdout.splitlines())}

    def test_what_a_peer_says_of_itself(self) -> None:
        now = int(time.time() * 1000)
        on = "telemetry_enabled:1\r\ntelemetry_traces:created=5,dropped_failed=%d,dropped_full=1\r\n"
        cases = (
            ({"version": VERSION, "now": now}, on % 2, ("ok", "ok", "warning")),
            ({"version": "0.0.1", "now": now + 3600_000}, "telemetry_enabled:1\r\n", ("warning", "warning", "ok")),
            ({"version": VERSION + "x", "now": now - 3600_000}, "telemetry_enabled:0\r\n", ("warning", "warning", "ok")),
            ({}, 7, (None, None, None)),
            (b"-NOPERM no\r\n", b"-NOPERM no\r\n", (None, None, None)),
        )
        for stats, info, expected in cases:
            with self.subTest(stats=stats), Peer({"FQ.STATS": stats, "INFO": info}) as peer:
                rows = self.rows("-a", peer.address, "--data-dir", "none")
                found = tuple(rows[check]["verdict"] if check in rows else None for check in ("version", "clock", "telemetry"))
                self.assertEqual(found, expected, rows)
                self.assertEqual("read" in rows["credentials"]["found"], stats != b"-NOPERM no\r\n", rows)
        with Peer({"FQ.CANCEL": b"-NOAUTH who?\r\n"}) as peer:
            rows = self.rows("-a", peer.address, "--data-dir", "none")
            self.assertEqual(rows["credentials"]["verdict"], "failed", rows)

    def test_who_is_there(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            plain, path = os.path.join(folder, "plain"), os.path.join(folder, "socket")
            pathlib.Path(plain).touch()
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen()
                cases = ((f"unix://{plain}", "address", "no socket"), (f"unix://{path}.no", "address", "no socket"),
                         ("tcp://no..name:1", "address", "no..name"), ("smoke://x", "address", ""),
                         (f"tcp://127.0.0.1:{free_port()}", "connection", "refused"))
                for address, check, text in cases:
                    with self.subTest(address=address):
                        row = self.rows("-a", address, "--data-dir", "none", "--request-timeout", "1s")[check]
                        self.assertEqual(row["verdict"], "failed", row)
                        self.assertIn(text, row["found"])
        for hello, check in ((b"-WRONGPASS no\r\n", "credentials"), (b"+OK\r\n", "connection"), (b"-IO no\r\n", "connection")):
            with Peer({}, hello) as peer:
                row = self.rows("-a", peer.address, "--data-dir", "none", "--request-timeout", "1s")[check]
                self.assertEqual(row["verdict"], "failed", row)
        self.assertEqual(self.rows("--token-file", "/nowhere", "--data-dir", "none")["credentials"]["verdict"], "failed")

    def test_data_directories(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            plain = os.path.join(folder, "plain")
            pathlib.Path(plain).touch()
            os.mkdir(os.path.join(folder, "own"), 0o700)
            address = ("-a", f"tcp://127.0.0.1:{free_port()}", "--request-timeout", "1s")
            self.assertEqual(self.rows("--data-dir", plain, *address)["data directory"]["verdict"], "failed")
            rows = self.rows("--data-dir", os.path.join(folder, "own"), *address)
            self.assertEqual((rows["data directory"]["verdict"], rows["owner"]["found"]), ("ok", "not in use yet"))
            rows = self.rows("--data-dir", "/fastqueue-that-is-not/there", *address)
            self.assertIn("not made yet", rows["data directory"]["found"])
            with Server() as server:
                rows = self.rows("--data-dir", server.data_dir, *address)
                self.assertIn("a control plane runs on it", rows["owner"]["found"])
                self.assertEqual(server.terminate(), 0)
                rows = self.rows("--data-dir", server.data_dir, *address)
                self.assertEqual(rows["owner"]["found"], "no control plane runs on it now")
        if os.path.ismount("/dev/shm"):
            with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
                self.assertEqual(self.rows("--data-dir", folder, *address)["file system"]["verdict"], "failed")
                self.assertEqual(self.rows("--data-dir", folder, "--allow-volatile", *address)["file system"]["verdict"], "warning")


if __name__ == "__main__":
    unittest.main()
