from __future__ import annotations

import struct

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.group.records import (
    GroupMetadata,
    MemberMetadata,
    OffsetKey,
    OffsetValue,
    decode_group_key,
    decode_group_value,
    decode_key,
    decode_value,
    encode_group_key,
    encode_group_value,
    encode_key,
    encode_value,
    subscribed_topics,
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
    """Versions 0 and 1, which old brokers wrote, give the same offset; 1 has an end too."""
    for version, end in ((0, -1), (1, -1), (1, 6)):
        data = struct.pack(">hq", version, 9) + b"\0\1m" + struct.pack(">qq", 5, end)
        assert decode_value(data) == OffsetValue(9, -1, "m", 5, end)


def test_a_value_that_says_when_it_expires_is_of_version_1() -> None:
    """No other version has a field for it, so Kafka writes the older one."""
    value = OffsetValue(9, -1, "m", 5, 6)
    data = b"\0\1" + struct.pack(">q", 9) + b"\0\1m" + struct.pack(">qq", 5, 6)
    assert encode_value(value) == data
    assert decode_value(data) == value


def test_the_newest_values_are_read() -> None:
    """Version 4, which Kafka 4.3 writes, has a shorter text and behind all the topic's id."""
    kafkas = bytes.fromhex(
        "0004 0000000000000001 00000000 01 000001a2066f15fe"
        "01 00 10 33bc77dbb3ce4769a5290a4d0b54ef30"
    )
    assert decode_value(kafkas) == OffsetValue(1, 0, "", 0x1A2066F15FE)
    note = "n" * 200
    data = struct.pack(">hqi", 4, 9, -1) + b"\xc9\1" + note.encode() + struct.pack(">q", 5) + b"\0"
    assert decode_value(data) == OffsetValue(9, -1, note, 5)
    for cut in range(len(data) - 1):
        with pytest.raises(CorruptRecordError):
            decode_value(data[:cut])
    with pytest.raises(CorruptRecordError):
        decode_value(struct.pack(">hqi", 4, 9, -1) + b"\0" * 9)


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


MEMBER = MemberMetadata("m-1", None, "client", "/10.0.0.1", 60_000, 10_000, b"sub", b"asg")
GROUP = GroupMetadata("consumer", 7, "range", "m-1", 1_700_000_000_000, (MEMBER,))


def test_a_group_key_has_kafkas_bytes() -> None:
    """The key of a generation is version 2 and the group."""
    assert encode_group_key("group") == b"\0\2\0\5group"
    assert decode_group_key(b"\0\2\0\5group") == "group"
    assert decode_group_key(encode_key(KEY)) is None
    with pytest.raises(CorruptRecordError):
        decode_group_key(b"\0\2\0\5grou")


def test_a_group_value_has_kafkas_bytes() -> None:
    """The value is version 3, with the time of the state and the members one by one."""
    assert encode_group_value(GROUP) == (
        b"\0\3\0\x08consumer"
        + struct.pack(">i", 7)
        + b"\0\5range"
        + b"\0\3m-1"
        + struct.pack(">q", 1_700_000_000_000)
        + struct.pack(">i", 1)
        + b"\0\3m-1"
        + b"\xff\xff"
        + b"\0\6client"
        + b"\0\x09/10.0.0.1"
        + struct.pack(">ii", 60_000, 10_000)
        + b"\0\0\0\3sub"
        + b"\0\0\0\3asg"
    )


def test_group_values_come_back() -> None:
    """Encoding and decoding are each other's inverse, for static members and empty groups too."""
    static = GROUP._replace(members=(MEMBER, MEMBER._replace(group_instance_id="i")))
    empty = GroupMetadata("", 0, None, None, -1, ())
    for value in (GROUP, static, empty):
        assert decode_group_value(encode_group_value(value)) == value


@pytest.mark.parametrize("version", [0, 1, 2])
def test_older_group_values_are_read(version: int) -> None:
    """What a version does not have takes its default; the rebalance time-out was the session's."""
    data = struct.pack(">h", version) + b"\0\x08consumer" + struct.pack(">i", 7)
    data += b"\0\5range\0\3m-1"
    data += struct.pack(">q", 99) if version >= 2 else b""
    data += struct.pack(">i", 1) + b"\0\3m-1\0\6client\0\x09/10.0.0.1"
    data += struct.pack(">i", 60_000) if version >= 1 else b""
    data += struct.pack(">i", 10_000) + b"\0\0\0\3sub\0\0\0\3asg"
    rebalance_ms = 60_000 if version >= 1 else 10_000
    assert decode_group_value(data) == GROUP._replace(
        state_timestamp_ms=99 if version >= 2 else -1,
        members=(MEMBER._replace(rebalance_timeout_ms=rebalance_ms),),
    )


def test_group_values_that_end_early_are_corrupt() -> None:
    """Every cut of a value is an error, and so are text that is not UTF-8 and another version."""
    data = encode_group_value(GROUP)
    for cut in range(len(data)):
        with pytest.raises(CorruptRecordError):
            decode_group_value(data[:cut])
    with pytest.raises(CorruptRecordError, match="UTF-8"):
        decode_group_value(data.replace(b"range", b"\xff\xff\xff\xff\xff"))
    with pytest.raises(CorruptRecordError, match="version 4"):
        decode_group_value(b"\0\4" + data[2:])


def test_the_topics_of_a_subscription_are_read() -> None:
    """Whatever the version says, what comes first are the topics."""
    newest = b"\xff\xff\xff\xff" + b"\0\0\0\0" + b"\0\0\0\5" + b"\0\4rack"
    for version, rest in ((b"\0\0", b"\0\0\0\1x"), (b"\0\3", newest)):
        assert subscribed_topics(version + b"\0\0\0\2\0\1t\0\1u" + rest) == ["t", "u"]
