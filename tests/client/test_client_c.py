#!/usr/bin/env python3
"""The C client against the real control plane: nothing lost or doubled while it is killed, results of tasks that run, TLS
with certificates on both sides, tokens."""
import os
import pathlib
import random
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from harness import BUILD, PROGRAM, Server  # noqa: E402

LOAD = BUILD / "tests" / "client_load"
EXAMPLE = BUILD / "examples" / "submit"
MODULE = BUILD / "examples" / "tasks.so"
LIMIT_S = 120


def environment(address: str, **more: str) -> dict:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("FASTQUEUE_")}
    return {**clean, "FASTQUEUE_CONTROL_PLANE_ADDRESS": address, **more}


def run(program, *args, env: dict) -> subprocess.CompletedProcess:
    return subprocess.run([program, *map(str, args)], env=env, capture_output=True, text=True, timeout=LIMIT_S)


class Worker:
    """A subworker with the example tasks."""

    def __init__(self, env: dict):
        self.process = subprocess.Popen([PROGRAM, "subworker", "--worker-id", "w", "--concurrency", "1", "--task-modules",
                                         str(MODULE)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


class Certificates:
    """An authority, a certificate for 127.0.0.1 and one for a client; made with the openssl program."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.make("ca", "/CN=test authority", "basicConstraints=critical,CA:TRUE")
        self.make("other", "/CN=other authority", "basicConstraints=critical,CA:TRUE")
        self.make("server", "/CN=server", "subjectAltName=IP:127.0.0.1", signer="ca")
        self.make("client", "/CN=client", "extendedKeyUsage=clientAuth", signer="ca")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def make(self, name: str, subject: str, extension: str, signer: str | None = None) -> None:
        line = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", subject, "-addext", extension, "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.pem")]
        if signer is not None:
            line += ["-CA", self.path(f"{signer}.pem"), "-CAkey", self.path(f"{signer}.key")]
            line += ["-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run(line, check=True, capture_output=True)


class Killed(unittest.TestCase):
    def test_a_killed_server_loses_and_doubles_nothing(self):
        count = 20000
        with Server() as server:
            env = environment(f"tcp://127.0.0.1:{server.port}")
            with subprocess.Popen([LOAD, "submit", str(count)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True) as load:
                kills = 0
                while load.poll() is None and kills < 6:
                    time.sleep(random.uniform(0.01, 0.1))
                    server.kill()
                    server.start()
                    kills += 1
                out, err = load.communicate(timeout=LIMIT_S)
            self.assertEqual((load.returncode, err), (0, ""))
            ids = out.split()
            self.assertEqual((len(ids), len(set(ids))), (count, count))
            with server.connect() as link:
                rows = link.command("FQ.QUEUES")[1]
                self.assertEqual([(row["name"], row["pending"]) for row in rows], [("load.noop", count)])
            self.assertGreater(kills, 0)

    def test_a_wait_outlives_the_server(self):
        with Server() as server:
            env = environment(f"tcp://127.0.0.1:{server.port}")
            with Worker(env), subprocess.Popen([LOAD, "sleep", "1500"], env=env, stdout=subprocess.PIPE,
                                               stderr=subprocess.PIPE, text=True) as load:
                self.wait_for_start(server)
                server.kill()
                server.start()
                self.assertEqual((*load.communicate(timeout=LIMIT_S), load.returncode), ("success\n", "", 0))

    def wait_for_start(self, server):
        with server.connect() as link:
            end = time.monotonic() + 30
            while not any(row["started"] for row in link.command("FQ.QUEUES")[1]):
                self.assertLess(time.monotonic(), end)
                time.sleep(0.01)

    def test_results_of_tasks_that_run(self):
        with Server() as server:
            env = environment(f"tcp://127.0.0.1:{server.port}")
            with Worker(env):
                done = run(LOAD, "call", 50, env=env)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertEqual(len(set(done.stdout.split())), 50)
                done = run(EXAMPLE, env=env)
                self.assertEqual((done.returncode, done.stdout.splitlines()[-1]), (0, "success: 5"))


class Secured(unittest.TestCase):
    def setUp(self):
        self.server = Server(environment={"FASTQUEUE_TOKEN": "right-token"})
        self.certificates = Certificates(self.server.folder)
        path = self.certificates.path
        self.address = f"tls://127.0.0.1:{self.server.port}"
        self.server.options += ["--base-address", self.address, "--tls-cert", path("server.pem"), "--tls-key",
                                path("server.key"), "--tls-client-ca", path("ca.pem")]
        self.server.start()
        self.addCleanup(self.server.stop)

    def env(self, **changes: str) -> dict:
        path = self.certificates.path
        values = {"FASTQUEUE_TLS_CA": path("ca.pem"), "FASTQUEUE_TLS_CERT": path("client.pem"),
                  "FASTQUEUE_TLS_KEY": path("client.key"), "FASTQUEUE_TOKEN": "right-token", **changes}
        return environment(self.address, **{k: v for k, v in values.items() if v})

    def test_certificates_on_both_sides(self):
        with Worker(self.env()):
            done = run(LOAD, "call", 20, env=self.env())
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_who_is_refused_and_why(self):
        path = self.certificates.path
        cases = {
            "other authority": (self.env(FASTQUEUE_TLS_CA=path("other.pem")), "certificate refused"),
            "system's authorities": (self.env(FASTQUEUE_TLS_CA=""), "certificate refused"),
            "no client certificate": (self.env(FASTQUEUE_TLS_CERT="", FASTQUEUE_TLS_KEY=""), "certificate required"),
            "wrong token": (self.env(FASTQUEUE_TOKEN="wrong-token"), "invalid user name or token"),
            "another name": ({**self.env(), "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tls://localhost:{self.server.port}"},
                             "certificate refused: hostname mismatch"),
            "plain": ({**self.env(), "FASTQUEUE_CONTROL_PLANE_ADDRESS": f"tcp://127.0.0.1:{self.server.port}"}, ""),
        }
        for name, (env, sentence) in cases.items():
            with self.subTest(name):
                done = run(LOAD, "call", 1, env=env)
                self.assertEqual(done.returncode, 69, done.stderr)
                self.assertIn(sentence, done.stderr)
                self.assertNotIn("-token", done.stderr)


if __name__ == "__main__":
    unittest.main()
