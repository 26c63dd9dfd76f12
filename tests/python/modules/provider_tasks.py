# SPDX-License-Identifier: Apache-2.0
"""A task module that sets a provider of the OpenTelemetry SDK in its worker process."""

from __future__ import annotations

import os
from typing import Any, Sequence

from fastqueue import task
from fastqueue.telemetry import trace_operation, trace_task
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult


class FileExporter(SpanExporter):
    def export(self, spans: Sequence[Any]) -> Any:
        with open(os.environ["SPANS_FILE"], "a", encoding="ascii") as file:
            for span in spans:
                parent = format(span.parent.span_id, "016x") if span.parent else "-"
                ids = format(span.context.trace_id, "032x"), format(span.context.span_id, "016x")
                file.write(" ".join((span.name.replace(" ", "_"), *ids, parent)) + "\n")
        return SpanExportResult.SUCCESS


provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(FileExporter(), schedule_delay_millis=50))
trace.set_tracer_provider(provider)


@task("provided.plain")
@trace_task
def plain() -> str:
    with trace.get_tracer("app").start_as_current_span("by the api"), trace_operation("by fastqueue"):
        return format(trace.get_current_span().get_span_context().trace_id, "032x")
