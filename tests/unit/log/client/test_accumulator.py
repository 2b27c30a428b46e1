from __future__ import annotations

from millstream_log.client.accumulator import (
    BATCH_OVERHEAD_BYTES,
    Accumulator,
    PendingBatch,
    record_size,
)
from millstream_log.model import TopicPartition
from millstream_log.record.builder import encode_columns

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)
INFINITY = float("inf")


def add(accumulator: Accumulator, key: TopicPartition, value: bytes, now: float = 0) -> None:
    """Queue one record."""
    size = record_size(None, value)
    accumulator.batch_for(key, size, now).append(0, None, value, None, size)


def test_records_share_a_batch_until_it_is_full() -> None:
    """A batch takes records up to its size, and the next one begins another."""
    accumulator = Accumulator(BATCH_OVERHEAD_BYTES + 3 * record_size(None, b"12345"))
    for _ in range(4):
        add(accumulator, P0, b"12345")
    assert [batch.count for batch in accumulator.drain(1 << 20)] == [3]
    assert [batch.count for batch in accumulator.drain(1 << 20)] == [1]
    assert not accumulator
    assert accumulator.bytes == 0


def test_a_drain_takes_one_batch_of_each_partition_in_turn() -> None:
    """Kafka takes one batch a partition and request, and no partition starves another."""
    accumulator = Accumulator(1)
    for value in (b"a", b"b"):
        add(accumulator, P0, value)
        add(accumulator, P1, value)
    assert [(b.topic_partition, b.values) for b in accumulator.drain(1 << 20)] == [
        (P0, [b"a"]),
        (P1, [b"a"]),
    ]
    assert [b.topic_partition for b in accumulator.drain(1)] == [P0]
    assert [b.topic_partition for b in accumulator.drain(1)] == [P1]


def test_a_drain_stops_at_its_bytes_but_takes_one_batch_at_least() -> None:
    """A batch larger than a request still leaves, alone."""
    accumulator = Accumulator(16384)
    add(accumulator, P0, b"x" * 1000)
    add(accumulator, P1, b"y" * 1000)
    assert len(accumulator.drain(10)) == 1
    assert len(accumulator.drain(10)) == 1


def test_a_young_batch_lingers_and_a_full_one_does_not() -> None:
    """A batch leaves when it is old enough, or full, whichever is first."""
    accumulator = Accumulator(220)
    add(accumulator, P0, b"x", now=10)
    assert accumulator.next_due(5) == 15
    assert accumulator.drain(1 << 20, due_before=9) == []
    add(accumulator, P0, b"x" * 130, now=11)
    assert accumulator.next_due(5) == -INFINITY
    assert [b.values for b in accumulator.drain(1 << 20, due_before=9)] == [[b"x"]]
    assert accumulator.drain(1 << 20, due_before=9) == []
    assert [b.count for b in accumulator.drain(1 << 20, due_before=11)] == [1]


def test_a_batch_put_back_is_the_next_to_leave_and_takes_no_more() -> None:
    """A batch that is sent again keeps its place before what came later."""
    accumulator = Accumulator(16384)
    add(accumulator, P0, b"first")
    (batch,) = accumulator.drain(1 << 20)
    add(accumulator, P0, b"second")
    accumulator.put_back(batch)
    add(accumulator, P0, b"third")
    assert [b.values for b in accumulator.drain(1 << 20)] == [[b"first"]]
    assert [b.values for b in accumulator.drain(1 << 20)] == [[b"second", b"third"]]
    assert accumulator.bytes == 0


def test_a_whole_batch_stands_behind_what_waits() -> None:
    """A ready-made batch keeps its place among single records of its partition."""
    accumulator = Accumulator(16384)
    add(accumulator, P0, b"before")
    ready = PendingBatch(P0, 0)
    ready.append(0, None, b"ready", None, 10)
    accumulator.add(ready)
    add(accumulator, P0, b"after")
    left = []
    while batches := accumulator.drain(1 << 20):
        left += [batch.values for batch in batches]
    assert left == [[b"before"], [b"ready"], [b"after"]]


def test_the_size_is_never_below_the_encoded_size() -> None:
    """What was let into a batch by estimate never turns out larger."""
    batch = PendingBatch(P0, 0)
    for index in range(300):
        headers = [("nameé" * (index % 3 + 1), b"v" * index)] if index % 2 else None
        key, value = b"k" * (index % 90), b"v" * (index * 7)
        size = record_size(key, value, headers)
        batch.append(index * 10**9, key, value, headers, size)
    encoded = encode_columns(batch.timestamps, batch.keys, batch.values, batch.headers)
    assert len(encoded) <= batch.size


def test_columns_keep_headers_in_line() -> None:
    """Records without headers between those that have some keep their place."""
    batch = PendingBatch(P0, 0)
    for headers in (None, [("a", b"1")], None):
        batch.append(0, b"k", b"v", headers, 1)
    assert batch.headers == [(), (("a", b"1"),), ()]
    assert batch.all_keyed
