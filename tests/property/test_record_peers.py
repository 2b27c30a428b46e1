"""Batches against the codecs of aiokafka and kafka-python, both ways."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream_log.model import Header
from millstream_log.record.batch import BatchRecord, check, decode, read_header
from millstream_log.record.builder import BatchBuilder, encode_columns
from millstream_log.record.compress import Codec
from millstream_log.record.control import Marker, MarkerType, encode_marker

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads its schemas the old way
    import kafka.codec
    import kafka.record.default_records as pure

NOW = 1_700_000_000_000
PURE = [
    codec for codec in Codec if codec is Codec.NONE or getattr(kafka.codec, f"has_{codec.label}")()
]

fields = st.none() | st.binary(max_size=100) | st.sampled_from([b"v" * 63, b"v" * 64, b"v" * 9000])
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=70)), max_size=3)
times = st.integers(0, 300) | st.integers(-(2**36), 2**36)
rows = st.lists(
    st.tuples(times.map(lambda delta: NOW + delta), fields, fields, st.just([]) | headers),
    min_size=1,
    max_size=80,
)
Row = tuple[int, bytes | None, bytes | None, list[Header]]


def ours(rows: list[Row], codec: Codec, **fields: Any) -> bytes:
    """Build with this house's builder."""
    timestamps, keys, values, headers = map(list, zip(*rows, strict=True))
    return bytes(encode_columns(timestamps, keys, values, headers, codec=codec, **fields))


def theirs(builder: Any, rows: list[Row]) -> bytes:
    """Build with a peer's builder."""
    for offset, (timestamp, key, value, headers) in enumerate(rows):
        builder.append(offset, timestamp, key, value, headers)
    return bytes(builder.build())


def expected(rows: list[Row], base_offset: int = 0) -> list[BatchRecord]:
    """Return the records that the rows are to become."""
    return [
        BatchRecord(base_offset + i, timestamp, key, value, tuple(headers))
        for i, (timestamp, key, value, headers) in enumerate(rows)
    ]


def as_ours(records: Any) -> list[BatchRecord]:
    """Return a peer's records as records of this house."""
    return [
        BatchRecord(r.offset, r.timestamp, r.key, r.value, tuple(map(tuple, r.headers)))
        for r in records
    ]


@settings(deadline=None)
@given(rows, st.sampled_from(Codec))
def test_aiokafka_reads_ours(rows: list[Row], codec: Codec) -> None:
    """What we put into a batch aiokafka finds in it, under a CRC it accepts."""
    batch = ours(rows, codec, base_offset=5, producer_id=7, producer_epoch=1, base_sequence=2)
    peer = DefaultRecordBatch(batch)
    assert peer.validate_crc()
    assert (peer.producer_id, peer.producer_epoch, peer.base_sequence) == (7, 1, 2)
    assert as_ours(peer) == expected(rows, 5)


@settings(deadline=None)
@given(rows, st.sampled_from(Codec))
def test_we_read_aiokafka(rows: list[Row], codec: Codec) -> None:
    """We find in aiokafka's batch the records it put in, under a CRC we accept."""
    batch = theirs(DefaultRecordBatchBuilder(2, int(codec), 0, 7, 1, 2, 1 << 24), rows)
    header = read_header(batch)
    check(batch, 0, header)
    assert (header.codec, header.count, header.producer_id) == (codec, len(rows), 7)
    assert decode(batch) == expected(rows)


@settings(deadline=None)
@given(rows)
def test_same_bytes_as_aiokafka(rows: list[Row]) -> None:
    """Uncompressed, both builders write the same bytes but for the leader epoch's field."""
    built = theirs(DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 24), rows)
    one_by_one = BatchBuilder(size_max=1 << 24)
    for row in rows:
        assert one_by_one.append(*row)
    for batch in (ours(rows, Codec.NONE), bytes(one_by_one.build())):
        assert batch[:12] == built[:12]
        assert batch[16:] == built[16:]


@pytest.mark.parametrize("codec", PURE)
@settings(deadline=None, max_examples=40)
@given(rows=rows)
def test_kafka_python_reads_ours_and_we_its(codec: Codec, rows: list[Row]) -> None:
    """Batches of kafka-python and ours: each side reads the other's, in every codec it has."""
    peer = pure.DefaultRecordBatch(ours(rows, codec))
    assert peer.validate_crc()
    assert as_ours(peer) == expected(rows)
    builder = pure.DefaultRecordBatchBuilder(2, int(codec), False, -1, -1, -1, 1 << 24)
    batch = theirs(builder, rows)
    check(batch, 0, read_header(batch))
    assert decode(batch) == expected(rows)


@given(st.sampled_from(MarkerType), st.integers(0, 2**31 - 1))
def test_peers_know_our_markers(kind: MarkerType, epoch: int) -> None:
    """Both peers see a marker's batch as a transactional control batch."""
    batch = bytes(
        encode_marker(Marker(kind, epoch), timestamp_ms=NOW, producer_id=9, producer_epoch=3)
    )
    for peer in (DefaultRecordBatch(batch), pure.DefaultRecordBatch(batch)):
        assert peer.validate_crc()
        assert peer.is_control_batch
        assert peer.is_transactional
        assert peer.producer_id == 9
