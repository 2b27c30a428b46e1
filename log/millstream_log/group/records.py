"""Keys and values of the records in `__consumer_offsets`.

    key    version i16 | group str | topic str | partition i32            (version 0 or 1)
    value  version i16 | offset i64 | leader epoch i32 | metadata str | commit time i64   (3)
           the same, with the length of metadata + 1 as a varint, then tagged fields      (4)

    key    version i16 | group str                                        (version 2: members)
    value  version i16 | protocol type str | generation i32 | protocol str? | leader str?
           | state timestamp i64 (2+) | count i32 | members                               (3)
    member member id str | group instance id str? (3+) | client id str | client host str
           | rebalance timeout i32 (1+) | session timeout i32 | subscription bytes
           | assignment bytes

    str: length i16, then UTF-8; str? may have length -1, which is none. bytes: length i32. Times
    are ms since 1970, timeouts ms. A null value (tombstone) takes a commit or a group back.

Invariants: a key of another version is somebody else's and is skipped, not an error. Values are
written in version 3; a log that Kafka 4 has written holds version 4, whose tagged field is the
topic's id.

Source: Kafka's OffsetCommitKey, OffsetCommitValue, GroupMetadataKey, GroupMetadataValue and
ConsumerProtocolSubscription definitions.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple

from ..errors import CorruptRecordError

_KEY_VERSION = 1
_GROUP_KEY_VERSION = 2
_VALUE_VERSION = 3
_VALUE_VERSION_MAX = 4
_GROUP_VALUE_VERSION = 3
_I8 = struct.Struct(">b")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")
_EXPIRING_VALUE_VERSION = 1  # the one version that says when it expires
_EXPIRING_VALUE_HEAD = struct.Struct(">hqh")  # version, offset, length of the metadata
_TIMES = struct.Struct(">qq")  # of the commit, and of its end
_VALUE_HEAD = struct.Struct(">hqih")  # version, offset, leader epoch, length of the metadata
_KEYS_CACHED = 1 << 16  # a consumer commits the same partitions all its life


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
    expire_time_ms: int = -1  # when it was to be forgotten by OffsetCommit 2 to 4; -1: not said


class MemberMetadata(NamedTuple):
    """A member of a generation, as the log keeps it."""

    member_id: str
    group_instance_id: str | None  # of a static member
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    subscription: bytes  # what it said under the protocol that was chosen
    assignment: bytes  # what the leader gave it


class GroupMetadata(NamedTuple):
    """A generation of a group, as the log keeps it."""

    protocol_type: str  # "" where no member ever joined
    generation: int
    protocol: str | None
    leader: str | None
    state_timestamp_ms: int  # when the group came into its state; -1 where unknown
    members: tuple[MemberMetadata, ...]  # none: the group is empty


@functools.lru_cache(_KEYS_CACHED)
def encode_key(key: OffsetKey) -> bytes:
    """Return the record key of a committed offset."""
    parts = (encode_text(key.group_id), encode_text(key.topic), _I32.pack(key.partition))
    return _I16.pack(_KEY_VERSION) + b"".join(parts)


def encode_value(value: OffsetValue) -> bytes:
    """Return the record value of a committed offset."""
    raw = value.metadata.encode()
    if value.expire_time_ms != -1:
        head = _EXPIRING_VALUE_HEAD.pack(_EXPIRING_VALUE_VERSION, value.offset, len(raw))
        return head + raw + _TIMES.pack(value.commit_time_ms, value.expire_time_ms)
    head = _VALUE_HEAD.pack(_VALUE_VERSION, value.offset, value.leader_epoch, len(raw))
    return head + raw + _I64.pack(value.commit_time_ms)


@functools.lru_cache(_KEYS_CACHED)
def decode_key(data: bytes) -> OffsetKey | None:
    """Return the key, or None when it is not that of a committed offset.

    Raises:
        CorruptRecordError: the bytes end before the key does.
    """
    reader = Reader(data, "offset commit key")
    version = reader.i16()
    if version not in (0, 1):
        return None
    return OffsetKey(reader.text(), reader.text(), reader.i32())


def decode_value(data: bytes) -> OffsetValue:
    """Return the committed offset of a value of version 0 to 4.

    Raises:
        CorruptRecordError: the version is unknown, or the bytes end before the value does.
    """
    reader = Reader(data, "offset commit value")
    version = reader.i16()
    if not 0 <= version <= _VALUE_VERSION_MAX:
        raise CorruptRecordError(
            f"offset commit value has version {version}, known are 0 to {_VALUE_VERSION_MAX}"
        )
    offset = reader.i64()
    leader_epoch = reader.i32() if version >= 3 else -1
    metadata = reader.text() if version < 4 else reader.compact_text()
    commit_time_ms = reader.i64()
    expire_time_ms = reader.i64() if version == _EXPIRING_VALUE_VERSION else -1
    return OffsetValue(offset, leader_epoch, metadata, commit_time_ms, expire_time_ms)


def encode_group_key(group_id: str) -> bytes:
    """Return the record key of a group's generation."""
    return _I16.pack(_GROUP_KEY_VERSION) + encode_text(group_id)


def decode_group_key(data: bytes) -> str | None:
    """Return the group id, or None when the key is not that of a group's generation.

    Raises:
        CorruptRecordError: the bytes end before the key does.
    """
    reader = Reader(data, "group metadata key")
    return reader.text() if reader.i16() == _GROUP_KEY_VERSION else None


def encode_group_value(value: GroupMetadata) -> bytes:
    """Return the record value of a group's generation."""
    parts = [
        _I16.pack(_GROUP_VALUE_VERSION),
        encode_text(value.protocol_type),
        _I32.pack(value.generation),
        _optional_text(value.protocol),
        _optional_text(value.leader),
        _I64.pack(value.state_timestamp_ms),
        _I32.pack(len(value.members)),
    ]
    for member in value.members:
        parts += (
            encode_text(member.member_id),
            _optional_text(member.group_instance_id),
            encode_text(member.client_id),
            encode_text(member.client_host),
            _I32.pack(member.rebalance_timeout_ms),
            _I32.pack(member.session_timeout_ms),
            _I32.pack(len(member.subscription)),
            member.subscription,
            _I32.pack(len(member.assignment)),
            member.assignment,
        )
    return b"".join(parts)


def decode_group_value(data: bytes) -> GroupMetadata:
    """Return the generation of a value of version 0 to 3.

    Raises:
        CorruptRecordError: the version is unknown, or the bytes end before the value does.
    """
    reader = Reader(data, "group metadata value")
    version = reader.i16()
    if not 0 <= version <= _GROUP_VALUE_VERSION:
        raise CorruptRecordError(
            f"group metadata value has version {version}, known are 0 to {_GROUP_VALUE_VERSION}"
        )
    return GroupMetadata(
        protocol_type=reader.text(),
        generation=reader.i32(),
        protocol=reader.optional_text(),
        leader=reader.optional_text(),
        state_timestamp_ms=reader.i64() if version >= 2 else -1,
        members=tuple(_member(reader, version) for _ in range(reader.i32())),
    )


def subscribed_topics(metadata: bytes) -> list[str]:
    """Return the topics of a ConsumerProtocolSubscription: version i16, then an array of strings.

    Raises:
        CorruptRecordError: these bytes are no such thing.
    """
    reader = Reader(metadata, "consumer protocol subscription")
    reader.i16()
    count = reader.i32()
    if count < 0:
        raise CorruptRecordError(f"consumer protocol subscription names {count} topics")
    return [reader.text() for _ in range(count)]


def _member(reader: Reader, version: int) -> MemberMetadata:
    member_id = reader.text()
    group_instance_id = reader.optional_text() if version >= 3 else None
    client_id = reader.text()
    client_host = reader.text()
    rebalance_timeout_ms = reader.i32() if version >= 1 else -1
    session_timeout_ms = reader.i32()
    return MemberMetadata(
        member_id,
        group_instance_id,
        client_id,
        client_host,
        session_timeout_ms if rebalance_timeout_ms == -1 else rebalance_timeout_ms,
        session_timeout_ms,
        reader.blob(),
        reader.blob(),
    )


def encode_text(value: str) -> bytes:
    """Return a string behind its int16 length."""
    raw = value.encode()
    return _I16.pack(len(raw)) + raw


def _optional_text(value: str | None) -> bytes:
    return _I16.pack(-1) if value is None else encode_text(value)


class Reader:
    """The primitive types of the protocol, taken off the front of some bytes one by one.

    Every method raises CorruptRecordError where the bytes end inside the field.
    """

    def __init__(self, data: bytes, what: str) -> None:
        self._data = data
        self._what = what
        self._position = 0

    def i8(self) -> int:
        """Return an int8."""
        return self._number(_I8)

    def i16(self) -> int:
        """Return an int16."""
        return self._number(_I16)

    def i32(self) -> int:
        """Return an int32."""
        return self._number(_I32)

    def i64(self) -> int:
        """Return an int64."""
        return self._number(_I64)

    def blob(self) -> bytes:
        """Return bytes after their int32 length."""
        return self.raw(self.i32())

    def text(self) -> str:
        """Return a string after its int16 length."""
        return self._decoded(self.i16())

    def compact_text(self) -> str:
        """Return a string after its length + 1 as an unsigned varint."""
        return self._decoded(self.uvarint() - 1)

    def optional_compact_text(self) -> str | None:
        """Return such a string, or None for the length 0."""
        size = self.uvarint()
        return self._decoded(size - 1) if size else None

    def uvarint(self) -> int:
        """Return an unsigned varint of at most five bytes."""
        number = shift = 0
        more = True
        while more and shift < 35:
            byte = self.raw(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            more = byte >= 0x80
        return number

    def optional_text(self) -> str | None:
        """Return a string, or None for the length -1."""
        size = self.i16()
        return None if size == -1 else self._decoded(size)

    def _decoded(self, size: int) -> str:
        try:
            return self.raw(size).decode()
        except UnicodeDecodeError as error:
            raise CorruptRecordError(f"{self._what} holds text that is not UTF-8") from error

    def _number(self, layout: struct.Struct) -> int:
        start = self._position
        try:
            number: int = layout.unpack_from(self._data, start)[0]
        except struct.error as error:
            raise self._too_short(start) from error
        self._position = start + layout.size
        return number

    def raw(self, size: int) -> bytes:
        """Return so many bytes."""
        start = self._position
        self._position = start + size
        if size < 0 or self._position > len(self._data):
            raise self._too_short(start)
        return self._data[start : self._position]

    def _too_short(self, start: int) -> CorruptRecordError:
        return CorruptRecordError(
            f"{self._what} of {len(self._data)} bytes ends inside a field at {start}"
        )
