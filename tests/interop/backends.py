"""The programs that nobody of FastQueue wrote, run on free ports with a directory of their own.

    with Collector(folder) as collector:
        ...  # export to collector.endpoint("grpc"), then
        spans = collector.wait_for_spans(lambda spans: len(spans) == 2)

FASTQUEUE_INTEROP is the folder that build.sh printed. Waiting is by condition; what does not come within LIMIT_S fails with
what was seen instead.
"""
import json
import os
import pathlib
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import yaml
from harness import free_port
from signals import Record, Span, records_of, spans_of

PROGRAMS = pathlib.Path(os.environ["FASTQUEUE_INTEROP"]) / "bin"
LIMIT_S = float(os.environ.get("FASTQUEUE_INTEROP_LIMIT", "30"))
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_for(question: Callable[[], Any], what: str, limit: float = LIMIT_S, seen: Callable[[], Any] = lambda: "") -> Any:
    """Asks until the answer is true, and returns it."""
    end = time.monotonic() + limit
    while not (answer := question()):
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}\n{seen()}")
        time.sleep(0.02)
    return answer


def get(url: str, accept: str = "*/*") -> bytes:
    with OPENER.open(urllib.request.Request(url, headers={"Accept": accept}), timeout=10) as answer:
        return answer.read()


def get_json(url: str, **parameters: str) -> Any:
    return json.loads(get(f"{url}?{urllib.parse.urlencode(parameters)}" if parameters else url))


class Program:
    """One process with a log, stopped at the end of the block."""

    name = ""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder / f"{self.name}-{time.monotonic_ns()}"
        self.folder.mkdir(parents=True)
        self.log_path = self.folder / "log"
        self.process: subprocess.Popen | None = None

    def command_line(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def start(self) -> None:
        with open(self.log_path, "ab") as log:
            inherited = {k: v for k, v in os.environ.items() if not k.startswith("OTEL_")}
            self.process = subprocess.Popen(self.command_line(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, env=inherited)
        wait_for(self._is_up, f"{self.name} is ready", seen=self.log)

    def _is_up(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.is_ready()
        except OSError:
            return False

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-8000:] if self.log_path.exists() else ""

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Collector(Program):
    """Listens for OTLP plain and with TLS. What arrives is witnessed in files, metrics are served to Prometheus."""

    name = "otelcol"

    def __init__(self, folder: pathlib.Path, certificates: dict[str, str] | None = None):
        super().__init__(folder)
        self.ports = {name: free_port() for name in ("grpc", "http", "grpc-tls", "http-tls", "prometheus", "health")}
        self.certificates = certificates
        self._read: dict[str, tuple[int, list]] = {}

    def endpoint(self, protocol: str, tls: bool = False) -> str:
        kind = ("grpc" if protocol == "grpc" else "http") + ("-tls" if tls else "")
        return f"{'https' if tls else 'http'}://localhost:{self.ports[kind]}"

    def command_line(self) -> list[str]:
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(self.configuration()))
        return [str(PROGRAMS / self.name), "--config", str(path)]

    def configuration(self) -> dict:
        receivers = {"otlp": self._protocols("", None)}
        if self.certificates:
            receivers["otlp/tls"] = self._protocols("-tls", {"cert_file": self.certificates["cert"],
                                                             "key_file": self.certificates["key"]})
        files = {f"file/{signal}": {"path": str(self._file(signal)), "flush_interval": "50ms", "append": True}
                 for signal in ("traces", "metrics", "logs")}
        pipelines = {signal: {"receivers": list(receivers), "exporters": [f"file/{signal}"]}
                     for signal in ("traces", "metrics", "logs")}
        pipelines["metrics"]["exporters"].append("prometheus")
        return {
            "extensions": {"health_check": {"endpoint": f"127.0.0.1:{self.ports['health']}"}},
            "receivers": receivers,
            "exporters": {"prometheus": {"endpoint": f"127.0.0.1:{self.ports['prometheus']}",
                                         "enable_open_metrics": True}, **files},
            "service": {"extensions": ["health_check"], "pipelines": pipelines,
                        "telemetry": {"metrics": {"level": "none"}}},
        }

    def _protocols(self, suffix: str, tls: dict | None) -> dict:
        return {"protocols": {kind: {"endpoint": f"localhost:{self.ports[kind + suffix]}", **({"tls": tls} if tls else {})}
                              for kind in ("grpc", "http")}}

    def is_ready(self) -> bool:
        return b"available" in get(f"http://127.0.0.1:{self.ports['health']}/")

    def _file(self, kind: str) -> pathlib.Path:
        return self.folder / f"{kind}.json"

    def _witnessed(self, kind: str, parse: Callable[[dict], Any]) -> list:
        """What `parse` makes of every OTLP request so far; what has been read once is not read again."""
        offset, found = self._read.setdefault(kind, (0, []))
        if self._file(kind).exists():
            with open(self._file(kind), "rb") as file:
                file.seek(offset)
                data = file.read()
            whole = data[:data.rfind(b"\n") + 1]
            for line in whole.splitlines():
                found.extend(parse(json.loads(line)))
            self._read[kind] = (offset + len(whole), found)
        return found

    def spans(self) -> list[Span]:
        return self._witnessed("traces", spans_of)

    def records(self) -> list[Record]:
        return self._witnessed("logs", records_of)

    def metric_requests(self) -> list[dict]:
        return self._witnessed("metrics", lambda request: [request])

    def wait_for_spans(self, enough: Callable[[list[Span]], Any], what: str = "spans", limit: float = LIMIT_S) -> list[Span]:
        wait_for(lambda: enough(self.spans()), what, limit, lambda: "\n".join(map(str, self.spans()[-40:])) or self.log())
        return self.spans()

    def trace_of_task(self, task_id: str, complete: Callable[[list[Span]], Any] | None = None) -> list[Span]:
        """The spans of the trace in which this task was run, once `complete` says so."""
        def trace() -> list[Span]:
            mine = [s.trace_id for s in self.spans() if s.name == "worker.execute_task" and s.attributes.get("task.id") == task_id]
            found = [s for s in self.spans() if mine and s.trace_id == mine[0]]
            return found if (complete or is_connected)(found) else []
        return wait_for(trace, f"the trace of task {task_id}",
                        seen=lambda: "\n".join(map(str, self.spans()[-40:])) or self.log())

    def wait_for_records(self, enough: Callable[[list[Record]], Any], what: str = "log records") -> list[Record]:
        wait_for(lambda: enough(self.records()), what, seen=lambda: "\n".join(map(str, self.records()[-40:])))
        return self.records()


def is_connected(trace: list[Span]) -> bool:
    """Each span's parent has arrived; exactly one has none. Needs the submission and the execution."""
    ids = {span.span_id for span in trace}
    roots = [span for span in trace if span.parent_id not in ids]
    return {"client.submit_task", "worker.execute_task"} <= {span.name for span in trace} and len(roots) == 1


class Prometheus(Program):
    """Scrapes a Collector every `interval`, with the rules of deploy/."""

    name = "prometheus"

    def __init__(self, folder: pathlib.Path, targets: dict[str, int], rules: pathlib.Path | None = None,
                 interval: str = "500ms"):
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api/v1"
        self.targets = targets
        self.rules = rules
        self.interval = interval

    def command_line(self) -> list[str]:
        configuration = {
            "global": {"scrape_interval": self.interval, "evaluation_interval": self.interval},
            "rule_files": [str(self.rules)] if self.rules else [],
            "scrape_configs": [{"job_name": job, "honor_labels": True,
                                "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
                               for job, port in self.targets.items()],
        }
        path = self.folder / "prometheus.yml"
        path.write_text(yaml.safe_dump(configuration))
        return [str(PROGRAMS / self.name), "--config.file", str(path), "--storage.tsdb.path", str(self.folder / "data"),
                "--web.listen-address", f"127.0.0.1:{self.port}", "--enable-feature=exemplar-storage",
                "--log.level=warn", "--web.console.templates=/nonexistent", "--web.console.libraries=/nonexistent"]

    def is_ready(self) -> bool:
        return b"Ready" in get(f"http://127.0.0.1:{self.port}/-/ready")

    def query(self, expression: str, at: float | None = None) -> list[dict]:
        """The instant vector; a refused expression raises."""
        answer = get_json(f"{self.url}/query", query=expression, **({"time": str(at)} if at else {}))
        assert answer["status"] == "success", answer
        return answer["data"]["result"]

    def value(self, expression: str) -> float | None:
        """The only value of an expression, None when there is none."""
        found = self.query(expression)
        assert len(found) <= 1, f"{expression} has {len(found)} series: {found}"
        return float(found[0]["value"][1]) if found else None

    def values(self, expression: str, label: str) -> dict[str, float]:
        return {one["metric"].get(label, ""): float(one["value"][1]) for one in self.query(expression)}

    def samples(self, expression: str, start: float, end: float, step: float) -> list[dict]:
        return get_json(f"{self.url}/query_range", query=expression, start=str(start), end=str(end),
                        step=str(step))["data"]["result"]

    def firing(self) -> set[str]:
        alerts = get_json(f"{self.url}/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def wait_for_value(self, expression: str, expect: float, limit: float = LIMIT_S) -> None:
        wait_for(lambda: self.value(expression) == expect, f"{expression} is {expect}", limit,
                 lambda: self.query(expression))


class Jaeger(Program):
    """Jaeger 2 with its traces in memory."""

    name = "jaeger"

    def __init__(self, folder: pathlib.Path):
        super().__init__(folder)
        self.ports = {name: free_port() for name in ("grpc", "http", "query", "query-grpc", "health")}

    def endpoint(self, protocol: str) -> str:
        return f"http://localhost:{self.ports['grpc' if protocol == 'grpc' else 'http']}"

    def command_line(self) -> list[str]:
        configuration = {
            "extensions": {
                "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"127.0.0.1:{self.ports['health']}"}},
                "jaeger_query": {"storage": {"traces": "memory"},
                                 "http": {"endpoint": f"127.0.0.1:{self.ports['query']}"},
                                 "grpc": {"endpoint": f"127.0.0.1:{self.ports['query-grpc']}"}},
                "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": 10000}}}},
            },
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"localhost:{self.ports['grpc']}"},
                                                 "http": {"endpoint": f"localhost:{self.ports['http']}"}}}},
            "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
            "service": {"extensions": ["healthcheckv2", "jaeger_query", "jaeger_storage"],
                        "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
                        "telemetry": {"metrics": {"level": "none"}}},
        }
        path = self.folder / "config.yaml"
        path.write_text(yaml.safe_dump(configuration))
        return [str(PROGRAMS / self.name), "--config", str(path)]

    def is_ready(self) -> bool:
        return get_json(f"http://127.0.0.1:{self.ports['query']}/api/services") is not None

    def stop(self) -> None:
        # It keeps nothing, and takes its time to say goodbye.
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def services(self) -> set[str]:
        return set(get_json(f"http://127.0.0.1:{self.ports['query']}/api/services")["data"] or [])

    def trace(self, trace_id: str) -> dict | None:
        """The trace as Jaeger's own page gets it."""
        try:
            return get_json(f"http://127.0.0.1:{self.ports['query']}/api/traces/{trace_id}")["data"][0]
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise
