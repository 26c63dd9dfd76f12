# SPDX-License-Identifier: Apache-2.0
"""The identity of a span: the OpenTelemetry API's SpanContext where that is loaded, else one with the same attributes."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

Identity = tuple[bytes, bytes, int, bool, "str | None"]


class SpanContext(NamedTuple):
    trace_id: int
    span_id: int
    is_remote: bool
    trace_flags: int
    trace_state: str = ""

    @property
    def is_valid(self) -> bool:
        return self.trace_id != 0 and self.span_id != 0


def span_context(identity: Identity) -> Any:
    trace_id, span_id, flags, is_remote, tracestate = identity
    ids = int.from_bytes(trace_id, "big"), int.from_bytes(span_id, "big")
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None or not hasattr(trace, "SpanContext"):
        return SpanContext(*ids, is_remote, flags, tracestate or "")
    state = trace.TraceState.from_header([tracestate]) if tracestate else trace.TraceState()
    return trace.SpanContext(*ids, is_remote, trace.TraceFlags(flags), state)
