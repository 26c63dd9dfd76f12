#!/usr/bin/env python3
"""Words that are secret go through a whole run of server, worker, command line and telemetry, also through what goes wrong;
whatever any of them writes for people or machines to keep is searched for them afterwards."""
import base64
import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

from harness import PROGRAM, ROOT, RespError, Server
from subworker import Subworker, payload

sys.path.insert(0, str(ROOT / "tests/support_py"))
from collector import Collector  # noqa: E402

TOKEN = "fqt_Canary0TokenOfTheDefaultUser"
USER_TOKEN = "fqt_Canary1TokenOfAnn"
WRONG = "fqt_Canary2GuessedToken"
PAYLOAD = "Canary3PayloadText"
RESULT = "CANARY4RESULTTEXT"
HEADER = "Canary5HeaderOfTheCollector"
SECRETS = (TOKEN, USER_TOKEN, WRONG, PAYLOAD, RESULT, HEADER)


def shapes(secret: str) -> list[bytes]:
    """A secret as it may be written: as it is, in hexadecimal, in base64 at each of its three alignments."""
    raw = secret.encode()
    inner = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0:-4] for shift in range(3)]
    return [raw, raw.hex().encode(), *inner]


class Canaries(unittest.TestCase):
    def setUp(self) -> None:
        self.written: dict[str, bytes] = {}  # where -> what was written there

    def keep(self, where: str, what) -> None:
        data = what if isinstance(what, bytes) else str(what).encode("utf-8", "surrogateescape")
        self.written[where] = self.written.get(where, b"") + data

    def assert_nothing_leaked(self) -> None:
        for where, data in self.written.items():
            for secret in SECRETS:
                for shape in shapes(secret):
                    at = data.find(shape)
                    self.assertEqual(at, -1, f"{where}: {secret} in …{data[max(0, at - 200):at + 100]!r}…")

    def cli(self, server: Server, *words: str, token: str = TOKEN, shows_result: bool = False) -> None:
        environment = {**server._environment(server.environment), "FASTQUEUE_TOKEN": token,
                       "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{server.port}"}
        done = subprocess.run([PROGRAM, *words], env=environment, capture_output=True, timeout=60)
        # What a task answered is what `result` is asked for; it is not said a second time on the other channel.
        self.keep(f"fastqueue {words[0]}", done.stderr if shows_result else done.stdout + done.stderr)

    def use_the_wire(self, server: Server, worker: Subworker) -> str:
        task = worker.run("echo", PAYLOAD, RESULT)
        self.assertIn(PAYLOAD, task["result"])  # the words did go through
        failed = worker.submit("segfault", PAYLOAD)
        self.assertEqual(worker.wait(failed)["status"], "failure")
        self.keep("FQ.RESULT of a crash", worker.view(failed))
        with server.connect() as link:
            for words in (("INFO",), ("CONFIG", "GET", "*"), ("CLIENT", "LIST"), ("FQ.STATUS", task["id"]), ("FQ.LIST",),
                          ("FQ.QUEUES",), ("FQ.WORKERS",), ("FQ.STATS",), ("FQ.DEAD", "LIST"), ("COMMAND", "DOCS")):
                self.keep(" ".join(words[:2]), link.command(*words))
            self.err_on_purpose(link)
        return task["id"]

    def err_on_purpose(self, link) -> None:
        for words in (("FQ.SUBMIT", "x", PAYLOAD, "NO-OPTION", PAYLOAD), ("FQ.SUBMIT", "x", PAYLOAD * 200_000),
                      ("FQ.COMPLETE", "no-id", "1", RESULT), ("FQ.COMPLETE", "00000000-0000-4000-8000-000000000009", "1", RESULT),
                      ("FQ.FAIL", "no-id", "1", "Type", RESULT), ("AUTH", "ann", WRONG), ("AUTH", WRONG),
                      ("HELLO", "3", "AUTH", "ann", WRONG), ("HELLO", "9", "AUTH", "ann", USER_TOKEN), ("AUTH", "a", USER_TOKEN, "b"),
                      ("HELLO", "3", "AUTH", USER_TOKEN)):
            with self.assertRaises(RespError) as caught:
                link.command(*words)
            self.keep(f"error of {words[0]}", caught.exception)
        self.assertEqual(link.command("AUTH", "ann", USER_TOKEN), "OK")

    def use_http(self, server: Server) -> None:
        for path, bearer in (("/metrics", TOKEN), ("/api/v1/tasks", TOKEN), ("/api/v1/dead", TOKEN), ("/api/v1/workers", TOKEN),
                             ("/api/v1/stats", USER_TOKEN), ("/api/v1/tasks", WRONG), ("/readyz", TOKEN)):
            status, headers, text = server.http("GET", path, headers={"Authorization": f"Bearer {bearer}"})
            self.keep(f"GET {path}", f"{status} {headers} {text}")
        body = json.dumps({"name": "x", "payload": PAYLOAD, "nonsense": 1})
        json_head = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        for text in (body, body[:-1], json.dumps({"name": "x", "priority": "nonsense", "args": [PAYLOAD]})):
            status, headers, answer = server.http("POST", "/api/v1/tasks", text, json_head)
            self.assertEqual(status, 400)
            self.keep("POST /api/v1/tasks", f"{headers} {answer}")

    def use_the_command_line(self, server: Server, task_id: str) -> None:
        self.cli(server, "submit", "echo", PAYLOAD, "--non-blocking")
        for verb in ("result", "status"):
            self.cli(server, verb, task_id, shows_result=True)
        for words in (("list", "--json"), ("workers",), ("queues", "--json"), ("dead", "list"), ("doctor",),
                      ("submit", "echo", "--print-config"), ("control-plane", "--print-config", "--json"),
                      ("list", "--no-such-flag")):
            self.cli(server, *words)
        for words in (("list",), ("doctor", "--json"), ("submit", "echo", PAYLOAD, "--non-blocking")):
            self.cli(server, *words, token=WRONG)

    def servers_options(self, folder: pathlib.Path) -> list[str]:
        users = folder / "users"
        users.touch(0o600)
        users.write_text(f"ann submit,read sha256:{hashlib.sha256(USER_TOKEN.encode()).hexdigest()}\n")
        return ["--users-file", str(users), "--log-level", "debug"]

    def keep_logs(self, server: Server, worker: Subworker) -> None:
        self.keep("the server's log", server.log())
        self.keep("the worker's log", worker.log())

    def test_with_telemetry_to_a_collector(self) -> None:
        with Collector() as collector:
            environment = {"FASTQUEUE_TOKEN": TOKEN, **collector.environment(),
                           "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {HEADER}", "OTEL_LOG_LEVEL": "debug"}
            server = Server(http=True, environment=environment)
            server.options += self.servers_options(server.folder)
            with server:
                with Subworker(server, "--log-level", "debug") as worker:
                    task_id = self.use_the_wire(server, worker)
                    self.use_http(server)
                    self.use_the_command_line(server, task_id)
                    server.process.send_signal(signal.SIGHUP)
                    collector.wait_for_span("worker.execute_task")
                self.keep_logs(server, worker)
            for request in collector.requests:
                self.keep(f"OTLP {request.signal}", json.dumps(request.data))
            self.assertTrue(any(HEADER in str(request.headers) for request in collector.requests))
            self.assert_nothing_leaked()

    def test_with_telemetry_to_the_console_and_ends_that_are_none(self) -> None:
        environment = {"FASTQUEUE_TOKEN": TOKEN, "FASTQUEUE_TELEMETRY_ENABLED": "true", "OTEL_TRACES_EXPORTER": "console",
                       "OTEL_METRICS_EXPORTER": "console", "OTEL_LOGS_EXPORTER": "console"}
        server = Server(environment=environment)
        server.options += self.servers_options(server.folder)
        with server:
            with Subworker(server, "--log-level", "debug") as worker:
                worker.run("echo", PAYLOAD, RESULT)
                worker.run("abort_now", PAYLOAD)
                with server.connect() as link:
                    link.send(b"*2\r\n$9\r\nFQ.SUBMIT\r\n$" + PAYLOAD.encode() + b"\r\n")  # no length
                    self.keep("protocol error", link.read(raise_error=False))
                server.process.send_signal(signal.SIGSEGV)  # dies in the middle of it all
                server.process.wait(30)
                server.is_ended = True
                self.keep_logs(server, worker)
            for file in pathlib.Path(server.data_dir).parent.glob("core*"):
                self.keep(file.name, file.read_bytes())
        self.assert_nothing_leaked()

    def test_credentials_in_addresses_are_not_repeated(self) -> None:
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("FASTQUEUE_", "OTEL_"))}
        for words in (("list", "--address", f"tcp://ann:{TOKEN}@127.0.0.1:1"), ("list", "--address", f"tcp://ann:{TOKEN}@"),
                      ("doctor", "--address", f"tcp://ann:{TOKEN}@127.0.0.1:1"),
                      ("control-plane", "--base-address", f"tcp://ann:{TOKEN}@127.0.0.1:0", "--data-dir", "none"),
                      ("subworker", "--control-plane-address", f"tcp://ann:{TOKEN}@nowhere.invalid:x", "--task-modules", "x.so")):
            done = subprocess.run([PROGRAM, *words], env=variables, capture_output=True, timeout=60)
            self.assertNotEqual(done.returncode, 0, words)
            self.keep(f"fastqueue {words[0]}", done.stdout + done.stderr)
        self.assert_nothing_leaked()

    def test_the_search_finds_each_shape(self) -> None:
        for secret in SECRETS:
            for prefix in range(4):
                text = base64.b64encode(b"-" * prefix + secret.encode() + b"tail")
                self.assertTrue(any(shape in text for shape in shapes(secret)), (secret, prefix))


if __name__ == "__main__":
    unittest.main()
