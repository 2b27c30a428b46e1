"""The records of a Fetch answer: whole batches, kept beyond the receive buffer.

    batch | batch | bat      Kafka cuts an answer at its byte bound, also in the middle of a batch
    └── kept ──────┘

Source: the batch format: base offset i64, then the size i32 of what follows.
"""

from __future__ import annotations

import struct

_SIZE = struct.Struct(">i")
_SIZE_AT = 8
_HEAD_BYTES = _SIZE_AT + _SIZE.size


def whole_batches(data: bytes | memoryview) -> bytes:
    """Return the bytes of all batches that are there to their end, as a copy.

    The first one is always whole: where it is not, all is kept, and the reader will say so.
    """
    end = 0
    while end + _HEAD_BYTES <= len(data):
        size: int = _SIZE.unpack_from(data, end + _SIZE_AT)[0]
        if size < 0 or end + _HEAD_BYTES + size > len(data):
            break
        end += _HEAD_BYTES + size
    return bytes(data[:end] if end else data)
