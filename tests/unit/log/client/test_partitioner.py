from __future__ import annotations

import warnings
from typing import Any

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from millstream_log.client.partitioner import DefaultPartitioner, murmur2, partition_for_key

with warnings.catch_warnings():  # kafka-python loads its schemas by a deprecated call
    warnings.simplefilter("ignore")
    from kafka.partitioner.default import murmur2 as kafka_python_murmur2


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_java_clients(data: bytes, code: int) -> None:
    """The published test values of Kafka's Java client come out."""
    assert murmur2(data) == code & 0xFFFFFFFF


@given(st.binary(max_size=70))
def test_the_hash_is_aiokafkas_and_kafka_pythons(data: bytes) -> None:
    """Two other clients of the family put every key where we do."""
    assert murmur2(data) == aiokafka_murmur2(data)
    assert murmur2(data) == kafka_python_murmur2(data) & 0xFFFFFFFF


def test_a_key_has_one_partition() -> None:
    """The same key goes to the same partition, in range, whatever buffer holds it."""
    partitioner = DefaultPartitioner(100)
    for key in (b"", b"a", b"some key"):
        held: list[Any] = [key, bytearray(key)]
        found = {partitioner.partition("t", k, 7, 10) for k in held}
        assert found == {partition_for_key(key, 7)}
        assert 0 <= found.pop() < 7


def test_records_without_key_stick_until_a_batch_is_full() -> None:
    """Null keys fill one partition with a batch's worth of bytes and then go to another."""
    choices = iter([2, 0, 1])
    partitioner = DefaultPartitioner(100, lambda others: next(c for c in choices if c in others))
    went = [partitioner.partition("t", None, 3, 50) for _ in range(6)]
    assert went == [2, 2, 0, 0, 1, 1]


def test_topics_stick_each_by_itself() -> None:
    """What goes to one topic does not move another's partition on."""
    partitioner = DefaultPartitioner(10, lambda others: others[0])
    assert partitioner.partition("a", None, 2, 20) == 0
    assert partitioner.partition("b", None, 2, 20) == 0
    assert partitioner.partition("a", None, 2, 20) == 1
