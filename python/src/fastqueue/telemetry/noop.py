# SPDX-License-Identifier: Apache-2.0
"""Tracer, span, meter and instruments that do nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Generator

from .span_context import SpanContext


class NoOpSpan:
    name = ""
    traceparent: str | None = None
    tracestate: str | None = None

    def get_span_context(self) -> SpanContext:
        return SpanContext(0, 0, False, 0)

    def add_link(self, context: Any, attributes: Any = None) -> None:
        pass

    def set_attribute(self, key: str, value: Any) -> None:
        pass

    def set_attributes(self, attributes: Any) -> None:
        pass

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        pass

    def set_status(self, status: Any, description: str | None = None) -> None:
        pass

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        pass

    def update_name(self, name: str) -> None:
        pass

    def is_recording(self) -> bool:
        return False

    def end(self, end_time: int | None = None) -> None:
        pass

    def __enter__(self) -> NoOpSpan:
        return self

    def __exit__(self, *exc_info: object) -> None:
        pass


class NoOpTracer:
    @contextmanager
    def start_as_current_span(self, name: str, *args: Any, **kwargs: Any) -> Generator[NoOpSpan, None, None]:
        yield NoOpSpan()

    def start_span(self, name: str, *args: Any, **kwargs: Any) -> NoOpSpan:
        return NoOpSpan()


class NoOpCounter:
    def add(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        pass


class NoOpUpDownCounter(NoOpCounter):
    pass


class NoOpHistogram:
    def record(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        pass


class NoOpGauge:
    def set(self, amount: float, attributes: Any = None, context: Any = None) -> None:
        pass


class NoOpMeter:
    def create_counter(self, name: str, unit: str = "", description: str = "") -> NoOpCounter:
        return NoOpCounter()

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> NoOpUpDownCounter:
        return NoOpUpDownCounter()

    def create_histogram(self, name: str, unit: str = "", description: str = "", **kwargs: Any) -> NoOpHistogram:
        return NoOpHistogram()

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> NoOpGauge:
        return NoOpGauge()

    def create_observable_counter(self, name: str, callbacks: Any = None, unit: str = "", description: str = "") -> None:
        pass

    create_observable_up_down_counter = create_observable_gauge = create_observable_counter
