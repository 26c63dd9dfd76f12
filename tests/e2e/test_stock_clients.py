#!/usr/bin/env python3
"""Clients that nobody here wrote: redis-cli, redis-benchmark, redis-py with its default pool, ioredis."""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from harness import BUILD, Server

STOCK = pathlib.Path(__file__).resolve().parent.parent / "stock"
LEASE_SECONDS = 20  # the long task runs three leases long
LONG_TASK_SECONDS = 60


def run(*args, **options) -> str:
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=240, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, args))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class StockClients(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server("--lease", f"{LEASE_SECONDS}s")
        cls.server.start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def cli(self, *args: str) -> str:
        return run("redis-cli", "-p", self.server.port, *args).strip()

    def test_redis_cli(self) -> None:
        self.assertEqual(self.cli("PING"), "PONG")
        task_id = self.cli("FQ.SUBMIT", "stock.cli", '{"args":[1],"kwargs":{}}', "PRIORITY", "high")
        self.assertRegex(task_id, r"^[0-9a-f-]{36}$")
        self.assertIn("pending", self.cli("FQ.STATUS", task_id))
        self.assertIn("pending", self.cli("-3", "FQ.STATUS", task_id))
        self.assertEqual(self.cli("FQ.CANCEL", task_id), "1")
        self.assertIn("cancelled", self.cli("FQ.STATUS", task_id))
        self.assertIn("fastqueue", self.cli("INFO").lower())
        self.assertGreater(int(self.cli("COMMAND", "COUNT")), 30)
        self.assertIn("FQ.SUBMIT", self.cli("COMMAND", "DOCS", "FQ.SUBMIT").upper())
        self.assertIn("ERR", self.cli("NOSUCH", "x"))
        self.assertIn("ERR", self.cli("SET", "a", "b"))
        self.assertIn("ERR", self.cli("FQ.SUBMIT", "only-a-name"))

    def test_redis_benchmark(self) -> None:
        out = run("redis-benchmark", "-p", self.server.port, "-n", "20000", "-P", "32", "-q", "FQ.SUBMIT", "stock.load",
                  '{"args":["__rand_int__"],"kwargs":{}}')
        self.assertRegex(out, r"[\d.]+ requests per second")
        print(re.findall(r"FQ.SUBMIT.*requests per second.*", out)[-1])
        out = run("redis-benchmark", "-p", self.server.port, "-n", "1000", "-q", "-t", "ping_mbulk")
        self.assertRegex(out, r"requests per second")
        self.assertIn("20000", self.cli("FQ.QUEUES"))

    def test_redis_py(self) -> None:
        venv = BUILD / "stock-venv"
        if not (venv / "ok").exists():
            shutil.rmtree(venv, ignore_errors=True)
            run(sys.executable, "-m", "venv", venv)
            run(venv / "bin/pip", "install", "-q", "redis==5.2.1")
            (venv / "ok").touch()
        print(run(venv / "bin/python", STOCK / "redis_py_client.py", self.server.port, LONG_TASK_SECONDS, 5).strip())

    def test_ioredis(self) -> None:
        folder = BUILD / "stock-node"
        folder.mkdir(exist_ok=True)
        for name in ("package.json", "ioredis_client.js"):
            shutil.copy(STOCK / name, folder / name)
        if not (folder / "node_modules/ioredis").exists():
            run("npm", "install", "--no-audit", "--no-fund", "--silent", cwd=folder)
        print(run("node", folder / "ioredis_client.js", self.server.port).strip())


if __name__ == "__main__":
    unittest.main()
