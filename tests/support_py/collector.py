# SPDX-License-Identifier: Apache-2.0
"""A fake OTLP receiver for tests: `otlp_collector` of the build tree, with what it got as Python values.

    with Collector() as collector:                     # gRPC; Collector("http") takes http/protobuf and http/json
        run(program, env=collector.environment())
        span = collector.wait_for_span("worker.execute_task")
        assert span.attributes["task.name"] == "t"

Only the standard library is used. `behaviour` is a script of answers: tests/support/otlp_server.h lists the words.
"""
import json
import os
import pathlib
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Iterator

BUILD = pathlib.Path(os.environ.get("FASTQUEUE_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build" / "dev"))
KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"]
STATUSES = ["unset", "ok", "error"]


def value_of(any_value: dict) -> Any:
    """An AnyValue as Python has it."""
    for name, value in any_value.items():
        if name == "intValue":
            return int(value)
        if name == "arrayValue":
            return [value_of(item) for item in value.get("values", [])]
        if name == "kvlistValue":
            return attributes_of(value.get("values", []))
        return value
    return None


def attributes_of(pairs: list) -> dict:
    return {pair["key"]: value_of(pair.get("value", {})) for pair in pairs}


@dataclass
class Request:
    """One export request. `data` is OTLP/JSON."""

    signal: str
    path: str
    headers: dict
    data: dict
    connection: int
    gzip: bool
    bytes: int
    malformed: bool = False


@dataclass
class Event:
    name: str
    time: int
    attributes: dict


@dataclass
class Span:
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    status: str
    status_message: str
    start: int
    end: int
    flags: int
    tracestate: str
    attributes: dict
    events: list
    links: list  # dicts: trace_id, span_id, attributes
    resource: dict
    scope: str

    @property
    def duration(self) -> float:
        """Seconds."""
        return (self.end - self.start) / 1e9


@dataclass
class Point:
    attributes: dict
    value: Any  # number; for histograms a dict: count, sum, buckets, bounds, min, max, exemplars
    start: int
    time: int
    flags: int
    exemplars: list


@dataclass
class Metric:
    name: str
    unit: str
    description: str
    kind: str  # gauge, sum, histogram, exponentialHistogram, summary
    temporality: int
    monotonic: bool
    points: list
    resource: dict
    scope: str


@dataclass
class Log:
    body: Any
    severity: str
    severity_number: int
    attributes: dict
    trace_id: str
    span_id: str
    event_name: str
    time: int
    resource: dict
    scope: str


def _scopes(request: Request, outer: str, inner: str, items: str) -> Iterator[tuple]:
    for resource in request.data.get(outer, []):
        attributes = attributes_of(resource.get("resource", {}).get("attributes", []))
        for scope in resource.get(inner, []):
            for item in scope.get(items, []):
                yield item, attributes, scope.get("scope", {}).get("name", "")


def _span(item: dict, resource: dict, scope: str) -> Span:
    status = item.get("status", {})
    return Span(
        name=item.get("name", ""), trace_id=item.get("traceId", ""), span_id=item.get("spanId", ""),
        parent_id=item.get("parentSpanId", ""), kind=KINDS[item.get("kind", 0)], status=STATUSES[status.get("code", 0)],
        status_message=status.get("message", ""), start=int(item.get("startTimeUnixNano", 0)),
        end=int(item.get("endTimeUnixNano", 0)), flags=item.get("flags", 0), tracestate=item.get("traceState", ""),
        attributes=attributes_of(item.get("attributes", [])),
        events=[Event(e.get("name", ""), int(e.get("timeUnixNano", 0)), attributes_of(e.get("attributes", []))) for e in item.get("events", [])],
        links=[{"trace_id": n.get("traceId", ""), "span_id": n.get("spanId", ""), "attributes": attributes_of(n.get("attributes", []))} for n in item.get("links", [])],
        resource=resource, scope=scope)


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity") else int(value)


def _point(item: dict, kind: str) -> Point:
    if kind in ("gauge", "sum"):
        value = int(item["asInt"]) if "asInt" in item else _number(item["asDouble"]) if "asDouble" in item else None
    else:
        value = {"count": int(item.get("count", 0)), "sum": _number(item.get("sum", 0)),
                 "buckets": [int(n) for n in item.get("bucketCounts", [])], "bounds": item.get("explicitBounds", []),
                 "min": item.get("min"), "max": item.get("max"), "raw": item}
    exemplars = [{"value": int(e["asInt"]) if "asInt" in e else _number(e.get("asDouble", 0)), "trace_id": e.get("traceId", ""), "span_id": e.get("spanId", ""),
                  "attributes": attributes_of(e.get("filteredAttributes", []))} for e in item.get("exemplars", [])]
    return Point(attributes_of(item.get("attributes", [])), value, int(item.get("startTimeUnixNano", 0)), int(item.get("timeUnixNano", 0)), item.get("flags", 0), exemplars)


def _metric(item: dict, resource: dict, scope: str) -> Metric:
    kind = next((k for k in ("gauge", "sum", "histogram", "exponentialHistogram", "summary") if k in item), "")
    data = item.get(kind, {})
    return Metric(item.get("name", ""), item.get("unit", ""), item.get("description", ""), kind, data.get("aggregationTemporality", 0),
                  data.get("isMonotonic", False), [_point(p, kind) for p in data.get("dataPoints", [])], resource, scope)


def _log(item: dict, resource: dict, scope: str) -> Log:
    return Log(value_of(item.get("body", {})), item.get("severityText", ""), item.get("severityNumber", 0), attributes_of(item.get("attributes", [])),
               item.get("traceId", ""), item.get("spanId", ""), item.get("eventName", ""), int(item.get("timeUnixNano", 0)), resource, scope)


@dataclass
class Collector:
    protocol: str = "grpc"  # or "http"
    tls: tuple | None = None  # (certificate file, key file)
    client_ca: str | None = None
    behaviour: str = "ok"
    port: int = 0
    unix: str | None = None
    deaf: bool = False  # listens and never accepts
    requests: list = field(default_factory=list)

    def __enter__(self) -> "Collector":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> "Collector":
        arguments = [str(BUILD / "tests" / "otlp_collector"), "--port", str(self.port)]
        if self.protocol != "grpc":
            arguments.append("--http")
        if self.tls:
            arguments += ["--tls", *self.tls]
        if self.client_ca:
            arguments += ["--client-ca", self.client_ca]
        if self.unix:
            arguments += ["--unix", self.unix]
        if self.deaf:
            arguments.append("--deaf")
        self._process = subprocess.Popen(arguments + self.behaviour.split(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._changed = threading.Condition()
        self.port = int(self._process.stdout.readline())
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def stop(self) -> None:
        """Ends it; what it got stays. A port of its own choice is kept, so that start() restarts it there."""
        if self._process.poll() is None:
            self._process.stdin.close()
            self._process.wait(10)
        self._reader.join(10)
        self._process.stdout.close()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        self._process.stdin.close()
        self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            request = Request(**{k: v for k, v in json.loads(line).items()})
            with self._changed:
                self.requests.append(request)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _tell(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def behave(self, behaviour: str) -> None:
        """Answers by this script from the next request on."""
        self.behaviour = behaviour
        self._tell("script " + behaviour)

    def drop_connections(self) -> None:
        self._tell("drop")

    @property
    def endpoint(self) -> str:
        if self.unix:
            return "unix:" + self.unix
        return f"{'https' if self.tls else 'http'}://{'localhost' if self.tls else '127.0.0.1'}:{self.port}"

    def environment(self, json_encoding: bool = False, **more: str) -> dict:
        """Variables that make a program send here, on top of this process's."""
        protocol = "grpc" if self.protocol == "grpc" else "http/json" if json_encoding else "http/protobuf"
        found = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        found.update(FASTQUEUE_TELEMETRY_ENABLED="true", OTEL_EXPORTER_OTLP_ENDPOINT=self.endpoint,
                     OTEL_EXPORTER_OTLP_PROTOCOL=protocol, OTEL_BSP_SCHEDULE_DELAY="50", OTEL_BLRP_SCHEDULE_DELAY="50",
                     OTEL_METRIC_EXPORT_INTERVAL="200")
        found.update(more)
        return found

    # --- what came ---
    def _all(self, signal: str) -> list:
        with self._changed:
            return [r for r in self.requests if r.signal == signal]

    def spans(self, name: str | None = None) -> list:
        found = [_span(*each) for r in self._all("traces") for each in _scopes(r, "resourceSpans", "scopeSpans", "spans")]
        return [s for s in found if name is None or s.name == name]

    def scopes(self) -> set:
        """(name, version) of every instrumentation scope that sent anything."""
        places = {"traces": ("resourceSpans", "scopeSpans"), "metrics": ("resourceMetrics", "scopeMetrics"), "logs": ("resourceLogs", "scopeLogs")}
        return {(scope.get("scope", {}).get("name", ""), scope.get("scope", {}).get("version", ""))
                for signal, (outer, inner) in places.items() for r in self._all(signal)
                for resource in r.data.get(outer, []) for scope in resource.get(inner, [])}

    def metrics(self, name: str | None = None) -> list:
        """Every export of the metrics, oldest first."""
        found = [_metric(*each) for r in self._all("metrics") for each in _scopes(r, "resourceMetrics", "scopeMetrics", "metrics")]
        return [m for m in found if name is None or m.name == name]

    def logs(self) -> list:
        return [_log(*each) for r in self._all("logs") for each in _scopes(r, "resourceLogs", "scopeLogs", "logRecords")]

    def last_point(self, metric: str, **attributes: Any) -> Point | None:
        """The newest point of a metric whose attributes hold all of these (`_` in a name stands for `.`)."""
        wanted = {k.replace("_", "."): v for k, v in attributes.items()}
        for found in reversed(self.metrics(metric)):
            for point in found.points:
                if all(point.attributes.get(k) == v for k, v in wanted.items()):
                    return point
        return None

    # --- waiting ---
    def wait(self, condition: Callable[[], Any], seconds: float = 10, what: str = "telemetry") -> Any:
        """Until condition() is true, looked at after each request."""
        deadline = time.monotonic() + seconds
        while True:
            with self._changed:
                count = len(self.requests)
            found = condition()
            if found:
                return found
            with self._changed:
                if len(self.requests) == count and not self._changed.wait_for(lambda: len(self.requests) != count, max(0, deadline - time.monotonic())):
                    raise AssertionError(f"no {what} within {seconds} s; {count} requests came: "
                                         f"spans {[s.name for s in self.spans()]}, metrics {sorted({m.name for m in self.metrics()})}, logs {len(self.logs())}")

    def wait_for_spans(self, name: str, count: int = 1, seconds: float = 10) -> list:
        def enough() -> list | None:
            found = self.spans(name)
            return found if len(found) >= count else None
        return self.wait(enough, seconds, f"{count} spans {name}")

    def wait_for_span(self, name: str, seconds: float = 10) -> Span:
        return self.wait_for_spans(name, 1, seconds)[0]

    def wait_for_metric(self, name: str, seconds: float = 10) -> Metric:
        return self.wait(lambda: self.metrics(name), seconds, f"metric {name}")[-1]

    def wait_for_logs(self, count: int = 1, seconds: float = 10) -> list:
        return self.wait(lambda: self.logs() if len(self.logs()) >= count else None, seconds, f"{count} log records")

    def wait_for_requests(self, count: int, seconds: float = 10) -> list:
        return self.wait(lambda: self.requests[:] if len(self.requests) >= count else None, seconds, f"{count} requests")
