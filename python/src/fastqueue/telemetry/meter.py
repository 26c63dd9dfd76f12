# SPDX-License-Identifier: Apache-2.0
"""Meter: makes native instruments by the methods of the OpenTelemetry API."""

from __future__ import annotations

import sys
from typing import Any, Callable, Iterable, NamedTuple, Sequence

from .. import _core

COUNTER, UP_DOWN_COUNTER, HISTOGRAM, GAUGE, OBSERVABLE_COUNTER, OBSERVABLE_UP_DOWN_COUNTER, OBSERVABLE_GAUGE = range(7)


class Observation(NamedTuple):
    """What a callback of an observable instrument yields; the OpenTelemetry API's is as good."""

    value: float
    attributes: dict[str, Any] | None = None


class CallbackOptions(NamedTuple):
    timeout_millis: float = 10_000


Callbacks = Sequence[Callable[[Any], Iterable[Any]]]


def observations(callback: Any) -> tuple[Any, ...]:
    """For the collector: what a callback has to say. A generator gives one list at each step."""
    # Nothing is imported here: a thread that forks may hold the import lock and wait for this call to end.
    api: Any = sys.modules.get("opentelemetry.metrics")
    options: Any = getattr(api, "CallbackOptions", CallbackOptions)()
    found = next(callback) if hasattr(callback, "__next__") else callback(options)
    return tuple(found)


class Meter:
    """Instruments of one scope."""

    def __init__(self, *scope: Any) -> None:
        self._scope = scope
        self._native = _core.meter(*scope)
        self._made: dict[tuple[int, str, str], _core.Instrument] = {}

    @property
    def name(self) -> str:
        return self._scope[0] if self._scope else "fastqueue"

    def _make(
        self,
        kind: int,
        name: str,
        unit: str,
        description: str,
        bounds: Sequence[float] | None = None,
        callbacks: Callbacks | None = None,
        integer: bool = False,
    ) -> _core.Instrument:
        key = (kind, name, unit)
        made = self._made.get(key)
        if made is None or callbacks is not None:
            made = self._native.instrument(kind, name, unit or "", description or "", bounds, callbacks, integer)
            self._made[key] = made
        return made

    def create_counter(self, name: str, unit: str = "", description: str = "") -> _core.Instrument:
        return self._make(COUNTER, name, unit, description)

    def create_up_down_counter(self, name: str, unit: str = "", description: str = "") -> _core.Instrument:
        return self._make(UP_DOWN_COUNTER, name, unit, description)

    def create_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        *,
        explicit_bucket_boundaries_advisory: Sequence[float] | None = None,
    ) -> _core.Instrument:
        return self._make(HISTOGRAM, name, unit, description, explicit_bucket_boundaries_advisory)

    def create_gauge(self, name: str, unit: str = "", description: str = "") -> _core.Instrument:
        return self._make(GAUGE, name, unit, description)

    def create_observable_counter(
        self, name: str, callbacks: Callbacks | None = None, unit: str = "", description: str = ""
    ) -> _core.Instrument:
        return self._make(OBSERVABLE_COUNTER, name, unit, description, callbacks=callbacks or ())

    def create_observable_up_down_counter(
        self, name: str, callbacks: Callbacks | None = None, unit: str = "", description: str = ""
    ) -> _core.Instrument:
        return self._make(OBSERVABLE_UP_DOWN_COUNTER, name, unit, description, callbacks=callbacks or ())

    def create_observable_gauge(
        self, name: str, callbacks: Callbacks | None = None, unit: str = "", description: str = ""
    ) -> _core.Instrument:
        return self._make(OBSERVABLE_GAUGE, name, unit, description, callbacks=callbacks or ())
