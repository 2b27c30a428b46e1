"""What members of a consumer group tell each other through the broker, which reads none of it.

    subscription   version i16, topics [string], user data bytes|null,
                   v1+ owned [topic string, partitions [i32]], v2+ generation i32,
                   v3+ rack string|null
    assignment     version i16, partitions [topic string, partitions [i32]], user data bytes|null
    user data      sticky: previous [topic string, partitions [i32]], v1+ generation i32
                   cooperative-sticky: generation i32

Invariants: an array's length is checked against the bytes that remain before anything is
allocated; what is written is sorted, so that equal values are equal bytes; a version above the
newest known is read as the newest known, and bytes left over are ignored, as Kafka does.

Source: ConsumerProtocolSubscription and ConsumerProtocolAssignment of Kafka's message
definitions; KIP-54, KIP-341, KIP-429, KIP-792, KIP-881.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from ..errors import ProtocolError
from ..model import TopicPartition

VERSION_NEWEST = 3
GENERATION_UNKNOWN = -1

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_STRING_SIZE_MIN = 2
_TOPIC_SIZE_MIN = _STRING_SIZE_MIN + _I32.size


class Subscription(NamedTuple):
    """What one member brings to a rebalance."""

    topics: frozenset[str]
    user_data: bytes | None = None  # the assignor's own
    owned_partitions: tuple[TopicPartition, ...] = ()  # what it still holds while it joins
    generation_id: int = GENERATION_UNKNOWN  # in which it came to hold them
    rack_id: str | None = None
    group_instance_id: str | None = None  # from JoinGroup, not part of these bytes


class Assignment(NamedTuple):
    """What one member is given."""

    partitions: tuple[TopicPartition, ...]
    user_data: bytes | None = None


class Claim(NamedTuple):
    """What a member says it holds, and since which generation."""

    partitions: tuple[TopicPartition, ...] = ()
    generation: int = GENERATION_UNKNOWN


def encode_subscription(subscription: Subscription, version: int = VERSION_NEWEST) -> bytes:
    """Return a ConsumerProtocolSubscription, `version` in [0, 3]."""
    parts = [_I16.pack(version), _I32.pack(len(subscription.topics))]
    parts += map(_string, sorted(subscription.topics))
    parts.append(_nullable_bytes(subscription.user_data))
    if version >= 1:
        parts.append(_partitions(subscription.owned_partitions))
    if version >= 2:
        parts.append(_I32.pack(subscription.generation_id))
    if version >= 3:
        parts.append(_nullable_string(subscription.rack_id))
    return b"".join(parts)


def decode_subscription(data: bytes, group_instance_id: str | None = None) -> Subscription:
    """Read a ConsumerProtocolSubscription.

    Raises:
        ProtocolError: the bytes are no such thing.
    """
    reader = _Reader(data)
    version = reader.version()
    topics = frozenset([reader.string() for _ in range(reader.length(_STRING_SIZE_MIN))])
    return Subscription(
        topics,
        user_data=reader.nullable_bytes(),
        owned_partitions=reader.partitions() if version >= 1 else (),
        generation_id=reader.i32() if version >= 2 else GENERATION_UNKNOWN,
        rack_id=reader.nullable_string() if version >= 3 else None,
        group_instance_id=group_instance_id,
    )


def encode_assignment(assignment: Assignment, version: int = VERSION_NEWEST) -> bytes:
    """Return a ConsumerProtocolAssignment; its fields are the same in every version."""
    partitions = _partitions(assignment.partitions)
    return _I16.pack(version) + partitions + _nullable_bytes(assignment.user_data)


def decode_assignment(data: bytes) -> Assignment:
    """Read a ConsumerProtocolAssignment.

    Raises:
        ProtocolError: the bytes are no such thing.
    """
    reader = _Reader(data)
    reader.version()
    return Assignment(reader.partitions(), reader.nullable_bytes())


def encode_sticky_user_data(claim: Claim) -> bytes:
    """Return what a sticky member remembers of its last assignment."""
    return _partitions(claim.partitions) + _I32.pack(claim.generation)


def decode_sticky_user_data(data: bytes) -> Claim:
    """Read what a sticky member remembers; members before Kafka 2.3 name no generation.

    Raises:
        ProtocolError: the bytes are no such thing.
    """
    reader = _Reader(data)
    partitions = reader.partitions()
    if reader.remaining() < _I32.size:
        return Claim(partitions)
    return Claim(partitions, reader.i32())


def encode_cooperative_user_data(claim: Claim) -> bytes:
    """Return the generation, which subscriptions before v2 have no field for."""
    return _I32.pack(claim.generation)


def decode_cooperative_user_data(data: bytes) -> int:
    """Read the generation.

    Raises:
        ProtocolError: the bytes end before it does.
    """
    return _Reader(data).i32()


def _string(value: str) -> bytes:
    raw = value.encode()
    return _I16.pack(len(raw)) + raw


def _nullable_string(value: str | None) -> bytes:
    return _I16.pack(-1) if value is None else _string(value)


def _nullable_bytes(value: bytes | None) -> bytes:
    return _I32.pack(-1) if value is None else _I32.pack(len(value)) + value


def _partitions(partitions: Iterable[TopicPartition]) -> bytes:
    by_topic = [(t, list(some)) for t, some in groupby(sorted(partitions), attrgetter("topic"))]
    parts = [_I32.pack(len(by_topic))]
    for topic, some in by_topic:
        numbers = [partition.partition for partition in some]
        parts.append(_string(topic))
        parts.append(struct.pack(f">i{len(numbers)}i", len(numbers), *numbers))
    return b"".join(parts)


class _Reader:
    """The fields of one message, taken off its front one by one; each may raise ProtocolError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def remaining(self) -> int:
        return len(self._data) - self._at

    def version(self) -> int:
        version = self._number(_I16)
        if version < 0:
            raise ProtocolError(f"consumer protocol version {version}, lowest 0")
        return version

    def i32(self) -> int:
        return self._number(_I32)

    def length(self, size_min: int) -> int:
        """Return the length of an array whose elements take `size_min` bytes or more."""
        length = self.i32()
        if not 0 <= length <= self.remaining() // size_min:
            raise ProtocolError(
                f"array of {length} at byte {self._at}, {self.remaining()} bytes remain"
            )
        return length

    def string(self) -> str:
        value = self.nullable_string()
        if value is None:
            raise ProtocolError(f"null at byte {self._at}, where a string must be")
        return value

    def nullable_string(self) -> str | None:
        size = self._number(_I16)
        if size == -1:
            return None
        start = self._at
        try:
            return self._take(size).decode()
        except UnicodeDecodeError as error:
            raise ProtocolError(f"text at byte {start} is not UTF-8") from error

    def nullable_bytes(self) -> bytes | None:
        size = self.i32()
        return None if size == -1 else self._take(size)

    def partitions(self) -> tuple[TopicPartition, ...]:
        found: list[TopicPartition] = []
        for _ in range(self.length(_TOPIC_SIZE_MIN)):
            topic = self.string()
            length = self.length(_I32.size)
            numbers = struct.unpack(f">{length}i", self._take(length * _I32.size))
            found += [TopicPartition(topic, number) for number in numbers]
        return tuple(found)

    def _number(self, layout: struct.Struct) -> int:
        number: int = layout.unpack(self._take(layout.size))[0]
        return number

    def _take(self, size: int) -> bytes:
        if not 0 <= size <= self.remaining():
            raise ProtocolError(f"{size} bytes at byte {self._at}, {self.remaining()} remain")
        start = self._at
        self._at = start + size
        return self._data[start : self._at]
