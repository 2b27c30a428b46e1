"""The committed offsets of all groups, as a machine: handle -> (answer, records) -> replay.

    commit(...)  ->  (error by partition, [(key, value), ...])   nothing has changed yet
    replay(key, value)                                           now it has
    replay(key, value, producer_id)                              now it is pending
    end_transaction(producer_id, commit)                         now it has, or never will

Invariants: state changes in `replay` and `end_transaction` alone, with the same records live and
on reload, so what is in memory is always what the log says; time is an argument; of two commits
for a partition the one that stands later in the log wins, whenever its transaction ended.

Source: KIP-211, KIP-447 and the offset handling of Kafka's group coordinator.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import ErrorCode
from ..machine import LogRecord
from ..model import TopicPartition
from .config import METADATA_BYTES_MAX
from .records import OffsetKey, OffsetValue, decode_key, decode_value, encode_key, encode_value
from .requests import Commit

GroupRecord = LogRecord

_TIME_MAX_MS = 2**63 - 1  # what the log's field holds


class _GroupOffsets:
    """What one group has committed."""

    __slots__ = ("committed", "pending", "written")

    def __init__(self) -> None:
        self.committed: dict[TopicPartition, OffsetValue] = {}
        self.written: dict[TopicPartition, int] = {}  # place of the commit in the log
        # by producer id, the commits of its open transaction, each with its place in the log
        self.pending: dict[int, dict[TopicPartition, tuple[int, OffsetValue]]] = {}

    def known(self) -> dict[TopicPartition, None]:
        """Return the partitions with a commit, then those that have pending ones only."""
        found = dict.fromkeys(self.committed)
        for held in self.pending.values():
            found.update(dict.fromkeys(held))
        return found

    def put(self, partition: TopicPartition, place: int, value: OffsetValue) -> None:
        """Take a commit, unless one that stands later in the log is held."""
        if place > self.written.get(partition, -1):
            self.committed[partition] = value
            self.written[partition] = place

    def remove(self, partition: TopicPartition) -> None:
        """Forget a partition, pending commits included."""
        self.committed.pop(partition, None)
        self.written.pop(partition, None)
        for held in self.pending.values():
            held.pop(partition, None)


class GroupOffsets:
    """What every group has committed."""

    def __init__(self) -> None:
        self._groups: dict[str, _GroupOffsets] = {}
        self._open: dict[int, dict[str, None]] = {}  # group ids by producer with a transaction
        self._replayed = 0  # counts records; stands for their offsets, which grow alike

    def group_ids(self) -> list[str]:
        """Return the groups that have committed something, sorted."""
        return sorted(group_id for group_id, held in self._groups.items() if held.committed)

    def __contains__(self, group_id: str) -> bool:
        return bool(self.fetch(group_id))

    def fetch(self, group_id: str) -> Mapping[TopicPartition, OffsetValue]:
        """Return all that the group has committed; empty for an unknown group."""
        held = self._groups.get(group_id)
        return {} if held is None else held.committed

    def is_pending(self, group_id: str, partition: TopicPartition) -> bool:
        """Tell whether an open transaction holds a commit for a partition."""
        held = self._groups.get(group_id)
        return held is not None and any(partition in rows for rows in held.pending.values())

    def has_transaction(self, group_id: str) -> bool:
        """Tell whether a transaction is open that committed, or tried to, for a group."""
        held = self._groups.get(group_id)
        return held is not None and bool(held.pending)

    def commit(
        self,
        group_id: str,
        offsets: Mapping[TopicPartition, Commit],
        now_ms: int,
        metadata_bytes_max: int = METADATA_BYTES_MAX,
        retention_ms: int = -1,
    ) -> tuple[dict[TopicPartition, ErrorCode], list[GroupRecord]]:
        """Check (offset, leader epoch, metadata) by partition; return errors and records."""
        expire_time_ms = -1 if retention_ms == -1 else min(now_ms + retention_ms, _TIME_MAX_MS)
        errors: dict[TopicPartition, ErrorCode] = {}
        records: list[GroupRecord] = []
        for partition, (offset, leader_epoch, metadata) in offsets.items():
            text = metadata or ""
            if text and len(text.encode()) > metadata_bytes_max:
                errors[partition] = ErrorCode.OFFSET_METADATA_TOO_LARGE
                continue
            errors[partition] = ErrorCode.NONE
            key = OffsetKey(group_id, partition.topic, partition.partition)
            value = OffsetValue(offset, leader_epoch, text, now_ms, expire_time_ms)
            records.append((encode_key(key), encode_value(value)))
        return errors, records

    def delete(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> tuple[ErrorCode, list[GroupRecord]]:
        """Return the tombstones that forget `partitions` of a group, or (None) the group."""
        held = self._groups.get(group_id)
        if held is None:
            return ErrorCode.GROUP_ID_NOT_FOUND, []
        known = held.known()
        going = [p for p in (known if partitions is None else partitions) if p in known]
        return ErrorCode.NONE, _tombstones(group_id, going)

    def delete_topics(self, topics: Sequence[str]) -> list[tuple[str, GroupRecord]]:
        """Return, with its group, each tombstone that forgets an offset of topics that are gone."""
        gone = frozenset(topics)
        return [
            (group_id, record)
            for group_id, held in self._groups.items()
            for record in _tombstones(group_id, [p for p in held.known() if p.topic in gone])
        ]

    def replay(self, key: bytes | None, value: bytes | None, producer_id: int = -1) -> None:
        """Take one record of the log into account; records of others are passed over."""
        decoded = decode_key(key) if key else None
        if decoded is not None:
            self.replay_offset(
                decoded, decode_value(value) if value is not None else None, producer_id
            )

    def replay_offset(
        self, key: OffsetKey, value: OffsetValue | None, producer_id: int = -1
    ) -> None:
        """Take a commit or (None) a tombstone into account.

        Args:
            key: what it is about.
            value: the commit.
            producer_id: whose open transaction the commit is part of; -1 for none.
        """
        self._replayed += 1
        partition = TopicPartition(key.topic, key.partition)
        held = self._groups.get(key.group_id)
        if value is None:
            if held is not None:
                held.remove(partition)
                self._tidy(key.group_id, held)
            return
        if held is None:
            held = self._groups[key.group_id] = _GroupOffsets()
        if producer_id == -1:
            held.put(partition, self._replayed, value)
        else:
            held.pending.setdefault(producer_id, {})[partition] = (self._replayed, value)
            self._open.setdefault(producer_id, {})[key.group_id] = None

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """Take the end of a producer's transaction into account: its commits count, or do not."""
        for group_id in self._open.pop(producer_id, {}):
            held = self._groups[group_id]
            for partition, (place, value) in held.pending.pop(producer_id).items():
                if commit:
                    held.put(partition, place, value)
            self._tidy(group_id, held)

    def _tidy(self, group_id: str, held: _GroupOffsets) -> None:
        if not held.committed and not held.pending:
            del self._groups[group_id]


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
