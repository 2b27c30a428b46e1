"""Build record batches: record by record, or whole columns at once.

    record   length | attributes 0 | timestamp delta | offset delta
             | key length | key | value length | value | header count | headers
    header   name length | name | value length | value          (every number a varint)

Invariants: what is built here decodes to what went in; base timestamp is the first record's;
numbers have their shortest form, as every Kafka client writes them.
Source: Kafka's message format chapter, sections Record Batch and Record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import add, sub

from ..model import Header, TimestampType
from .batch import (
    CODEC_BITS,
    CONTROL_BIT,
    DELETE_HORIZON_BIT,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    PREFIX_BYTES,
    TIMESTAMP_TYPE_BIT,
    TRANSACTIONAL_BIT,
    BatchHeader,
    BatchRecord,
    seal,
)
from .checksum import Buffer
from .compress import Codec, compress, decompress
from .varint import RAW, SMALL, TWO_BYTES, encode, size

# With its length before it a field of n bytes takes SIZED[n]; SIZED[-1] is a null field.
_SIZED = [*range(1, 65), *range(64 + 2, TWO_BYTES + 2), 1]
# What stands between two records without headers: the header count 0 of the one, length and
# attributes of the next, by the bytes that follow up to the value's end.
_BETWEEN = [b"\0" + length + b"\0" for length in SMALL[2:TWO_BYTES]]
# A delta of three or four bytes: the first two by its low 13 bits, what follows by the others.
_CONTINUED = [bytes((low, high)) for high in range(128, 256) for low in range(128, 256, 2)]
_TABLES_END = TWO_BYTES * len(RAW)

Fields = Sequence[bytes | None]
Headers = Sequence[Sequence[Header]]


def encode_columns(
    timestamps: Sequence[int],
    keys: Fields | None,
    values: Fields,
    headers: Headers | None = None,
    *,
    codec: Codec = Codec.NONE,
    level: int | None = None,
    base_offset: int = 0,
    timestamp_type: TimestampType = TimestampType.CREATE_TIME,
    leader_epoch: int = -1,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    is_transactional: bool = False,
    is_control: bool = False,
) -> bytearray:
    """Return one batch of the records whose fields stand in the columns; times in epoch ms.

    `keys` None: every key is null. Raises ValueError without records or with columns of
    unequal length.
    """
    count = len(values)
    if not count:
        raise ValueError("a batch has at least 1 record, got 0")
    if len(timestamps) != count or (keys is not None and len(keys) != count):
        got = (len(timestamps), None if keys is None else len(keys), count)
        raise ValueError(f"columns of unequal length: timestamps, keys, values {got}")
    base_timestamp = timestamps[0]
    parts = _pack(timestamps, base_timestamp, _offset_pieces(count), keys, values, headers)
    attributes = (
        codec
        | (TIMESTAMP_TYPE_BIT if timestamp_type else 0)
        | (TRANSACTIONAL_BIT if is_transactional else 0)
        | (CONTROL_BIT if is_control else 0)
    )
    header = BatchHeader(
        base_offset,
        0,
        leader_epoch,
        MAGIC,
        0,
        attributes,
        count - 1,
        base_timestamp,
        max(timestamps),
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    return _finish(header, parts, level)


def encode_records(
    records: Sequence[BatchRecord],
    *,
    base_offset: int,
    like: BatchHeader,
    delete_horizon_ms: int | None = None,
    level: int | None = None,
) -> bytearray:
    """Return the batch `like` with only these records of it left: what compaction writes.

    Each record keeps its offset and timestamp, the batch its offsets' span, producer fields,
    codec and marks. Without records it is a header alone, which keeps the producer's sequence.
    `delete_horizon_ms` None leaves the horizon that `like` has.
    """
    horizon = like.delete_horizon_ms if delete_horizon_ms is None else delete_horizon_ms
    timestamps = [record.timestamp for record in records]
    base = max_timestamp = like.max_timestamp
    if records:
        base = timestamps[0]
        if like.timestamp_type is TimestampType.CREATE_TIME:
            max_timestamp = max(timestamps)
    if horizon is not None:
        base = horizon
    parts = _pack(
        timestamps,
        base,
        [encode(record.offset - base_offset) for record in records],
        [record.key for record in records],
        [record.value for record in records],
        [record.headers for record in records],
    )
    header = like._replace(
        base_offset=base_offset,
        attributes=like.attributes | (DELETE_HORIZON_BIT if horizon is not None else 0),
        last_offset_delta=like.last_offset - base_offset,
        base_timestamp=base,
        max_timestamp=max_timestamp,
        count=len(records),
    )
    return _finish(header, parts, level)


def recompress(
    buffer: Buffer, position: int, header: BatchHeader, codec: Codec, level: int | None = None
) -> bytearray:
    """Return the batch at `position` with its records, which stay as they are, in another codec.

    Raises CorruptRecordError when they cannot be decompressed.
    """
    packed = memoryview(buffer)[position + HEADER_BYTES : position + header.size]
    records = decompress(Codec(header.attributes & CODEC_BITS), packed)
    header = header._replace(attributes=header.attributes & ~CODEC_BITS | codec)
    return _finish(header, [records] if records else [], level)


class BatchBuilder:
    """Collects records until `size_max` bytes, then builds one batch; sizes before compression."""

    def __init__(
        self,
        *,
        codec: Codec = Codec.NONE,
        level: int | None = None,
        size_max: int = 16384,
        timestamp_type: TimestampType = TimestampType.CREATE_TIME,
        producer_id: int = -1,
        producer_epoch: int = -1,
        base_sequence: int = -1,
        is_transactional: bool = False,
    ) -> None:
        self.codec = codec
        self.level = level
        self.size_max = size_max
        self.timestamp_type = timestamp_type
        self.producer_id = producer_id
        self.producer_epoch = producer_epoch
        self.base_sequence = base_sequence
        self.is_transactional = is_transactional
        self.reset()

    def reset(self) -> None:
        """Forget the records; the settings stay."""
        self.size_estimate = HEADER_BYTES  # exact where no codec is set
        self._timestamps: list[int] = []
        self._keys: list[bytes | None] = []
        self._values: list[bytes | None] = []
        self._headers: list[Sequence[Header]] | None = None

    @property
    def count(self) -> int:
        """How many records it holds."""
        return len(self._timestamps)

    def append(
        self,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] = (),
    ) -> bool:
        """Take one record; False, and nothing taken, when it does not fit behind others."""
        timestamps = self._timestamps
        count = len(timestamps)
        delta = timestamp_ms - timestamps[0] if count else 0
        body = 1 + size(delta) + (1 if count < 64 else size(count)) + _sized(key) + _sized(value)
        body += len(_encode_headers(headers)) if headers else 1
        grown = self.size_estimate + _sized_length(body)
        if grown > self.size_max and count:
            return False
        self.size_estimate = grown
        timestamps.append(timestamp_ms)
        self._keys.append(key)
        self._values.append(value)
        if headers or self._headers is not None:
            if self._headers is None:
                self._headers = [()] * count
            self._headers.append(headers)
        return True

    def build(self) -> bytearray:
        """Return the batch with base offset 0. Raises ValueError without records."""
        return encode_columns(
            self._timestamps,
            self._keys,
            self._values,
            self._headers,
            codec=self.codec,
            level=self.level,
            timestamp_type=self.timestamp_type,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            base_sequence=self.base_sequence,
            is_transactional=self.is_transactional,
        )


def _sized(field: bytes | None) -> int:
    return 1 if field is None else _sized_length(len(field))


def _sized_length(length: int) -> int:
    return _SIZED[length] if length < TWO_BYTES else length + size(length)


def _finish(header: BatchHeader, parts: list[bytes], level: int | None) -> bytearray:
    """Join the records' parts behind their header, compress where it says so, seal."""
    codec = Codec(header.attributes & CODEC_BITS)
    if not parts:  # as Kafka: no records, no codec
        header = header._replace(attributes=header.attributes & ~CODEC_BITS)
    elif codec:
        parts = [compress(codec, b"".join(parts), level)]
    parts.insert(0, bytes(HEADER_BYTES))
    out = bytearray().join(parts)
    fields = header._replace(size=len(out) - PREFIX_BYTES)
    HEADER.pack_into(out, 0, *fields)
    seal(out, 0, len(out))
    return out


def _offset_pieces(count: int) -> list[bytes]:
    """Return the varints of the offset deltas 0 to `count` - 1."""
    if count <= TWO_BYTES:
        return SMALL[:count]
    return SMALL[:TWO_BYTES] + _large_pieces(range(TWO_BYTES, count))


def _large_pieces(deltas: Iterable[int]) -> list[bytes]:
    return [
        _CONTINUED[delta & 8191] + RAW[delta >> 13]
        if TWO_BYTES <= delta < _TABLES_END
        else encode(delta)
        for delta in deltas
    ]


def _pack(
    timestamps: Sequence[int],
    base_timestamp: int,
    offset_pieces: list[bytes],
    keys: Fields | None,
    values: Fields,
    headers: Headers | None,
) -> list[bytes]:
    """Return the bytes of all records in parts ready to be joined."""
    if not values:
        return []
    if headers is not None and any(headers):
        return _pack_each(timestamps, base_timestamp, offset_pieces, keys, values, headers)
    deltas = list(map(sub, timestamps, repeat(base_timestamp)))
    if min(deltas) >= -TWO_BYTES and max(deltas) < TWO_BYTES:
        pieces = list(map(add, map(SMALL.__getitem__, deltas), offset_pieces))
    else:
        pieces = list(map(add, _large_pieces(deltas), offset_pieces))
    try:
        return _pack_columns(pieces, keys, values)
    except IndexError:  # a length beyond the tables
        return _pack_each(timestamps, base_timestamp, offset_pieces, keys, values, None)


def _pack_columns(pieces: list[bytes], keys: Fields | None, values: Fields) -> list[bytes]:
    """Pack records without headers, a column at a time. Raises IndexError from 8 KiB on."""
    count = len(values)
    value_prefixes, value_sizes, value_bytes = _sized_columns(values)
    sizes = map(add, map(len, pieces), value_sizes)
    if keys is None:
        sizes = map(add, sizes, repeat(1))
        step = 5
        parts: list[bytes] = [b"\1"] * (count * step)
    else:
        step = 6
        parts = [b""] * (count * step)
        key_prefixes, key_sizes, key_bytes = _sized_columns(keys)
        sizes = map(add, sizes, key_sizes)
        parts[2::step] = key_prefixes
        parts[3::step] = key_bytes
    parts[0::step] = map(_BETWEEN.__getitem__, sizes)
    parts[1::step] = pieces
    parts[step - 2 :: step] = value_prefixes
    parts[step - 1 :: step] = value_bytes
    parts[0] = parts[0][1:]  # no record stands before the first
    parts.append(b"\0")
    return parts


def _sized_columns(fields: Fields) -> tuple[list[bytes], Iterable[int], Sequence[bytes]]:
    """Return (length prefixes, sizes with their prefix, the fields with nothing for null)."""
    try:
        lengths, present = list(map(len, fields)), fields  # type: ignore[arg-type]
    except TypeError:
        lengths = [-1 if field is None else len(field) for field in fields]
        present = [field or b"" for field in fields]
    first = lengths[0]
    if lengths.count(first) == len(lengths):
        return [SMALL[first]] * len(lengths), repeat(_SIZED[first]), present  # type: ignore
    prefixes = list(map(SMALL.__getitem__, lengths))
    return prefixes, map(_SIZED.__getitem__, lengths), present  # type: ignore[return-value]


def _pack_each(
    timestamps: Sequence[int],
    base_timestamp: int,
    offset_pieces: list[bytes],
    keys: Fields | None,
    values: Fields,
    headers: Headers | None,
) -> list[bytes]:
    """Pack records one by one: with headers, or of any size."""
    parts: list[bytes] = []
    rows = zip(
        timestamps,
        offset_pieces,
        repeat(None) if keys is None else keys,
        values,
        repeat(()) if headers is None else headers,
        strict=False,
    )
    for timestamp, offset_piece, key, value, record_headers in rows:
        body = [
            b"\0",
            encode(timestamp - base_timestamp),
            offset_piece,
            b"\1" if key is None else encode(len(key)),
            key or b"",
            b"\1" if value is None else encode(len(value)),
            value or b"",
            _encode_headers(record_headers) if record_headers else b"\0",
        ]
        parts.append(encode(sum(map(len, body))))
        parts += body
    return parts


def _encode_headers(headers: Sequence[Header]) -> bytes:
    parts = [encode(len(headers))]
    for name, value in headers:
        raw = name.encode("utf-8", "surrogateescape")
        parts += (encode(len(raw)), raw)
        parts += (b"\1",) if value is None else (encode(len(value)), value)
    return b"".join(parts)
