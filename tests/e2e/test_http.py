#!/usr/bin/env python3
"""The admin listener: health, metrics, the API, and whom it turns away."""
import http.client
import json
import re
import socket
import threading
import time
import unittest
import uuid

from harness import Server

TOKEN = "a-long-token-for-tests"
JSON = {"Content-Type": "application/json"}


def samples(text: str) -> dict[str, float]:
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line and line[0] != "#"}


class Api(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(http=True)
        cls.server.start()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()

    def get(self, path: str, expect: int = 200):
        status, headers, text = self.server.http("GET", path)
        self.assertEqual(status, expect, text)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Cache-Control"], "no-store")
        return json.loads(text)

    def post(self, path: str, body, expect: int):
        status, _, text = self.server.http("POST", path, body if isinstance(body, str) else json.dumps(body), JSON)
        self.assertEqual(status, expect, text)
        return json.loads(text)

    def test_health(self) -> None:
        self.assertEqual(self.server.http("GET", "/healthz")[::2], (200, "ok\n"))
        self.assertEqual(self.server.http("GET", "/readyz")[::2], (200, "ready\n"))
        self.assertEqual(self.server.http("HEAD", "/healthz")[::2], (200, ""))

    def test_a_task_from_submit_to_result(self) -> None:
        task_id = self.post("/api/v1/tasks", {"name": "http.task", "args": [1, "zwei"], "kwargs": {"k": None}, "priority": "high",
                                              "retries": 2, "timeout": 9000}, 201)["id"]
        self.assertEqual(self.get(f"/api/v1/tasks/{task_id}")["status"], "pending")
        with self.server.connect() as link:
            task = link.command("FQ.FETCH", "TASKS", "http.task")[0]
            self.assertEqual(json.loads(task["payload"]), {"args": [1, "zwei"], "kwargs": {"k": None}})
            self.assertEqual((task["priority"], task["timeout"]), ("high", 9000))
            waited = []
            waiter = threading.Thread(target=lambda: waited.append(self.get(f"/api/v1/tasks/{task_id}?wait=20000")))
            waiter.start()
            time.sleep(0.1)
            link.command("FQ.COMPLETE", task_id, task["token"], '{"sum": [3, 4.5]}')
            waiter.join(20)
        self.assertEqual(waited[0]["result"], {"sum": [3, 4.5]})
        self.assertEqual(waited[0]["status"], "success")

    def test_results_that_are_no_json_or_no_text(self) -> None:
        with self.server.connect() as link:
            for result, encoding, shown in ((b"\xff\x00", "raw", {"base64": "/wA="}), (b"123456789012345678901234567890", "json",
                                            "123456789012345678901234567890"), (b"plain", "raw", "plain")):
                task_id = link.command("FQ.SUBMIT", "odd.result", "{}")
                task = link.command("FQ.FETCH", "TASKS", "odd.result")[0]
                link.command("FQ.COMPLETE", task_id, task["token"], result, "ENCODING", encoding)
                self.assertEqual(self.get(f"/api/v1/tasks/{task_id}")["result"], shown)

    def test_trace_of_the_caller_goes_on(self) -> None:
        parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        self.server.http("POST", "/api/v1/tasks", '{"name": "traced.task"}', {**JSON, "traceparent": parent})
        with self.server.connect() as link:
            self.assertEqual(link.command("FQ.FETCH", "TASKS", "traced.task")[0]["traceparent"], parent)

    def test_cancel(self) -> None:
        task_id = self.post("/api/v1/tasks", {"name": "cancel.task", "payload": "raw text", "encoding": "raw"}, 201)["id"]
        self.assertEqual(self.post(f"/api/v1/tasks/{task_id}/cancel", "", 200), {"cancelled": True})
        self.assertEqual(self.post(f"/api/v1/tasks/{task_id}/cancel", "", 200), {"cancelled": False})

    def test_pages(self) -> None:
        for _ in range(25):
            self.post("/api/v1/tasks", {"name": "page.task"}, 201)
        seen, cursor = [], "0"
        while True:
            page = self.get(f"/api/v1/tasks?name=page.task&count=10&cursor={cursor}")
            self.assertLessEqual(len(page["tasks"]), 10)
            seen += [task["id"] for task in page["tasks"]]
            cursor = page["cursor"]
            if cursor == "0":
                break
        self.assertEqual(len(seen), 25)
        self.assertEqual(len(set(seen)), 25)
        self.get("/api/v1/tasks?count=1001", 400)
        for path in ("/api/v1/tasks?limit=3", "/api/v1/tasks?count=3&limit=3", "/api/v1/queues?status=pending"):
            self.get(path, 400)
        self.get("/api/v1/tasks?status=sleeping", 400)
        names = [row["name"] for row in self.get("/api/v1/queues?count=1000")["queues"]]
        self.assertIn("page.task", names)
        self.assertEqual(self.get("/api/v1/workers"), {"cursor": "0", "workers": []})
        self.assertEqual(self.get("/api/v1/dead"), {"cursor": "0", "tasks": []})
        self.assertGreaterEqual(self.get("/api/v1/stats")["submitted"], 25)

    def test_bad_requests_name_the_thing(self) -> None:
        self.assertIn("UUID", self.get("/api/v1/tasks/12", 400)["error"]["message"])
        self.assertEqual(self.get(f"/api/v1/tasks/{uuid.uuid4()}", 404)["error"]["code"], "UNKNOWNTASK")
        self.get("/api/v1/nothing", 404)
        self.get(f"/api/v1/tasks/{uuid.uuid4()}/frobnicate", 404)
        self.get(f"/api/v1/tasks/{uuid.uuid4()}/cancel", 405)
        for body in ("", "[]", "{", '{"args": []}', '{"name": 5}', '{"name": "x", "args": {}}', '{"name": "x", "retries": "two"}',
                     '{"name": "x", "frobnicate": 1}', '{"name": "x", "payload": "p", "args": []}', '{"name": "a b"}',
                     '{"name": "x\\u0000y"}', '{"name": "x", "priority": "urgent"}', '{"name": "x", "name": "y"}'):
            with self.subTest(body=body):
                self.assertIn("error", self.post("/api/v1/tasks", body, 400))
        task = {"name": "same", "id": str(uuid.uuid4())}
        self.post("/api/v1/tasks", task, 201)
        self.post("/api/v1/tasks", task, 201)
        self.assertEqual(self.post("/api/v1/tasks", {**task, "args": [1]}, 409)["error"]["code"], "IDCONFLICT")
        self.assertEqual(self.server.http("DELETE", "/api/v1/tasks")[0], 405)
        self.post("/api/v1/tasks", {"name": "x", "args": ["y" * 3_000_000]}, 413)
        self.post("/api/v1/tasks", {"name": "x", "args": ["y" * 1_200_000]}, 413)

    def test_other_sites_are_turned_away(self) -> None:
        for headers in ({"Host": "evil.example"}, {"Host": "evil.example:8080"}, {"Origin": "https://evil.example"},
                        {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
            with self.subTest(headers=headers):
                status, _, text = self.server.http("GET", "/api/v1/stats", headers=headers)
                self.assertEqual(status, 403, text)
        own = f"127.0.0.1:{self.server.http_port}"
        for headers in ({"Host": "localhost:8080"}, {"Host": "control-plane:8080"}, {"Host": "[::1]:8080"},
                        {"Host": "fq.prod.svc.cluster.local"}, {"Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"}):
            with self.subTest(headers=headers):
                self.assertEqual(self.server.http("GET", "/api/v1/stats", headers=headers)[0], 200)
        status, _, _ = self.server.http("POST", "/api/v1/tasks", '{"name": "x"}', {"Content-Type": "text/plain"})
        self.assertEqual(status, 415)

    def test_concurrent_requests(self) -> None:
        failures = []

        def ask() -> None:
            for _ in range(20):
                status, _, text = self.server.http("POST", "/api/v1/tasks", '{"name": "many.task"}', JSON)
                if status != 201:
                    failures.append(text)

        threads = [threading.Thread(target=ask) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(failures, [])
        row = next(r for r in self.get("/api/v1/queues?count=1000")["queues"] if r["name"] == "many.task")
        self.assertEqual(row["pending"], 320)


class Metrics(unittest.TestCase):
    def test_the_documented_series(self) -> None:
        with Server(http=True) as server, server.connect() as link:
            first = samples(server.http("GET", "/metrics")[2])
            for priority in ("critical", "high", "normal", "low"):
                self.assertEqual(first[f'fastqueue_queue_size{{worker_id="control-plane",queue_priority="{priority}"}}'], 0)
            self.assertEqual(first['fastqueue_workers_active{worker_id="control-plane"}'], 0)
            link.command("FQ.REGISTER", "w1", "TASKS", "m.ok", "m.bad")
            ok = link.command("FQ.SUBMIT", "m.ok", "{}", "PRIORITY", "high")
            bad = link.command("FQ.SUBMIT", "m.bad", "{}")
            link.command("FQ.SUBMIT", "m.other", "{}", "PRIORITY", "low")
            tokens = {t["id"]: t["token"] for t in link.command("FQ.FETCH", "WORKER", "w1", "COUNT", "5")}
            link.command("FQ.COMPLETE", ok, tokens[ok], "null", "RUN", "7000", "TRACEPARENT",
                         "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            link.command("FQ.FAIL", bad, tokens[bad], "ValueError", "no", "RUN", "200000")
            now = samples(server.http("GET", "/metrics")[2])
            done = 'task_name="m.ok",task_priority="high"'
            self.assertEqual(now[f"fastqueue_tasks_submitted_total{{{done}}}"], 1)
            self.assertEqual(now[f'fastqueue_tasks_completed_total{{{done},worker_id="w1"}}'], 1)
            self.assertEqual(now['fastqueue_tasks_failed_total{task_name="m.bad",task_priority="normal",worker_id="w1"}'], 1)
            self.assertEqual(now[f'fastqueue_tasks_duration_sum{{{done},worker_id="w1"}}'], 7)
            self.assertEqual(now[f'fastqueue_tasks_duration_bucket{{{done},worker_id="w1",le="5"}}'], 0)
            self.assertEqual(now[f'fastqueue_tasks_duration_bucket{{{done},worker_id="w1",le="10"}}'], 1)
            self.assertEqual(now['fastqueue_workers_active{worker_id="w1"}'], 1)
            self.assertNotIn('fastqueue_workers_active{worker_id="control-plane"}', now)
            self.assertEqual(now['fastqueue_queue_size{worker_id="control-plane",queue_priority="low"}'], 1)
            self.assertGreater(now["fastqueue_journal_syncs_total"], 0)
            self.assertGreater(now["process_resident_memory_bytes"], 1e6)
            self.check_openmetrics(server)

    def check_openmetrics(self, server: Server) -> None:
        status, headers, text = server.http("GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        self.assertEqual(status, 200)
        self.assertTrue(headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0"))
        self.assertTrue(text.endswith("# EOF\n"))
        self.assertIn("# TYPE fastqueue_tasks_submitted counter\n", text)
        self.assertRegex(text, r'_bucket\{[^}]*le="10.0"\} 1 # \{trace_id="0af7651916cd43dd8448eb211c80319c",span_id="b7ad6b7169203331"\} 7 ')
        families = re.findall(r"^# TYPE (\S+)", text, re.M)
        self.assertEqual(len(families), len(set(families)))

    def test_credentials(self) -> None:
        with Server(http=True, environment={"FASTQUEUE_TOKEN": TOKEN}) as server:
            self.assertEqual(server.http("GET", "/healthz")[0], 200)
            self.assertEqual(server.http("GET", "/readyz")[0], 200)
            for path in ("/metrics", "/api/v1/stats"):
                status, headers, _ = server.http("GET", path)
                self.assertEqual(status, 401)
                self.assertIn("Bearer", headers["WWW-Authenticate"])
                self.assertEqual(server.http("GET", path, headers={"Authorization": "Bearer wrong"})[0], 401)
                self.assertEqual(server.http("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})[0], 200)

    def test_silent_connections_give_way(self) -> None:
        with Server(http=True) as server:
            silent = []
            try:
                for n in range(150):
                    silent.append(socket.create_connection(("127.0.0.1", server.http_port), 10))
                    silent[-1].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" if n % 2 else b"GET /healthz HT")
                began = time.monotonic()
                self.assertEqual(server.http("GET", "/metrics")[0], 200)
                self.assertLess(time.monotonic() - began, 5)  # a request may take 10 s to come
            finally:
                for sock in silent:
                    sock.close()

    def test_guesses_are_slowed_down_by_source(self) -> None:
        with Server(http=True, environment={"FASTQUEUE_TOKEN": TOKEN}) as server:
            def ask(source: str, token: str) -> tuple[int, float]:
                link = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=30, source_address=(source, 0))
                began = time.monotonic()
                link.request("GET", "/api/v1/stats", headers={"Authorization": f"Bearer {token}"})
                status = link.getresponse().status
                link.close()
                return status, time.monotonic() - began

            self.assertEqual([ask("127.0.0.1", "wrong")[0] for _ in range(5)], [401] * 5)
            for least in (0.1, 0.2, 0.4):
                status, took = ask("127.0.0.1", "wrong")
                self.assertEqual(status, 401)
                self.assertGreaterEqual(took, least)
            status, took = ask("127.0.0.2", TOKEN)
            self.assertEqual(status, 200)
            self.assertLess(took, 0.8)
            status, took = ask("127.0.0.1", TOKEN)  # the right one waits too: speed must not tell which it is
            self.assertEqual(status, 200)
            self.assertGreaterEqual(took, 0.8)
            self.assertEqual(server.log().count("login refused"), 1)
            with server.connect() as link:
                self.assertIn("auth_failures:8\r\n", link.command("INFO", "clients") + "\r\n")

    def test_readiness_ends_with_the_drain_and_waiting_requests_are_answered(self) -> None:
        with Server(http=True) as server, server.connect() as link:
            task_id = link.command("FQ.SUBMIT", "slow.task", "{}")
            link.command("FQ.FETCH", "TASKS", "slow.task")
            answers = []
            waiter = threading.Thread(target=lambda: answers.append(server.http("GET", f"/api/v1/tasks/{task_id}?wait=30000")))
            waiter.start()
            time.sleep(0.2)
            server.process.terminate()
            end = time.monotonic() + 10
            while server.http("GET", "/readyz")[0] != 503:
                self.assertLess(time.monotonic(), end)
            self.assertEqual(server.http("GET", "/healthz")[0], 200)
            server.process.terminate()
            self.assertEqual(server.process.wait(20), 0)
            waiter.join(20)
            self.assertEqual(answers[0][0], 503)


if __name__ == "__main__":
    unittest.main()
