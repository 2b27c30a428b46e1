"""Keys and values of the records in `__consumer_offsets`.

    key    version i16 | group str | topic str | partition i32            (version 0 or 1)
    value  version i16 | offset i64 | leader epoch i32 | metadata str | commit time i64   (3)
    key    version i16 | group str                                        (version 2: members)

    str: length i16, then UTF-8. A null value (tombstone) takes a commit back.

Invariants: a key of another version is somebody else's and is skipped, not an error.

Source: Kafka's OffsetCommitKey, OffsetCommitValue, GroupMetadataKey definitions.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ..errors import CorruptRecordError

_KEY_VERSION = 1
_GROUP_METADATA_KEY_VERSION = 2
_VALUE_VERSION = 3
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")


class OffsetKey(NamedTuple):
    """What a committed offset is filed under."""

    group_id: str
    topic: str
    partition: int


class OffsetValue(NamedTuple):
    """A committed offset."""

    offset: int
    leader_epoch: int  # -1 where unknown
    metadata: str
    commit_time_ms: int


def encode_key(key: OffsetKey) -> bytes:
    """Return the record key of a committed offset."""
    return b"".join(
        (
            _I16.pack(_KEY_VERSION),
            _text(key.group_id),
            _text(key.topic),
            _I32.pack(key.partition),
        )
    )


def encode_value(value: OffsetValue) -> bytes:
    """Return the record value of a committed offset."""
    return b"".join(
        (
            _I16.pack(_VALUE_VERSION),
            _I64.pack(value.offset),
            _I32.pack(value.leader_epoch),
            _text(value.metadata),
            _I64.pack(value.commit_time_ms),
        )
    )


def decode_key(data: bytes) -> OffsetKey | None:
    """Return the key, or None when it is not that of a committed offset.

    Raises:
        CorruptRecordError: the bytes end before the key does.
    """
    reader = _Reader(data, "offset commit key")
    version = reader.i16()
    if version not in (0, 1):
        return None
    return OffsetKey(reader.text(), reader.text(), reader.i32())


def decode_value(data: bytes) -> OffsetValue:
    """Return the committed offset of a value of version 0 to 3.

    Raises:
        CorruptRecordError: the version is unknown, or the bytes end before the value does.
    """
    reader = _Reader(data, "offset commit value")
    version = reader.i16()
    if not 0 <= version <= _VALUE_VERSION:
        raise CorruptRecordError(
            f"offset commit value has version {version}, known are 0 to {_VALUE_VERSION}"
        )
    offset = reader.i64()
    leader_epoch = reader.i32() if version >= 3 else -1
    return OffsetValue(offset, leader_epoch, reader.text(), reader.i64())


def _text(value: str) -> bytes:
    raw = value.encode()
    return _I16.pack(len(raw)) + raw


class _Reader:
    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self._position = 0

    def _take(self, size: int) -> bytes:
        start = self._position
        self._position = start + size
        if size < 0 or self._position > len(self._data):
            raise CorruptRecordError(
                f"{self._what} of {len(self._data)} bytes ends inside a field at {start}"
            )
        return self._data[start : self._position]

    def i16(self) -> int:
        return int(_I16.unpack(self._take(2))[0])

    def i32(self) -> int:
        return int(_I32.unpack(self._take(4))[0])

    def i64(self) -> int:
        return int(_I64.unpack(self._take(8))[0])

    def text(self) -> str:
        try:
            return self._take(self.i16()).decode()
        except UnicodeDecodeError as error:
            raise CorruptRecordError(f"{self._what} holds text that is not UTF-8") from error
