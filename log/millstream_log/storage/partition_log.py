"""One partition's log: a row of segments, appended to at the end, read anywhere.

    log start                 flushed        high watermark    log end
        v                        v                 v              v
    +---------------+---------------+---------------+-------------+
    | segment, closed               | closed        | active      |  -> appends
    +---------------+---------------+---------------+-------------+

Invariants:
    log start <= high watermark <= log end; flushed <= log end.
    Each segment ends where the next begins; only the last one is written to.
    An append is there whole, indexes and producers with it, or not at all.
    Below `flushed_offset` everything is on the disk: batches, indexes, names, epochs.
    Lock order: the flush lock, then the log's own. Under the latter no batch or index is
    synced, except where the log is cut, so that appends do not wait for the disk.
Source: docs/format.md; the behaviour of Apache Kafka 4 logs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import NamedTuple

from ..errors import ClosedError, CorruptRecordError, OffsetOutOfRangeError, StorageError
from ..model import TimestampType, TopicPartition
from ..record.batch import BatchHeader, assign, stamp_append_time
from . import compaction, recovery, retention, snapshots
from .admission import admit, admit_replica, recompress
from .checkpoint import LEADER_EPOCHS
from .descriptors import FilePool
from .files import Buffer, replace_file
from .log_config import AS_PRODUCED, LogConfig
from .log_reader import LogReader, storage_errors
from .producers import BatchMark, read_marker
from .segment import Segment


class AppendResult(NamedTuple):
    """Where a call to append has put its records."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int  # -1 under CreateTime
    log_start_offset: int
    duplicate: bool = False  # an idempotent producer sent it before; offsets are the first ones


def _nothing(_: PartitionLog) -> None:
    return None


class PartitionLog(LogReader):
    """One partition's log. Methods may be called from several threads.

    `high_watermark` starts at the log end and is set from outside afterwards.
    """

    def __init__(
        self,
        topic_partition: TopicPartition,
        directory: str,
        config: LogConfig,
        pool: FilePool,
        *,
        topic_id: str = "",
        recovery_point: int = recovery.CLEAN,
        log_start_offset: int = 0,
        now_ms: int = -1,
        before_cut: Callable[[PartitionLog], None] = _nothing,
    ) -> None:
        """Open what the directory holds; it must exist.

        `before_cut` is called when `flushed_offset` has moved back: whoever keeps recovery
        points must write the lower one down before it returns.

        Raises: StorageError; CorruptRecordError for a bad batch below the recovery point.
        """
        self.first_dirty_offset = 0  # below it the log was compacted
        self._before_cut = before_cut
        self._flush_lock = threading.RLock()
        self._horizon_ms = compaction.NEVER
        super().__init__(
            topic_partition,
            directory,
            config,
            pool,
            topic_id=topic_id,
            recovery_point=recovery_point,
            log_start_offset=log_start_offset,
            now_ms=now_ms,
        )

    def _adopt(self, recovery_point: int, log_start_offset: int, now_ms: int) -> None:
        super()._adopt(recovery_point, log_start_offset, now_ms)
        is_clean = recovery_point == recovery.CLEAN
        self.flushed_offset = min(recovery_point, self.log_end_offset)
        self._indexed_offset = self.flushed_offset  # below it the indexes are on the disk
        self.scan_bytes = 0  # appended since the last checkpoint: what a crash leaves to scan
        self._snapshot_offset = self.log_end_offset if is_clean else -1
        self._epochs_changed = not is_clean
        self._names_changed = not is_clean

    @property
    def recovery_point(self) -> int:
        """Return the offset below which nothing has to be scanned after a crash."""
        return min(self._indexed_offset, self.flushed_offset)

    @property
    def is_dirty(self) -> bool:
        """Tell whether a flush would have anything to do."""
        return self.flushed_offset < self.log_end_offset or bool(self._row.unsynced)

    # -- appending

    def append(
        self,
        batches: bytearray | memoryview,
        *,
        now_ms: int,
        leader_epoch: int = 0,
        coordinator: bool = False,
        check_keys: bool = False,
    ) -> AppendResult:
        """Append whole batches as leader: check, assign offsets in place, write once.

        `batches` is patched (or a copy, where `compression.type` asks for another codec) and may
        be used again after the call. `coordinator` lets control batches in. `check_keys` refuses
        records without key on a compacted topic (it opens the batches, so those who know that
        all have keys leave it out).

        Raises: CorruptRecordError, MessageTooLargeError, InvalidRecordError,
        OutOfOrderSequenceError, InvalidProducerEpochError, BrokerError (INVALID_TXN_STATE,
        TRANSACTION_COORDINATOR_FENCED), StorageError (nothing appended; may be called again),
        ClosedError.
        """
        config = self.config
        headers = admit(batches, config, now_ms, control_allowed=coordinator, check_keys=check_keys)
        if config.compression_type != AS_PRODUCED:
            batches, headers = recompress(batches, headers, config)
        stamped = config.message_timestamp_type is TimestampType.LOG_APPEND_TIME
        with self._lock:
            self._check_writable()
            if headers[0].producer_id >= 0 or len(headers) > 1:
                mark = self.producers.admit(headers, batches)
                if mark is not None:
                    return self._duplicate(mark)
            first = offset = self.log_end_offset
            position = 0
            for header in headers:
                assign(batches, position, offset, leader_epoch)
                if stamped:
                    stamp_append_time(batches, position, header, now_ms)
                position += header.size
                offset += header.last_offset_delta + 1
            time = now_ms if stamped else headers[-1].max_timestamp
            active = self._write(batches, offset - 1, time, now_ms)
            offset, position = first, 0
            for header in headers:
                time = now_ms if stamped else header.max_timestamp
                active.note(header, offset, time)
                if header.producer_id >= 0:
                    self._note_producer(active, batches, position, header, offset, time)
                position += header.size
                offset += header.last_offset_delta + 1
            self.log_end_offset = offset
            if leader_epoch != self.epochs.latest:
                self._note_epoch(leader_epoch, first)
            return AppendResult(first, offset - 1, now_ms if stamped else -1, self.log_start_offset)

    def append_replica(self, batches: Buffer, *, now_ms: int) -> AppendResult:
        """Append batches as follower: offsets and epochs stay as the leader gave them.

        Raises: CorruptRecordError, also for an offset below the log end; StorageError.
        """
        headers = admit_replica(batches)
        with self._lock:
            self._check_writable()
            expected = self.log_end_offset
            for header in headers:
                if header.base_offset < expected:
                    raise CorruptRecordError(
                        f"{self.topic_partition}: batch of offset {header.base_offset},"
                        f" log end {expected}"
                    )
                expected = header.next_offset
            active = self._write(batches, expected - 1, headers[-1].max_timestamp, now_ms)
            position = 0
            for header in headers:
                active.note(header, header.base_offset, header.max_timestamp)
                if header.producer_id >= 0:
                    offset, time = header.base_offset, header.max_timestamp
                    self._note_producer(active, batches, position, header, offset, time)
                self._note_epoch(header.leader_epoch, header.base_offset)
                position += header.size
            self.log_end_offset = expected
            return AppendResult(headers[0].base_offset, expected - 1, -1, self.log_start_offset)

    def _check_writable(self) -> None:
        if self._closed:
            raise ClosedError(f"{self.topic_partition} is closed")
        if self.read_only:
            raise StorageError(f"{self.directory} is open read-only")

    def _duplicate(self, mark: BatchMark) -> AppendResult:
        append_time = -1
        if self.config.message_timestamp_type is TimestampType.LOG_APPEND_TIME:
            append_time = mark.timestamp
        return AppendResult(
            mark.base_offset, mark.last_offset, append_time, self.log_start_offset, True
        )

    def _write(self, batches: Buffer, last_offset: int, time: int, now_ms: int) -> Segment:
        """Roll when it is time, then write; return the segment that has the batches now."""
        active = self._row.active
        try:
            if active.should_roll(self.config, len(batches), last_offset, time, now_ms):
                active = self._roll(now_ms)
            active.write(batches)
            self.scan_bytes += len(batches)
        except OSError as error:
            raise StorageError(
                f"append {len(batches)} bytes to {active.path} at {active.size}: {error}"
            ) from error
        return active

    def _note_epoch(self, leader_epoch: int, start_offset: int) -> None:
        changed = self.epochs.assign(leader_epoch, start_offset)
        self._epochs_changed = self._epochs_changed or changed

    def _note_producer(
        self,
        active: Segment,
        batches: Buffer,
        position: int,
        header: BatchHeader,
        base_offset: int,
        time: int,
    ) -> None:
        header = header._replace(base_offset=base_offset, max_timestamp=time)
        if not header.is_control:
            self.producers.note(header)
            return
        aborted = self.producers.note(header, read_marker(batches, position, header))
        if aborted is not None:
            active.note_aborted(aborted)
        self.producers.transactions.replicated(self.high_watermark)

    def roll(self, now_ms: int = -1) -> None:
        """Close the active segment, unless it is empty, and begin another at the log end."""
        with self._lock:
            self._check_writable()
            if self._row.active.size:
                with storage_errors("roll", self.directory):
                    self._roll(now_ms)

    def _roll(self, now_ms: int) -> Segment:
        self._row.active.close_off(sync=False)
        self._save_snapshot(sync=False)
        following = Segment(self._pool, self.directory, self.log_end_offset, self.config)
        following.create(now_ms)
        self._row.add(following)
        self._names_changed = True
        return following

    def _save_snapshot(self, *, sync: bool) -> None:
        """Write what is known of producers as of the log end, and drop older snapshots."""
        end = self.log_end_offset
        if self._snapshot_offset == end:
            return
        bases = [segment.base_offset for segment in self._row.segments]
        self._pool.patiently(
            lambda: snapshots.save(
                self._pool.files, self.directory, end, self.producers, bases=bases, sync=sync
            )
        )
        self._snapshot_offset = end

    # -- cutting

    def truncate(self, offset: int) -> None:
        """Drop every batch that reaches to `offset` or beyond."""
        with storage_errors("truncate", self.directory), self._flush_lock, self._lock:
            self._check_writable()
            if offset >= self.log_end_offset:
                return
            if offset <= max(self.log_start_offset, self._row.start_offset):
                self.truncate_fully(offset)
                return
            flushed = self.flushed_offset
            # Where the last whole batch ends is not known yet: not above this.
            self._lower(self._row.base_of(offset - 1))
            self._row.drop(self._row.from_offset(offset), None)
            self._row.active.cut(offset)
            if self._row.active.next_offset < self.log_start_offset:
                self._begin_at(self.log_start_offset)
            self._after_cut(self.log_start_offset)
            self.flushed_offset = min(flushed, self.log_end_offset)

    def truncate_fully(self, offset: int) -> None:
        """Drop everything; the log then starts and ends at `offset`."""
        with storage_errors("truncate", self.directory), self._flush_lock, self._lock:
            self._check_writable()
            self._lower(offset)
            self._begin_at(offset)
            self._after_cut(offset)

    def _begin_at(self, offset: int) -> None:
        """Let one empty segment be all there is."""
        first = self._row.segments[0]
        self._row.drop(self._row.segments[1:], None)
        first.cut(first.base_offset)
        if offset != first.base_offset:
            following = Segment(self._pool, self.directory, offset, self.config)
            following.create(-1)
            self._row.add(following)
            self._row.drop([first], None)

    def _lower(self, offset: int) -> None:
        """Move what is promised to be on the disk below `offset`, on the disk too."""
        if offset < self.flushed_offset:
            self.flushed_offset = self._indexed_offset = offset
            self._before_cut(self)

    def _after_cut(self, log_start_offset: int) -> None:
        end = self.log_end_offset = self._row.active.next_offset
        self.log_start_offset = min(log_start_offset, end)
        self.flushed_offset = min(self.flushed_offset, end)
        self._indexed_offset = min(self._indexed_offset, end)
        self.high_watermark = min(self.high_watermark, end)
        self.first_dirty_offset = min(self.first_dirty_offset, end)
        files = self._pool.files
        snapshots.cut(files, self.directory, end)
        self._snapshot_offset = -1
        self.epochs.cut_end(end)
        self.epochs.cut_start(log_start_offset)
        self._save_epochs()
        files.sync_dir(self.directory)
        self.producers = recovery.replay(
            self._pool, self.directory, self._row.segments, self.epochs, end
        )

    def delete_records(self, before_offset: int) -> int:
        """Move the log start up to `before_offset`; -1 is the high watermark. Return it.

        The new start outlives a crash once it is checkpointed.
        """
        with storage_errors("delete records of", self.directory), self._lock:
            self._check_writable()
            offset = self.high_watermark if before_offset == -1 else before_offset
            if not 0 <= offset <= self.high_watermark:
                raise OffsetOutOfRangeError(
                    f"{self.topic_partition}: delete before {offset}, high watermark"
                    f" {self.high_watermark}"
                )
            if offset > self.log_start_offset:
                self._start_at(offset)
            return self.log_start_offset

    def _start_at(self, offset: int) -> None:
        self.log_start_offset = offset
        changed = self.epochs.cut_start(offset)
        self._epochs_changed = self._epochs_changed or changed

    def retain(self, now_ms: int) -> int:
        """Remove segments that retention lets go; return their bytes."""
        with storage_errors("retain", self.directory), self._lock:
            self._check_writable()
            self._row.purge(now_ms)
            segments = self._row.segments
            count = retention.expired_count(
                segments,
                self.config,
                now_ms,
                log_start_offset=self.log_start_offset,
                high_watermark=self.high_watermark,
            )
            for segment in segments[count:-1]:
                if segment.next_offset <= self._row.synced_to:
                    segment.unload()
            return self._drop_oldest(count, now_ms)

    def expire_producers(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers that were silent for `expiration_ms` and have nothing open.

        Return how many they were.
        """
        with self._lock:
            return self.producers.expire(now_ms, expiration_ms)

    def oldest_timestamp(self) -> int | None:
        """Return the largest timestamp of the oldest segment, None when it may not go."""
        with storage_errors("retain", self.directory), self._lock:
            oldest = self._row.segments[0]
            may_go = self.config.deletes and len(self._row) > 1 and not self._closed
            if not may_go or oldest.next_offset > self.high_watermark:
                return None
            return oldest.largest_timestamp()

    def drop_oldest(self, now_ms: int) -> int:
        """Remove the oldest segment, if it is closed and replicated; return its bytes."""
        with storage_errors("retain", self.directory), self._lock:
            if self.oldest_timestamp() is None:
                return 0
            return self._drop_oldest(1, now_ms)

    def _drop_oldest(self, count: int, now_ms: int) -> int:
        """Remove the first `count` segments, rolling first when that is all of them."""
        if not count:
            return 0
        if count == len(self._row):
            self._roll(now_ms)
        old = self._row.segments[:count]
        self._start_at(max(self.log_start_offset, old[-1].next_offset))
        self._row.drop(old, now_ms + self.config.file_delete_delay_ms)
        self._names_changed = True
        return sum(segment.size for segment in old)

    def compact(self, now_ms: int) -> int:
        """Compact now if it is due; return the bytes won. May run in a thread beside appends.

        Raises: StorageError, CorruptRecordError; then nothing has changed.
        """
        with storage_errors("compact", self.directory):
            if self.config.compacts and self._row.unsynced:
                self.flush()  # only what is on the disk is rewritten
            with self._lock:
                self._check_writable()
                plan = compaction.plan(
                    self._row.segments,
                    self.config,
                    now_ms,
                    dirty_from=self.first_dirty_offset,
                    bound=min(self.last_stable_offset, self._row.synced_to),
                    horizon_ms=self._horizon_ms,
                    producers=self.producers.last_batches(),
                    aborted=[
                        entry for segment in self._row.segments for entry in segment.aborted()
                    ],
                )
            if plan is None:
                return 0
            won = 0
            for made in compaction.rewrite(plan, self._pool):
                won += self._swap(made, now_ms)
            with self._lock:
                self.first_dirty_offset = min(plan.clean_to, self.log_end_offset)
                self._horizon_ms = plan.horizon_ms
            return won

    def _swap(self, made: compaction.Rewritten, now_ms: int) -> int:
        """Put a compacted segment in place of those it was made from, if they are there yet."""
        with self._lock:
            if self._closed or not self._row.holds(made.old):
                compaction.abandon(made, self._pool)
                return 0
            compaction.swap(made, self._pool)
            due_ms = now_ms + self.config.file_delete_delay_ms
            self._row.replace(made.old, made.fresh, due_ms)
        made.fresh.replace_indexes()
        return sum(segment.size for segment in made.old) - made.fresh.size

    # -- durability

    def flush(self) -> int:
        """Sync what was appended before the call; return the offset below which all is safe.

        May run in another thread while appends go on. Raises StorageError: then nothing that
        was not safe before is safe now, and a later call tries it all again.
        """
        with storage_errors("flush", self.directory), self._flush_lock:
            with self._lock:
                self._check_writable()
                if not self.is_dirty:
                    return self.flushed_offset
                end, active = self.log_end_offset, self._row.active
                size, closed = active.size, self._row.unsynced.copy()
                names, self._names_changed = self._names_changed, False
                epochs, self._epochs_changed = self._epochs_changed, False
                encoded = self.epochs.encode()
            try:
                for segment in closed:
                    self._sync(segment, segment.size, closed=True)
                if active.flushed_size < size:
                    self._sync(active, size, closed=False)
                if epochs:
                    self._save_epochs(encoded)
                if names:
                    self._pool.patiently(lambda: self._pool.files.sync_dir(self.directory))
            except OSError:
                self._names_changed = self._names_changed or names
                self._epochs_changed = self._epochs_changed or epochs
                raise
            with self._lock:
                gone = set(map(id, closed))
                self._row.unsynced = [s for s in self._row.unsynced if id(s) not in gone]
                self.flushed_offset = max(self.flushed_offset, min(end, self.log_end_offset))
                return self.flushed_offset

    def _sync(self, segment: Segment, size: int, *, closed: bool) -> None:
        try:
            segment.sync(size, closed=closed)
        except FileNotFoundError:
            if segment in self._row.segments:
                raise
        segment.flushed_size = max(segment.flushed_size, size)

    def _save_epochs(self, encoded: bytes | None = None) -> None:
        path = os.path.join(self.directory, LEADER_EPOCHS)
        data = self.epochs.encode() if encoded is None else encoded
        self._pool.patiently(lambda: replace_file(self._pool.files, path, data))

    def checkpoint(self) -> int:
        """Flush, indexes and producers too; return the recovery point that may be written down."""
        with storage_errors("checkpoint", self.directory), self._flush_lock:
            with self._lock:
                appended = self.scan_bytes
                if appended:  # else the headers before the recovery point would be read for them
                    self._check_writable()
                    self._save_snapshot(sync=False)
            end = self.flush()
            if self._indexed_offset < end:
                with self._lock:
                    active = self._row.active
                    active.save_indexes(sync=False)
                    # One that was rolled since the flush has not been synced yet.
                    touched = [*self._row.unsynced, active]
                for segment in touched:
                    segment.sync_indexes()
                self._indexed_offset = end
            with self._lock:
                self.scan_bytes -= appended
            return end

    def close(self) -> None:
        """Flush, write indexes and the producer snapshot, give descriptors back.

        Raises StorageError when not all could be written: then the log is closed, but what
        follows its recovery point has to be scanned at the next opening.
        """
        with self._flush_lock, self._lock:
            if self._closed:
                return
            try:
                if not self.read_only:
                    with storage_errors("close", self.directory):
                        self._settle()
            finally:
                self._closed = True
                self._row.forget_files()

    def abandon(self) -> None:
        """Close without writing anything: the files are to go."""
        with self._flush_lock, self._lock:
            self._closed = True
            self._row.forget_files()

    def _settle(self) -> None:
        if self.is_dirty or self._snapshot_offset != self.log_end_offset:
            self.flush()
            self._row.active.close_off(sync=True)
            self._save_snapshot(sync=True)
        if self._epochs_changed:
            self._save_epochs()
            self._epochs_changed = False
        self._row.purge()
