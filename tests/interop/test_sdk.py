"""The C SDK by itself, in a program that knows nothing of the queue, against the Collector: each kind of telemetry arrives as
it was sent, over each protocol, plain and with TLS, compressed and not."""
import base64
import os
import subprocess
import uuid

import pytest
from backends import wait_for
from harness import BUILD
from signals import ERROR, OK, UNSET, attributes_of

WITNESS = BUILD / "tests" / "otel_witness"
WAYS = [(protocol, tls, compression) for protocol in ("grpc", "http/protobuf", "http/json") for tls in (False, True)
        for compression in ("none", "gzip")]
MANY_SPANS = 2000


class Sent:
    """What one run of the program sent, found again by its mark."""

    def __init__(self, collector, endpoint: str, **variables: str):
        self.collector = collector
        self.mark = uuid.uuid4().hex
        self.service = f"witness-{self.mark[:8]}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        done = subprocess.run([WITNESS, self.mark], capture_output=True, text=True, timeout=60,
                              env={**inherited, "OTEL_SERVICE_NAME": self.service, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
                                   "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,team=a%2Cb", **variables})
        assert done.returncode == 0, done.stderr
        self.trace_id, self.complaints = done.stdout.strip(), done.stderr

    def spans(self, name: str, count: int = 1) -> list:
        def mine():
            found = [span for span in self.collector.spans() if span.service == self.service and span.name == name]
            return found if len(found) >= count else None
        return wait_for(mine, f"{count} spans {name}", seen=lambda: self.complaints)

    def metrics(self) -> dict[str, dict]:
        def mine():
            return {metric["name"]: metric for request in self.collector.metric_requests()
                    for of_resource in request["resourceMetrics"]
                    if attributes_of(of_resource["resource"]["attributes"])["service.name"] == self.service
                    for of_scope in of_resource["scopeMetrics"] for metric in of_scope["metrics"]}
        return wait_for(mine, "metrics", seen=lambda: self.complaints)

    def records(self) -> list:
        return wait_for(lambda: [r for r in self.collector.records() if r.service == self.service], "records",
                        seen=lambda: self.complaints)


@pytest.fixture(scope="module", params=WAYS, ids=["-".join([p, "tls" if t else "plain", c]) for p, t, c in WAYS])
def sent(request, collector, certificates):
    protocol, tls, compression = request.param
    authority = {"OTEL_EXPORTER_OTLP_CERTIFICATE": certificates["ca"]} if tls else {}
    return Sent(collector, collector.endpoint(protocol, tls), OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
                OTEL_EXPORTER_OTLP_COMPRESSION=compression, **authority)


def test_otlp_attribute_types_arrive_as_sent(sent):
    [root] = sent.spans("root")
    assert root.attributes == {
        "mark": sent.mark, "text": "grüß", "broken": "a\ufffdb", "yes": True, "lowest": -2**63, "pi": 3.25,
        "bytes": base64.b64encode(b"\0\1\2").decode(), "words": ["a", "b"], "map": {"deep": 1}, "infinite": float("inf")}
    assert (root.kind, root.status, root.parent_id, root.trace_id) == ("server", OK, "", sent.trace_id)
    assert root.scope == "witness"


def test_otlp_resource_arrives(sent):
    [root] = sent.spans("root")
    assert root.resource["deployment.environment.name"] == "test"
    assert root.resource["team"] == "a,b"
    assert root.resource["telemetry.sdk.language"] == "c"
    assert root.resource["service.instance.id"]


def test_otlp_events_links_and_status_arrive(sent):
    [child], [linked] = sent.spans("child"), sent.spans("linked")
    [root] = sent.spans("root")
    assert (child.parent_id, child.status, child.status_message) == (root.span_id, ERROR, "no money")
    assert [event.name for event in child.events] == ["happened", "exception"]
    assert child.events[0].attributes == {"deep": 1}
    assert child.exception.attributes == {"exception.type": "CardRefused", "exception.message": "no money",
                                          "exception.stacktrace": "at line 1"}
    assert (linked.kind, linked.status, linked.parent_id) == ("consumer", UNSET, "")
    [link] = linked.links
    assert (link.trace_id, link.span_id, link.attributes) == (root.trace_id, root.span_id, {"deep": 1})
    assert linked.trace_id != root.trace_id


def test_otlp_thousands_of_spans_arrive_once_each(sent):
    found = sent.spans("one of many", MANY_SPANS)
    assert len(found) == MANY_SPANS
    assert len({span.span_id for span in found}) == MANY_SPANS


def test_otlp_metrics_of_each_kind_arrive(sent):
    metrics = sent.metrics()
    [requests] = metrics["witness.requests"]["sum"]["dataPoints"]
    assert metrics["witness.requests"]["unit"] == "{request}"
    assert (metrics["witness.requests"]["sum"]["isMonotonic"], metrics["witness.requests"]["sum"]["aggregationTemporality"]) == (True, 2)
    assert float(requests.get("asDouble", requests.get("asInt"))) == 3
    [opened] = metrics["witness.open"]["sum"]["dataPoints"]
    assert not metrics["witness.open"]["sum"].get("isMonotonic")
    assert float(opened.get("asDouble", opened.get("asInt"))) == -2
    [level] = metrics["witness.level"]["gauge"]["dataPoints"]
    assert level["asDouble"] == 7.5
    [observed] = metrics["witness.observed"]["sum"]["dataPoints"]
    assert observed["asInt"] == "42"
    assert attributes_of(observed["attributes"]) == {"mark": sent.mark}
    [latency] = metrics["witness.latency"]["histogram"]["dataPoints"]
    assert (latency["bucketCounts"], latency["explicitBounds"]) == (["0", "1", "0", "1"], [1, 2, 4])
    assert (latency["count"], latency["sum"], latency["min"], latency["max"]) == ("2", 10.5, 1.5, 9)
    [measured] = sent.spans("measured")
    assert {(e["traceId"], e["spanId"]) for e in latency["exemplars"]} == {(measured.trace_id, measured.span_id)}


def test_otlp_log_record_arrives_with_its_span(sent):
    [record], [span] = sent.records(), sent.spans("logging")
    assert (record.body, record.severity, record.severity_text) == ("told", 17, "ERROR")
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
    assert record.attributes == {"mark": sent.mark}


def test_otlp_unknown_authority_is_refused(collector):
    """Nothing is sent to a server whose certificate nobody vouches for."""
    for protocol in ("grpc", "http/protobuf"):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
        service = f"untrusting-{uuid.uuid4().hex[:8]}"
        done = subprocess.run([WITNESS, "x"], capture_output=True, text=True, timeout=60,
                              env={**inherited, "OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
                                   "OTEL_EXPORTER_OTLP_TIMEOUT": "500",
                                   "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint(protocol, tls=True)})
        assert done.returncode == 1
        assert "certificate" in done.stderr.lower()
        assert [span for span in collector.spans() if span.service == service] == []


def test_otlp_stdout_lines_are_what_the_file_exporter_would_write():
    """Exporter otlp/stdout: a request a line, in JSON."""
    import json

    from signals import spans_of
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
    done = subprocess.run([WITNESS, "x"], capture_output=True, text=True, timeout=60,
                          env={**inherited, "OTEL_TRACES_EXPORTER": "otlp/stdout", "OTEL_METRICS_EXPORTER": "none",
                               "OTEL_LOGS_EXPORTER": "none"})
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    names = [span.name for line in lines for span in spans_of(line)]
    assert names.count("one of many") == MANY_SPANS and "root" in names
