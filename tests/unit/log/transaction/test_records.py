from __future__ import annotations

import struct

import msgspec
import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.model import TopicPartition
from millstream_log.transaction.records import can_be_key, decode_key, decode_value, encode
from millstream_log.transaction.transaction import Producer, State, Transaction

OPEN = Transaction(
    transactional_id="t",
    producer=Producer(4000, 3),
    timeout_ms=60_000,
    state=State.ONGOING,
    partitions=frozenset(
        {TopicPartition("out", 1), TopicPartition("out", 0), TopicPartition("a", 7)}
    ),
    update_ms=1_700_000_000_500,
    start_ms=1_700_000_000_000,
)
ENDING = msgspec.structs.replace(OPEN, previous_producer_id=4000, next_producer_id=5, version=2)
FIXED_BYTES = (
    b"\0\0"
    + struct.pack(">qhib", 4000, 3, 60_000, 1)
    + struct.pack(">i", 2)
    + (b"\0\1a" + struct.pack(">ii", 1, 7))
    + (b"\0\3out" + struct.pack(">iii", 2, 0, 1))
    + struct.pack(">qq", 1_700_000_000_500, 1_700_000_000_000)
)
FLEXIBLE_BYTES = (
    b"\0\1"
    + struct.pack(">qhib", 4000, 3, 60_000, 1)
    + b"\3"
    + (b"\2a" + b"\2" + struct.pack(">i", 7) + b"\0")
    + (b"\4out" + b"\3" + struct.pack(">ii", 0, 1) + b"\0")
    + struct.pack(">qq", 1_700_000_000_500, 1_700_000_000_000)
    + (b"\3" + b"\0\x08" + struct.pack(">q", 4000))  # previous producer id
    + (b"\1\x08" + struct.pack(">q", 5))  # next producer id
    + (b"\2\2" + struct.pack(">h", 2))  # client transaction version
)


def value_of(transaction: Transaction) -> bytes:
    """Return the value of a record that is no tombstone."""
    value = encode(transaction)[1]
    assert value is not None
    return value


def test_a_record_has_kafkas_bytes() -> None:
    """The value is of version 1, topics and partitions sorted, as Kafka writes them."""
    assert encode(ENDING) == (b"\0\0\0\1t", FLEXIBLE_BYTES)
    plain = FLEXIBLE_BYTES[: FLEXIBLE_BYTES.index(b"\3\0\x08")] + b"\0"
    assert encode(OPEN)[1] == plain


def test_an_empty_one_has_no_list_of_partitions() -> None:
    """In the state Empty the partitions are null, in any other an empty list, as in Kafka."""
    empty = msgspec.structs.replace(OPEN, state=State.EMPTY, partitions=frozenset(), start_ms=-1)
    assert value_of(empty)[17:18] == b"\0"
    done = msgspec.structs.replace(empty, state=State.COMPLETE_ABORT)
    assert value_of(done)[17:18] == b"\1"
    for transaction in (empty, done):
        assert decode_value("t", value_of(transaction)) == transaction


def test_dead_is_a_tombstone() -> None:
    """An id that is forgotten is taken out of the log, and no state is said for it."""
    dead = msgspec.structs.replace(OPEN, state=State.DEAD)
    assert encode(dead) == (b"\0\0\0\1t", None)


@pytest.mark.parametrize("number", range(6))
def test_keys_and_values_come_back(number: int) -> None:
    """Encoding and decoding are each other's inverse, in every state that the log says."""
    state = list(State)[number]
    partitions = frozenset[TopicPartition]() if state is State.EMPTY else OPEN.partitions
    transaction = msgspec.structs.replace(OPEN, state=state, partitions=partitions)
    key, value = encode(transaction)
    assert decode_key(key) == "t"
    assert value is not None
    assert value[16] == number
    assert decode_value("t", value) == transaction


def test_the_older_version_is_read() -> None:
    """Version 0, which we and Kafka wrote before, says the same but for the tagged fields."""
    assert decode_value("t", FIXED_BYTES) == OPEN


def test_tags_that_are_not_known_are_passed_over() -> None:
    """A field that a later Kafka has added does not keep us from the others."""
    topic = b"\2\0\0\0\7"
    data = FLEXIBLE_BYTES.replace(topic + b"\0", topic + b"\1\5\2xy")
    assert decode_value("t", data) == ENDING


def test_a_long_list_of_partitions_comes_back() -> None:
    """Counts and names of more than 127 take a varint of two bytes."""
    wide = frozenset(TopicPartition("n" * 200, number) for number in range(300))
    transaction = msgspec.structs.replace(OPEN, partitions=wide)
    assert decode_value("t", value_of(transaction)) == transaction


def test_keys_of_others_are_passed_over() -> None:
    """A key of a version that is not known is no error."""
    assert decode_key(b"\0\1\0\1t") is None


@pytest.mark.parametrize("number", [6, 7, 8, -1])
def test_states_that_are_never_written_are_corrupt(number: int) -> None:
    """Dead, PrepareEpochFence and numbers without a state are an error."""
    data = bytearray(FIXED_BYTES)
    data[16:17] = struct.pack(">b", number)
    with pytest.raises(CorruptRecordError, match=f"state {number}"):
        decode_value("t", bytes(data))


def test_a_later_version_is_an_error() -> None:
    """A value of a version that is not known cannot be passed over: it would be forgotten."""
    with pytest.raises(CorruptRecordError, match="version 2"):
        decode_value("t", b"\0\2" + FIXED_BYTES[2:])


def test_bytes_that_end_early_are_corrupt() -> None:
    """Every cut of a key or a value is an error that says where it ends."""
    key, value = encode(OPEN)
    assert value is not None
    for cut in range(len(key)):
        with pytest.raises(CorruptRecordError):
            decode_key(key[:cut])
    for cut in range(len(value)):
        with pytest.raises(CorruptRecordError):
            decode_value("t", value[:cut])
    for whole in (FIXED_BYTES, FLEXIBLE_BYTES):
        for cut in range(len(whole)):
            with pytest.raises(CorruptRecordError):
                decode_value("t", whole[:cut])


def test_a_count_is_not_believed() -> None:
    """A length that the bytes do not hold, or that never ends, is an error and costs nothing."""
    head = FIXED_BYTES[:17]
    with pytest.raises(CorruptRecordError):
        decode_value("t", head + struct.pack(">i", 2**31 - 1))
    with pytest.raises(CorruptRecordError, match="varint"):
        decode_value("t", b"\0\1" + head[2:] + b"\xff" * 1000)
    with pytest.raises(CorruptRecordError, match="UTF-8"):
        decode_value("t", head + struct.pack(">i", 1) + b"\0\1\xff" + bytes(30))


def test_an_id_has_a_length_that_the_log_can_say() -> None:
    """An id has at most 32,767 bytes, and one at the least."""
    assert not can_be_key("")
    assert can_be_key("é" * 16_383)
    assert not can_be_key("é" * 16_384)
