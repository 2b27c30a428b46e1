"""What a log remembers of each producer: duplicates, gaps, fencing, open transactions.

`<offset>.snapshot` holds the state as it was before the record at that offset:

    | version i16 = 1 | CRC-32C u32 of what follows | count i32 | count x entry |
    entry: | producer id i64 | epoch i16 | last sequence i32 | last offset i64 |
           | offset delta i32 | timestamp i64 | coordinator epoch i32 |
           | first offset of the open transaction i64, -1 none |

Invariants:
    Of each producer the last five batches are known, of a snapshot's producers the last one.
    A sequence follows 2**31 - 1 with 0.
    While a producer has a transaction open, it writes nothing outside of it.
Source: KIP-98; files written by Apache Kafka 4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from ..errors import (
    BrokerError,
    CorruptRecordError,
    ErrorCode,
    InvalidProducerEpochError,
    OutOfOrderSequenceError,
)
from ..record.batch import CONTROL_BIT, TRANSACTIONAL_BIT, BatchHeader, decode
from ..record.checksum import crc32c
from ..record.control import Marker, MarkerType, decode_marker
from .files import Buffer
from .transactions import AbortedTransaction, OpenTransactions

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


class ProducerDescription(NamedTuple):
    """What is known of one producer, as DescribeProducers tells it; -1: none or unknown."""

    producer_id: int
    producer_epoch: int
    last_sequence: int
    last_timestamp: int
    coordinator_epoch: int
    txn_first_offset: int  # of its open transaction


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
        """Refuse a batch of an old epoch, one that leaves a gap, one beside the transaction."""
        self._check_epoch(header)
        # A coordinator's batches have no sequence.
        if header.base_sequence >= 0:
            expected = 0
            if header.producer_epoch == self.epoch and self.marks:
                expected = (self.marks[-1].last_sequence + 1) & SEQUENCE_MAX
            if header.base_sequence != expected:
                raise OutOfOrderSequenceError(
                    f"producer {header.producer_id} epoch {header.producer_epoch} sends sequence"
                    f" {header.base_sequence}, expected {expected}"
                )
        if self.txn_first_offset >= 0 and not header.is_transactional:
            raise BrokerError(
                f"producer {header.producer_id} writes outside of its transaction, open since"
                f" offset {self.txn_first_offset}",
                ErrorCode.INVALID_TXN_STATE,
            )

    def check_marker(self, header: BatchHeader, marker: Marker) -> None:
        """Refuse a marker of an old epoch, of the producer or of its coordinator."""
        self._check_epoch(header)
        if marker.coordinator_epoch < self.coordinator_epoch:
            raise BrokerError(
                f"marker for producer {header.producer_id} has coordinator epoch"
                f" {marker.coordinator_epoch}, the log has seen {self.coordinator_epoch}",
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
            )

    def _check_epoch(self, header: BatchHeader) -> None:
        if header.producer_epoch < self.epoch:
            raise InvalidProducerEpochError(
                f"producer {header.producer_id} has epoch {header.producer_epoch},"
                f" the log has seen {self.epoch}"
            )

    def note(self, header: BatchHeader) -> None:
        """Take in a batch of records that was appended."""
        self._take_epoch(header)
        mark = BatchMark(
            last_sequence(header),
            header.last_offset,
            header.last_offset_delta,
            header.max_timestamp,
        )
        self.marks.append(mark)
        del self.marks[:-BATCHES_KEPT]
        if header.attributes & TRANSACTIONAL_BIT and self.txn_first_offset < 0:
            self.txn_first_offset = header.base_offset

    def note_marker(self, header: BatchHeader, marker: Marker) -> None:
        """Take in a marker that was appended: nothing is open after it."""
        self._take_epoch(header)
        self.coordinator_epoch = max(self.coordinator_epoch, marker.coordinator_epoch)
        self.txn_first_offset = -1

    def _take_epoch(self, header: BatchHeader) -> None:
        if header.producer_epoch != self.epoch:
            self.epoch = header.producer_epoch
            self.marks.clear()
        self.timestamp = header.max_timestamp


def last_sequence(header: BatchHeader) -> int:
    """Return the sequence of the batch's last record, which may have wrapped."""
    if header.base_sequence < 0:
        return -1
    return (header.base_sequence + header.last_offset_delta) & SEQUENCE_MAX


def read_marker(buffer: Buffer, position: int, header: BatchHeader) -> Marker | None:
    """Return what a control batch says; None for one without records or of another type.

    Raises CorruptRecordError.
    """
    records = decode(buffer, position, header)
    return decode_marker(records[0]) if records else None


class Producers:
    """All producers of one log."""

    __slots__ = ("entries", "transactions")

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}
        self.transactions = OpenTransactions()

    def admit(self, headers: Iterable[BatchHeader], batches: Buffer = b"") -> BatchMark | None:
        """Check the batches of one append; return the earlier one that they repeat.

        `batches` are the bytes that the headers were read from; markers are read from there.
        Raises: InvalidProducerEpochError, OutOfOrderSequenceError, CorruptRecordError,
        BrokerError (INVALID_TXN_STATE, TRANSACTION_COORDINATOR_FENCED). Changes nothing.
        """
        staged: dict[int, ProducerEntry] = {}
        position = 0
        for header in headers:
            begin, position = position, position + header.size
            if header.producer_id < 0:
                continue
            known = staged.get(header.producer_id) or self.entries.get(header.producer_id)
            entry = ProducerEntry(header.producer_epoch) if known is None else known.copy()
            staged[header.producer_id] = entry
            if header.attributes & CONTROL_BIT:
                marker = read_marker(batches, begin, header)
                if marker is not None:
                    entry.check_marker(header, marker)
                    entry.note_marker(header, marker)
                continue
            if known is not None:
                mark = known.duplicate_of(header)
                if mark is not None:
                    return mark
                known.check(header)
            entry.note(header)
        return None

    def note(self, header: BatchHeader, marker: Marker | None = None) -> AbortedTransaction | None:
        """Take in a batch of a producer that was appended, with the marker of a control batch.

        Return the transaction that the marker aborts.
        """
        if marker is None and header.attributes & CONTROL_BIT:
            return None
        entry = self.entries.get(header.producer_id)
        if entry is None:
            entry = self.entries[header.producer_id] = ProducerEntry(header.producer_epoch)
        if marker is not None:
            return self._end(entry, header, marker)
        entry.note(header)
        if header.attributes & TRANSACTIONAL_BIT:
            self.transactions.begin(header.producer_id, entry.txn_first_offset)
        return None

    def _end(
        self, entry: ProducerEntry, header: BatchHeader, marker: Marker
    ) -> AbortedTransaction | None:
        first_offset = entry.txn_first_offset
        entry.note_marker(header, marker)
        if first_offset < 0:
            return None
        stable = self.transactions.end(header.producer_id, header.last_offset)
        if marker.type is MarkerType.COMMIT:
            return None
        return AbortedTransaction(header.producer_id, first_offset, header.last_offset, stable)

    def describe(self) -> list[ProducerDescription]:
        """Return what is known of each producer, by producer id."""
        return [
            ProducerDescription(
                key,
                entry.epoch,
                entry.marks[-1].last_sequence if entry.marks else -1,
                entry.timestamp,
                entry.coordinator_epoch,
                entry.txn_first_offset,
            )
            for key, entry in sorted(self.entries.items())
        ]

    def last_batches(self) -> dict[int, tuple[int, int]]:
        """Return (last offset of its last batch of records, epoch) of every producer.

        The offset is -1 where a marker has begun the epoch and nothing was written since.
        """
        return {key: (entry.last_offset, entry.epoch) for key, entry in self.entries.items()}

    def expire(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers that were silent for `expiration_ms` and have nothing open."""
        silent = [
            key
            for key, entry in self.entries.items()
            if entry.txn_first_offset < 0 and now_ms - entry.timestamp >= expiration_ms
        ]
        for key in silent:
            del self.entries[key]
        return len(silent)

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
        made._reopen()
        return made

    def _reopen(self) -> None:
        """Let the entries' transactions be open, in the order they began."""
        began = [
            (e.txn_first_offset, k) for k, e in self.entries.items() if e.txn_first_offset >= 0
        ]
        for first_offset, key in sorted(began):
            self.transactions.begin(key, first_offset)
