from __future__ import annotations

import struct

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.group.records import (
    OffsetKey,
    OffsetValue,
    decode_key,
    decode_value,
    encode_key,
    encode_value,
)

KEY = OffsetKey("group", "topic", 7)
VALUE = OffsetValue(42, -1, "my note", 1_700_000_000_000)


def test_a_key_has_kafkas_bytes() -> None:
    """The key of a commit is version 1, group, topic, partition, as Kafka writes it."""
    assert encode_key(KEY) == b"\0\1\0\5group\0\5topic\0\0\0\7"


def test_a_value_has_kafkas_bytes() -> None:
    """The value is version 3: offset, leader epoch, metadata, commit time."""
    assert encode_value(VALUE) == (
        b"\0\3" + struct.pack(">qi", 42, -1) + b"\0\7my note" + struct.pack(">q", 1_700_000_000_000)
    )


def test_keys_and_values_come_back() -> None:
    """Encoding and decoding are each other's inverse."""
    assert decode_key(encode_key(KEY)) == KEY
    assert decode_value(encode_value(VALUE)) == VALUE


def test_older_values_are_read() -> None:
    """Versions 0 and 1, which old brokers wrote, give the same offset."""
    for version in (0, 1):
        data = struct.pack(">hq", version, 9) + b"\0\1m" + struct.pack(">q", 5)
        assert decode_value(data) == OffsetValue(9, -1, "m", 5)


@pytest.mark.parametrize("version", [2, 3, 8])
def test_keys_of_others_are_passed_over(version: int) -> None:
    """Group metadata and whatever comes later are no commits and no errors."""
    assert decode_key(struct.pack(">h", version) + b"\0\5group") is None


def test_bytes_that_end_early_are_corrupt() -> None:
    """Every cut of a key or a value is an error that says where it ends."""
    key, value = encode_key(KEY), encode_value(VALUE)
    for cut in range(2, len(key)):
        with pytest.raises(CorruptRecordError):
            decode_key(key[:cut])
    for cut in range(len(value)):
        with pytest.raises(CorruptRecordError):
            decode_value(value[:cut])
    with pytest.raises(CorruptRecordError, match="version 9"):
        decode_value(b"\0\x09" + value[2:])
