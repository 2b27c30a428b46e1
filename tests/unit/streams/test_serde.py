from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import millstream as ms
from millstream import serde

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


class Inner(ms.Record):
    n: int


class Outer(ms.Record):
    inner: Inner
    when: datetime.datetime


@given(VALUES)
def test_what_either_codec_writes_is_read_without_being_told_which(value: Any) -> None:
    """JSON and msgpack are told apart by the bytes, lone bytes by what the app prefers."""
    assert serde.either_decoder(Any, serde.json)(serde.json.encode(value)) == value
    assert serde.either_decoder(Any, serde.msgpack)(serde.msgpack.encode(value)) == value
    encoded = serde.json.encode(value)
    if len(encoded) > 1:
        assert serde.either_decoder(Any)(encoded) == value


@pytest.mark.parametrize("name", ["json", "msgpack"])
def test_records_come_back_as_their_class(name: str) -> None:
    """A Record class is written and read whole, nested ones too."""
    codec = serde.CODECS[name]
    value = Outer(Inner(5), datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC))
    assert codec.decoder(Outer)(codec.encode(value)) == value


def test_text_and_bytes_take_what_they_are_named_for() -> None:
    """The plain codecs refuse another type by name, instead of writing its repr."""
    assert serde.text.decoder(str)(serde.text.encode("é")) == "é"
    assert serde.raw.decoder(bytes)(serde.raw.encode(bytearray(b"x"))) == b"x"
    with pytest.raises(TypeError, match="takes str, not int"):
        serde.text.encode(5)
    with pytest.raises(TypeError, match="takes bytes, not str"):
        serde.raw.encode("x")


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (None, None),
        ("é", "é".encode()),
        (b"\xff", b"\xff"),
        (5, b"5"),
        (("a", 1), b'["a",1]'),
        (ms.Windowed("EWR", 60_000, 120_000), b'["EWR",60000]'),
        (ms.Windowed(("a", 1), 60_000, 120_000), b'["a",1,60000]'),
        (True, b"true"),
    ],
)
def test_keys_are_bytes_that_any_kafka_client_can_read(key: Any, data: bytes | None) -> None:
    """Text is UTF-8, bytes are themselves, all else is JSON; windows end with their start."""
    assert serde.encode_key(key) == data


def test_keys_of_the_apps_own_come_back_as_they_were() -> None:
    """A key in a store is msgpack, and a composite one is a tuple again, so it can be looked up."""
    for key in ("a", 5, 1.5, None, True, b"x", ("a", 1)):
        assert serde.decode_key(serde.msgpack.encode(key)) == key


def test_null_is_null_in_both_directions() -> None:
    """The plain callables keep None as the null value."""
    for write in (serde.msgpack_serializer, serde.json_serializer):
        assert write(None) is None
    assert serde.deserializer()(None) is None
