# SPDX-License-Identifier: Apache-2.0
"""Payloads and results as bytes.

JSON is strict: a value that JSON cannot hold raises EncodingError. Pickle runs code of whoever wrote the bytes, so it
is refused unless FASTQUEUE_ALLOW_PICKLE is set on every side, and nobody chooses it but the caller.
"""

from __future__ import annotations

import json
import os
from enum import Enum
from typing import Any, Callable, NoReturn

from .._core import json_encode
from ..errors import EncodingError, make


class SerializationFormat(str, Enum):
    JSON = "json"
    PICKLE = "pickle"


def pickle_allowed() -> bool:
    """Whether this process has opted in to pickle."""
    return os.environ.get("FASTQUEUE_ALLOW_PICKLE", "").strip().lower() in ("1", "true", "yes", "on")


def require_pickle() -> None:
    if not pickle_allowed():
        raise make(
            "ENCODING",
            "pickle is off: unpickling runs code of whoever sent the bytes. "
            "Set FASTQUEUE_ALLOW_PICKLE=1 for clients, control plane and workers to accept that",
        )


def _no_constant(text: str) -> NoReturn:
    raise make("ENCODING", f"{text} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)
# The C scanner behind json.loads(): (text, index) -> (value, end).
scan_json: Callable[[str, int], tuple[Any, int]] = getattr(_decoder, "scan_once")


def decode_json(data: bytes | str) -> Any:
    """The value of a JSON text; EncodingError if it is none."""
    try:
        return _decoder.decode(data if isinstance(data, str) else data.decode("utf-8"))
    except EncodingError:
        raise
    except (ValueError, RecursionError) as error:
        raise make("ENCODING", f"not JSON: {error}") from None


def encode_pickle(value: Any) -> bytes:
    require_pickle()
    import pickle

    try:
        return pickle.dumps(value, protocol=4)
    except Exception as error:
        raise make("ENCODING", f"cannot be pickled: {error}") from error


def decode_pickle(data: bytes) -> Any:
    require_pickle()
    import pickle

    return pickle.loads(data)


class TaskSerializer:
    """serialize() and deserialize() in either format."""

    @staticmethod
    def serialize(data: Any, format: SerializationFormat = SerializationFormat.JSON) -> bytes:
        if format == SerializationFormat.JSON:
            return json_encode(data)
        if format == SerializationFormat.PICKLE:
            return encode_pickle(data)
        raise ValueError(f"Unsupported serialization format: {format}")

    @staticmethod
    def deserialize(data: bytes, format: SerializationFormat = SerializationFormat.JSON) -> Any:
        if format == SerializationFormat.JSON:
            return decode_json(data)
        if format == SerializationFormat.PICKLE:
            return decode_pickle(data)
        raise ValueError(f"Unsupported serialization format: {format}")
