"""The committed offsets of all groups, as a machine: handle -> (answer, records) -> replay.

    commit(...)  ->  (error by partition, [(key, value), ...])   nothing has changed yet
    replay(key, value)                                           now it has

Invariants: state changes in `replay` alone, with the same records live and on reload, so what
is in memory is always what the log says; time is an argument; no member is known here yet, so
every group is empty and anyone may commit (generation -1), as in Kafka's simple consumers.

Source: KIP-211 and the offset handling of Kafka's group coordinator (handle, records, replay).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import ErrorCode
from ..model import TopicPartition
from .records import OffsetKey, OffsetValue, decode_key, decode_value, encode_key, encode_value

METADATA_BYTES_MAX = 4096

GroupRecord = tuple[bytes, bytes | None]
"""Key and value of a record to append; a None value is a tombstone."""


class GroupOffsets:
    """What every group has committed."""

    def __init__(self) -> None:
        self._groups: dict[str, dict[TopicPartition, OffsetValue]] = {}

    def group_ids(self) -> list[str]:
        """Return the groups that have committed something, sorted."""
        return sorted(self._groups)

    def __contains__(self, group_id: str) -> bool:
        return group_id in self._groups

    def fetch(self, group_id: str) -> Mapping[TopicPartition, OffsetValue]:
        """Return all that the group has committed; empty for an unknown group."""
        return self._groups.get(group_id, {})

    def commit(
        self,
        group_id: str,
        offsets: Mapping[TopicPartition, tuple[int, int, str | None]],
        now_ms: int,
        metadata_bytes_max: int = METADATA_BYTES_MAX,
    ) -> tuple[dict[TopicPartition, ErrorCode], list[GroupRecord]]:
        """Check (offset, leader epoch, metadata) by partition; return errors and records."""
        errors: dict[TopicPartition, ErrorCode] = {}
        records: list[GroupRecord] = []
        for partition, (offset, leader_epoch, metadata) in offsets.items():
            text = metadata or ""
            if len(text.encode()) > metadata_bytes_max:
                errors[partition] = ErrorCode.OFFSET_METADATA_TOO_LARGE
                continue
            errors[partition] = ErrorCode.NONE
            key = OffsetKey(group_id, partition.topic, partition.partition)
            value = OffsetValue(offset, leader_epoch, text, now_ms)
            records.append((encode_key(key), encode_value(value)))
        return errors, records

    def delete(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> tuple[ErrorCode, list[GroupRecord]]:
        """Return the tombstones that forget `partitions` of a group, or (None) the group."""
        held = self._groups.get(group_id)
        if held is None:
            return ErrorCode.GROUP_ID_NOT_FOUND, []
        going = list(held) if partitions is None else [p for p in partitions if p in held]
        return ErrorCode.NONE, _tombstones(group_id, going)

    def delete_topics(self, topics: Sequence[str]) -> list[tuple[str, GroupRecord]]:
        """Return, with its group, each tombstone that forgets an offset of topics that are gone."""
        gone = frozenset(topics)
        return [
            (group_id, record)
            for group_id, held in self._groups.items()
            for record in _tombstones(group_id, [p for p in held if p.topic in gone])
        ]

    def replay(self, key: bytes | None, value: bytes | None) -> None:
        """Take one record of the log into account; records of others are passed over."""
        decoded = decode_key(key) if key else None
        if decoded is None:
            return
        partition = TopicPartition(decoded.topic, decoded.partition)
        if value is not None:
            self._groups.setdefault(decoded.group_id, {})[partition] = decode_value(value)
            return
        held = self._groups.get(decoded.group_id)
        if held is not None:
            held.pop(partition, None)
            if not held:
                del self._groups[decoded.group_id]


def partition_for(group_id: str, partitions: int) -> int:
    """Return the partition of `__consumer_offsets` that a group's records go to.

    That is the absolute value of Java's `String.hashCode` of the id, modulo the count.
    """
    units = group_id.encode("utf-16-be", "surrogatepass")
    code = 0
    for index in range(0, len(units), 2):
        code = (31 * code + (units[index] << 8) + units[index + 1]) & 0xFFFFFFFF
    if code == 0x80000000:  # Java's abs of its smallest int is not positive; Kafka takes 0
        return 0
    return min(code, 0x100000000 - code) % partitions


def _tombstones(group_id: str, partitions: Iterable[TopicPartition]) -> list[GroupRecord]:
    return [
        (encode_key(OffsetKey(group_id, partition.topic, partition.partition)), None)
        for partition in partitions
    ]
