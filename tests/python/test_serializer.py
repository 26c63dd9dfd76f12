# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import enum
import json
import random
import string
from typing import Any

import pytest

from fastqueue import EncodingError, SerializationFormat
from fastqueue._core import json_encode
from fastqueue.tasks.serializer import TaskSerializer, decode_json


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        -1,
        2**63 - 1,
        -(2**63),
        2**64,
        -(10**40),
        0.0,
        -0.0,
        1.5,
        1e300,
        5e-324,
        0.1,
        "",
        "é☃😀",
        'quote " back \\ slash / tab \t nul \x00 del \x7f',
        [],
        {},
        [[[]]],
        {"a": {"b": [1, None, "x"]}},
    ],
)
def test_values_survive(value: Any) -> None:
    text = json_encode(value)
    assert json.loads(text) == value
    assert repr(decode_json(text)) == repr(value)


def test_random_values_agree_with_the_standard_library() -> None:
    random.seed(7)

    def make(depth: int) -> Any:
        kind = random.randrange(8 if depth > 0 else 6)
        if kind == 0:
            return random.choice([None, True, False])
        if kind == 1:
            return random.randrange(-(10**20), 10**20)
        if kind == 2:
            return random.uniform(-1e10, 1e10)
        if kind < 6:
            return "".join(
                random.choice(string.printable + "é\u2028\U0001f600\x00") for _ in range(random.randrange(20))
            )
        if kind == 6:
            return [make(depth - 1) for _ in range(random.randrange(6))]
        return {make(0).__repr__(): make(depth - 1) for _ in range(random.randrange(6))}

    for _ in range(500):
        value = make(4)
        assert json.loads(json_encode(value)) == value


def test_what_equals_a_json_value_is_taken_as_it() -> None:
    assert json_encode((1, (2,))) == b"[1,[2]]"
    assert json_encode({"c": Colour.RED, "n": Number.ONE}) == b'{"c":"red","n":1}'


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "infinity"),
        (float("-inf"), "-infinity"),
        ({1: 2}, "key of type int"),
        ({None: 1}, "NoneType"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (object(), "object"),
        (1j, "complex"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        ([[{"a": {"b": range(3)}}]], "range"),
    ],
)
def test_what_json_cannot_hold_is_refused_and_named(value: Any, word: str) -> None:
    with pytest.raises(EncodingError, match=word) as caught:
        json_encode(value)
    assert caught.value.code == "ENCODING" and isinstance(caught.value, (TypeError, ValueError))


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(EncodingError, match="contains itself"):
        json_encode(loop)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(EncodingError, match="nested"):
        json_encode(deep)
    while isinstance(deep, list):
        deep = deep[0]


@pytest.mark.parametrize("text", ["", "{", "NaN", "[1,]", "Infinity", '{"a":1', "1 2", b"\xff", "[" * 100_000])
def test_what_is_not_json_is_refused(text: str | bytes) -> None:
    with pytest.raises(EncodingError):
        decode_json(text)


def test_the_serializer_by_format(monkeypatch: pytest.MonkeyPatch) -> None:
    assert TaskSerializer.deserialize(TaskSerializer.serialize({"a": [1]})) == {"a": [1]}
    for call in (TaskSerializer.serialize, TaskSerializer.deserialize):
        with pytest.raises(ValueError, match="Unsupported serialization format: xml"):
            call(b"", "xml")  # type: ignore[arg-type]
        with pytest.raises(EncodingError, match="FASTQUEUE_ALLOW_PICKLE"):
            call(b"", SerializationFormat.PICKLE)
    monkeypatch.setenv("FASTQUEUE_ALLOW_PICKLE", "1")
    pickled = TaskSerializer.serialize({1, 2}, SerializationFormat.PICKLE)
    assert TaskSerializer.deserialize(pickled, SerializationFormat.PICKLE) == {1, 2}
    with pytest.raises(EncodingError, match="cannot be pickled"):
        TaskSerializer.serialize(lambda: None, SerializationFormat.PICKLE)
