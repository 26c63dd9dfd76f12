# SPDX-License-Identifier: Apache-2.0
"""The HTTP API under hostile texts, foreign sites and wrong callers."""
import json
import socket

from case import Figure, Run, case, holds, told, zero
from harness import RespError, Server

CANARIES = ('<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', "{{7*7}}", "'; DROP TABLE tasks; --", "\u2028\u2029</title>",
            "\r\nX-Injected: yes\r\n\r\n<html>", "%0d%0aX-Injected:%20yes", "\x00\x1b[31m", "=cmd|' /C calc'!A0")
HEADERS = {"Content-Type": "application/json"}



def is_inert(headers, text: str) -> bool:
    """Nothing that a browser would run, whatever is in it."""
    safe = (headers["Content-Type"].startswith("application/json") and headers["X-Content-Type-Options"] == "nosniff"
            and "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Injected"] is None)
    json.loads(text)
    return safe


@case(40, "Hostile texts in names, errors and payloads; foreign Host; posts of other sites", expected="inert text; 403; 415", ci=True)
def hostile_texts(run: Run) -> list[Figure]:
    harmful, refused_names = 0, 0
    with Server("--data-dir", "none", http=True) as server, server.connect() as link:
        for text in CANARIES:
            try:
                link.command("FQ.SUBMIT", text, "{}")
            except RespError:
                refused_names += 1
            task = link.command("FQ.SUBMIT", "hostile", json.dumps({"args": [text], "kwargs": {}}))
            token = link.command("FQ.FETCH", "TASKS", "hostile")[0]["token"]
            link.command("FQ.FAIL", task, token, "ValueError", text.replace("\r", " ").replace("\n", " "), "STACK", text, "NORETRY")
            for path in (f"/api/v1/tasks/{task}", "/api/v1/tasks?name=hostile", "/api/v1/dead"):
                status, headers, answer = server.http("GET", path)
                harmful += status != 200 or not is_inert(headers, answer)
        inside = server.http("GET", "/metrics")[2]
        broken_lines = sum(not (line.startswith("#") or line.rsplit(" ", 1)[-1].replace(".", "").replace("-", "").replace("+", "").replace("e", "").isdigit()
                                or line.rsplit(" ", 1)[-1] in ("+Inf", "NaN")) for line in inside.rstrip("\n").split("\n"))
        before = link.command("FQ.STATS")["submitted"]
        own = f"127.0.0.1:{server.http_port}"
        task = '{"name": "from.elsewhere"}'
        checks = {
            "a foreign Host (DNS rebinding)": ("GET", "/api/v1/stats", None, {"Host": "rebound.attacker.example"}, 403),
            "a foreign Host with our port": ("GET", "/metrics", None, {"Host": f"attacker.example:{server.http_port}"}, 403),
            "a post of another origin": ("POST", "/api/v1/tasks", task, {**HEADERS, "Origin": "https://attacker.example"}, 403),
            "a post of a sandboxed page": ("POST", "/api/v1/tasks", task, {**HEADERS, "Origin": "null"}, 403),
            "a cross-site fetch": ("POST", "/api/v1/tasks", task, {**HEADERS, "Sec-Fetch-Site": "cross-site"}, 403),
            "a same-site fetch of another host": ("POST", "/api/v1/tasks", task, {**HEADERS, "Sec-Fetch-Site": "same-site"}, 403),
            "a form of another site": ("POST", "/api/v1/tasks", task, {"Content-Type": "text/plain"}, 415),
            "a form, urlencoded": ("POST", "/api/v1/tasks", "name=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
            "DELETE": ("DELETE", "/api/v1/tasks", None, {}, 405),
            "a path that climbs": ("GET", "/api/v1/../../etc/passwd", None, {}, 404),
        }
        figures = []
        for name, (method, path, body, headers, expected) in checks.items():
            status = server.http(method, path, body, headers)[0]
            figures.append(holds(f"{name}: {expected}", status == expected, str(status)))
        made = link.command("FQ.STATS")["submitted"] - before
        good = server.http("POST", "/api/v1/tasks", task, {**HEADERS, "Origin": f"http://{own}", "Sec-Fetch-Site": "same-origin"})[0]
        figures.append(holds("a post of our own page: 201", good == 201, str(good)))
        figures.append(zero("answers to two Hosts", _two_hosts(server)))
    return [told("hostile names refused, the others inert", refused_names), zero("answers that a browser could run", harmful),
            zero("broken lines on /metrics", broken_lines), zero("tasks made by other sites", made), *figures]


def _two_hosts(server: Server) -> int:
    """A request with two Host headers, the second one foreign, must not be served as ours and theirs."""
    with socket.create_connection(("127.0.0.1", server.http_port), 5) as sock:
        sock.sendall(f"GET /api/v1/stats HTTP/1.1\r\nHost: attacker.example\r\nHost: 127.0.0.1:{server.http_port}\r\nConnection: close\r\n\r\n".encode())
        return int(b" 200 " in sock.recv(200)[:20])
