# SPDX-License-Identifier: Apache-2.0
"""client.submit_task: the span of a submit, from the call until the control plane has acknowledged or refused it."""

from __future__ import annotations

from typing import Any

from .. import _core
from ..errors import FastQueueError
from ..failure import type_name
from ..propagation import current_trace_context


class SubmitSpan:
    """Ended once, by whatever comes first."""

    __slots__ = ("span", "task", "server")

    def __init__(self, span: Any, task: str, server: tuple[str, int]) -> None:
        self.span = span
        self.task = task
        self.server = server

    @staticmethod
    def start(task: str, priority: str, server: tuple[str, int]) -> SubmitSpan | None:
        """None when telemetry is off."""
        span = _core.start_submit(task, priority, *server)
        return None if span is None else SubmitSpan(span, task, server)

    def trace_context(self) -> dict[str, str]:
        """What travels with the task: this span's identity, and the caller's baggage."""
        fields = current_trace_context()
        traceparent, tracestate = _core.trace_of(self.span)
        if traceparent is not None:
            fields["traceparent"] = traceparent
            fields.pop("tracestate", None)
            if tracestate:
                fields["tracestate"] = tracestate
        return fields

    def end(self, task_id: str | None, error: BaseException | None = None) -> None:
        span, self.span = self.span, None
        if span is None:
            return
        kind = None
        if error is not None:
            kind = error.name if isinstance(error, FastQueueError) else type_name(error)
        _core.finish_submit(span, self.task, *self.server, task_id, error, kind)
