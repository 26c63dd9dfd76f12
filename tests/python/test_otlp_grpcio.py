# SPDX-License-Identifier: Apache-2.0
"""The OTLP/gRPC exporter against gRPC's own server: other people's HTTP/2, flow control, early statuses and connection ages."""
import json
import os
import pathlib
import subprocess
import threading
import time
from concurrent import futures

import grpc
import pytest

SEND = pathlib.Path(os.environ["FASTQUEUE_BINARY"]).resolve().parents[1] / "tests" / "otlp_send"
METHODS = ["trace.v1.TraceService", "metrics.v1.MetricsService", "logs.v1.LogsService"]


class Receiver(grpc.GenericRpcHandler):
    """Takes every Export call as bytes; `answer(context)` makes the response's bytes."""

    def __init__(self, answer=lambda context: b""):
        self.answer = answer
        self.requests = []
        self.peers = set()
        self.lock = threading.Lock()

    def service(self, details):
        if not any(details.method == f"/opentelemetry.proto.collector.{m}/Export" for m in METHODS):
            return None

        def export(request, context):
            with self.lock:
                self.requests.append((details.method, request, dict(details.invocation_metadata), context.time_remaining()))
                self.peers.add(context.peer())
            return self.answer(context)

        return grpc.unary_unary_rpc_method_handler(export)


def serve(receiver, **options):
    server = grpc.server(futures.ThreadPoolExecutor(4), handlers=[receiver], options=[(f"grpc.{k}", v) for k, v in options.items()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"http://127.0.0.1:{port}"


def send(endpoint, *arguments):
    run = subprocess.run([SEND, "grpc", endpoint, *arguments], capture_output=True, text=True, timeout=60)
    return json.loads(run.stdout) | {"stderr": run.stderr}


@pytest.mark.parametrize("signal, method", [("traces", METHODS[0]), ("metrics", METHODS[1]), ("logs", METHODS[2])])
def test_grpcio_takes_each_signal(signal, method):
    receiver = Receiver()
    server, endpoint = serve(receiver)
    result = send(endpoint, "--signal", signal, "--header", "X-Key", "v")
    server.stop(None)
    assert (result["ok"], result["status"]) == (1, "OK")
    path, request, metadata, remaining = receiver.requests[0]
    assert path == f"/opentelemetry.proto.collector.{method}/Export"
    assert metadata["x-key"] == "v" and "OTel-OTLP-Exporter-C" in metadata["user-agent"]
    assert len(request) in (238, 353) and 0 < remaining <= 5


def test_grpcio_many_calls_on_one_connection_from_several_threads():
    receiver = Receiver()
    server, endpoint = serve(receiver)
    result = send(endpoint, "--count", "200", "--spans", "512", "--threads", "4", "--gzip")
    server.stop(None)
    assert result["ok"] == 800 and result["exported"] == 800 * 512
    assert len(receiver.requests) == 800 and len(receiver.peers) == 1
    assert len({request for _, request, _, _ in receiver.requests}) == 1


def test_grpcio_statuses_and_details():
    # google.rpc.Status{8, "slow", [RetryInfo{0.05 s}]}
    duration = bytes([0x10]) + bytes.fromhex("80e1eb17")
    retry = bytes([10, len(duration)]) + duration
    url = b"type.googleapis.com/google.rpc.RetryInfo"
    any_detail = bytes([10, len(url)]) + url + bytes([18, len(retry)]) + retry
    details = bytes([8, 8, 18, 4]) + b"slow" + bytes([26, len(any_detail)]) + any_detail
    calls = []

    def answer(context):
        calls.append(time.monotonic())
        if len(calls) == 1:
            context.set_trailing_metadata([("grpc-status-details-bin", details)])
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "langsamer, bitte: ü")
        return b""

    server, endpoint = serve(Receiver(answer))
    result = send(endpoint)
    server.stop(None)
    assert (result["ok"], result["retries"]) == (1, 1)
    assert calls[1] - calls[0] >= 0.05


def test_grpcio_refusals_are_not_retried_and_say_why():
    receiver = Receiver(lambda context: context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong key: ü"))
    server, endpoint = serve(receiver)
    result = send(endpoint)
    server.stop(None)
    assert (result["ok"], result["status"], len(receiver.requests)) == (0, "UNAUTHENTICATED", 1)
    assert "wrong key: ü" in result["stderr"]


@pytest.mark.parametrize("spans", ["1", "500", "5000"])
def test_grpcio_unimplemented_is_understood_whatever_the_size(spans):
    server = grpc.server(futures.ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    for _ in range(10):
        assert send(f"http://127.0.0.1:{port}", "--spans", spans)["status"] == "UNIMPLEMENTED"
    server.stop(None)


def test_grpcio_message_limit_is_a_refusal():
    server, endpoint = serve(Receiver(), max_receive_message_length=10000)
    result = send(endpoint, "--spans", "512")
    server.stop(None)
    assert (result["status"], result["failed"]) == ("RESOURCE_EXHAUSTED", 512)


def test_grpcio_connection_age_loses_no_call():
    receiver = Receiver()
    server, endpoint = serve(receiver, max_connection_age_ms=40, max_connection_age_grace_ms=1000)
    result = send(endpoint, "--count", "1500")
    server.stop(None)
    assert result["ok"] == 1500 and result["retries"] == 0
    assert len(receiver.peers) > 1


def test_grpcio_compressed_answers_are_read():
    # ExportTracePartialSuccess{rejected_spans 1, "x" * 200}
    inner = bytes([8, 1, 18, 200, 1]) + b"x" * 200
    answer = bytes([10, len(inner) & 0x7F | 0x80, len(inner) >> 7]) + inner
    receiver = Receiver(lambda context: answer)
    server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[receiver], compression=grpc.Compression.Gzip)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    result = send(f"http://127.0.0.1:{port}")
    server.stop(None)
    assert (result["ok"], result["rejected"]) == (1, 1)
    assert "rejected 1 spans: xxx" in result["stderr"]


def test_grpcio_deadline_is_kept_by_both_sides():
    released = threading.Event()
    receiver = Receiver(lambda context: released.wait(5) and b"" or b"")
    server, endpoint = serve(receiver)
    begin = time.monotonic()
    result = send(endpoint, "--timeout", "300")
    took = time.monotonic() - begin
    released.set()
    server.stop(None)
    assert result["ok"] == 0 and took < 2
    assert receiver.requests[0][3] <= 0.3
