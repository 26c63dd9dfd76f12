# SPDX-License-Identifier: Apache-2.0
"""Receives OTLP as JSON over HTTP and draws traces as trees: just enough of a backend to see one without installing one."""
from __future__ import annotations

import http.server
import json
import threading
import time
from typing import Any


class Receiver:
    """An OTLP/HTTP endpoint on a free port that keeps the spans it is sent."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    receiver.take(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, request: dict[str, Any]) -> None:
        for resource in request.get("resourceSpans", []):
            service = attributes(resource["resource"]).get("service.name", "")
            for scope in resource.get("scopeSpans", []):
                self.spans += [{**span, "service": service} for span in scope["spans"]]

    def wait_for(self, name: str, count: int, seconds: float) -> bool:
        """True when `count` spans of this name have come."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if sum(span["name"] == name for span in self.spans) >= count:
                return True
            time.sleep(0.01)
        return False


def attributes(of: dict[str, Any]) -> dict[str, Any]:
    return {each["key"]: next(iter(each["value"].values())) for each in of.get("attributes", [])}


def describe(span: dict[str, Any], began: int) -> str:
    start, end = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
    words = [f"+{(start - began) / 1e6:6.1f} ms  took {(end - start) / 1e6:6.1f} ms"]
    about = attributes(span)
    if span["name"] == "worker.execute_task":
        words.append(f"attempt {about['fastqueue.task.attempt']} by {about['worker.id']}")
    if span.get("status", {}).get("code") == 2:
        exception = next((attributes(event) for event in span.get("events", []) if event["name"] == "exception"), {})
        words.append(f"ERROR {exception.get('exception.type', '')}: {span['status'].get('message', '')}")
    return "  ".join(words)


def tree(spans: list[dict[str, Any]]) -> list[str]:
    """One line a span, children below their parents in the order in which they began."""
    ids = {span["spanId"] for span in spans}
    children: dict[str, list[dict[str, Any]]] = {}
    for span in sorted(spans, key=lambda each: int(each["startTimeUnixNano"])):
        parent = span.get("parentSpanId", "")
        children.setdefault(parent if parent in ids else "", []).append(span)
    began = min(int(span["startTimeUnixNano"]) for span in spans)
    lines: list[tuple[str, str]] = []

    def draw(span: dict[str, Any], lead: str, branch: str, below: str) -> None:
        lines.append((lead + branch + span["name"], describe(span, began)))
        inner = children.get(span["spanId"], [])
        for index, child in enumerate(inner):
            last = index == len(inner) - 1
            draw(child, lead + below, "└─ " if last else "├─ ", "   " if last else "│  ")

    for root in children.get("", []):
        draw(root, "", "", "")
    width = max(len(left) for left, _ in lines)
    return [f"{left:{width}}  {right}" for left, right in lines]
