# SPDX-License-Identifier: Apache-2.0
"""The OpenTelemetry API's tracer provider over the native pipeline."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace

from .. import _core
from . import processors


class TracerProvider(trace.TracerProvider):
    """What `opentelemetry.trace.get_tracer_provider()` gives while the program has set no other."""

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Any = None,
    ) -> Any:
        return _core.tracer(instrumenting_module_name, instrumenting_library_version, schema_url, attributes)

    def add_span_processor(self, span_processor: Any) -> None:
        """One more that is told of every span, beside the native pipeline."""
        processors.add(span_processor)

    @property
    def resource(self) -> Any:
        return processors.resource()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        done = processors.force_flush(timeout_millis)
        return _core.telemetry_flush(timeout_millis / 1000) and done

    def shutdown(self) -> None:
        processors.shutdown()
        _core.telemetry_flush(None)
