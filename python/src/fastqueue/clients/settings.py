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
class Place:
    """One address, without credentials."""

    kind: str
    host: str
    port: int
    path: str

    @property
    def address(self) -> str:
        if self.kind == "unix":
            return f"unix://{self.path}"
        return f"{self.kind}://{self.name}"

    @property
    def name(self) -> str:
        """As a standby names whom it follows."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class Target:
    """Which of the addresses is tried: another when one does not answer, the active control plane when a standby names it."""

    def __init__(self, places: tuple[Place, ...]) -> None:
        self._places = places
        self._at = 0

    @property
    def place(self) -> Place:
        return self._places[self._at]

    def lost(self, was_open: bool, leader: str | None) -> None:
        """The connection broke, or never came; `leader`: the peer was a standby and named this one ("": nobody)."""
        if leader is None and was_open:
            return
        for at, place in enumerate(self._places):
            if leader and at != self._at and place.kind != "unix" and place.name.lower() == leader.lower():
                self._at = at
                return
        self._at = (self._at + 1) % len(self._places)


@dataclass(frozen=True)
class Settings:
    """What both clients know before they connect. `timeout` None is no limit."""

    places: tuple[Place, ...]
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
        parts = [_core.parse_address(part.strip()) for part in chosen.split(",")]
        user, token = next((part[4:] for part in parts if part[5]), ("", ""))
        files = {key: credentials.get(key) or environment(key.upper()) for key in ("tls_ca", "tls_cert", "tls_key")}
        return Settings(
            places=tuple(Place(*part[:4]) for part in parts),
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
        """The addresses without credentials."""
        return ",".join(place.address for place in self.places)

    @property
    def server(self) -> tuple[str, int]:
        """Host and port for telemetry; of a socket in the file system its path and 0."""
        place = self.places[0]
        return (place.path, 0) if place.kind == "unix" else (place.host, place.port)

    def target(self) -> Target:
        return Target(self.places)

    def session(self) -> _core.Session:
        return _core.Session(user=self.user, token=self.token, client_name=self.client_name)

    def ssl_context(self) -> ssl.SSLContext | None:
        if all(place.kind != "tls" for place in self.places):
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca)
            if self.tls_cert is not None:
                context.load_cert_chain(self.tls_cert, self.tls_key)
        except (OSError, ssl.SSLError) as error:
            raise make("TLS", f"cannot read the TLS files (FASTQUEUE_TLS_CA, _CERT, _KEY): {error}") from error
        return context

    @staticmethod
    def untrusted(place: Place, error: ssl.SSLCertVerificationError) -> FastQueueError:
        """The certificate of the control plane is not trusted: trying again would not change that."""
        return make(
            "TLS",
            f"{place.address}: {error.verify_message or error}. "
            "Name the authority of its certificate with tls_ca or FASTQUEUE_TLS_CA",
        )

    def unreachable(self, reason: str, seconds: float | None) -> str:
        """The sentence of a ConnectError."""
        spent = f" within {seconds:g} s" if seconds is not None else ""
        return (
            f"no control plane answers at {self.address}{spent}: {reason}. Start one with `fastqueue control-plane`, "
            "or name another with Client(address) or FASTQUEUE_CONTROL_PLANE_ADDRESS"
        )
