"""Digests, and the one JSON text of a value."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurolake.lake.digest import canonical_json, checked_digest, digest_of, is_digest, plain_json
from neurolake.lake.errors import CorruptObjectError, InputError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def test_blake3() -> None:
    empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    assert digest_of(b"") == digest_of(memoryview(b"")) == digest_of(bytearray()) == empty
    assert digest_of(memoryview(b"xaby")[1:3]) == digest_of(b"ab")


def test_is_digest() -> None:
    assert is_digest(digest_of(b"x"))
    for text in (None, 3, "", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "../" * 21 + "a", "a" * 64 + "\n"):
        assert not is_digest(text)
        with pytest.raises(CorruptObjectError, match="where a digest belongs"):
            checked_digest(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, '{"a":[true,null],"b":1}'),
        ({"é": 1, "z": 2, "\U0001f600": 3, "\uffff": 4}, '{"z":2,"é":1,"\uffff":4,"\U0001f600":3}'),
        (
            [1.0, -0.0, 1e16, 1e-5, 1e22, 123456789012345680.0, 0.1],
            "[1.0,-0.0,1e+16,1e-05,1e+22,1.2345678901234568e+17,0.1]",
        ),
        ([0.0001, 9007199254740993, 5e-324], "[0.0001,9007199254740993,5e-324]"),
        ('"\\/\b\f\n\r\t\x00\x1f\x7fµ', '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7fµ"'),
        ([math.nan, math.inf, -math.inf], "[NaN,Infinity,-Infinity]"),
    ],
)
def test_text(value: Any, text: str) -> None:
    assert canonical_json(value).decode() == text


@given(JSON)
def test_reading_back_gives_the_same_text(value: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text)) == text


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    assert canonical_json(dict(reversed(value.items()))) == canonical_json(value)


@given(JSON)
def test_plain_json_is_the_identity_on_json(value: Any) -> None:
    assert canonical_json(plain_json(value, "it")) == canonical_json(value)


def test_plain_json_is_what_is_read_back() -> None:
    assert plain_json({10: (1, 2), 9: "x"}, "attributes") == {"10": [1, 2], "9": "x"}
    loop: list[Any] = []
    loop.append(loop)
    for value in (object(), {("a",): 1}, "\ud800", loop, {1, 2}, b"x"):
        with pytest.raises(InputError, match="attributes must be JSON"):
            plain_json(value, "attributes")
