"""`fastqueue doctor telemetry`: what is configured, by whom, and what the receivers answer."""
import json
import pathlib
import sys
import tempfile
import unittest

from commandline import run
from harness import free_port

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support_py"))
from collector import Collector  # noqa: E402

ON = {"FASTQUEUE_TELEMETRY_ENABLED": "true"}


def examine(env: dict) -> tuple:
    done = run("doctor", "telemetry", "--json", env={**ON, **env})
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    settings = {row["variable"]: (row["value"], row["origin"]) for row in rows if "variable" in row}
    return done, settings, [row for row in rows if "check" in row]


class Doctor(unittest.TestCase):
    def test_a_receiver_that_takes_all(self) -> None:
        for protocol, word in (("grpc", "grpc"), ("http", "http/protobuf"), ("http", "http/json")):
            with self.subTest(protocol=word), Collector(protocol) as collector:
                done, settings, checks = examine({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
                                                  "OTEL_EXPORTER_OTLP_PROTOCOL": word})
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertEqual({check["verdict"] for check in checks}, {"ok"})
                self.assertEqual(settings["OTEL_EXPORTER_OTLP_ENDPOINT"], (collector.endpoint, "environment"))
                self.assertEqual(settings["OTEL_SERVICE_NAME"], ("fastqueue", "default"))
                collector.wait_for_span("fastqueue.doctor")
                collector.wait_for_metric("fastqueue.doctor.checks")
                self.assertEqual([log.body for log in collector.wait_for_logs(1)], ["fastqueue doctor telemetry"])
                self.assertTrue(all("User-Agent" in {k.title() for k in request.headers} for request in collector.requests))

    def test_a_receiver_that_is_not_there(self) -> None:
        done, _, checks = examine({"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
                                   "OTEL_LOGS_EXPORTER": "none"})
        self.assertEqual(done.returncode, 1)
        verdicts = {check["check"]: check for check in checks}
        self.assertEqual(verdicts["traces"]["verdict"], "failed")
        self.assertIn("refused", verdicts["traces"]["found"])
        self.assertTrue(verdicts["traces"]["remedy"])
        self.assertEqual(verdicts["metrics"]["verdict"], "failed")
        self.assertEqual(verdicts["logs"]["verdict"], "skipped")

    def test_secrets_are_hidden_and_origins_shown(self) -> None:
        done, settings, _ = examine({"OTEL_EXPORTER_OTLP_HEADERS": "authorization=verysecret",
                                     "HONEYCOMB_API_KEY": "othersecret",
                                     "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://api.honeycomb.io:1",
                                     "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
        self.assertNotIn("secret", done.stdout + done.stderr)
        self.assertEqual(settings["OTEL_EXPORTER_OTLP_HEADERS"], ("(hidden)", "environment"))
        self.assertEqual(settings["OTEL_EXPORTER_OTLP_TRACES_HEADERS"], ("(hidden)", "HONEYCOMB_API_KEY"))

    def test_bad_values_are_findings(self) -> None:
        done, _, checks = examine({"OTEL_BSP_MAX_QUEUE_SIZE": "many", "OTEL_TRACES_EXPORTER": "none",
                                   "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "pigeon,none"})
        found = [check["found"] for check in checks if check["check"] == "configuration"]
        self.assertEqual(len(found), 1, done.stdout)
        self.assertIn("pigeon", found[0])

    def test_off_is_said(self) -> None:
        done, _, checks = examine({"FASTQUEUE_TELEMETRY_ENABLED": "", "OTEL_TRACES_EXPORTER": "none",
                                   "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
        self.assertEqual(done.returncode, 0)
        self.assertEqual(checks[0]["verdict"], "warning")
        self.assertIn("FASTQUEUE_TELEMETRY_ENABLED=true", checks[0]["remedy"])

    def test_a_configuration_file_that_is_wrong(self) -> None:
        done, _, checks = examine({"OTEL_CONFIG_FILE": "/nonexistent/otel.yaml"})
        self.assertEqual(done.returncode, 1)
        self.assertTrue(any("/nonexistent/otel.yaml" in check["found"] for check in checks))

    def test_each_mistake_has_its_remedy(self) -> None:
        with Collector() as grpc, Collector("http") as http, Collector("grpc", behaviour="16") as strict:
            secure = "https" + grpc.endpoint[4:]
            for name, settings, remedy in (
                ("gRPC to an HTTP port", {"OTEL_EXPORTER_OTLP_ENDPOINT": http.endpoint}, "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"),
                ("HTTP to a gRPC port", {"OTEL_EXPORTER_OTLP_ENDPOINT": grpc.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, "4317"),
                ("TLS to a plain port", {"OTEL_EXPORTER_OTLP_ENDPOINT": secure}, "http://"),
                ("a host that is none", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://nowhere.invalid:4317"}, "check the host"),
                ("a key that is refused", {"OTEL_EXPORTER_OTLP_ENDPOINT": strict.endpoint}, "OTEL_EXPORTER_OTLP_HEADERS"),
            ):
                with self.subTest(name):
                    done, _, checks = examine({**settings, "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
                    failed = [check for check in checks if check["verdict"] == "failed"]
                    self.assertEqual((done.returncode, [check["check"] for check in failed]), (1, ["traces"]), done.stdout)
                    self.assertIn(remedy, failed[0]["remedy"])

    def test_a_wrong_value_is_said_once(self) -> None:
        with Collector() as collector:
            done, _, checks = examine({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_EXPORTER_OTLP_HEADERS": "no header"})
        self.assertEqual([check["found"] for check in checks if check["check"] == "configuration"],
                         ["OTEL_EXPORTER_OTLP_HEADERS: part 1 is no header (write key=value,key=value); it is left out"], done.stdout)

    def test_a_disabled_sdk_is_said_with_its_variable(self) -> None:
        _, _, checks = examine({"OTEL_SDK_DISABLED": "true"})
        self.assertIn("OTEL_SDK_DISABLED=true", checks[-1]["found"])
        self.assertIn("OTEL_SDK_DISABLED", checks[-1]["remedy"])

    def test_a_library_that_is_missing(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("libcurl.so.4", "libcurl-gnutls.so.4"):  # found first, and none that loads
                (pathlib.Path(folder) / name).write_bytes(b"no library" * 1000)
            done, _, checks = examine({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_METRICS_EXPORTER": "none",
                                       "OTEL_LOGS_EXPORTER": "none", "LD_LIBRARY_PATH": folder})
        self.assertEqual(done.returncode, 1)
        found = [check for check in checks if check["verdict"] == "failed"]
        self.assertEqual(len(found), 1, checks)
        self.assertIn("libcurl", found[0]["found"])

    def test_unknown_subject(self) -> None:
        self.assertEqual(run("doctor", "weather").returncode, 2)


if __name__ == "__main__":
    unittest.main()
