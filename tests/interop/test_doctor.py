"""`fastqueue doctor telemetry` against backends that nobody here wrote: what it says is what they do."""
import json
import subprocess

import pytest
from harness import PROGRAM, Server
from queue_under_test import telemetry


def doctor(endpoint: str, protocol: str, **more: str) -> tuple[int, dict[str, dict]]:
    environment = Server._environment(telemetry(endpoint, "doctor", protocol, **more))
    done = subprocess.run([PROGRAM, "doctor", "telemetry", "--json"], env=environment, capture_output=True, text=True, timeout=60)
    findings = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {one["check"]: one for one in findings if "check" in one}


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_doctor_reaches_the_collector(collector, protocol):
    code, findings = doctor(collector.endpoint(protocol), protocol)
    assert code == 0
    assert [findings[signal]["verdict"] for signal in ("traces", "metrics", "logs")] == ["ok"] * 3
    collector.wait_for_spans(lambda spans: [span for span in spans if span.service == "doctor"], "the test span")


def test_doctor_tells_that_jaeger_takes_traces_only(jaeger):
    _, findings = doctor(jaeger.endpoint("grpc"), "grpc")
    assert findings["traces"]["verdict"] == "ok"
    for signal in ("metrics", "logs"):
        assert findings[signal]["verdict"] != "ok"
        assert findings[signal]["remedy"]


def test_doctor_tells_that_the_protocol_is_the_wrong_one(collector):
    """gRPC at the HTTP port and the other way round."""
    for protocol, port in (("grpc", "http/protobuf"), ("http/protobuf", "grpc")):
        code, findings = doctor(collector.endpoint(port), protocol, OTEL_EXPORTER_OTLP_TIMEOUT="2000")
        assert code != 0
        assert findings["traces"]["verdict"] == "failed" and findings["traces"]["remedy"], findings["traces"]


def test_doctor_tells_that_the_authority_is_unknown(collector):
    code, findings = doctor(collector.endpoint("grpc", tls=True), "grpc")
    assert code != 0
    assert "certificate" in findings["traces"]["found"].lower()
