"""From a time to a record: exact, inside compressed batches too.

Invariants:
    At most one batch is opened for an answer that exists; none below the log start is given.
Source: ListOffsets of the Kafka protocol.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model import OffsetAndTimestamp
from ..record.batch import decode_columns
from .index import NO_TIMESTAMP
from .segment import Segment


def first_at(
    segments: Sequence[Segment], timestamp_ms: int, start_offset: int
) -> OffsetAndTimestamp | None:
    """Return the first record at or after `start_offset` whose time is `timestamp_ms` or later."""
    for segment in segments:
        if not segment.size or segment.next_offset <= start_offset:
            continue
        segment.load()
        if segment.max_timestamp < timestamp_ms:
            continue
        found = _first_in(segment, timestamp_ms, start_offset)
        if found is not None:
            return found
    return None


def _first_in(segment: Segment, timestamp_ms: int, start_offset: int) -> OffsetAndTimestamp | None:
    offset = max(segment.times.floor(timestamp_ms), start_offset)
    for position, header in segment.walk(segment.locate(offset)):
        if header.max_timestamp < timestamp_ms or not header.count:
            continue
        data = segment.read(position, header.size)
        columns = decode_columns(data, 0, header, keys=False, values=False)
        for at, time in zip(columns.offsets, columns.timestamps, strict=True):
            if time >= timestamp_ms and at >= start_offset:
                return OffsetAndTimestamp(at, time)
    return None


def largest(segments: Sequence[Segment], start_offset: int) -> OffsetAndTimestamp | None:
    """Return the first record that bears the largest timestamp from `start_offset` on."""
    best: Segment | None = None
    for segment in segments:
        if not segment.size or segment.next_offset <= start_offset:
            continue
        segment.load()
        if segment.base_offset < start_offset:
            return _largest_scanned(segments, start_offset)
        if best is None or segment.max_timestamp > best.max_timestamp:
            best = segment
    if best is None or best.max_timestamp == NO_TIMESTAMP:
        return None
    return first_at(segments, best.max_timestamp, start_offset)


def _largest_scanned(segments: Sequence[Segment], start_offset: int) -> OffsetAndTimestamp | None:
    """Find it where the log starts inside a segment, whose index cannot tell."""
    best = NO_TIMESTAMP
    for segment in segments:
        if segment.next_offset <= start_offset:
            continue
        if segment.base_offset >= start_offset:
            segment.load()
            best = max(best, segment.max_timestamp)
            continue
        for position, header in segment.walk(segment.locate(start_offset)):
            if not header.count or header.max_timestamp <= best:
                continue
            if header.base_offset >= start_offset:
                best = header.max_timestamp
                continue
            data = segment.read(position, header.size)
            columns = decode_columns(data, 0, header, keys=False, values=False)
            times = zip(columns.offsets, columns.timestamps, strict=True)
            best = max([best, *(time for at, time in times if at >= start_offset)])
    return None if best == NO_TIMESTAMP else first_at(segments, best, start_offset)
