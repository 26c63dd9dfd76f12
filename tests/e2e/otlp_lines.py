"""What a process exported with the exporter otlp/stdout: one OTLP JSON object a line, read back from its log.

    with Subworker(server, environment=otlp_lines.ENVIRONMENT) as worker:
        …
        spans = otlp_lines.Exported(worker.log()).spans
"""
import json

ENVIRONMENT = {
    "FASTQUEUE_TELEMETRY_ENABLED": "true",
    "OTEL_TRACES_EXPORTER": "otlp/stdout",
    "OTEL_METRICS_EXPORTER": "otlp/stdout",
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "OTEL_BLRP_SCHEDULE_DELAY": "50",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
}


def value_of(value: dict):
    """An AnyValue as Python has it."""
    kind, inner = next(iter(value.items()), ("", None))
    if kind == "intValue":
        return int(inner)
    if kind == "arrayValue":
        return [value_of(item) for item in inner.get("values", [])]
    if kind == "kvlistValue":
        return attributes_of(inner.get("values", []))
    return inner


def attributes_of(pairs: list) -> dict:
    return {pair["key"]: value_of(pair.get("value", {})) for pair in pairs}


class Span:
    def __init__(self, raw: dict, scope: str, resource: dict):
        self.raw, self.scope, self.resource = raw, scope, resource
        self.name, self.kind = raw["name"], raw.get("kind", 0)
        self.trace_id, self.span_id = raw["traceId"].lower(), raw["spanId"].lower()
        self.parent_id = raw.get("parentSpanId", "").lower()
        self.start, self.end = int(raw["startTimeUnixNano"]), int(raw["endTimeUnixNano"])
        self.attributes = attributes_of(raw.get("attributes", []))
        self.events = [(event["name"], attributes_of(event.get("attributes", []))) for event in raw.get("events", [])]
        self.links = [(link["traceId"].lower(), link["spanId"].lower()) for link in raw.get("links", [])]
        self.status = raw.get("status", {}).get("code", 0)
        self.description = raw.get("status", {}).get("message", "")

    @property
    def task_id(self) -> str:
        return self.attributes.get("task.id", "")

    def __repr__(self) -> str:
        return f"{self.name} {self.span_id} of {self.trace_id} under {self.parent_id or '-'} {self.attributes}"


class Exported:
    def __init__(self, text: str):
        self.spans: list[Span] = []
        self.logs: list[dict] = []
        self.points: list[tuple[str, dict, dict]] = []  # metric name, attributes, point; in the order of export
        for line in text.splitlines():
            if line.startswith('{"resource'):
                self._read(json.loads(line))

    def _read(self, request: dict) -> None:
        for part in request.get("resourceSpans", []):
            resource = attributes_of(part.get("resource", {}).get("attributes", []))
            for scope in part.get("scopeSpans", []):
                self.spans += [Span(raw, scope.get("scope", {}).get("name", ""), resource) for raw in scope["spans"]]
        for part in request.get("resourceLogs", []):
            for scope in part.get("scopeLogs", []):
                for raw in scope["logRecords"]:
                    self.logs.append({**raw, "body": value_of(raw.get("body", {})),
                                      "attributes": attributes_of(raw.get("attributes", []))})
        for part in request.get("resourceMetrics", []):
            for scope in part.get("scopeMetrics", []):
                for metric in scope["metrics"]:
                    data = metric.get("sum") or metric.get("histogram") or metric.get("gauge") or {}
                    for point in data.get("dataPoints", []):
                        self.points.append((metric["name"], attributes_of(point.get("attributes", [])), point))

    def named(self, name: str) -> list[Span]:
        return [span for span in self.spans if span.name == name]

    def executes(self, task_id: str | None = None) -> list[Span]:
        spans = self.named("worker.execute_task")
        return spans if task_id is None else [span for span in spans if span.task_id == task_id]

    def last_point(self, name: str, **attributes) -> dict | None:
        """The latest point of a metric whose attributes hold these."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        found = [point for metric, have, point in self.points
                 if metric == name and all(have.get(key) == value for key, value in wanted.items())]
        return found[-1] if found else None
