"""Record batch v2: read its header, check it, patch it, decode its records.

    0           8       12      16  17    21     23      27        35        43       51
    +-----------+-------+-------+---+-----+------+-------+---------+---------+--------+--
    |base offset|length |leader |mag|CRC  |attri-|last   |base     |max      |producer|
    |           |       |epoch  | ic|     |butes |delta  |timestamp|timestamp|id      |
    +-----------+-------+-------+---+-----+------+-------+---------+---------+--------+--
       51       53       57      61                                                 size
     --+--------+--------+-------+-------------------------------------------------+
       |producer|base    |count  |records, compressed as a whole where attributes  |
       |epoch   |sequence|       |bits 0-2 name a codec                            |
     --+--------+--------+-------+-------------------------------------------------+
    |<-- not in the CRC: [0, 21) -->|<-- in the CRC: [21, size) ------------------->

Invariants: a batch is never opened to be stored: offset and leader epoch are patched in
place, outside the CRC. Every length read is checked against the bytes that remain before
anything is allocated for it. Bad bytes raise CorruptRecordError and nothing else.
Source: Kafka's message format chapter, KIP-98 (format v2), KIP-534 (delete horizon);
docs/format.md works one batch out in hex.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import repeat
from mmap import mmap
from typing import NamedTuple

from ..errors import CorruptRecordError
from ..model import Header, TimestampType
from .checksum import Buffer, crc32c
from .columns import NO_HEADERS, Columns, scan
from .compress import Codec, decompress

PREFIX_BYTES = 12
"""Base offset and length: what stands before the bytes that `length` counts."""
HEADER_BYTES = 61
CRC_START = 21
"""The CRC covers [CRC_START, size) of a batch."""
MAGIC = 2
RECORD_BYTES_MIN = 7
"""A record of nothing: seven varints of one byte."""

CODEC_BITS = 0x07
TIMESTAMP_TYPE_BIT = 0x08
TRANSACTIONAL_BIT = 0x10
CONTROL_BIT = 0x20
DELETE_HORIZON_BIT = 0x40

HEADER = struct.Struct(">qiibIhiqqqhii")
_OFFSET = struct.Struct(">q")
_EPOCH = struct.Struct(">i")
_CRC = struct.Struct(">I")
_ATTRIBUTES = struct.Struct(">h")


class BatchHeader(NamedTuple):
    """The 61 bytes before the records; times in epoch ms, offsets of the partition."""

    base_offset: int
    size: int  # bytes of the whole batch, the first 12 included
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int  # the delete horizon where attribute bit 6 is set
    max_timestamp: int
    producer_id: int  # -1: none
    producer_epoch: int
    base_sequence: int
    count: int  # type: ignore[assignment]  # records really there; compaction makes it smaller than the offset span

    @property
    def last_offset(self) -> int:
        """The offset of the batch's last record as it was first written."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset of the record that follows this batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def codec(self) -> Codec:
        """How the records are compressed. Raises CorruptRecordError for an unknown codec."""
        try:
            return Codec(self.attributes & CODEC_BITS)
        except ValueError:
            number = self.attributes & CODEC_BITS
            raise CorruptRecordError(f"codec {number}, known are 0 to {max(Codec)}") from None

    @property
    def timestamp_type(self) -> TimestampType:
        """Who set the timestamps."""
        return TimestampType(self.attributes >> 3 & 1)

    @property
    def is_transactional(self) -> bool:
        """Whether the batch belongs to a transaction."""
        return bool(self.attributes & TRANSACTIONAL_BIT)

    @property
    def is_control(self) -> bool:
        """Whether the batch holds a marker rather than records of users."""
        return bool(self.attributes & CONTROL_BIT)

    @property
    def delete_horizon_ms(self) -> int | None:
        """When compaction may drop the tombstones of this batch; None when not yet set."""
        return self.base_timestamp if self.attributes & DELETE_HORIZON_BIT else None


class BatchRecord(NamedTuple):
    """One record of a batch; the timestamp in epoch ms."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...] = ()


def read_header(buffer: Buffer, position: int = 0) -> BatchHeader:
    """Read the header at `position`; the records behind it need not be there.

    Raises CorruptRecordError when fewer than 61 bytes remain or a field is impossible.
    """
    try:
        fields = HEADER.unpack_from(buffer, position)
    except struct.error:
        left = len(buffer) - position
        raise CorruptRecordError(
            f"batch header at byte {position}: {left} bytes left, needs {HEADER_BYTES}"
        ) from None
    offset, length, epoch, magic, crc, attributes, last_delta = fields[:7]
    count = fields[12]
    if magic != MAGIC:
        raise CorruptRecordError(f"batch at byte {position}: magic {magic}, known is {MAGIC}")
    if length < HEADER_BYTES - PREFIX_BYTES:
        raise CorruptRecordError(
            f"batch at byte {position}: length {length}, "
            f"at least {HEADER_BYTES - PREFIX_BYTES} by its header"
        )
    if last_delta < 0 or not 0 <= count <= last_delta + 1:
        raise CorruptRecordError(
            f"batch at byte {position}: {count} records, last offset delta {last_delta}"
        )
    return BatchHeader(
        offset, length + PREFIX_BYTES, epoch, magic, crc, attributes, last_delta, *fields[7:]
    )


def iter_batches(buffer: Buffer, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
    """Yield (position, header) of every whole batch; stop at a tail that is not whole.

    Raises CorruptRecordError at a header that is impossible. The CRC is not looked at.
    """
    end = len(buffer)
    while end - position >= HEADER_BYTES:
        header = read_header(buffer, position)
        if header.size > end - position:
            return
        yield position, header
        position += header.size


def check(buffer: Buffer, position: int, header: BatchHeader) -> None:
    """Compare the CRC of the batch at `position` with its bytes.

    Raises CorruptRecordError when they differ or the batch is not whole.
    """
    end = position + header.size
    if end > len(buffer):
        raise CorruptRecordError(
            f"batch of offset {header.base_offset} at byte {position}: "
            f"{header.size} bytes, {len(buffer) - position} left"
        )
    with memoryview(buffer) as view, view[position + CRC_START : end] as covered:
        found = crc32c(covered)
    if found != header.crc:
        raise CorruptRecordError(
            f"batch of offset {header.base_offset} at byte {position}: "
            f"CRC {found:#010x}, header says {header.crc:#010x}"
        )


def assign(
    buffer: bytearray | memoryview | mmap, position: int, base_offset: int, leader_epoch: int
) -> None:
    """Write base offset and leader epoch into the batch at `position`, outside its CRC."""
    _OFFSET.pack_into(buffer, position, base_offset)
    _EPOCH.pack_into(buffer, position + 12, leader_epoch)


def stamp_append_time(
    buffer: bytearray | memoryview | mmap, position: int, header: BatchHeader, now_ms: int
) -> None:
    """Make the batch LogAppendTime at `now_ms`: bit 3, max timestamp, CRC; records untouched."""
    attributes = header.attributes | TIMESTAMP_TYPE_BIT
    _ATTRIBUTES.pack_into(buffer, position + CRC_START, attributes)
    _OFFSET.pack_into(buffer, position + 35, now_ms)
    seal(buffer, position, header.size)


def seal(buffer: bytearray | memoryview | mmap, position: int, size: int) -> None:
    """Write the CRC of the batch of `size` bytes at `position`."""
    with memoryview(buffer) as view, view[position + CRC_START : position + size] as covered:
        found = crc32c(covered)
    _CRC.pack_into(buffer, position + 17, found)


def decode(
    buffer: Buffer, position: int = 0, header: BatchHeader | None = None
) -> list[BatchRecord]:
    """Return the records of the batch at `position`; the CRC is not looked at.

    Raises CorruptRecordError.
    """
    columns = decode_columns(buffer, position, header)
    offsets, timestamps, keys, values = (
        columns.offsets,
        columns.timestamps,
        columns.keys,
        columns.values,
    )
    headers = repeat(NO_HEADERS) if columns.headers is None else columns.headers
    return list(map(BatchRecord, offsets, timestamps, keys, values, headers))


def decode_columns(
    buffer: Buffer,
    position: int = 0,
    header: BatchHeader | None = None,
    *,
    keys: bool = True,
    values: bool = True,
    timestamps: bool = True,
) -> Columns:
    """Return the records of the batch at `position` as columns; the CRC is not looked at.

    A column that is not asked for comes as an empty list. Raises CorruptRecordError.
    """
    if header is None:
        header = read_header(buffer, position)
    end = position + header.size
    if end > len(buffer):
        raise CorruptRecordError(
            f"batch of offset {header.base_offset} at byte {position}: "
            f"{header.size} bytes, {len(buffer) - position} left"
        )
    codec = header.codec
    if not header.count:
        return Columns(range(0), [], [], [])
    with memoryview(buffer) as view, view[position + HEADER_BYTES : end] as body:
        data = decompress(codec, body) if codec else bytes(body)
    if header.count * RECORD_BYTES_MIN > len(data):
        raise CorruptRecordError(
            f"batch of offset {header.base_offset}: {header.count} records "
            f"in {len(data)} bytes, a record has at least {RECORD_BYTES_MIN}"
        )
    log_append = header.attributes & TIMESTAMP_TYPE_BIT
    columns = scan(
        data,
        header.count,
        header.base_offset,
        header.base_timestamp,
        keys=keys,
        values=values,
        timestamps=timestamps and not log_append,
    )
    if timestamps and log_append:
        columns.timestamps = [header.max_timestamp] * header.count
    return columns
