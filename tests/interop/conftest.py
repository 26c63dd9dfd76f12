"""Backends that live as long as the run, and FastQueue's processes around each test."""
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "e2e")]

from backends import Collector, Jaeger, Prometheus  # noqa: E402
from harness import ROOT  # noqa: E402


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> pathlib.Path:
    return tmp_path_factory.mktemp("interop")


@pytest.fixture(scope="session")
def certificates(folder) -> dict[str, str]:
    """An authority of our own and a certificate of it for localhost."""
    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=interop authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem")
    return {"ca": str(folder / "ca.pem"), "cert": str(folder / "server.pem"), "key": str(folder / "server.key")}


@pytest.fixture(scope="session")
def collector(folder, certificates):
    with Collector(folder, certificates) as running:
        yield running


@pytest.fixture(scope="module")
def metrics_collector(folder):
    """One whose Prometheus exporter has seen nobody else's metrics."""
    with Collector(folder) as running:
        yield running


@pytest.fixture(scope="module")
def prometheus(folder, metrics_collector):
    with Prometheus(folder, {"otel-collector": metrics_collector.ports["prometheus"]},
                    ROOT / "deploy" / "prometheus" / "alerts.yml") as running:
        yield running


@pytest.fixture(scope="session")
def jaeger(folder):
    with Jaeger(folder) as running:
        yield running
