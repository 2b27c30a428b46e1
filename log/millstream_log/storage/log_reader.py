"""What reading one partition's log takes: positions, times, and following another's writes.

Invariants:
    A reader in another process than the writer changes nothing on the disk.
Source: docs/format.md; the behaviour of Apache Kafka 4 logs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..errors import ClosedError, CorruptRecordError, OffsetOutOfRangeError, StorageError
from ..model import OffsetAndTimestamp, TopicPartition
from . import recovery, timestamps
from .admission import verify_read
from .descriptors import FilePool
from .log_config import LogConfig
from .producers import ProducerDescription
from .row import SegmentRow
from .segment import Segment

_REFRESH_ATTEMPTS = 5


@contextmanager
def storage_errors(doing: str, directory: str) -> Iterator[None]:
    """Say what was being done when the file system refused."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"{doing} {directory}: {error}") from error


class LogReader:
    """The part of a partition log that only looks; `PartitionLog` is the whole."""

    def __init__(
        self,
        topic_partition: TopicPartition,
        directory: str,
        config: LogConfig,
        pool: FilePool,
        *,
        topic_id: str,
        recovery_point: int,
        log_start_offset: int,
        now_ms: int,
    ) -> None:
        self.topic_partition = topic_partition
        self.topic_id = topic_id
        self.config = config
        self.directory = directory
        self.read_only = not pool.writable
        self._pool = pool
        self._lock = threading.RLock()
        self._closed = False
        self._adopt(recovery_point, log_start_offset, now_ms)
        self.high_watermark = self.log_end_offset

    def __repr__(self) -> str:
        return f"PartitionLog({self.directory}, [{self.log_start_offset}, {self.log_end_offset}))"

    def _adopt(self, recovery_point: int, log_start_offset: int, now_ms: int) -> None:
        """Be the log that the directory holds."""
        with storage_errors("open", self.directory):
            loaded = self._pool.patiently(
                lambda: recovery.load(
                    self._pool,
                    self.directory,
                    self.config,
                    recovery_point=recovery_point,
                    log_start_offset=log_start_offset,
                    now_ms=now_ms,
                )
            )
        self._row = SegmentRow(self._pool, loaded.segments)
        self.epochs = loaded.epochs
        self.producers = loaded.producers
        self.log_start_offset = loaded.log_start_offset
        self.log_end_offset = self._row.active.next_offset

    # -- looking

    @property
    def last_stable_offset(self) -> int:
        """Return the bound of read_committed.

        It is the high watermark, or the begin of the first transaction that is not decided
        below it, which includes one whose marker still lies above.
        """
        high_watermark = self.high_watermark
        first = self.producers.transactions.first_unstable_offset(high_watermark)
        if first is None:
            return high_watermark
        return min(max(first, self.log_start_offset), high_watermark)

    def has_open_transaction(self, producer_id: int, producer_epoch: int | None = None) -> bool:
        """Tell whether the producer has a transaction open here, under this epoch or any."""
        entry = self.producers.entries.get(producer_id)
        if entry is None or entry.txn_first_offset < 0:
            return False
        return producer_epoch is None or producer_epoch == entry.epoch

    def describe_producers(self) -> list[ProducerDescription]:
        """Return what is known of each producer, by producer id."""
        with self._lock:
            return self.producers.describe()

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all .log files."""
        return self._row.size_bytes

    @property
    def segments(self) -> Sequence[Segment]:
        """Return the segments as they are now, oldest first; not to be changed."""
        return tuple(self._row.segments)

    @property
    def closed(self) -> bool:
        """Tell whether the log takes no more calls."""
        return self._closed

    # -- reading

    def read(
        self,
        offset: int,
        bytes_max: int,
        *,
        end_offset: int | None = None,
        verify: bool = False,
    ) -> bytes:
        """Return whole batches from the one that holds `offset`; b"" at the end.

        The first batch comes whole even if it exceeds `bytes_max`. Batches that reach to
        `end_offset` or beyond are left out (default: the log end). `verify` checks every
        CRC and names file, position and offset of a bad one.

        Raises: OffsetOutOfRangeError outside [log start, log end]; CorruptRecordError.
        """
        with self._lock:
            if self._closed:
                raise ClosedError(f"{self.topic_partition} is closed")
            if not self.log_start_offset <= offset <= self.log_end_offset:
                raise OffsetOutOfRangeError(
                    f"{self.topic_partition}: fetch offset {offset}, log start"
                    f" {self.log_start_offset}, log end {self.log_end_offset}"
                )
            end = self.log_end_offset
            if end_offset is not None and end_offset < end:
                end = end_offset
            try:
                found = self._row.find(offset, end, bytes_max)
                if found is None:
                    return b""
                segment, position, stop = found
                pinned = self._pool.pin(segment.path)
            except OSError as error:
                raise StorageError(f"read {self.directory} at {offset}: {error}") from error
        try:
            data = pinned.file.pread(stop - position, position)
        except OSError as error:
            raise StorageError(f"read {segment.path} at {position}: {error}") from error
        finally:
            self._pool.unpin(pinned)
        if len(data) < stop - position or verify:
            verify_read(data, stop - position, segment.path, position)
        return data

    def aborted_transactions(self, fetch_offset: int, end_offset: int) -> list[tuple[int, int]]:
        """Return (producer id, first offset) of aborted transactions, by first offset.

        They are those that reach into [fetch_offset, end_offset), and are decided.
        """
        found = []
        with self._lock:
            for segment in self._row.since(fetch_offset):
                if segment.transactions is None:
                    continue
                more, is_all = segment.transactions.overlapping(fetch_offset, end_offset)
                found += [(entry.first_offset, entry.producer_id) for entry in more]
                if is_all:
                    break
        return [(producer_id, first_offset) for first_offset, producer_id in sorted(found)]

    def offset_for_time(self, timestamp_ms: int) -> OffsetAndTimestamp | None:
        """Return the first record whose timestamp is `timestamp_ms` or later; exact."""
        with storage_errors("search", self.directory), self._lock:
            return timestamps.first_at(self._row.segments, timestamp_ms, self.log_start_offset)

    def offset_of_max_timestamp(self) -> OffsetAndTimestamp | None:
        """Return the first record that bears the largest timestamp of the log."""
        with storage_errors("search", self.directory), self._lock:
            return timestamps.largest(self._row.segments, self.log_start_offset)

    def epoch_end(self, leader_epoch: int) -> tuple[int, int]:
        """Return (largest epoch <= `leader_epoch`, its end offset); (-1, -1) when unknown."""
        return self.epochs.end_of(leader_epoch, self.log_end_offset)

    def verify(self) -> int:
        """Check every batch of every segment; return their count. Raises CorruptRecordError."""
        count = 0
        with storage_errors("verify", self.directory):
            for segment in self.segments:
                for _ in segment.walk(checked_from=0):
                    count += 1
        return count

    # -- beside a writer in another process

    def refresh(self) -> bool:
        """Read-only: see what the writer's process did; tell whether anything is new."""
        with storage_errors("refresh", self.directory), self._lock:
            if self._closed:
                raise ClosedError(f"{self.topic_partition} is closed")
            before = self.log_start_offset, self.log_end_offset
            for attempt in range(_REFRESH_ATTEMPTS):
                try:
                    self._follow()
                    break
                except (FileNotFoundError, CorruptRecordError, StorageError):
                    if attempt == _REFRESH_ATTEMPTS - 1:
                        raise
            self.high_watermark = self.log_end_offset
            self.producers.transactions.replicated(self.high_watermark)
            return before != (self.log_start_offset, self.log_end_offset)

    def _follow(self) -> None:
        """Take in what was appended; read the directory anew when segments came or went."""
        sizes = recovery.log_sizes(self._pool.files, self.directory)
        *closed, active = self._row.segments
        size = sizes.pop(active.path, -1)
        if size >= active.size and sizes == {s.path: s.size for s in closed}:
            end = active.next_offset
            active.follow(size)
            recovery.take_in([active], end, active.next_offset, self.epochs, self.producers, end)
            self.log_end_offset = active.next_offset
            return
        self._row.forget_files()
        self._adopt(active.base_offset, self.log_start_offset, -1)
