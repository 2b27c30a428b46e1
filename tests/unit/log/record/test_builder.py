from __future__ import annotations

import pytest

from millstream_log.model import TimestampType
from millstream_log.record.batch import BatchRecord, check, decode, read_header, stamp_append_time
from millstream_log.record.builder import BatchBuilder, encode_columns, encode_records
from millstream_log.record.compress import Codec


def test_builder_estimate_is_the_size() -> None:
    """Without a codec the estimate after each record is the size of the batch built then."""
    builder = BatchBuilder(size_max=1 << 30)
    for i in range(150):
        key = None if i % 3 == 0 else b"k" * i
        headers = [("name", b"x" * i), ("", None)] if i % 7 == 0 else ()
        assert builder.append(1000 + i * i * (-1) ** i, key, b"v" * (i * 90), headers)
        assert builder.size_estimate == len(builder.build())
    assert builder.count == 150


def test_builder_refuses_what_does_not_fit() -> None:
    """A record beyond the limit is refused and leaves the batch as it was."""
    builder = BatchBuilder(size_max=200)
    assert builder.append(5, b"k", b"v" * 60)
    before = bytes(builder.build())
    assert not builder.append(6, b"k", b"v" * 100)
    assert bytes(builder.build()) == before
    assert builder.append(6, b"k", b"v")
    assert builder.count == 2


def test_builder_takes_any_first_record() -> None:
    """A lone record is taken whatever its size: the log decides on it, not the builder."""
    builder = BatchBuilder(size_max=100)
    assert builder.append(1, None, b"v" * 10_000)
    assert not builder.append(1, None, b"")
    assert decode(builder.build())[0].value == b"v" * 10_000


def test_builder_starts_afresh_after_reset() -> None:
    """After a reset it builds the same batch from the same records."""
    builder = BatchBuilder(codec=Codec.LZ4, producer_id=4, producer_epoch=1, base_sequence=8)
    batches = []
    for _ in range(2):
        builder.append(1, b"k", b"v", [("h", b"")])
        builder.append(2, b"k", b"v")
        batches.append(bytes(builder.build()))
        builder.reset()
        assert builder.count == 0
    assert batches[0] == batches[1]
    header = read_header(batches[0])
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (4, 1, 8)
    with pytest.raises(ValueError, match="at least 1 record"):
        builder.build()


def test_columns_must_match() -> None:
    """Columns of unequal length are the caller's error."""
    with pytest.raises(ValueError, match="unequal"):
        encode_columns([1], [b"a", b"b"], [b"a", b"b"])
    with pytest.raises(ValueError, match="unequal"):
        encode_columns([1, 2], [b"a"], [b"a", b"b"])


def test_large_fields_leave_the_fast_road() -> None:
    """Lengths, counts and deltas beyond the tables come back as they were."""
    timestamps = [10**12, 10**12 + 2**40, 0, 10**12 + 8192, 10**12 - 8193]
    values: list[bytes | None] = [b"v" * 8191, b"v" * 8192, b"v" * 100_000, None, b""]
    keys: list[bytes | None] = [b"k" * 9000, None, b"", b"k" * 64, b"k" * 63]
    records = decode(encode_columns(timestamps, keys, values))
    assert [record.timestamp for record in records] == timestamps
    assert [record.key for record in records] == keys
    assert [record.value for record in records] == values


def test_compaction_keeps_offsets_and_span() -> None:
    """What is left of a batch keeps its offsets, times, producer and the span of offsets."""
    batch = encode_columns(
        [100, 90, 300, 200],
        [b"a", b"b", b"a", b"c"],
        [b"1", b"2", b"3", None],
        codec=Codec.ZSTD,
        base_offset=50,
        producer_id=9,
        producer_epoch=1,
        base_sequence=3,
    )
    kept = decode(batch)[1:]
    smaller = encode_records(kept, base_offset=50, like=read_header(batch))
    header = read_header(smaller)
    check(smaller, 0, header)
    assert decode(smaller) == kept
    assert (header.base_offset, header.last_offset, header.count) == (50, 53, 3)
    assert (header.producer_id, header.base_sequence, header.codec) == (9, 3, Codec.ZSTD)
    assert (header.base_timestamp, header.max_timestamp) == (90, 300)


def test_compaction_sets_the_delete_horizon() -> None:
    """The horizon stands in the base timestamp, and the records' times do not move."""
    batch = encode_columns([100, 110], [b"a", b"b"], [None, b"2"], base_offset=5)
    records = decode(batch)
    marked = encode_records(records, base_offset=5, like=read_header(batch), delete_horizon_ms=999)
    header = read_header(marked)
    assert header.delete_horizon_ms == 999
    assert decode(marked) == records
    again = encode_records(records, base_offset=5, like=header)
    assert bytes(again) == bytes(marked)


def test_compaction_may_leave_nothing() -> None:
    """A batch with no record left is a header that still tells span and producer."""
    batch = encode_columns([100, 110], None, [b"1", b"2"], codec=Codec.GZIP, producer_id=3)
    empty = encode_records([], base_offset=0, like=read_header(batch))
    header = read_header(empty)
    check(empty, 0, header)
    assert (header.size, header.count, header.last_offset, header.producer_id) == (61, 0, 1, 3)
    assert decode(empty) == []


def test_compaction_keeps_append_time() -> None:
    """A LogAppendTime batch has the same time after compaction."""
    batch = encode_columns([100, 110], None, [b"1", b"2"])
    stamp_append_time(batch, 0, read_header(batch), 5000)
    smaller = encode_records(decode(batch)[1:], base_offset=0, like=read_header(batch))
    assert read_header(smaller).timestamp_type is TimestampType.LOG_APPEND_TIME
    assert decode(smaller) == [BatchRecord(1, 5000, None, b"2")]
