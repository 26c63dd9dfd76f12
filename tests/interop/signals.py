"""OTLP as the Collector's file exporter writes it (JSON), made easy to ask."""
import dataclasses
from collections.abc import Iterator
from typing import Any

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
UNSET, OK, ERROR = 0, 1, 2


def value_of(value: dict) -> Any:
    """An AnyValue as a Python value."""
    for key, convert in (("stringValue", str), ("boolValue", bool), ("intValue", int), ("doubleValue", float)):
        if key in value:
            return convert(value[key])
    if "arrayValue" in value:
        return [value_of(one) for one in value["arrayValue"].get("values", [])]
    if "kvlistValue" in value:
        return attributes_of(value["kvlistValue"].get("values", []))
    return value.get("bytesValue")


def attributes_of(pairs: list[dict]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        assert pair["key"] not in found, f"the attribute {pair['key']} comes twice"
        found[pair["key"]] = value_of(pair.get("value", {}))
    return found


@dataclasses.dataclass(frozen=True)
class Event:
    name: str
    at: int
    attributes: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Link:
    trace_id: str
    span_id: str
    attributes: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Span:
    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    trace_state: str
    flags: int
    start: int
    end: int
    status: int
    status_message: str
    attributes: dict[str, Any]
    events: list[Event]
    links: list[Link]
    resource: dict[str, Any]
    scope: str

    @property
    def service(self) -> str:
        return self.resource["service.name"]

    @property
    def exception(self) -> Event:
        return next(event for event in self.events if event.name == "exception")

    def __str__(self) -> str:
        return f"{self.service}: {self.name} {self.trace_id}/{self.span_id} < {self.parent_id or 'root'} {self.attributes}"


def spans_of(request: dict) -> Iterator[Span]:
    for of_resource in request.get("resourceSpans", []):
        resource = attributes_of(of_resource.get("resource", {}).get("attributes", []))
        for of_scope in of_resource.get("scopeSpans", []):
            for span in of_scope.get("spans", []):
                yield _span(span, resource, of_scope.get("scope", {}).get("name", ""))


def _span(span: dict, resource: dict, scope: str) -> Span:
    status = span.get("status", {})
    return Span(
        name=span["name"], kind=KINDS[span.get("kind", 0)], trace_id=span["traceId"], span_id=span["spanId"],
        parent_id=span.get("parentSpanId", ""), trace_state=span.get("traceState", ""), flags=span.get("flags", 0),
        start=int(span["startTimeUnixNano"]), end=int(span["endTimeUnixNano"]),
        status=status.get("code", UNSET), status_message=status.get("message", ""),
        attributes=attributes_of(span.get("attributes", [])),
        events=[Event(e["name"], int(e["timeUnixNano"]), attributes_of(e.get("attributes", [])))
                for e in span.get("events", [])],
        links=[Link(k["traceId"], k["spanId"], attributes_of(k.get("attributes", []))) for k in span.get("links", [])],
        resource=resource, scope=scope)


@dataclasses.dataclass(frozen=True)
class Record:
    body: Any
    severity: int
    severity_text: str
    trace_id: str
    span_id: str
    attributes: dict[str, Any]
    resource: dict[str, Any]

    @property
    def service(self) -> str:
        return self.resource["service.name"]


def records_of(request: dict) -> Iterator[Record]:
    for of_resource in request.get("resourceLogs", []):
        resource = attributes_of(of_resource.get("resource", {}).get("attributes", []))
        for of_scope in of_resource.get("scopeLogs", []):
            for record in of_scope.get("logRecords", []):
                yield Record(value_of(record.get("body", {})), record.get("severityNumber", 0),
                             record.get("severityText", ""), record.get("traceId", ""), record.get("spanId", ""),
                             attributes_of(record.get("attributes", [])), resource)
