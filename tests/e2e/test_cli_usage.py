"""How the program is told what to do, and how it says no: precedence, exit codes, notices, help, the serving verbs."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from commandline import C_TASKS, Shell, Worker, clean_environment, run
from harness import PROGRAM, Server, free_port


def config(*words, env: dict | None = None) -> dict:
    done = run(*words, "--print-config", env=env)
    assert done.returncode == 0, done
    rows = {}
    for line in done.stdout.splitlines():
        name, rest = line[:24].strip(), line[25:]
        rows[name] = (rest[:36].strip(), rest[37:])
    return rows


class Usage(unittest.TestCase):
    def test_wrong_usage_is_exit_code_2_and_names_the_nearest(self) -> None:
        for words, sentence in (
            (("sumbit",), "did you mean 'submit'?"),
            (("submit", "--prioritty", "high"), "did you mean --priority?"),
            (("submit", "--data-dir", "x"), "--data-dir is an option of 'control-plane'"),
            (("submit", "x", "--retries", "many"), "--retries: 'many' is not a whole number"),
            (("submit",), "which task?"),
            (("status",), "which task?"),
            (("status", "a", "b"), "unexpected operand 'b'"),
            (("list", "--limit", "0"), "is not between 1 and"),
            (("subworker",), "--task-modules"),
            (("journal", "compact"), "--until"),
            (("--nonsense",), "unknown option --nonsense"),
            (("help", "wrkers"), "did you mean 'workers'?"),
        ):
            with self.subTest(words=words):
                done = run(*words)
                self.assertEqual((done.returncode, done.stdout), (2, ""), done)
                self.assertIn(sentence, done.stderr)

    def test_nobody_there_is_exit_code_69(self) -> None:
        address = f"tcp://127.0.0.1:{free_port()}"
        for words in (("submit", "x"), ("status", "00000000-0000-0000-0000-000000000001"), ("list",), ("workers",), ("top",)):
            with self.subTest(words=words):
                done = run(*words, "-a", address, "--request-timeout", "1s")
                self.assertEqual(done.returncode, 69, done)
                self.assertIn(address.removeprefix("tcp://"), done.stderr)

    def test_credentials_are_exit_code_77(self) -> None:
        with Server(environment={"FASTQUEUE_TOKEN": "secret-token"}) as server:
            shell = Shell(server)
            for env in ({}, {"FASTQUEUE_TOKEN": "wrong-token"}):
                done = shell("list", env=env)
                self.assertEqual(done.returncode, 77, done)
                self.assertNotIn("wrong-token", done.stderr)
            self.assertEqual(shell("list", env={"FASTQUEUE_TOKEN": "secret-token"}).returncode, 0)
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "token")
                path.write_text("secret-token\n")
                path.chmod(0o600)
                self.assertEqual(shell("list", "--token-file", path).returncode, 0)
                self.assertEqual(shell("list", env={"FASTQUEUE_TOKEN_FILE": str(path)}).returncode, 0)
                self.assertEqual(shell("list", "--token-file", path, env={"FASTQUEUE_TOKEN": "wrong-token"}).returncode, 0)
                path.chmod(0o644)
                self.assertIn("chmod 600", shell("list", "--token-file", path).stderr)
            self.assertEqual(shell("list", "--token-file", "/nowhere").returncode, 78)
            # In the address, too; it is not shown.
            done = run("top", "-a", f"tcp://default:secret-token@127.0.0.1:{server.port}")
            self.assertEqual((done.returncode, "secret-token" in done.stdout), (0, False), done)

    def test_output_that_cannot_be_written(self) -> None:
        with open("/dev/full", "wb") as full:
            done = subprocess.run([str(PROGRAM), "help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 74, done)


class Configuration(unittest.TestCase):
    def test_flag_environment_default(self) -> None:
        env = {"FASTQUEUE_CONTROL_PLANE_ADDRESS": "tcp://env:1", "FASTQUEUE_WORKER_ID": "from-env", "FASTWORKER_CONCURRENCY": "3"}
        rows = config("subworker", env=env)
        self.assertEqual(rows["control-plane-address"], ("tcp://env:1", "environment FASTQUEUE_CONTROL_PLANE_ADDRESS"))
        self.assertEqual(rows["worker-id"], ("from-env", "environment FASTQUEUE_WORKER_ID"))
        self.assertEqual(rows["concurrency"], ("3", "environment FASTWORKER_CONCURRENCY"))
        self.assertEqual(rows["kill-grace"], ("10s", "default"))
        rows = config("subworker", "--worker-id=from-flag", env=env)
        self.assertEqual(rows["worker-id"], ("from-flag", "flag"))

    def test_documented_names(self) -> None:
        rows = config("control-plane")
        for name, value in (("base-address", "tcp://127.0.0.1:5555"), ("result-cache-ttl", "3600"), ("worker-id", "control-plane"),
                            ("http-address", "127.0.0.1:8080"), ("durability", "sync")):
            self.assertEqual(rows[name], (value, "default"))
        self.assertEqual(config("submit")["request-timeout"], ("30", "default"))
        self.assertEqual(config("submit", env={"FASTQUEUE_TIMEOUT": "5"})["request-timeout"][0], "5")

    def test_secrets_are_hidden(self) -> None:
        done = run("list", "--print-config", "--json", "-a", "tls://me:s3cret@host:1", env={"FASTQUEUE_TOKEN": "s3cret"})
        self.assertNotIn("s3cret", done.stdout)
        rows = {row["option"]: row for row in map(json.loads, done.stdout.splitlines())}
        self.assertEqual((rows["token"]["value"], rows["token"]["origin"]), ("(hidden)", "environment"))

    def test_obsolete_options_are_accepted_with_a_notice(self) -> None:
        done = run("--log-level", "DEBUG", "control-plane", "--discovery-address", "tcp://127.0.0.1:5550", "--subworker-port",
                   "5560", "--base-address", "nonsense://")
        self.assertIn("--discovery-address is no longer used", done.stderr)
        self.assertIn("--subworker-port is no longer used", done.stderr)
        self.assertIn(done.returncode, (2, 78), done)  # for the address, which comes later


class Printed(unittest.TestCase):
    VERBS = ("control-plane", "subworker", "submit", "result", "status", "cancel", "list", "workers", "queues", "dead",
             "pause", "resume", "top", "doctor", "journal", "token", "help")

    def test_help(self) -> None:
        overview = run("help")
        self.assertEqual(overview.returncode, 0)
        self.assertEqual(run().stdout, overview.stdout)
        self.assertNotIn("runner", overview.stdout.replace("runner processes", ""))
        for verb in self.VERBS:
            self.assertRegex(overview.stdout, rf"(?m)^  {verb} ")
            done = run(verb, "--help")
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith(f"usage: fastqueue {verb} [OPTION...]"), done)
            self.assertEqual(run("help", verb).stdout, done.stdout)

    def test_version(self) -> None:
        version = (pathlib.Path(__file__).parent.parent.parent / "VERSION").read_text().split()[0]
        for words in (("--version",), ("-V",), ("submit", "--version")):
            self.assertEqual(run(*words).stdout, f"fastqueue {version}\n")

    def test_manual_page_is_sound_roff(self) -> None:
        page = run("help", "--man").stdout
        for verb in self.VERBS:
            self.assertIn(f".SS fastqueue {verb}".replace("-", "\\-"), page)
        requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
        self.assertEqual(requests, {".TH", ".SH", ".SS", ".TP", ".B"})
        self.assertIn("\n.B 69\n", page)

    def test_completion(self) -> None:
        script = run("help", "--completion", "bash").stdout

        def complete(*words: str) -> set[str]:
            array = " ".join(f"'{word}'" for word in words)
            program = f"{script}\nCOMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _fastqueue; printf '%s\\n' \"${{COMPREPLY[@]}}\""
            done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            return set(done.stdout.split())

        self.assertEqual(complete("fastqueue", "sub"), {"submit", "subworker"})
        self.assertEqual(complete("fastqueue", "submit", "--pri"), {"--priority", "--print-config"})
        self.assertEqual(complete("fastqueue", "submit", "--priority", ""), {"critical", "high", "normal", "low"})
        self.assertEqual(complete("fastqueue", "control-plane", "--dura"), {"--durability"})


class Serving(unittest.TestCase):
    def test_names_of_the_compose_and_kubernetes_files(self) -> None:
        """`fastqueue subworker --task-modules tasks`, the rest from the environment."""
        with Server() as server:
            shell = Shell(server, FASTQUEUE_WORKER_ID="pod-7")
            with Worker(shell):
                self.assertEqual([row["id"] for row in shell.json("workers")], ["pod-7"])

    def test_replicas_without_an_id_each_get_their_own(self) -> None:
        with Server() as server:
            shell = Shell(server)
            with Worker(shell, "--concurrency", "1"), Worker(shell, "--concurrency", "1"):
                end = time.monotonic() + 30
                while len(shell.json("workers")) < 2:
                    self.assertLess(time.monotonic(), end)
                    time.sleep(0.02)
                host = os.uname().nodename
                for row in shell.json("workers"):
                    self.assertRegex(row["id"], rf"^{host}-\d+$")

    def test_worker_is_subworker(self) -> None:
        done = run("worker", "--worker-id", "w", "--task-modules", "./none.so", "-a", f"tcp://127.0.0.1:{free_port()}")
        self.assertIn("'worker' is now called 'subworker'", done.stderr)
        self.assertNotEqual(done.returncode, 0)

    def test_module_that_does_not_load_ends_the_command(self) -> None:
        with Server() as server:
            done = Shell(server)("subworker", "--task-modules", "./none.so")
            self.assertEqual(done.returncode, 1, done)
            self.assertIn("none.so", done.stderr)

    def test_control_plane_runs_tasks_itself(self) -> None:
        with Server("--task-modules", str(C_TASKS), "--concurrency", "1") as server:
            shell = Shell(server)
            self.assertIn("Result: 5\n", shell("submit", "add", "2", "3").stdout)
            self.assertEqual([row["id"] for row in shell.json("workers")], ["control-plane"])

    def test_control_plane_with_credentials_runs_tasks_itself(self) -> None:
        with Server("--task-modules", str(C_TASKS), environment={"FASTQUEUE_TOKEN": "secret-token"}) as server:
            shell = Shell(server, FASTQUEUE_TOKEN="secret-token")
            self.assertIn("Result: 5\n", shell("submit", "add", "2", "3").stdout)

    def test_own_worker_ends_with_a_killed_control_plane(self) -> None:
        with Server("--task-modules", str(C_TASKS), "--concurrency", "1") as server:
            shell = Shell(server)
            shell("submit", "add", "2", "3")
            (before,) = shell.json("workers")
            server.kill()
            server.start()
            self.assertIn("Result: 5\n", shell("submit", "add", "2", "3", "--wait", "20s").stdout)
            (after,) = shell.json("workers")
            self.assertNotEqual(before["instance"], after["instance"])

    @unittest.skipUnless(shutil.which("openssl"), "openssl, the program, is not installed")
    def test_own_worker_of_a_control_plane_that_speaks_tls_only(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", "2",
                            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
            port = free_port()
            # The certificate does not name 127.0.0.1, and nobody told the worker of its authority.
            with Server("--listen", f"tls://127.0.0.1:{port}", "--tls-cert", cert, "--tls-key", key, "--task-modules",
                        str(C_TASKS)) as server:
                shell = Shell(server, FASTQUEUE_CONTROL_PLANE_ADDRESS=f"tls://localhost:{port}", FASTQUEUE_TLS_CA=cert)
                self.assertIn("Result: 5\n", shell("submit", "add", "2", "3").stdout)
                found = shell("doctor", "--data-dir", "none").stdout
                self.assertIn("certificate verified", found)
                wrong = shell("list", "-a", f"tls://127.0.0.1:{port}")
                self.assertEqual(wrong.returncode, 69, wrong)

    def test_several_addresses(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            port, path = free_port(), os.path.join(folder, "fq.sock")
            process = subprocess.Popen(
                [str(PROGRAM), "control-plane", "--listen", f"tcp://127.0.0.1:{port}", f"unix://{path}", "--http-address",
                 "off", "--data-dir", "none"], stderr=subprocess.DEVNULL, env=clean_environment())
            try:
                for address in (f"tcp://127.0.0.1:{port}", f"unix://{path}"):
                    end = time.monotonic() + 30
                    while run("list", "-a", address, "--request-timeout", "5s").returncode != 0:
                        self.assertLess(time.monotonic(), end)
                        time.sleep(0.05)
            finally:
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(60), 0)

    def test_log_as_json(self) -> None:
        with Server("--log-format", "json") as server:
            rows = [json.loads(line) for line in server.log().splitlines()]
        self.assertTrue(any("ready" in row["message"] for row in rows))
        self.assertEqual(set(rows[0]), {"time", "level", "message"})


if __name__ == "__main__":
    unittest.main()
