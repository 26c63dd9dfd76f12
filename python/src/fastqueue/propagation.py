# SPDX-License-Identifier: Apache-2.0
"""Trace context of a submit: the caller's OpenTelemetry span, else that of the task in which the submit is made."""

from __future__ import annotations

import sys
from typing import Any

from .context import current_task

_FIELDS = ("traceparent", "tracestate", "baggage")


def current_trace_context() -> dict[str, str]:
    """traceparent, tracestate and baggage to submit with; those that there are."""
    fields = _from_opentelemetry()
    if "traceparent" not in fields:
        task = current_task()
        if task is not None and task.traceparent is not None:
            inherited = {"traceparent": task.traceparent, "tracestate": task.tracestate, "baggage": task.baggage}
            for name, value in inherited.items():
                if value:
                    fields.setdefault(name, value)
    return fields


def _from_opentelemetry() -> dict[str, str]:
    # A span can only be current if somebody has imported the API already.
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return {}
    try:
        from opentelemetry import propagate  # type: ignore[import-not-found, unused-ignore]

        carrier: dict[str, str] = {}
        propagate.inject(carrier)
    except Exception:
        return {}
    return {name: carrier[name] for name in _FIELDS if carrier.get(name)}
