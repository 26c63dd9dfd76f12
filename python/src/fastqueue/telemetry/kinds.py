# SPDX-License-Identifier: Apache-2.0
"""Kinds of spans and their status, with the numbers of the OpenTelemetry API; its own enums are as good everywhere."""

from __future__ import annotations

from enum import IntEnum


class SpanKind(IntEnum):
    INTERNAL = 0
    SERVER = 1
    CLIENT = 2
    PRODUCER = 3
    CONSUMER = 4


class StatusCode(IntEnum):
    UNSET = 0
    OK = 1
    ERROR = 2
