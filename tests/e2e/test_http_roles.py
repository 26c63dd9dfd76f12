#!/usr/bin/env python3
"""Every request of the HTTP API with every role, with a wrong token and with none: as docs/roles.md says, and what is refused
changes nothing."""
import hashlib
import json
import pathlib
import re
import tempfile
import unittest

from harness import ROOT, Server

ROLES = ("submit", "work", "read", "admin")
TASK = "00000000-0000-4000-8000-000000000001"


def token(role: str) -> str:
    return f"token-of-{role}-" + "x" * 20


def table() -> list[tuple[str, str, list[str]]]:
    """(method, path, [before login, submit, work, read, admin]) of the page's second table."""
    page = (ROOT / "docs/roles.md").read_text().split("## Over HTTP")[1]
    rows = []
    for line in page.splitlines():
        found = re.fullmatch(r"\| `(GET|POST) (\S+)` \|((?: (?:yes|-) \|){5})", line)
        if found:
            rows.append((found.group(1), found.group(2), re.findall(r"yes|-", found.group(3))))
    return rows


class Matrix(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        users = pathlib.Path(cls.folder.name) / "users"
        users.touch(0o600)
        users.write_text("".join(f"{role} {role} sha256:{hashlib.sha256(token(role).encode()).hexdigest()}\n" for role in ROLES))
        cls.server = Server("--users-file", str(users), "--data-dir", "none", http=True)
        cls.server.start()
        with cls.server.connect(token=None, protocol=2) as link:
            link.command("AUTH", "submit", token("submit"))
            link.command("FQ.SUBMIT", "a.task", "{}", "ID", TASK)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.server.stop()
        cls.folder.cleanup()

    def ask(self, method: str, path: str, bearer: str | None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"}
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        body = json.dumps({"name": "a.task"}) if path == "/api/v1/tasks" and method == "POST" else None
        status, _, text = self.server.http(method, path.replace("ID", TASK), body or ("" if method == "POST" else None), headers)
        return status, text

    def state(self) -> str:
        """All that an administrator sees of the tasks."""
        return self.ask("GET", "/api/v1/tasks", token("admin"))[1] + self.ask("GET", "/api/v1/queues", token("admin"))[1]

    def test_every_request_with_every_role(self) -> None:
        rows = table()
        self.assertEqual(len(rows), 11)
        # Requests that change something come last, or they would end the task that others look at.
        for method, path, allowed in sorted(rows, key=lambda row: row[1].endswith("cancel")):
            for role, is_allowed in zip(ROLES, allowed[1:]):
                with self.subTest(request=f"{method} {path}", role=role):
                    before = self.state()
                    status, text = self.ask(method, path, token(role))
                    if is_allowed == "yes":
                        self.assertIn(status, (200, 201), text)
                    else:
                        self.assertEqual((status, json.loads(text)["error"]["code"]), (403, "NOPERM"))
                        self.assertEqual(self.state(), before)

    def test_every_request_without_a_known_token(self) -> None:
        for method, path, allowed in table():
            for bearer, code in ((None, "NOAUTH"), (token("nobody"), "WRONGPASS")):
                if bearer is not None and path.startswith("/api/v1/"):
                    continue  # guesses are slowed down: one is enough
                with self.subTest(request=f"{method} {path}", bearer=bearer):
                    before = self.state()
                    status, text = self.ask(method, path, bearer)
                    if allowed[0] == "yes":
                        self.assertEqual(status, 200, text)
                    else:
                        self.assertEqual((status, json.loads(text)["error"]["code"]), (401, code))
                    self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
