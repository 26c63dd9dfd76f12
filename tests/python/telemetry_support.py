# SPDX-License-Identifier: Apache-2.0
"""Programs under test, and what they export: OTLP/JSON lines on their standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ON = {
    "FASTQUEUE_TELEMETRY_ENABLED": "true",
    "OTEL_TRACES_EXPORTER": "otlp/stdout",
    "OTEL_METRICS_EXPORTER": "otlp/stdout",
    "OTEL_LOGS_EXPORTER": "otlp/stdout",
}


def value(encoded: dict[str, Any]) -> Any:
    """An AnyValue of OTLP/JSON as a Python value."""
    ((kind, content),) = encoded.items() if encoded else (("", None),)
    if kind == "intValue":
        return int(content)
    if kind == "arrayValue":
        return [value(item) for item in content.get("values", [])]
    if kind == "kvlistValue":
        return attributes(content.get("values", []))
    return content


def attributes(encoded: list[dict[str, Any]]) -> dict[str, Any]:
    return {item["key"]: value(item["value"]) for item in encoded}


@dataclass
class Span:
    name: str
    trace: str
    id: str
    parent: str
    kind: int
    start: int
    end: int
    attributes: dict[str, Any]
    status: int
    message: str
    events: list[tuple[str, dict[str, Any]]]
    links: list[tuple[str, str, dict[str, Any]]]
    scope: str
    resource: dict[str, Any]


@dataclass
class Log:
    body: Any
    severity: int
    text: str
    attributes: dict[str, Any]
    trace: str
    span: str
    scope: str


@dataclass
class Output:
    """What a program exported, and the other lines that it printed."""

    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: list[Log] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    errors: str = ""
    code: int = 0

    def span(self, name: str) -> Span:
        found = [span for span in self.spans if span.name == name]
        assert len(found) == 1, f"{len(found)} spans {name!r} among {[span.name for span in self.spans]}\n{self.errors}"
        return found[0]

    def points(self, name: str) -> list[tuple[dict[str, Any], Any]]:
        """(attributes, value or histogram point) of a metric's last export."""
        metric = self.metrics[name]
        (shape,) = [metric[key] for key in ("sum", "gauge", "histogram", "exponentialHistogram") if key in metric]
        return [(attributes(point.get("attributes", [])), number(point)) for point in shape["dataPoints"]]


def number(point: dict[str, Any]) -> Any:
    if "asInt" in point:
        return int(point["asInt"])
    return point["asDouble"] if "asDouble" in point else point


def take(output: Output, text: str) -> Output:
    for line in text.splitlines():
        found = json.loads(line) if line.startswith('{"resource') else None
        if found is None:
            output.lines.append(line)
            continue
        for resource in found.get("resourceSpans", []):
            about = attributes(resource.get("resource", {}).get("attributes", []))
            for scope in resource["scopeSpans"]:
                output.spans += [_span(row, scope["scope"]["name"], about) for row in scope["spans"]]
        for resource in found.get("resourceMetrics", []):
            for scope in resource["scopeMetrics"]:
                output.metrics.update({metric["name"]: metric for metric in scope["metrics"]})
        for resource in found.get("resourceLogs", []):
            for scope in resource["scopeLogs"]:
                output.logs += [_log(row, scope["scope"]["name"]) for row in scope["logRecords"]]
    return output


def _span(row: dict[str, Any], scope: str, resource: dict[str, Any]) -> Span:
    return Span(
        name=row["name"],
        trace=row["traceId"],
        id=row["spanId"],
        parent=row.get("parentSpanId", ""),
        kind=row.get("kind", 0),
        start=int(row["startTimeUnixNano"]),
        end=int(row["endTimeUnixNano"]),
        attributes=attributes(row.get("attributes", [])),
        status=row.get("status", {}).get("code", 0),
        message=row.get("status", {}).get("message", ""),
        events=[(event["name"], attributes(event.get("attributes", []))) for event in row.get("events", [])],
        links=[(link["traceId"], link["spanId"], attributes(link.get("attributes", []))) for link in row.get("links", [])],
        scope=scope,
        resource=resource,
    )


def _log(row: dict[str, Any], scope: str) -> Log:
    return Log(
        body=value(row.get("body", {})),
        severity=row.get("severityNumber", 0),
        text=row.get("severityText", ""),
        attributes=attributes(row.get("attributes", [])),
        trace=row.get("traceId", ""),
        span=row.get("spanId", ""),
        scope=scope,
    )


def run(code: str, env: dict[str, str] | None = None, without: tuple[str, ...] = (), code_expected: int = 0) -> Output:
    """Runs a program; `without` names packages that it is not to find."""
    hidden = "".join(f"sys.modules[{name!r}] = None\n" for name in without)
    program = f"import sys\nsys.path[:0] = [{str(Path(__file__).parent)!r}]\n{hidden}{textwrap.dedent(code)}"
    plain = {key: text for key, text in os.environ.items() if not key.startswith(("OTEL_", "FASTQUEUE_TELEMETRY"))}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**plain, **(ON if env is None else env)},
        timeout=60,
    )
    assert done.returncode == code_expected, done.stderr
    return take(Output(errors=done.stderr, code=done.returncode), done.stdout)
