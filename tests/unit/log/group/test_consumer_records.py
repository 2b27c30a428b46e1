"""Records of consumer groups, against bytes that Apache Kafka 4.3.1 has written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.group.consumer_records import (
    Classic,
    Epoch,
    Expression,
    Key,
    Kind,
    Place,
    Said,
    State,
    decode_epoch,
    decode_expression,
    decode_key,
    decode_place,
    decode_said,
    decode_target,
    encode_epoch,
    encode_expression,
    encode_key,
    encode_place,
    encode_said,
    encode_target,
)

TOPIC = "496b010849" + "1b4021ad99699df291b84c"
EPOCHS = "01 00 09 03 00000002 00000002"

VALUES: list[tuple[Callable[[Any], bytes], Callable[[bytes], Any], Any, str]] = [
    (
        encode_epoch,
        decode_epoch,
        Epoch(2, 0x6D6D893F76E44872),
        "0000 00000002 01 00 08 6d6d893f76e44872",
    ),
    (encode_epoch, decode_epoch, Epoch(6), "0000 00000006 00"),
    (
        encode_said,
        decode_said,
        Said(None, None, "raw", "/127.0.0.1", ("t", "u"), "", 60_000, "range"),
        "0000 00 00 04726177 0b2f3132372e302e302e31 03 0274 0275 01 0000ea60 0672616e6765 01000100",
    ),
    (
        encode_said,
        decode_said,
        Said("i", "r", "raw", "/127.0.0.1", (), "t.", 1, None),
        "0000 0269 0272 04726177 0b2f3132372e302e302e31 01 03742e 00000001 00 01 00 01 00",
    ),
    (
        encode_said,
        decode_said,
        Said(topics=("t",), rebalance_timeout_ms=8000, classic=Classic(10_000, (("range", b"m"),))),
        "0000 00 00 01 01 02 0274 01 00001f40 0001 00 10 01 00002710 02 0672616e6765 026d 00 00",
    ),
    (
        encode_target,
        decode_target,
        frozenset({(TOPIC, 0), (TOPIC, 1)}),
        f"0000 02 {TOPIC} 03 00000000 00000001 00 00",
    ),
    (encode_target, decode_target, frozenset(), "0000 01 00"),
    (
        encode_place,
        decode_place,
        Place(2, 0, State.STABLE, {(TOPIC, 0): 2, (TOPIC, 1): 2}),
        f"0000 00000002 00000000 00 02 {TOPIC} 03 00000000 00000001 {EPOCHS} 01 00",
    ),
    (
        encode_place,
        decode_place,
        Place(2, 2, State.UNREVOKED_PARTITIONS, {}, {(TOPIC, 0): 2, (TOPIC, 1): 2}),
        f"0000 00000002 00000002 01 01 02 {TOPIC} 03 00000000 00000001 {EPOCHS} 00",
    ),
    (encode_place, decode_place, Place(-2), "0000 fffffffe 00000000 00 01 01 00"),
    (
        encode_expression,
        decode_expression,
        Expression(("t", "u"), 519, 0x1A207AAE864),
        "0000 03 0274 0275 0000000000000207 000001a207aae864 00",
    ),
]


@pytest.mark.parametrize(("encode", "decode", "value", "data"), VALUES)
def test_a_value_has_kafkas_bytes(
    encode: Callable[[Any], bytes], decode: Callable[[bytes], Any], value: Any, data: str
) -> None:
    """Each value is written as Kafka writes it, and read back."""
    raw = bytes.fromhex(data)
    assert encode(value) == raw
    assert decode(raw) == value


@pytest.mark.parametrize(
    ("key", "data"),
    [
        (Key(Kind.GROUP, "g"), b"\0\3\0\1g"),
        (Key(Kind.TOPICS, "g"), b"\0\4\0\1g"),
        (Key(Kind.MEMBER, "g", "A"), b"\0\5\0\1g\0\1A"),
        (Key(Kind.ASSIGNMENT, "g"), b"\0\6\0\1g"),
        (Key(Kind.TARGET, "g", "A"), b"\0\7\0\1g\0\1A"),
        (Key(Kind.PLACE, "g", "A"), b"\0\x08\0\1g\0\1A"),
        (Key(Kind.EXPRESSION, "g", "t."), b"\0\x10\0\1g\0\2t."),
    ],
)
def test_a_key_has_kafkas_bytes(key: Key, data: bytes) -> None:
    """A key is its kind, the group, and the member or the expression."""
    assert encode_key(key) == data
    assert decode_key(data) == key


@pytest.mark.parametrize("kind", [0, 1, 2, 9, 10, 15, 17])
def test_a_key_of_another_kind_is_somebody_elses(kind: int) -> None:
    """Commits, classic, share and streams groups have their own readers."""
    assert decode_key(kind.to_bytes(2, "big") + b"\0\1g") is None


def test_epochs_of_assignment_that_are_not_told_are_the_members() -> None:
    """Brokers before 4.3 did not write them."""
    raw = bytes.fromhex(f"0000 00000007 00000006 02 02 {TOPIC} 02 00000001 00 01 00")
    assert decode_place(raw) == Place(7, 6, State.UNRELEASED_PARTITIONS, {(TOPIC, 1): 7})


@pytest.mark.parametrize(
    ("decode", "data"),
    [
        (decode_epoch, "0001 00000002 00"),
        (decode_epoch, "0000 0000"),
        (decode_place, "0000 00000002 00000000 07 01 01 00"),
        (decode_said, "0000 09"),
    ],
)
def test_a_value_that_is_none_is_refused(decode: Callable[[bytes], Any], data: str) -> None:
    """An unknown version or state, and bytes that end too soon, are corrupt."""
    with pytest.raises(CorruptRecordError):
        decode(bytes.fromhex(data))
