# SPDX-License-Identifier: Apache-2.0
"""OTLP over HTTP against Python's own http.server."""
import gzip
import json
import pathlib
import sys
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from test_collector import send  # noqa: E402


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.server.requests.append((self.path, dict(self.headers), body, self.client_address))
        answer = b"{}" if self.headers["Content-Type"] == "application/json" else b""
        if self.server.zip_answers:
            answer = gzip.compress(b"\x0a\x06\x08\x01\x12\x02no")  # partial success: 1 rejected, "no"
        self.send_response(200)
        self.send_header("Content-Type", self.headers["Content-Type"])
        self.send_header("Content-Length", str(len(answer)))
        if self.server.zip_answers:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


class HttpServer(unittest.TestCase):
    def setUp(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.requests, self.server.zip_answers = [], False
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def tearDown(self):
        self.server.shutdown()
        self.server.server_close()

    def test_http_server_takes_protobuf_on_one_connection(self):
        result = send("http/protobuf", self.endpoint, "--count", "30", "--gzip", "--header", "X-Key", "v")
        self.assertEqual((result["ok"], result["status"]), (30, "200"))
        self.assertEqual(len({request[3] for request in self.server.requests}), 1)
        path, headers, body, _ = self.server.requests[0]
        self.assertEqual((path, headers["X-Key"], headers["Content-Type"], len(body)), ("/v1/traces", "v", "application/x-protobuf", 238))

    def test_http_server_takes_valid_json(self):
        self.assertEqual(send("http/json", self.endpoint, "--spans", "100")["exported"], 100)
        spans = json.loads(self.server.requests[0][2])["resourceSpans"][0]["scopeSpans"][0]["spans"]
        self.assertEqual(len(spans), 100)
        self.assertEqual(spans[7]["traceId"], "01070000000000000000000000000000")

    def test_http_server_compressed_answers_are_read(self):
        self.server.zip_answers = True
        result = send("http/protobuf", self.endpoint)
        self.assertEqual((result["ok"], result["rejected"]), (1, 1))

    def test_grpc_to_an_http_server_is_explained(self):
        result = send("grpc", self.endpoint.removesuffix("/v1/traces"), "--timeout", "2000")
        self.assertEqual((result["ok"], result["error_type"]), (0, "no_grpc"))
        self.assertIn("OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", result["stderr"])


if __name__ == "__main__":
    unittest.main()
