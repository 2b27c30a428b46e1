"""What a log remembers of each producer: duplicates, gaps, fencing, open transactions.

`<offset>.snapshot` holds the state as it was before the record at that offset:

    | version i16 = 1 | CRC-32C u32 of what follows | count i32 | count x entry |
    entry: | producer id i64 | epoch i16 | last sequence i32 | last offset i64 |
           | offset delta i32 | timestamp i64 | coordinator epoch i32 |
           | first offset of the open transaction i64, -1 none |

Invariants:
    Of each producer the last five batches are known, of a snapshot's producers the last one.
    A sequence follows 2**31 - 1 with 0.
Source: KIP-98; files written by Apache Kafka 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import CorruptRecordError, InvalidProducerEpochError, OutOfOrderSequenceError
from ..record.batch import BatchHeader
from ..record.checksum import crc32c

BATCHES_KEPT = 5
SEQUENCE_MAX = 2**31 - 1
EXPIRATION_MS = 86_400_000

_HEAD = struct.Struct(">hIi")
_ENTRY = struct.Struct(">qhiqiqiq")
_CRC_FROM = 6


class BatchMark(NamedTuple):
    """A batch that a producer has appended."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp: int

    @property
    def base_offset(self) -> int:
        """Return the offset of its first record."""
        return self.last_offset - self.offset_delta

    @property
    def base_sequence(self) -> int:
        """Return the sequence of its first record."""
        return (self.last_sequence - self.offset_delta) & SEQUENCE_MAX


class ProducerEntry:
    """One producer id: its epoch, its last batches, its open transaction."""

    __slots__ = ("coordinator_epoch", "epoch", "marks", "timestamp", "txn_first_offset")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.marks: list[BatchMark] = []
        self.timestamp = -1
        self.coordinator_epoch = -1
        self.txn_first_offset = -1

    @property
    def last_offset(self) -> int:
        """Return the last offset of its last batch, -1 when unknown."""
        return self.marks[-1].last_offset if self.marks else -1

    def copy(self) -> ProducerEntry:
        """Return an entry that may change without this one."""
        made = ProducerEntry(self.epoch)
        made.marks = self.marks.copy()
        made.timestamp = self.timestamp
        made.coordinator_epoch = self.coordinator_epoch
        made.txn_first_offset = self.txn_first_offset
        return made

    def duplicate_of(self, header: BatchHeader) -> BatchMark | None:
        """Return the batch that was appended before with the same sequences."""
        if header.producer_epoch != self.epoch:
            return None
        base, last = header.base_sequence, last_sequence(header)
        for mark in self.marks:
            if mark.last_sequence == last and mark.base_sequence == base:
                return mark
        return None

    def check(self, header: BatchHeader) -> None:
        """Refuse a batch of an old epoch or one that leaves a gap."""
        if header.producer_epoch < self.epoch:
            raise InvalidProducerEpochError(
                f"producer {header.producer_id} has epoch {header.producer_epoch},"
                f" the log has seen {self.epoch}"
            )
        first = header.base_sequence
        if header.producer_epoch > self.epoch:
            expected = 0
        elif self.marks:
            expected = (self.marks[-1].last_sequence + 1) & SEQUENCE_MAX
        else:
            return
        if first != expected:
            raise OutOfOrderSequenceError(
                f"producer {header.producer_id} epoch {header.producer_epoch} sends sequence"
                f" {first}, expected {expected}"
            )

    def note(self, header: BatchHeader) -> None:
        """Take in a batch that was appended."""
        if header.producer_epoch != self.epoch:
            self.epoch = header.producer_epoch
            self.marks.clear()
        self.timestamp = header.max_timestamp
        if header.is_control:
            self.txn_first_offset = -1
            return
        mark = BatchMark(
            last_sequence(header),
            header.last_offset,
            header.last_offset_delta,
            header.max_timestamp,
        )
        if header.base_sequence >= 0:
            self.marks.append(mark)
            del self.marks[:-BATCHES_KEPT]
        if header.is_transactional and self.txn_first_offset < 0:
            self.txn_first_offset = header.base_offset


def last_sequence(header: BatchHeader) -> int:
    """Return the sequence of the batch's last record, which may have wrapped."""
    if header.base_sequence < 0:
        return -1
    return (header.base_sequence + header.last_offset_delta) & SEQUENCE_MAX


class Producers:
    """All producers of one log."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}

    @property
    def first_unstable_offset(self) -> int | None:
        """Return where the earliest open transaction begins."""
        open_at = [e.txn_first_offset for e in self.entries.values() if e.txn_first_offset >= 0]
        return min(open_at, default=None)

    def admit(self, headers: Iterable[BatchHeader]) -> BatchMark | None:
        """Check the batches of one append; return the earlier one that they repeat.

        Raises: InvalidProducerEpochError, OutOfOrderSequenceError. Changes nothing.
        """
        staged: dict[int, ProducerEntry] = {}
        for header in headers:
            if header.producer_id < 0:
                continue
            entry = staged.get(header.producer_id) or self.entries.get(header.producer_id)
            if entry is None:
                entry = ProducerEntry(header.producer_epoch)
            elif not header.is_control:
                mark = entry.duplicate_of(header)
                if mark is not None:
                    return mark
                entry.check(header)
            elif header.producer_epoch < entry.epoch:
                entry.check(header)
            entry = staged[header.producer_id] = entry.copy()
            entry.note(header)
        return None

    def note(self, header: BatchHeader, coordinator_epoch: int = -1) -> None:
        """Take in a batch of a producer that was appended."""
        entry = self.entries.get(header.producer_id)
        if entry is None:
            entry = self.entries[header.producer_id] = ProducerEntry(header.producer_epoch)
        entry.note(header)
        if header.is_control:
            entry.coordinator_epoch = max(entry.coordinator_epoch, coordinator_epoch)

    def last_offsets(self) -> dict[int, int]:
        """Return the last offset of every producer's last batch."""
        return {key: entry.last_offset for key, entry in self.entries.items() if entry.marks}

    def expire(self, now_ms: int, expiration_ms: int = EXPIRATION_MS) -> None:
        """Forget producers that were silent for `expiration_ms` and have nothing open."""
        silent = [
            key
            for key, entry in self.entries.items()
            if entry.txn_first_offset < 0 and now_ms - entry.timestamp >= expiration_ms
        ]
        for key in silent:
            del self.entries[key]

    def encode(self) -> bytes:
        """Write a snapshot."""
        parts = [struct.pack(">i", len(self.entries))]
        for key, entry in sorted(self.entries.items()):
            mark = entry.marks[-1] if entry.marks else BatchMark(-1, -1, 0, entry.timestamp)
            parts.append(
                _ENTRY.pack(
                    key,
                    entry.epoch,
                    mark.last_sequence,
                    mark.last_offset,
                    mark.offset_delta,
                    entry.timestamp,
                    entry.coordinator_epoch,
                    entry.txn_first_offset,
                )
            )
        body = b"".join(parts)
        return struct.pack(">hI", 1, crc32c(body)) + body

    @classmethod
    def decode(cls, data: bytes, path: str) -> Producers:
        """Read a snapshot. Raises CorruptRecordError, naming `path`."""
        if len(data) < _HEAD.size:
            raise CorruptRecordError(f"{path}: {len(data)} bytes, a snapshot has {_HEAD.size}")
        version, crc, count = _HEAD.unpack_from(data)
        found = crc32c(data[_CRC_FROM:])
        if version != 1 or crc != found or len(data) != _HEAD.size + count * _ENTRY.size:
            raise CorruptRecordError(
                f"{path}: version {version}, CRC {crc:#010x} (found {found:#010x}),"
                f" {count} entries in {len(data)} bytes"
            )
        made = cls()
        for fields in _ENTRY.iter_unpack(data[_HEAD.size :]):
            key, epoch, sequence, last_offset, delta, timestamp, coordinator, first = fields
            entry = made.entries[key] = ProducerEntry(epoch)
            if last_offset >= 0:
                entry.marks.append(BatchMark(sequence, last_offset, delta, timestamp))
            entry.timestamp = timestamp
            entry.coordinator_epoch = coordinator
            entry.txn_first_offset = first
        return made
