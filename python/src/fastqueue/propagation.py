# SPDX-License-Identifier: Apache-2.0
"""Trace context of a submit: the current span, ours or the OpenTelemetry API's, else that of the task that submits."""

from __future__ import annotations

import sys
from typing import Any

from . import _core
from .context import current_task


def current_trace_context() -> dict[str, str]:
    """traceparent, tracestate and baggage to submit with; those that there are. Telemetry need not be on."""
    fields = {}
    traceparent, tracestate = _core.current_trace()
    if traceparent is not None:
        fields["traceparent"] = traceparent
        if tracestate:
            fields["tracestate"] = tracestate
    baggage = _current_baggage()
    if baggage:
        fields["baggage"] = baggage
    return fields


def _current_baggage() -> str | None:
    # There can only be any if somebody has imported the API already.
    if "opentelemetry.baggage" in sys.modules:
        try:
            from opentelemetry.baggage.propagation import W3CBaggagePropagator

            carrier: dict[str, Any] = {}
            W3CBaggagePropagator().inject(carrier)
            if carrier.get("baggage"):
                return str(carrier["baggage"])
        except Exception:
            pass
    task = current_task()
    return task.baggage if task is not None else None
