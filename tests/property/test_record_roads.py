"""The fast roads against the careful ones, and garbage against all of them."""

from __future__ import annotations

import random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from millstream_log.errors import CorruptRecordError
from millstream_log.record import columns as careful
from millstream_log.record.batch import (
    HEADER_BYTES,
    BatchRecord,
    check,
    decode,
    decode_columns,
    iter_batches,
    read_header,
    seal,
)
from millstream_log.record.builder import encode_columns, encode_records
from millstream_log.record.columns import Columns
from millstream_log.record.compress import Codec

NOW = 1_700_000_000_000


def rows(columns: Columns) -> tuple[object, ...]:
    """Return the columns in a form that compares."""
    return (
        list(columns.offsets),
        columns.timestamps,
        columns.keys,
        columns.values,
        columns.headers,
    )


def make(seed: int, count: int) -> bytearray:
    """Return a batch of many records whose shapes the seed decides."""
    chance = random.Random(seed)
    sizes = chance.choice(
        [[100], [7], [0], [100, 101], [90, 130], [0, 300], [60, 68], [8100, 8200]]
    )
    key_sizes = chance.choice([[11], [0], [11, 12], [1, 70], [62, 66], [8000]])
    nulls = chance.choice([0, 0, 0, 0.01, 0.5, 1])
    steps = chance.choice([(0, 0), (0, 1), (0, 3), (-3, 4), (-70, 70), (0, 9000), (-9000, 9999999)])
    if count * (sizes[-1] + key_sizes[-1]) > 4_000_000:
        count //= 10
    timestamps, keys, values = [NOW], [], []
    for _ in range(count):
        timestamps.append(max(timestamps[-1] + chance.randint(*steps), 0))
        sized = [chance.randint(pair[0], pair[-1]) for pair in (key_sizes, sizes)]
        fields = [None if chance.random() < nulls else chance.randbytes(size) for size in sized]
        keys.append(fields[0])
        values.append(fields[1])
    del timestamps[-1]
    batch = encode_columns(timestamps, keys, values)
    gaps = chance.choice([0, 0, 0.1, 0.9])
    if gaps:
        records = [record for record in decode(batch) if chance.random() >= gaps]
        batch = encode_records(records, base_offset=0, like=read_header(batch))
    return batch


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 2**32), st.sampled_from([1, 40, 256, 300, 700, 9000]))
def test_both_roads_read_the_same(seed: int, count: int) -> None:
    """Read all at once or one by one, the records are the same, and building is undone."""
    batch = make(seed, count)
    header = read_header(batch)
    check(batch, 0, header)
    data = bytes(batch[HEADER_BYTES:])
    slow = careful.scan_each(data, header.count, 0, header.base_timestamp)
    fast = decode_columns(batch)
    assert rows(fast) == rows(slow)
    part = decode_columns(batch, keys=False, timestamps=False)
    assert (part.timestamps, part.keys, part.values) == ([], [], slow.values)
    part = decode_columns(batch, values=False)
    assert (part.timestamps, part.keys, part.values) == (slow.timestamps, slow.keys, [])
    records = list(map(BatchRecord, slow.offsets, slow.timestamps, slow.keys, slow.values))
    assert bytes(encode_records(records, base_offset=0, like=header)) == bytes(batch)


def reads(data: bytes, count: int, **wanted: bool) -> tuple[object, ...] | None:
    """Return what the fast road finds, None for an error."""
    try:
        return rows(careful.scan(data, count, 0, NOW, **wanted))
    except CorruptRecordError:
        return None


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**32), st.sampled_from([30, 260, 400]), st.randoms(use_true_random=False))
def test_spoilt_records_are_judged_alike(seed: int, count: int, chance: random.Random) -> None:
    """With bytes changed at random both roads find the same records, or both an error."""
    batch = make(seed, count)
    count = read_header(batch).count
    data = bytearray(batch[HEADER_BYTES:])
    for _ in range(chance.choice([1, 1, 3])):
        if data:
            data[chance.randrange(len(data))] = chance.choice([0, 1, 2, 127, 128, 129, 255])
    spoilt = bytes(data)
    try:
        slow = rows(careful.scan_each(spoilt, count, 0, NOW))
    except CorruptRecordError:
        slow = None
    assert reads(spoilt, count) == slow
    for wanted in ("keys", "values", "timestamps"):
        found = reads(spoilt, count, **{wanted: False})
        assert (found is None) == (slow is None)


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=300),
    st.integers(0, 400),
    st.sampled_from(range(8)),
    st.integers(0, 2**31 - 1),
)
@example(b"\x80" * 300, 3, 0, 3)
@example(b"\x0c\x00\x00\x00\x01\x01\x00" * 42, 42, 0, 41)
def test_garbage_is_corrupt_and_nothing_else(
    body: bytes, count: int, codec: int, last_delta: int
) -> None:
    """Any bytes behind a possible header are records or CorruptRecordError."""
    batch = encode_columns([NOW], None, [None])[:HEADER_BYTES] + body
    batch[8:12] = (len(batch) - 12).to_bytes(4, "big")
    batch[21:23] = codec.to_bytes(2, "big")
    batch[23:27] = last_delta.to_bytes(4, "big")
    batch[57:61] = count.to_bytes(4, "big")
    seal(batch, 0, len(batch))
    try:
        assert len(decode(batch)) == count
    except CorruptRecordError:
        pass


@given(st.binary(max_size=200))
def test_garbage_headers_are_corrupt_and_nothing_else(data: bytes) -> None:
    """Any bytes at all are batches or CorruptRecordError."""
    try:
        for position, header in iter_batches(data):
            check(data, position, header)
            decode(data, position, header)
    except CorruptRecordError:
        pass


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from([c for c in Codec if c]))
def test_spoilt_streams_are_corrupt_and_nothing_else(seed: int, codec: Codec) -> None:
    """A compressed batch with bytes changed at random is records or CorruptRecordError."""
    chance = random.Random(seed)
    values: list[bytes | None] = [b"value-%d" % i for i in range(300)]
    batch = encode_columns([NOW] * 300, None, values, codec=codec)
    for _ in range(chance.randint(1, 4)):
        at = HEADER_BYTES + chance.randrange(chance.choice([10, len(batch) - HEADER_BYTES]))
        batch[at] = chance.randrange(256)
    try:
        decode(batch)
    except CorruptRecordError:
        pass
