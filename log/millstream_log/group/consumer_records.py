"""Keys and values of the records that a consumer group (KIP-848) keeps in `__consumer_offsets`.

    key    kind i16 | group str                       3 epoch, 6 assignment epoch
           kind i16 | group str | member str          5 what it said, 7 target, 8 place
           kind i16 | group str | expression str      16 topics of a regular expression

    value  version i16, which is 0, then
      3    epoch i32 | tag 0: hash of the topics' metadata i64
      5    instance id cstr? | rack cstr? | client id cstr | client host cstr | topics [cstr]
           | expression cstr? | rebalance timeout i32, ms | assignor cstr?
           | tag 0: i8 1 | session timeout i32, ms | [protocol cstr | metadata cbytes | tags] | tags
                    of a member that speaks the classic protocol; else one byte, 0
      6    assignment epoch i32 | tag 0: time of the assignment i64, ms
      7    [topic id uuid | partitions [i32] | tags] | tags
      8    epoch i32 | previous epoch i32 | state i8 | assigned | to be revoked | tags
           each of them [topic id uuid | partitions [i32] | tag 0: epochs of assignment [i32]]
      16   topics [cstr] | version of the metadata i64 | time i64, ms | tags

    str: length i16, then UTF-8. cstr and [...]: length + 1 as an unsigned varint; ? may be null,
    which is 0. Tags: count, then number, size and bytes of each. A null value takes it back.

Kind 4 held the topics' metadata before Kafka 4.1; it is taken back, and otherwise passed over.

Source: Kafka's ConsumerGroup...Key and ConsumerGroup...Value definitions.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from ..errors import CorruptRecordError
from ..machine import LogRecord
from ..record.varint import encode_raw
from .records import Reader, encode_text

IdPartition = tuple[str, int]
"""Id of a topic, 32 hex digits, and a partition of it."""

_I8 = struct.Struct(">b")
_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_I64 = struct.Struct(">q")
_VERSION = _I16.pack(0)
_NO_TAGS = b"\0"
_NULL = b"\0"


class Kind(enum.IntEnum):
    """What a record is about: the version of its key."""

    GROUP = 3
    TOPICS = 4
    MEMBER = 5
    ASSIGNMENT = 6
    TARGET = 7
    PLACE = 8
    EXPRESSION = 16


_OF_A_GROUP = frozenset({Kind.GROUP, Kind.TOPICS, Kind.ASSIGNMENT})
_KINDS = frozenset(Kind)


class Key(NamedTuple):
    """What a record is filed under."""

    kind: Kind
    group_id: str
    name: str = ""  # the member or the expression


class Epoch(NamedTuple):
    """How often a group has changed, or has been assigned anew."""

    epoch: int
    mark: int = 0  # hash of the topics' metadata, or time of the assignment (ms since 1970)


class Classic(NamedTuple):
    """What a member says besides that speaks the classic protocol."""

    session_timeout_ms: int
    protocols: tuple[tuple[str, bytes], ...]


class Said(NamedTuple):
    """What a member has said of itself."""

    instance_id: str | None = None  # of a static member
    rack_id: str | None = None
    client_id: str = ""
    client_host: str = ""
    topics: tuple[str, ...] = ()  # sorted
    expression: str = ""  # for more topics; "" for none
    rebalance_timeout_ms: int = -1
    assignor: str | None = None
    classic: Classic | None = None  # of a member of the classic protocol


class State(enum.IntEnum):
    """How far a member is on its way to its target."""

    STABLE = 0  # has all of it, at its epoch
    UNREVOKED_PARTITIONS = 1  # has not yet given up what it is to give up
    UNRELEASED_PARTITIONS = 2  # waits for others to give up


class Place(NamedTuple):
    """Where a member is in its group, and what it has."""

    epoch: int = 0  # -2: a static member that is away for a while
    previous_epoch: int = 0
    state: State = State.STABLE
    assigned: Mapping[IdPartition, int] = {}  # with the epoch of assignment
    revoking: Mapping[IdPartition, int] = {}  # likewise; to be given up by the member


class Expression(NamedTuple):
    """What a regular expression stands for."""

    topics: tuple[str, ...]  # sorted
    version: int
    time_ms: int


Target = frozenset[IdPartition]
"""What a member is to have."""


def encode_key(key: Key) -> bytes:
    """Return the key of a record."""
    tail = b"" if key.kind in _OF_A_GROUP else encode_text(key.name)
    return _I16.pack(key.kind) + encode_text(key.group_id) + tail


def decode_key(data: bytes) -> Key | None:
    """Return the key, or None when it is of another kind.

    Raises:
        CorruptRecordError: the bytes end before the key does.
    """
    reader = Reader(data, "consumer group key")
    number = reader.i16()
    if number not in _KINDS:
        return None
    kind = Kind(number)
    return Key(kind, reader.text(), "" if kind in _OF_A_GROUP else reader.text())


def group_tombstones(group_id: str) -> list[LogRecord]:
    """Return the records that end an empty consumer group."""
    kinds = (Kind.ASSIGNMENT, Kind.TOPICS, Kind.GROUP)
    return [(encode_key(Key(kind, group_id)), None) for kind in kinds]


def encode_epoch(value: Epoch) -> bytes:
    """Return the value of kind 3 or 6."""
    tags = _tag(_I64.pack(value.mark)) if value.mark else _NO_TAGS
    return _VERSION + _I32.pack(value.epoch) + tags


def decode_epoch(data: bytes) -> Epoch:
    """Return the value of kind 3 or 6; raises CorruptRecordError, as all these do."""
    reader = _begun(data, "consumer group epoch")
    epoch = reader.i32()
    mark = _tags(reader).get(0)
    return Epoch(epoch, Reader(mark, "mark of an epoch").i64() if mark else 0)


def encode_said(value: Said) -> bytes:
    """Return the value of kind 5."""
    parts = (
        _VERSION,
        _optional(value.instance_id),
        _optional(value.rack_id),
        _compact(value.client_id),
        _compact(value.client_host),
        _array(_compact(topic) for topic in value.topics),
        _optional(value.expression),
        _I32.pack(value.rebalance_timeout_ms),
        _optional(value.assignor),
        _tag(_classic(value.classic)),
    )
    return b"".join(parts)


def decode_said(data: bytes) -> Said:
    """Return the value of kind 5."""
    reader = _begun(data, "consumer group member")
    return Said(
        instance_id=reader.optional_compact_text(),
        rack_id=reader.optional_compact_text(),
        client_id=reader.compact_text(),
        client_host=reader.compact_text(),
        topics=tuple(reader.compact_text() for _ in range(_count(reader))),
        expression=reader.optional_compact_text() or "",
        rebalance_timeout_ms=reader.i32(),
        assignor=reader.optional_compact_text(),
        classic=_read_classic(_tags(reader).get(0, b"")),
    )


def encode_target(value: Target) -> bytes:
    """Return the value of kind 7."""
    return _VERSION + _partitions(dict.fromkeys(value, 0), with_epochs=False) + _NO_TAGS


def decode_target(data: bytes) -> Target:
    """Return the value of kind 7."""
    return frozenset(_read_partitions(_begun(data, "consumer group target"), 0))


def encode_place(value: Place) -> bytes:
    """Return the value of kind 8."""
    parts = (
        _VERSION,
        _I32.pack(value.epoch),
        _I32.pack(value.previous_epoch),
        _I8.pack(value.state),
        _partitions(value.assigned),
        _partitions(value.revoking),
        _NO_TAGS,
    )
    return b"".join(parts)


def decode_place(data: bytes) -> Place:
    """Return the value of kind 8."""
    reader = _begun(data, "consumer group assignment")
    epoch, previous, state = reader.i32(), reader.i32(), reader.i8()
    try:
        known = State(state)
    except ValueError as error:
        raise CorruptRecordError(f"consumer group assignment: state {state} is unknown") from error
    assigned = _read_partitions(reader, epoch)
    return Place(epoch, previous, known, assigned, _read_partitions(reader, epoch))


def encode_expression(value: Expression) -> bytes:
    """Return the value of kind 16."""
    topics = _array(_compact(topic) for topic in value.topics)
    times = _I64.pack(value.version) + _I64.pack(value.time_ms)
    return _VERSION + topics + times + _NO_TAGS


def decode_expression(data: bytes) -> Expression:
    """Return the value of kind 16."""
    reader = _begun(data, "consumer group expression")
    topics = tuple(reader.compact_text() for _ in range(_count(reader)))
    return Expression(topics, reader.i64(), reader.i64())


def _classic(value: Classic | None) -> bytes:
    if value is None:
        return _NULL
    protocols = _array(
        _compact(name) + encode_raw(len(metadata) + 1) + metadata + _NO_TAGS
        for name, metadata in value.protocols
    )
    return b"\1" + _I32.pack(value.session_timeout_ms) + protocols + _NO_TAGS


def _read_classic(data: bytes) -> Classic | None:
    reader = Reader(data, "member of the classic protocol")
    if not data or reader.i8() != 1:
        return None
    session_ms = reader.i32()
    protocols = []
    for _ in range(_count(reader)):
        protocols.append((reader.compact_text(), reader.raw(_count(reader))))
        _tags(reader)
    return Classic(session_ms, tuple(protocols))


def _partitions(value: Mapping[IdPartition, int], with_epochs: bool = True) -> bytes:
    by_topic: dict[str, list[IdPartition]] = {}
    for partition in sorted(value):
        by_topic.setdefault(partition[0], []).append(partition)
    return _array(
        bytes.fromhex(topic_id)
        + _array(_I32.pack(number) for _, number in held)
        + (_tag(_array(_I32.pack(value[key]) for key in held)) if with_epochs else _NO_TAGS)
        for topic_id, held in by_topic.items()
    )


def _read_partitions(reader: Reader, epoch: int) -> dict[IdPartition, int]:
    """Return partitions with their epochs of assignment, or `epoch` where none are told."""
    found: dict[IdPartition, int] = {}
    for _ in range(_count(reader)):
        topic_id = reader.raw(16).hex()
        numbers = _numbers(reader)
        told = _tags(reader).get(0)
        epochs = _numbers(Reader(told, "epochs of assignment")) if told else []
        epochs += [epoch] * (len(numbers) - len(epochs))
        found |= {(topic_id, n): e for n, e in zip(numbers, epochs, strict=False)}
    return found


def _numbers(reader: Reader) -> list[int]:
    return [reader.i32() for _ in range(_count(reader))]


def _count(reader: Reader) -> int:
    return max(reader.uvarint() - 1, 0)


def _begun(data: bytes, what: str) -> Reader:
    reader = Reader(data, what)
    version = reader.i16()
    if version != 0:
        raise CorruptRecordError(f"{what} has version {version}, known is 0")
    return reader


def _tags(reader: Reader) -> dict[int, bytes]:
    return {reader.uvarint(): reader.raw(reader.uvarint()) for _ in range(reader.uvarint())}


def _tag(value: bytes) -> bytes:
    """Return tagged fields of which there is one, number 0."""
    return b"\1\0" + encode_raw(len(value)) + value


def _array(parts: Iterable[bytes]) -> bytes:
    held: Collection[bytes] = list(parts)
    return encode_raw(len(held) + 1) + b"".join(held)


def _compact(value: str) -> bytes:
    raw = value.encode()
    return encode_raw(len(raw) + 1) + raw


def _optional(value: str | None) -> bytes:
    return _NULL if value is None else _compact(value)
