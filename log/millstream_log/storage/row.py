"""The segments of one log in a row, and the coming and going of their files.

Invariants:
    There is one segment at least; the last is the active one.
    Files leave as `.deleted` and are removed when the delay is over, so that a reader in
    another process has time to finish; what is cut off is removed at once.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from .descriptors import FilePool
from .segment import DELETED, SNAPSHOT, Segment


class SegmentRow:
    """Segments by base offset, rising. Not safe for threads: the log's lock is held."""

    __slots__ = ("_bases", "_doomed", "active", "pool", "segments", "unsynced")

    def __init__(self, pool: FilePool, segments: list[Segment]) -> None:
        self.pool = pool
        self._doomed: list[tuple[int, str]] = []  # (when, path) of files to remove
        self.unsynced = [s for s in segments[:-1] if s.flushed_size < s.size]
        self._set(segments)

    def __len__(self) -> int:
        return len(self.segments)

    def _set(self, segments: list[Segment]) -> None:
        self.segments = segments
        self._bases = [segment.base_offset for segment in segments]
        self.active = segments[-1]

    @property
    def start_offset(self) -> int:
        """Return the base offset of the oldest segment."""
        return self._bases[0]

    @property
    def size_bytes(self) -> int:
        """Return the bytes of all .log files."""
        return sum([segment.size for segment in self.segments])

    @property
    def synced_to(self) -> int:
        """Return where the first segment begins whose files, indexes too, may not be synced."""
        return self.unsynced[0].base_offset if self.unsynced else self.active.base_offset

    def find(self, offset: int, end_offset: int, bytes_max: int) -> tuple[Segment, int, int] | None:
        """Return (segment, position, stop) of a read, None when there is nothing to read."""
        at = bisect_right(self._bases, offset) - 1
        while offset < end_offset:
            segment = self.segments[at]
            position = segment.locate(offset)
            if end_offset >= segment.next_offset:
                limit = segment.size
            else:
                limit = segment.locate(end_offset)
            if position < limit:
                return segment, position, segment.stop(position, limit, bytes_max)
            offset = segment.next_offset
            at += 1
        return None

    def add(self, segment: Segment) -> None:
        """Let `segment` be the active one; the one before is closed and to be synced."""
        self.unsynced.append(self.active)
        self._set([*self.segments, segment])

    def base_of(self, offset: int) -> int:
        """Return the base offset of the segment that holds `offset`."""
        return self._bases[bisect_right(self._bases, offset) - 1]

    def from_offset(self, offset: int) -> list[Segment]:
        """Return the segments that begin at `offset` or later."""
        return self.segments[bisect_right(self._bases, offset - 1) :]

    def since(self, offset: int) -> list[Segment]:
        """Return the segment that holds `offset` and those that follow."""
        return self.segments[max(bisect_right(self._bases, offset) - 1, 0) :]

    def holds(self, run: Sequence[Segment]) -> bool:
        """Tell whether `run` is a run of closed segments of this row."""
        at = bisect_right(self._bases, run[0].base_offset) - 1
        found = self.segments[max(at, 0) : -1][: len(run)]
        return len(found) == len(run) and all(map(_same, found, run))

    def drop(self, old: Iterable[Segment], due_ms: int | None) -> None:
        """Take segments out; their files go at `due_ms`, without it at once."""
        gone = list(old)
        left = [s for s in self.segments if not any(s is other for other in gone)]
        self._set(left)
        self.unsynced = [s for s in self.unsynced if not any(s is other for other in gone)]
        for segment in gone:
            self.pool.forget(segment.path)
            self.pool.files.remove(segment.prefix + SNAPSHOT)
            for path in segment.file_paths():
                self._remove(path, due_ms)

    def replace(self, run: Sequence[Segment], fresh: Segment, due_ms: int) -> None:
        """Let `fresh` stand for `run`, whose files bear the suffix .deleted already."""
        at = bisect_right(self._bases, run[0].base_offset) - 1
        self._set([*self.segments[:at], fresh, *self.segments[at + len(run) :]])
        for segment in run:
            self._doomed += [(due_ms, path + DELETED) for path in segment.file_paths()]

    def _remove(self, path: str, due_ms: int | None) -> None:
        if due_ms is None:
            self.pool.files.remove(path)
            return
        try:
            self.pool.files.rename(path, path + DELETED)
        except FileNotFoundError:
            return
        self._doomed.append((due_ms, path + DELETED))

    def purge(self, now_ms: int | None = None) -> None:
        """Remove the files whose time has come; all of them without `now_ms`."""
        due = [path for when, path in self._doomed if now_ms is None or when <= now_ms]
        self._doomed = [entry for entry in self._doomed if entry[1] not in due]
        for path in due:
            self.pool.files.remove(path)

    def forget_files(self) -> None:
        """Close every file."""
        for segment in self.segments:
            self.pool.forget(segment.path)


def _same(left: Segment, right: Segment) -> bool:
    return left is right
