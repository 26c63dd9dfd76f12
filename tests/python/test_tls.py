# SPDX-License-Identifier: Apache-2.0
"""tls:// with an authority of our own, made by the openssl command."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Iterator

import pytest

from conftest import ControlPlane
from fastqueue import Client, SyncClient
from fastqueue.errors import ConnectError, FastQueueError, TLSError


def openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and server and client certificates under it."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ca", "other"):
        openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            folder / f"{name}.pem",
        )
    (folder / "names.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    for name in ("server", "client"):
        openssl(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            f"/CN={name}",
            "-keyout",
            folder / f"{name}.key",
            "-out",
            folder / f"{name}.csr",
        )
        openssl(
            "x509",
            "-req",
            "-in",
            folder / f"{name}.csr",
            "-CA",
            folder / "ca.pem",
            "-CAkey",
            folder / "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            folder / "names.cnf",
            "-out",
            folder / f"{name}.pem",
        )
    return folder


def start(folder: Path, keys: Path, *options: str) -> ControlPlane:
    plane = ControlPlane(
        folder, "--tls-cert", str(keys / "server.pem"), "--tls-key", str(keys / "server.key"), *options, in_memory=True
    )
    plane.address = f"tls://127.0.0.1:{plane.port}"
    return plane.start()


@pytest.fixture
def plane(tmp_path: Path, keys: Path) -> Iterator[ControlPlane]:
    running = start(tmp_path, keys)
    yield running
    running.stop()


async def test_both_clients_over_tls(plane: ControlPlane, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Client(plane.address, tls_ca=str(keys / "ca.pem")) as client:
        task_id = await client.delay("big", "x" * 500_000)
        assert await client.get_task_status(task_id) is not None
    monkeypatch.setenv("FASTQUEUE_TLS_CA", str(keys / "ca.pem"))
    with SyncClient(plane.address) as blocking:
        ids = blocking.submit_batch([{"task_name": "big", "args": ("y" * 200_000,)}] * 20)
        assert len(set(ids)) == 20
        assert blocking.get_task_status(ids[-1]) is not None


async def test_a_certificate_that_is_not_trusted_is_refused_at_once(plane: ControlPlane, keys: Path) -> None:
    for authority in (None, str(keys / "other.pem")):
        began = time.monotonic()
        with pytest.raises(TLSError, match="FASTQUEUE_TLS_CA"):
            await Client(plane.address, tls_ca=authority).start()
        with pytest.raises(TLSError, match="FASTQUEUE_TLS_CA"):
            SyncClient(plane.address, tls_ca=authority).start()
        assert time.monotonic() - began < 10
    with pytest.raises(TLSError, match="cannot read"):
        await Client(plane.address, tls_ca="/no/such/file").start()


async def test_plain_text_to_a_tls_port(plane: ControlPlane) -> None:
    address = plane.address.replace("tls://", "tcp://")
    with pytest.raises(ConnectError):
        await Client(address, timeout=0.5).start()
    with pytest.raises(ConnectError):
        SyncClient(address, timeout=0.5).start()


async def test_client_certificates(tmp_path: Path, keys: Path) -> None:
    plane = start(tmp_path, keys, "--tls-client-ca", str(keys / "ca.pem"))
    try:
        mine = {
            "tls_ca": str(keys / "ca.pem"),
            "tls_cert": str(keys / "client.pem"),
            "tls_key": str(keys / "client.key"),
        }
        async with Client(plane.address, **mine) as client:  # type: ignore[arg-type]
            assert await client.command("PING") == "PONG"
        with SyncClient(plane.address, **mine) as blocking:  # type: ignore[arg-type]
            assert blocking.command("PING") == "PONG"
        with pytest.raises(FastQueueError):
            await Client(plane.address, tls_ca=str(keys / "ca.pem"), timeout=1).start()
        with pytest.raises(FastQueueError):
            SyncClient(plane.address, tls_ca=str(keys / "ca.pem"), timeout=1).start()
    finally:
        plane.stop()
