"""Build a batch of one record: the lone record's own road, in one join.

    the layout is that of batch.py; this is `builder.encode_columns` for one row, at an eighth of
    its time, because nothing has to be looked at column by column

Invariants: the same bytes as `encode_columns` gives for the same record.
Source: Kafka's message format chapter, sections Record Batch and Record.
"""

from __future__ import annotations

import struct

from .batch import CRC_START, MAGIC, PREFIX_BYTES
from .builder import encode_columns
from .checksum import crc32c
from .varint import SMALL, TWO_BYTES

_FIELD_BYTES_MAX = TWO_BYTES // 2 - 8  # so that two fields and what frames them fit the table
_HEAD = struct.Struct(">qiibI")  # base offset, length, leader epoch, magic, CRC
_TAIL = struct.Struct(">hiqqqhii")  # attributes to count: what the CRC covers of the header
_NULL = b"\1"
_TIME_AND_OFFSET_DELTAS = b"\0\0\0"  # and the record's attributes before them
_NO_HEADERS = b"\0"


def encode_single(timestamp_ms: int, key: bytes | None, value: bytes | None) -> bytearray:
    """Return a batch of one record without headers, not compressed; the time in epoch ms."""
    if (key is not None and len(key) > _FIELD_BYTES_MAX) or (
        value is not None and len(value) > _FIELD_BYTES_MAX
    ):
        return encode_columns([timestamp_ms], None if key is None else [key], [value])
    key_field = _NULL if key is None else SMALL[len(key)] + key
    value_field = _NULL if value is None else SMALL[len(value)] + value
    covered = b"".join(
        (
            _TAIL.pack(0, 0, timestamp_ms, timestamp_ms, -1, -1, -1, 1),
            SMALL[4 + len(key_field) + len(value_field)],
            _TIME_AND_OFFSET_DELTAS,
            key_field,
            value_field,
            _NO_HEADERS,
        )
    )
    length = CRC_START - PREFIX_BYTES + len(covered)
    head = _HEAD.pack(0, length, -1, MAGIC, crc32c(covered))
    return bytearray(head + covered)
