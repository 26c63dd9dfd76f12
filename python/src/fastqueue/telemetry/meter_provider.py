# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry API's meter provider over the native pipeline."""

from __future__ import annotations

from typing import Any

from opentelemetry import metrics

from .. import _core
from .meter import Meter

metrics.Meter.register(Meter)


class MeterProvider(metrics.MeterProvider):
    """What `opentelemetry.metrics.get_meter_provider()` gives while the program has set no other."""

    def __init__(self) -> None:
        self._meters: dict[Any, Meter] = {}

    def get_meter(
        self,
        name: str,
        version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> Any:
        key = (name, version, schema_url, repr(sorted(attributes.items())) if attributes else None)
        found = self._meters.get(key)
        if found is None:
            found = self._meters[key] = Meter(name, version, schema_url, attributes)
        return found

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        return _core.telemetry_flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000) -> None:
        _core.telemetry_flush(timeout_millis / 1000)
