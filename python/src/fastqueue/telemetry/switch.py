# SPDX-License-Identifier: Apache-2.0
"""Whether telemetry is on, and the OpenTelemetry API if it is installed."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any


def is_enabled() -> bool:
    """FASTQUEUE_TELEMETRY_ENABLED, read when it is asked, so that a program may set it after the import."""
    text = os.environ.get("FASTQUEUE_TELEMETRY_ENABLED") or os.environ.get("FASTWORKER_TELEMETRY_ENABLED") or ""
    return text.strip().lower() in ("true", "1", "yes", "on")


def api(module: str) -> Any:
    """opentelemetry.<module> if telemetry is on and it is installed, else None."""
    if not is_enabled():
        return None
    try:
        return import_module(f"opentelemetry.{module}")
    except ImportError:
        return None
