"""submit, result, status, cancel, list, dead: tasks from the command line, run by a real worker."""
import json
import unittest
import uuid

from commandline import C_TASKS, Shell, Worker, run
from harness import Server

UNKNOWN = "00000000-0000-0000-0000-000000000001"


def id_of(done) -> str:
    line = done.stdout.splitlines()[0]
    assert line.startswith("Task submitted with ID: "), done
    return str(uuid.UUID(line.removeprefix("Task submitted with ID: ")))


class WithWorker(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server().__enter__()
        cls.addClassCleanup(cls.server.stop)
        cls.shell = Shell(cls.server)
        cls.worker = Worker(cls.shell, "--concurrency", "1").__enter__()
        cls.addClassCleanup(cls.worker.__exit__)

    def test_submit_waits_and_prints_the_result(self) -> None:
        done = self.shell("submit", "--task-name", "add", "--args", "20", "22", "--priority", "high")
        self.assertEqual(done.returncode, 0, done)
        task_id = id_of(done)
        self.assertEqual(done.stdout.splitlines()[1:], ["Task result: success", "Result: 42"])
        self.assertEqual(self.shell.json("status", task_id)[0]["priority"], "high")

    def test_operands_are_arguments(self) -> None:
        self.assertIn("Result: -1\n", self.shell("submit", "add", "2", "-3").stdout)

    def test_values_keep_their_types(self) -> None:
        for word, result in (("1", 1), ("1.50", 1.5), ("TRUE", True), ("null", None), ("[1, {\"a\": 2}]", [1, {"a": 2}]),
                             ("plain", "plain"), ('"quoted"', "quoted"), ("007", "007"), ("", ""), ("\u00e9\n", "\u00e9\n")):
            with self.subTest(word=word):
                self.assertEqual(self.shell.json("submit", "echo", "--args", word)[0]["result"], result)
        self.assertEqual(self.shell.json("submit", "echo", "--kwargs", "value=7")[0]["result"], 7)

    def test_raw_payload_goes_through_unchanged(self) -> None:
        payload = bytes(range(256)) * 10
        done = self.shell("submit", "echo_raw", "--payload", "-", "--encoding", "raw", "--raw", stdin=payload)
        self.assertEqual((done.returncode, done.bytes), (0, payload))
        shown = self.shell("submit", "echo_raw", "--payload", "-", "--encoding", "raw", stdin=payload)
        self.assertIn("Result: 2560 bytes of raw; --raw writes them", shown.stdout)

    def test_failure_is_exit_code_1(self) -> None:
        done = self.shell("submit", "fail", "the reason")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("Task result: failure\nError: DemoError: the reason\n", done.stdout)
        document = json.loads(self.shell("submit", "fail", "again", "--json").stdout)
        self.assertEqual(document["error"], {"type": "DemoError", "message": "again"})
        self.assertEqual(document["status"], "failure")

    def test_non_blocking_is_stored_when_it_returns(self) -> None:
        done = self.shell("submit", "--task-name", "add", "--args", "1", "2", "--non-blocking")
        self.assertEqual((done.returncode, len(done.stdout.splitlines())), (0, 1), done)
        result = self.shell("result", id_of(done), "--wait", "30s")
        self.assertEqual(result.returncode, 0, result)
        self.assertIn("Result: 3\n", result.stdout)

    def test_result_and_status_print_the_known_lines(self) -> None:
        task_id = id_of(self.shell("submit", "add", "1", "2"))
        for verb in ("result", "status"):
            lines = dict(line.split(": ", 1) for line in self.shell(verb, "--task-id", task_id).stdout.splitlines())
            self.assertEqual((lines["Task ID"], lines["Status"], lines["Result"]), (task_id, "success", "3"))
            self.assertRegex(lines["Started at"], r"^\d{4}-\d\d-\d\d ")
            self.assertRegex(lines["Completed at"], r"^\d{4}-\d\d-\d\d ")
        self.assertEqual(self.shell("result", task_id, "--raw").stdout, "3")
        self.assertNotIn("result", self.shell.json("status", task_id)[0])

    def test_retries(self) -> None:
        done = self.shell("submit", "flaky", "--retries", "3", "--backoff", "20ms", "--json")
        self.assertEqual((done.returncode, json.loads(done.stdout)["attempt"]), (0, 3), done)

    def test_time_limit(self) -> None:
        done = self.shell("submit", "sleep_politely", "60000", "--timeout", "300ms")
        self.assertEqual(done.returncode, 1, done)

    def test_same_id_is_the_same_task(self) -> None:
        task_id = str(uuid.uuid4())
        first = self.shell("submit", "add", "1", "2", "--id", task_id)
        again = self.shell("submit", "add", "1", "2", "--id", task_id)
        self.assertEqual(first.stdout, again.stdout)
        other = self.shell("submit", "add", "1", "3", "--id", task_id)
        self.assertEqual(other.returncode, 1, other)
        self.assertIn("id", other.stderr)
        bad = self.shell("submit", "add", "--id", "not-a-uuid")
        self.assertEqual(bad.returncode, 2, bad)

    def test_result_that_is_not_kept(self) -> None:
        done = self.shell("submit", "add", "1", "2", "--result-ttl", "0")
        self.assertEqual((done.returncode, done.stdout.splitlines()[2]), (0, "Result: 3"), done)
        later = self.shell("result", id_of(done))
        self.assertEqual((later.returncode, "Result: (not kept)" in later.stdout), (0, True), later)

    def test_list_of_module_names_needs_no_server(self) -> None:
        done = run("list", "--task-modules", C_TASKS)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout.splitlines()[0], "Available tasks:")
        self.assertIn("  - add", done.stdout.splitlines())
        broken = run("list", "--task-modules", "./no-such-module.so", C_TASKS)
        self.assertEqual((broken.returncode, "  - add\n" in broken.stdout), (1, True), broken)
        self.assertIn("Failed to import ./no-such-module.so", broken.stderr)


class WithoutWorker(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server().__enter__()
        self.addCleanup(self.server.stop)
        self.shell = Shell(self.server)

    def submit(self, *words: str) -> str:
        return self.shell.json("submit", "--non-blocking", *words)[0]["id"]

    def test_wait_that_is_too_short(self) -> None:
        done = self.shell("submit", "add", "1", "2", "--wait", "50ms")
        self.assertEqual(done.returncode, 75, done)
        task_id = id_of(done)
        self.assertIn(f"fastqueue result {task_id}", done.stderr)
        self.assertEqual(self.shell("result", task_id).returncode, 75)
        self.assertEqual(self.shell("status", task_id).returncode, 0)
        self.assertIn("Status: pending", self.shell("status", task_id).stdout)

    def test_unknown_task(self) -> None:
        for verb in ("result", "status", "cancel"):
            done = self.shell(verb, UNKNOWN)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(UNKNOWN, done.stderr)
        self.assertEqual(self.shell("result", UNKNOWN, "--wait", "1s").returncode, 1)

    def test_cancel(self) -> None:
        task_id = self.submit("add")
        done = self.shell("cancel", "--task-id", task_id)
        self.assertEqual((done.returncode, done.stdout), (0, f"Task {task_id} is cancelled\n"), done)
        self.assertEqual(self.shell.json("status", task_id)[0]["status"], "cancelled")
        late = self.shell("cancel", task_id)
        self.assertEqual((late.returncode, late.stdout), (1, f"Task {task_id} has already ended\n"), late)
        self.assertEqual(self.shell("result", task_id).returncode, 1)

    def test_delay_at_expires_unique(self) -> None:
        later = self.submit("add", "--delay", "1h")
        self.assertEqual(self.shell.json("status", later)[0]["status"], "scheduled")
        moment = self.submit("add", "--at", "2090-01-01T00:00:00Z")
        rows = {row["id"]: row for row in self.shell.json("list", "--status", "scheduled")}
        self.assertEqual(rows[moment]["due_at"], 3786912000000)
        self.assertEqual(set(rows), {later, moment})
        self.assertIn("due ", self.shell("list").stdout)
        expired = self.shell("submit", "add", "--expires", "50ms")
        self.assertEqual((expired.returncode, "Task result: expired" in expired.stdout), (1, True), expired)
        one = self.submit("add", "--unique", "report")
        self.assertEqual(self.submit("add", "--unique", "report"), one)
        both = self.shell("submit", "add", "--delay", "1", "--at", "2090-01-01")
        self.assertEqual(both.returncode, 2, both)

    def test_list_filters(self) -> None:
        a = self.submit("a", "--priority", "high")
        b = self.submit("b", "--priority", "low")
        ids = lambda *words: {row["id"] for row in self.shell.json("list", *words)}  # noqa: E731
        self.assertEqual(ids(), {a, b})
        self.assertEqual(ids("--name", "a"), {a})
        self.assertEqual(ids("--priority", "low"), {b})
        self.assertEqual(ids("--status", "pending"), {a, b})
        self.assertEqual(ids("--status", "success"), set())
        self.assertEqual(ids("--worker", "nobody"), set())
        self.assertEqual(len(ids("--limit", "1")), 1)
        self.assertIn("(the first 1; --limit shows more)", self.shell("list", "--limit", "1").stdout)
        self.assertEqual(self.shell("list", "--status", "success").stdout, "No tasks.\n")

    def test_list_reads_every_page(self) -> None:
        with self.server.connect() as link:
            for n in range(1203):
                link.command("FQ.SUBMIT", "many", "{}")
        rows = self.shell.json("list", "--limit", "100000")
        self.assertEqual(len({row["id"] for row in rows}), 1203)

    def test_names_from_elsewhere_cannot_command_the_terminal(self) -> None:
        task_id = self.submit("fail")
        with self.server.connect() as link:
            link.command("FQ.REGISTER", "w", "TASKS", "fail")
            task = link.command("FQ.FETCH", "WORKER", "w", "COUNT", "1")[0]
            link.command("FQ.FAIL", task_id, task["token"], "Error", "evil\x1b[2J\x07")
        for words in (("result", task_id), ("list",), ("dead",)):
            self.assertNotIn("\x1b", self.shell(*words).stdout)


class Dead(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Server().__enter__()
        self.addCleanup(self.server.stop)
        self.shell = Shell(self.server)
        self.ids = {}
        with self.server.connect() as link:
            link.command("FQ.REGISTER", "w", "TASKS", "a", "b")
            for name in ("a", "a", "b"):
                task_id = link.command("FQ.SUBMIT", name, "{}")
                task = link.command("FQ.FETCH", "WORKER", "w", "COUNT", "1")[0]
                link.command("FQ.FAIL", task_id, task["token"], "ValueError", "no good")
                self.ids.setdefault(name, []).append(task_id)

    def dead(self) -> list[str]:
        return [row["id"] for row in self.shell.json("dead", "list")]

    def test_list(self) -> None:
        self.assertEqual(sorted(self.dead()), sorted(self.ids["a"] + self.ids["b"]))
        self.assertEqual([row["id"] for row in self.shell.json("dead", "--name", "b")], self.ids["b"])
        self.assertIn("ValueError: no good", self.shell("dead").stdout)

    def test_requeue_by_id_name_and_all(self) -> None:
        self.assertEqual(self.shell.json("dead", "requeue", self.ids["a"][0]), [{"requeued": 1}])
        self.assertEqual(self.shell.json("status", self.ids["a"][0])[0]["status"], "pending")
        self.assertEqual(self.shell("dead", "requeue", "--name", "a").stdout, "1 task requeued\n")
        self.assertEqual(self.dead(), self.ids["b"])
        self.assertEqual(self.shell("dead", "requeue", "--all").stdout, "1 task requeued\n")
        self.assertEqual(self.shell("dead").stdout, "No dead tasks.\n")

    def test_purge_by_name_and_all(self) -> None:
        self.assertEqual(self.shell("dead", "purge", "--name", "a").stdout, "2 tasks purged\n")
        self.assertEqual(self.dead(), self.ids["b"])
        self.assertEqual(self.shell("dead", "purge", "--all").stdout, "1 task purged\n")
        self.assertEqual(self.dead(), [])

    def test_what_is_meant_has_to_be_said(self) -> None:
        for words in (("requeue",), ("purge",), ("purge", "--all", "--name", "a"), ("bury",)):
            done = self.shell("dead", *words)
            self.assertEqual(done.returncode, 2, done)
        self.assertEqual(len(self.dead()), 3)


if __name__ == "__main__":
    unittest.main()
