"""One segment: a run of whole batches in a file, with its indexes beside it.

    00000000000000000042.log         batch | batch | batch |  (torn tail, after a crash only)
    00000000000000000042.index       where some of them begin
    00000000000000000042.timeindex   the largest timestamp so far, at the same places
    00000000000000000042.txnindex    the transactions aborted in it; there when there are any

Invariants:
    `size` ends a whole batch; what the file holds beyond it is cut before the next write.
    Every indexed position begins a batch.
    The segment ends at `next_offset`, which is the base offset of the one that follows.
Source: files written by Apache Kafka 4; its rules for when to write an entry and when to roll.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from ..errors import CorruptRecordError
from ..record.batch import HEADER_BYTES, MAGIC, PREFIX_BYTES, BatchHeader, check, read_header
from .descriptors import FilePool
from .files import Buffer, File, replace_file
from .index import NO_TIMESTAMP, Index, OffsetIndex, TimeIndex
from .log_config import LogConfig
from .transactions import AbortedTransaction, TransactionIndex

LOG = ".log"
INDEX = ".index"
TIME_INDEX = ".timeindex"
TXN_INDEX = ".txnindex"
INDEX_SUFFIXES = (INDEX, TIME_INDEX, TXN_INDEX)
SNAPSHOT = ".snapshot"
DELETED = ".deleted"
CLEANED = ".cleaned"
SWAP = ".swap"

RELATIVE_OFFSET_MAX = 2**31 - 1
UNCHECKED = 2**63

_FIRST_LOOK_BYTES = 4096
_LOOK_BYTES = 65536
_COPY_BYTES = 1 << 20
_SPAN = struct.Struct(">qi4xb6xi")
"""Of a header: base offset, length, magic, last offset delta."""


def file_name(offset: int, suffix: str) -> str:
    """Return the name of a segment's file: 20 digits and the suffix."""
    return f"{offset:020d}{suffix}"


class Segment:
    """A segment; the last of a log is the active one and takes appends."""

    __slots__ = (
        "_is_loaded",
        "_is_rewrite_due",
        "_is_torn",
        "are_indexes_lost",
        "base_offset",
        "bytes_since_entry",
        "created_ms",
        "entry_interval",
        "first_timestamp",
        "flushed_size",
        "last_base",
        "last_position",
        "max_timestamp",
        "max_timestamp_offset",
        "modified_ms",
        "next_offset",
        "offsets",
        "path",
        "plain_bytes",
        "pool",
        "prefix",
        "size",
        "times",
        "transactions",
    )

    def __init__(self, pool: FilePool, directory: str, base_offset: int, config: LogConfig) -> None:
        self.pool = pool
        self.prefix = os.path.join(directory, file_name(base_offset, ""))
        self.path = self.prefix + LOG
        self.base_offset = base_offset
        self.next_offset = base_offset
        self.size = 0
        self.flushed_size = 0  # below it the file is on the disk
        self.plain_bytes = 0  # below it no batch has a producer, and all the first one's epoch
        self.offsets = OffsetIndex(base_offset, config.segment_index_bytes)
        self.times = TimeIndex(base_offset, config.segment_index_bytes)
        self.transactions: TransactionIndex | None = None  # None: nothing aborted, no file
        self.entry_interval = config.index_interval_bytes
        self.bytes_since_entry = 0
        self.max_timestamp = NO_TIMESTAMP
        self.max_timestamp_offset = base_offset
        self.first_timestamp: int | None = None  # of the first batch; None: not looked at
        self.created_ms = -1
        self.modified_ms = -1  # of a closed segment without timestamps, for retention
        self.last_base = -1  # base offset and position of the last batch, when known
        self.last_position = 0
        self.are_indexes_lost = False  # the files were no good, and those made anew are not synced
        self._is_loaded = True
        self._is_torn = False
        self._is_rewrite_due = False

    def __repr__(self) -> str:
        return f"Segment({self.base_offset}..{self.next_offset}, {self.size} B)"

    # -- appending

    def write(self, data: Buffer) -> None:
        """Write whole batches at the end; on OSError the file is cut back to what it was."""
        pinned = self.pool.pin(self.path)
        try:
            if self._is_torn:
                pinned.file.truncate(self.size)
                self._is_torn = False
            try:
                pinned.file.pwrite(data, self.size)
            except OSError:
                self._is_torn = True
                pinned.file.truncate(self.size)
                self._is_torn = False
                raise
        finally:
            self.pool.unpin(pinned)

    def note(self, header: BatchHeader, base_offset: int, max_timestamp: int) -> None:
        """Take in a batch that was written at the end, as it stands there."""
        size = self.size
        last = base_offset + header.last_offset_delta
        # A header without records, left by compaction, has no timestamp to find.
        if max_timestamp > self.max_timestamp and header.count:
            self.max_timestamp = max_timestamp
            self.max_timestamp_offset = last
        if self.bytes_since_entry > self.entry_interval:
            self.offsets.append(last, size)
            self.times.append(self.max_timestamp, self.max_timestamp_offset)
            self.bytes_since_entry = 0
        if not size:
            self.first_timestamp = max_timestamp
        self.last_base = base_offset
        self.last_position = size
        self.size = size + header.size
        self.bytes_since_entry += header.size
        self.next_offset = last + 1

    def note_aborted(self, aborted: AbortedTransaction) -> None:
        """Take in the transaction that a marker in this segment has aborted."""
        if self.transactions is None:
            self.transactions = TransactionIndex()
        self.transactions.append(aborted)

    def should_roll(
        self, config: LogConfig, more: int, last_offset: int, max_timestamp: int, now_ms: int
    ) -> bool:
        """Tell whether `more` bytes that end with `last_offset` belong in a new segment."""
        if not self.size:
            return False
        if self.size + more > config.segment_bytes:
            return True
        if self.offsets.is_full or self.times.is_full:
            return True
        if last_offset - self.base_offset > RELATIVE_OFFSET_MAX:
            return True
        if self.first_timestamp is None:
            self.first_timestamp = self.header_at(0).max_timestamp
        wait_ms = config.segment_ms
        if config.compacts:
            wait_ms = min(wait_ms, config.max_compaction_lag_ms)
        if self.first_timestamp >= 0:
            return max_timestamp - self.first_timestamp > wait_ms
        return self.created_ms >= 0 and now_ms - self.created_ms > wait_ms

    # -- looking

    def header_at(self, position: int) -> BatchHeader:
        """Read the header of the batch that begins at `position`."""
        return read_header(self.read(position, HEADER_BYTES))

    def read(self, position: int, size: int) -> bytes:
        """Return the bytes [position, position + size). Raises CorruptRecordError when short."""
        pinned = self.pool.pin(self.path)
        try:
            data = pinned.file.pread(size, position)
        finally:
            self.pool.unpin(pinned)
        if len(data) < size:
            raise CorruptRecordError(
                f"{self.path} at {position}: {len(data)} bytes left, {size} expected"
            )
        return data

    def walk(
        self, position: int = 0, end: int | None = None, *, checked_from: int = UNCHECKED
    ) -> Iterator[tuple[int, BatchHeader]]:
        """Yield (position, header) of each batch in [position, end), from a batch's begin.

        The CRCs of batches that reach to the offset `checked_from` or beyond are compared.
        Raises CorruptRecordError naming file, position and offset at what is no whole batch.
        """
        end = self.size if end is None else end
        look, chunk, begin = _FIRST_LOOK_BYTES, b"", position
        offset = -1
        pinned = self.pool.pin(self.path)
        try:
            while position < end:
                at = position - begin
                if len(chunk) - at < HEADER_BYTES:
                    chunk, begin, at = pinned.file.pread(look, position), position, 0
                    look = _LOOK_BYTES
                header = read_header(chunk, at)
                size = header.size
                if size > end - position:
                    raise CorruptRecordError(f"batch of {size} bytes, {end - position} left")
                if offset > header.base_offset:
                    raise CorruptRecordError(f"base offset {header.base_offset}")
                if header.last_offset >= checked_from:
                    if at + size > len(chunk):
                        whole = max(size, _LOOK_BYTES)
                        chunk, begin, at = pinned.file.pread(whole, position), position, 0
                    check(chunk, at, header)
                offset = header.last_offset + 1
                yield position, header
                position += size
        except CorruptRecordError as error:
            where = f"{self.path} at position {position}"
            after = f", offset {offset}" if offset >= 0 else f", offset >= {self.base_offset}"
            raise CorruptRecordError(f"{where}{after}: {error}") from error
        finally:
            self.pool.unpin(pinned)

    def locate(self, offset: int) -> int:
        """Return where the first batch begins that ends at `offset` or later, or `size`."""
        if offset >= self.next_offset:
            return self.size
        if 0 <= self.last_base <= offset:
            return self.last_position
        self.load()
        found = self.offsets.ceiling(offset)
        if found >= 0 and self.header_at(found).base_offset <= offset:
            return found
        return self._seek(self.offsets.floor(offset), offset)

    def _seek(self, position: int, offset: int) -> int:
        """Return where the first batch from `position` on ends at `offset` or later."""
        look, size = _FIRST_LOOK_BYTES, self.size
        pinned = self.pool.pin(self.path)
        try:
            while position < size:
                chunk = pinned.file.pread(min(look, size - position), position)
                look = _LOOK_BYTES
                at, end = 0, len(chunk) - HEADER_BYTES
                while at <= end:
                    base, length, magic, last_delta = _SPAN.unpack_from(chunk, at)
                    if magic != MAGIC or length < HEADER_BYTES - PREFIX_BYTES:
                        raise CorruptRecordError(
                            f"{self.path} at position {position + at}: no batch begins here"
                            f" (magic {magic}, length {length}), searched for offset {offset}"
                        )
                    if base + last_delta >= offset:
                        return position + at
                    at += length + PREFIX_BYTES
                if not at:
                    break
                position += at
        finally:
            self.pool.unpin(pinned)
        return size

    def stop(self, position: int, limit: int, bytes_max: int) -> int:
        """Return where a read from `position` ends: whole batches, at least one."""
        if limit - position <= bytes_max:
            return limit
        self.load()
        boundary = self.offsets.boundary(position + bytes_max)
        if boundary > position:
            return boundary
        stop = position
        for begin, header in self.walk(position, limit):
            if begin > position and begin + header.size > position + bytes_max:
                break
            stop = begin + header.size
        return stop

    def largest_timestamp(self) -> int:
        """Return the largest timestamp of its records, else when the file was last written."""
        self.load()
        if self.max_timestamp >= 0:
            return self.max_timestamp
        if self.modified_ms < 0:
            self.modified_ms = self.pool.files.modified_ms(self.path)
        return self.modified_ms

    # -- indexes

    def resume(self, size: int, recovery_point: int) -> None:
        """Be the segment found in a file of `size` bytes; check what may not be on the disk.

        What lies below `recovery_point` is not scanned where the saved indexes reach.
        Raises CorruptRecordError at the first bad batch; `size` is then where it begins.
        """
        self.size = size
        start = 0
        self._is_loaded = True
        if recovery_point > self.base_offset:
            self.are_indexes_lost = not self.load_saved()
        if recovery_point > self.base_offset and not self.are_indexes_lost:
            self.offsets.cut(recovery_point)
            self.times.cut(recovery_point)
            start = self.offsets.last_position()
        self.next_offset = self.header_at(start).base_offset if start else self.base_offset
        self.rebuild(start, size, checked_from=recovery_point)

    def follow(self, size: int) -> None:
        """Take in the whole batches that another process appended up to `size`."""
        try:
            for _, header in self.walk(self.size, size, checked_from=0):
                self.note(header, header.base_offset, header.max_timestamp)
        except CorruptRecordError:
            pass  # a batch on its way: the rest of it comes later

    def adopt(self, size: int, next_offset: int) -> None:
        """Be a closed segment of that size; its indexes are read when they are needed."""
        self.size = self.flushed_size = size
        self.next_offset = next_offset
        self._is_loaded = False

    def load(self) -> None:
        """Read the indexes of a closed segment; make them anew when they cannot be right."""
        if self._is_loaded:
            return
        if self.load_saved():
            self.max_timestamp, self.max_timestamp_offset = self.times.last()
        else:
            self.rebuild()
            if self.pool.writable:
                self.replace_indexes()
        self._is_loaded = True

    def unload(self) -> None:
        """Let go of the memory of a closed segment's indexes."""
        if self._is_loaded and self.offsets.is_saved and self.times.is_saved:
            self.offsets = OffsetIndex(self.base_offset, self.offsets.entries_max * 8)
            self.times = TimeIndex(self.base_offset, self.times.entries_max * 12)
            self._is_loaded = False

    def load_saved(self) -> bool:
        """Read both index files; tell whether they can be right."""
        files = self.pool.files
        try:
            self.offsets.load(files.read(self.prefix + INDEX), self.size)
            self.times.load(files.read(self.prefix + TIME_INDEX), self.size)
        except (FileNotFoundError, CorruptRecordError):
            return False
        if not self.size:
            return True
        if not len(self.times):
            return False
        last = self.offsets.last_position()
        try:
            return not last or self.header_at(last).last_offset == self.offsets.last_offset()
        except CorruptRecordError:
            return False

    def rebuild(
        self, position: int = 0, end: int | None = None, *, checked_from: int = UNCHECKED
    ) -> None:
        """Make indexes and end anew from the batches in [position, end); keep what is before.

        Stops at the first bad one with CorruptRecordError; `size` is then where it begins.
        """
        end = self.size if end is None else end
        self.size = position
        if not position:
            self.next_offset = self.base_offset
        self._is_loaded = True
        self.offsets.cut(self.next_offset)
        self.times.cut(self.next_offset)
        self.max_timestamp, self.max_timestamp_offset = self.times.last()
        self.last_base = -1
        # What stood at `position` had an entry, unless it is the beginning.
        self.bytes_since_entry = self.entry_interval + 1 if position else 0
        self.plain_bytes = min(self.plain_bytes, position)
        first_epoch = -1
        for at, header in self.walk(position, end, checked_from=checked_from):
            if header.base_offset < self.next_offset:
                raise CorruptRecordError(
                    f"{self.path} at position {self.size}: base offset {header.base_offset},"
                    f" expected {self.next_offset} or more"
                )
            self.note(header, header.base_offset, header.max_timestamp)
            if not at:
                first_epoch = header.leader_epoch
            is_plain = header.producer_id < 0 and header.leader_epoch == first_epoch
            if is_plain and at == self.plain_bytes:
                self.plain_bytes = self.size

    def close_off(self, *, sync: bool) -> None:
        """Complete the indexes of a segment that takes no more appends, and save them."""
        if self._is_torn:
            self.write(b"")
        self.times.append(self.max_timestamp, self.max_timestamp_offset)
        self.save_indexes(sync=sync)

    def replace_indexes(self) -> None:
        """Save the indexes of a closed segment as whole files, there or not after a crash."""
        self.times.append(self.max_timestamp, self.max_timestamp_offset)
        for suffix, index in self._indexes():
            replace_file(self.pool.files, self.prefix + suffix, index.encode())
            index.saved()

    def publish_indexes(self, *, closed: bool) -> None:
        """Let the index files hold no entry that is not true, whatever they held before."""
        if closed:
            self.times.append(self.max_timestamp, self.max_timestamp_offset)
        try:
            self.save_indexes(sync=self.are_indexes_lost)
        except OSError:
            for path in self.file_paths()[1:]:
                self.pool.files.remove(path)

    def save_indexes(self, *, sync: bool) -> None:
        """Write the index entries that the files lack."""
        for suffix, index in self._indexes():
            self._save(suffix, index, sync)

    def sync_indexes(self) -> None:
        """Have the index files on the disk as they are. Raises OSError."""
        for suffix, index in self._indexes():
            try:
                file = self.pool.open(self.prefix + suffix, create=True)
                try:
                    self._sync_index(file, index)
                finally:
                    file.close()
            except OSError:
                index.forget_saved()
                raise

    def _indexes(self) -> list[tuple[str, Index]]:
        """Return what has a file, by its suffix.

        The transaction index comes first: where the others are, it is complete.
        """
        found: list[tuple[str, Index]] = [(INDEX, self.offsets), (TIME_INDEX, self.times)]
        if self.transactions is not None:
            found.insert(0, (TXN_INDEX, self.transactions))
        return found

    def _save(self, suffix: str, index: Index, sync: bool) -> None:
        position, data = index.unsaved()
        file = self.pool.open(self.prefix + suffix, create=True)
        try:
            if data:
                file.pwrite(data, position)
            if file.size() != position + len(data):
                file.truncate(position + len(data))
            index.saved()
            if sync:
                self._sync_index(file, index)
        except OSError:
            index.forget_saved()  # a failed sync may have dropped what was written long before
            raise
        finally:
            file.close()

    def _sync_index(self, file: File, index: Index) -> None:
        file.sync()
        if isinstance(index, TransactionIndex) and not index.is_named:
            # The names of the others came with the segment, and the log has synced them.
            directory = os.path.dirname(self.path)
            self.pool.patiently(lambda: self.pool.files.sync_dir(directory))
            index.is_named = True

    def aborted(self) -> list[AbortedTransaction]:
        """Return the transactions that were aborted in this segment, by their markers."""
        return [] if self.transactions is None else list(self.transactions)

    def load_transactions(self, known_to: int) -> bool:
        """Read the transaction index up to the offset `known_to`; tell whether it can be right."""
        self.transactions = TransactionIndex()
        try:
            data = self.pool.files.read(self.prefix + TXN_INDEX)
        except FileNotFoundError:
            return False
        # What a crash has left of entries beyond `known_to` is nothing to believe or to mind.
        end = min(known_to, self.next_offset)
        return self.transactions.load(data, self.base_offset, end) or known_to < self.next_offset

    def save_transactions(self) -> None:
        """Have the transaction index on the disk, if there is one, as it was made anew."""
        if self.transactions is not None:
            self._save(TXN_INDEX, self.transactions, sync=True)

    # -- changing

    def create(self, now_ms: int) -> None:
        """Make its files, empty, but for the transaction index; on OSError none is left."""
        self.created_ms = now_ms
        try:
            for path in self.file_paths()[:3]:
                file = self.pool.open(path, create=True)
                try:
                    if file.size():
                        file.truncate(0)
                finally:
                    file.close()
        except OSError:
            for path in self.file_paths():
                self.pool.files.remove(path)
            raise

    def cut(self, offset: int) -> None:
        """Drop every batch that reaches to `offset` or beyond, and sync."""
        self.load()
        position = self.locate(offset)
        pinned = self.pool.pin(self.path)
        try:
            pinned.file.truncate(position)
            pinned.file.sync()
        finally:
            self.pool.unpin(pinned)
        self.flushed_size = min(self.flushed_size, position)
        self.offsets.cut(offset)
        self.times.cut(offset)
        if self.transactions is not None:
            self.transactions.cut(offset)
        start = self.offsets.last_position()
        self.next_offset = self.base_offset
        if start:
            self.next_offset = self.header_at(start).base_offset
        if not position:
            self.first_timestamp = None
        self.rebuild(start, position)
        self.save_indexes(sync=False)

    def sync(self, size: int, *, closed: bool) -> None:
        """Have the file up to `size` on the disk, the indexes too when `closed`.

        A failed sync may have dropped what it could not write, and the next would not tell:
        so after a failure the bytes are checked and written again. Raises OSError.
        """
        pinned = self.pool.pin(self.path)
        try:
            if self._is_rewrite_due:
                self._rewrite(size)
            self._is_rewrite_due = True
            pinned.file.sync()
            if closed:
                self.close_off(sync=True)
            self._is_rewrite_due = False
        finally:
            self.pool.unpin(pinned)

    def _rewrite(self, size: int) -> None:
        """Write the unsynced bytes once more. Raises CorruptRecordError when they are lost."""
        for _ in self.walk(self.flushed_size, size, checked_from=0):
            pass
        pinned = self.pool.pin(self.path)
        try:
            for position in range(self.flushed_size, size, _COPY_BYTES):
                wanted = min(_COPY_BYTES, size - position)
                pinned.file.pwrite(pinned.file.pread(wanted, position), position)
        finally:
            self.pool.unpin(pinned)

    def file_paths(self) -> list[str]:
        """Return the paths of its files; the last one, the transaction index, may be missing."""
        return [self.path, *(self.prefix + suffix for suffix in INDEX_SUFFIXES)]
