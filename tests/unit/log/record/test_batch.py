from __future__ import annotations

import mmap

import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.model import TimestampType
from millstream_log.record.batch import (
    HEADER_BYTES,
    BatchRecord,
    assign,
    check,
    decode,
    decode_columns,
    iter_batches,
    read_header,
    seal,
    stamp_append_time,
)
from millstream_log.record.builder import encode_columns
from millstream_log.record.compress import Codec

TIMES = [1_700_000_000_000 + i for i in range(5)]
VALUES: list[bytes | None] = [b"a", b"", None, b"ddd", b"e" * 200]


def batch_of(codec: Codec = Codec.NONE) -> bytearray:
    """Return a batch of the records above."""
    return encode_columns(TIMES, None, VALUES, codec=codec)


def test_header_tells_what_was_built() -> None:
    """Every field of the header comes back as it was given."""
    batch = encode_columns(
        TIMES,
        None,
        VALUES,
        codec=Codec.LZ4,
        base_offset=7,
        leader_epoch=3,
        producer_id=11,
        producer_epoch=2,
        base_sequence=90,
        is_transactional=True,
    )
    header = read_header(batch)
    assert header.size == len(batch)
    assert (header.base_offset, header.last_offset, header.next_offset) == (7, 11, 12)
    assert (header.leader_epoch, header.count, header.codec) == (3, 5, Codec.LZ4)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == (11, 2, 90)
    assert (header.base_timestamp, header.max_timestamp) == (TIMES[0], TIMES[-1])
    assert header.is_transactional
    assert not header.is_control
    assert header.delete_horizon_ms is None
    assert header.timestamp_type is TimestampType.CREATE_TIME


def test_assign_leaves_the_crc_valid() -> None:
    """Offset and leader epoch are outside the CRC: patching them breaks nothing."""
    batch = batch_of()
    assign(batch, 0, 1000, 9)
    header = read_header(batch)
    check(batch, 0, header)
    assert (header.base_offset, header.leader_epoch) == (1000, 9)
    assert [record.offset for record in decode(batch)] == [1000, 1001, 1002, 1003, 1004]


@pytest.mark.parametrize("codec", Codec)
def test_append_time_replaces_every_timestamp(codec: Codec) -> None:
    """After the stamp every record has the time of the append and the records are untouched."""
    batch = batch_of(codec)
    before = bytes(batch[HEADER_BYTES:])
    stamp_append_time(batch, 0, read_header(batch), 1_800_000_000_000)
    header = read_header(batch)
    check(batch, 0, header)
    assert header.timestamp_type is TimestampType.LOG_APPEND_TIME
    assert bytes(batch[HEADER_BYTES:]) == before
    assert decode_columns(batch).timestamps == [1_800_000_000_000] * 5


def test_batches_stop_at_a_tail_that_is_not_whole() -> None:
    """Iterating gives the whole batches and stops, without an error, at a torn one."""
    one, two = batch_of(), batch_of(Codec.GZIP)
    for cut in range(1, len(two)):
        found = [position for position, _ in iter_batches(one + two[:-cut])]
        assert found == [0]
    assert [position for position, _ in iter_batches(one + two)] == [0, len(one)]
    assert [position for position, _ in iter_batches(one + two, len(one))] == [len(one)]


def test_every_covered_bit_is_guarded() -> None:
    """One flipped bit in any byte from the CRC on is found."""
    batch = batch_of()
    header = read_header(batch)
    for i in range(21, len(batch)):
        spoilt = bytearray(batch)
        spoilt[i] ^= 0x10
        with pytest.raises(CorruptRecordError, match="CRC"):
            check(spoilt, 0, header)


@pytest.mark.parametrize(
    ("at", "bytes_", "message"),
    [
        (16, b"\x01", "magic 1"),
        (8, b"\x00\x00\x00\x10", "length 16"),
        (8, b"\xff\xff\xff\xff", "length -1"),
        (57, b"\xff\xff\xff\xff", "-1 records"),
        (57, b"\x00\x00\x00\x06", "6 records"),
        (23, b"\xff\xff\xff\xff", "last offset delta -1"),
    ],
)
def test_impossible_header_is_refused(at: int, bytes_: bytes, message: str) -> None:
    """A header field outside its range is an error that states the value."""
    batch = batch_of()
    batch[at : at + len(bytes_)] = bytes_
    with pytest.raises(CorruptRecordError, match=message):
        read_header(batch)


def test_short_buffers_are_refused() -> None:
    """A header or a batch that is cut short is an error, not a crash."""
    batch = batch_of()
    with pytest.raises(CorruptRecordError, match="needs 61"):
        read_header(batch[:60])
    header = read_header(batch)
    with pytest.raises(CorruptRecordError, match="left"):
        check(batch[:-1], 0, header)
    with pytest.raises(CorruptRecordError, match="left"):
        decode(batch[:-1])


def test_count_beyond_the_bytes_is_refused() -> None:
    """A count that the bytes cannot hold is refused before anything is made for it."""
    batch = batch_of()
    batch[57:61] = b"\x7f\xff\xff\xfe"
    batch[23:27] = b"\x7f\xff\xff\xfe"
    seal(batch, 0, len(batch))
    with pytest.raises(CorruptRecordError, match="a record has at least 7"):
        decode(batch)


def test_unknown_codec_is_refused() -> None:
    """Codecs 5 to 7 do not exist."""
    batch = batch_of()
    batch[22] = 5
    with pytest.raises(CorruptRecordError, match="codec 5"):
        decode(batch)


def test_every_kind_of_buffer_is_read() -> None:
    """bytes, bytearray, memoryview and mmap give the same records, at any position."""
    batch = b"pad" + bytes(batch_of())
    mapped = mmap.mmap(-1, len(batch))
    mapped[:] = batch
    for buffer in (batch, bytearray(batch), memoryview(batch), mapped):
        header = read_header(buffer, 3)
        check(buffer, 3, header)
        assert [record.value for record in decode(buffer, 3, header)] == VALUES
    mapped.close()  # fails where a view of it is left


def test_columns_not_asked_for_are_empty() -> None:
    """A skipped column is an empty list, and the others are as ever."""
    columns = decode_columns(batch_of(), keys=False, timestamps=False)
    assert (columns.keys, columns.timestamps, columns.values) == ([], [], VALUES)
    columns = decode_columns(batch_of(), values=False)
    assert (columns.keys, columns.timestamps, columns.values) == ([None] * 5, TIMES, [])
    assert len(columns) == 5


def test_since_trims_the_front() -> None:
    """What lies before the offset is cut off every column that is there."""
    batch = encode_columns(TIMES, None, VALUES, [[], [], [], [("h", None)], []], base_offset=10)
    columns = decode_columns(batch, keys=False)
    assert columns.since(9) is columns
    later = columns.since(13)
    assert list(later.offsets) == [13, 14]
    assert later.timestamps == TIMES[3:]
    assert later.values == VALUES[3:]
    assert later.keys == []
    assert later.headers == [(("h", None),), ()]
    assert len(columns.since(99)) == 0


def test_header_name_that_is_not_utf8_survives() -> None:
    """Bytes of a header's name that are not UTF-8 come back out as they were."""
    batch = encode_columns([0], None, [b""], [[("n\udcff", b"v")]])
    assert b"n\xff" in batch
    assert decode(batch) == [BatchRecord(0, 0, None, b"", (("n\udcff", b"v"),))]
