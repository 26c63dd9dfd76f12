# SPDX-License-Identifier: Apache-2.0
"""What children of multiprocessing run."""

from __future__ import annotations

from fastqueue.telemetry import trace_operation


def child(name: str) -> None:
    with trace_operation(name):
        pass


def square(x: int) -> int:
    with trace_operation(f"square {x}"):
        return x * x
