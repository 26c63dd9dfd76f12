# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry API's logger provider over the native pipeline."""

from __future__ import annotations

from typing import Any

from opentelemetry import _logs

from .. import _core


class Logger(_logs.Logger):
    def __init__(self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Any = None):
        super().__init__(name, version, schema_url, attributes)
        self.scope = name

    def enabled(self, **fields: Any) -> bool:
        return _core.log_enabled()

    def emit(self, record: Any = None, **fields: Any) -> None:
        def field(name: str) -> Any:
            return getattr(record, name, None) if record is not None else fields.get(name)

        severity = field("severity_number")
        _core.log_emit(
            self.scope,
            int(getattr(severity, "value", severity) or 0),
            field("severity_text"),
            field("body"),
            field("attributes"),
            int(field("timestamp") or 0),
            field("event_name"),
            field("context"),
        )


class LoggerProvider(_logs.LoggerProvider):
    """What `opentelemetry._logs.get_logger_provider()` gives while the program has set no other."""

    def get_logger(
        self, name: str, version: str | None = None, schema_url: str | None = None, attributes: Any = None
    ) -> Any:
        return Logger(name, version, schema_url, attributes)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return _core.telemetry_flush(timeout_millis / 1000)
