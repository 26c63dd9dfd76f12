# SPDX-License-Identifier: Apache-2.0
"""Where the control plane is and how to talk to it: argument before environment before default."""

from __future__ import annotations

import os
import ssl
import warnings
from dataclasses import dataclass
from typing import Any, Callable, TypeVar

from .. import _core
from ..errors import FastQueueError, make
from ..tasks.serializer import SerializationFormat, require_pickle

DEFAULT_ADDRESS = "tcp://127.0.0.1:5555"

T = TypeVar("T")


def environment(name: str) -> str | None:
    """$FASTQUEUE_<name>, else $FASTWORKER_<name>; an empty variable is none."""
    return os.environ.get("FASTQUEUE_" + name) or os.environ.get("FASTWORKER_" + name) or None


def _number(name: str, text: str, kind: Callable[[str], T]) -> T:
    try:
        return kind(text)
    except ValueError:
        raise make("INVALID", f"FASTQUEUE_{name}={text!r} is no number") from None


def _timeout(value: Any) -> float | None:
    if value is None:
        text = environment("TIMEOUT")
        value = 30.0 if text is None else _number("TIMEOUT", text, float)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"timeout is a number of seconds, not {type(value).__name__}")
    if not value >= 0:
        raise make("INVALID", f"timeout cannot be {value}")
    return float(value) if value > 0 else None


def _retries(value: Any) -> int:
    if value is None:
        text = environment("RETRIES")
        value = 3 if text is None else _number("RETRIES", text, int)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"retries is an int, not {type(value).__name__}")
    if value < 0:
        raise make("INVALID", f"retries cannot be {value}")
    return value


def _format(value: SerializationFormat | None) -> SerializationFormat:
    if value is None:
        word = (environment("SERIALIZATION_FORMAT") or "json").lower()
        value = SerializationFormat.PICKLE if word == "pickle" else SerializationFormat.JSON
    value = SerializationFormat(value)
    if value is SerializationFormat.PICKLE:
        require_pickle()
    return value


def _token_file() -> str | None:
    path = environment("TOKEN_FILE")
    if path is None:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() or None
    except OSError as error:
        raise make("INVALID", f"FASTQUEUE_TOKEN_FILE cannot be read: {error}") from error


@dataclass(frozen=True)
class Settings:
    """What both clients know before they connect. `timeout` None is no limit."""

    kind: str
    host: str
    port: int
    path: str
    user: str | None
    token: str | None
    tls_ca: str | None
    tls_cert: str | None
    tls_key: str | None
    client_name: str | None
    timeout: float | None
    retries: int
    format: SerializationFormat

    @staticmethod
    def resolve(
        address: str | None,
        timeout: float | None,
        retries: int | None,
        serialization_format: SerializationFormat | None,
        discovery_address: str | None,
        credentials: dict[str, str | None],
        client_name: str | None,
    ) -> Settings:
        if discovery_address is not None:
            warnings.warn(
                "discovery_address is not needed any more and is ignored: clients connect to the control plane, "
                "named by address= or FASTQUEUE_CONTROL_PLANE_ADDRESS",
                FutureWarning,
                stacklevel=4,
            )
        _core.telemetry_start()
        chosen = address or environment("CONTROL_PLANE_ADDRESS") or DEFAULT_ADDRESS
        kind, host, port, path, user, token = _core.parse_address(chosen)
        files = {key: credentials.get(key) or environment(key.upper()) for key in ("tls_ca", "tls_cert", "tls_key")}
        return Settings(
            kind=kind,
            host=host,
            port=port,
            path=path,
            user=credentials.get("user") or user or environment("USER"),
            token=credentials.get("token") or token or environment("TOKEN") or _token_file(),
            client_name=client_name,
            timeout=_timeout(timeout),
            retries=_retries(retries),
            format=_format(serialization_format),
            **files,
        )

    @property
    def address(self) -> str:
        """The address without credentials."""
        if self.kind == "unix":
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.kind}://{host}:{self.port}"

    @property
    def server(self) -> tuple[str, int]:
        """Host and port for telemetry; of a socket in the file system its path and 0."""
        return (self.path, 0) if self.kind == "unix" else (self.host, self.port)

    def session(self) -> _core.Session:
        return _core.Session(user=self.user, token=self.token, client_name=self.client_name)

    def ssl_context(self) -> ssl.SSLContext | None:
        if self.kind != "tls":
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert is not None:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise make("TLS", f"cannot read the TLS files (FASTQUEUE_TLS_CA, _CERT, _KEY): {error}") from error
        return context

    def untrusted(self, error: ssl.SSLCertVerificationError) -> FastQueueError:
        """The certificate of the control plane is not trusted: trying again would not change that."""
        return make(
            "TLS",
            f"{self.address}: {error.verify_message or error}. "
            "Name the authority of its certificate with tls_ca or FASTQUEUE_TLS_CA",
        )

    def unreachable(self, reason: str, seconds: float | None) -> str:
        """The sentence of a ConnectError."""
        spent = f" within {seconds:g} s" if seconds is not None else ""
        return (
            f"no control plane answers at {self.address}{spent}: {reason}. Start one with `fastqueue control-plane`, "
            "or name another with Client(address) or FASTQUEUE_CONTROL_PLANE_ADDRESS"
        )
