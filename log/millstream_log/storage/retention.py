"""Which of the oldest segments may go.

Invariants:
    Only a run of segments from the oldest on goes, none above the high watermark.
    The bound on the whole directory takes closed segments only, the oldest over all first.
Source: retention of Apache Kafka 4; `disk_bytes_max` is our own.
"""

from __future__ import annotations

from collections.abc import Sequence

from .log_config import LogConfig
from .segment import Segment


def expired_count(
    segments: Sequence[Segment],
    config: LogConfig,
    now_ms: int,
    *,
    log_start_offset: int,
    high_watermark: int,
) -> int:
    """Return how many segments from the oldest on may be removed.

    All of them, only when the active one has records and they are too old as well.
    """
    by_time = by_size = 0
    if config.deletes and config.retention_ms >= 0:
        by_time = _while_old(segments, now_ms - config.retention_ms)
    if config.deletes and config.retention_bytes >= 0:
        by_size = _while_large(segments, config.retention_bytes)
    by_start = sum(segment.next_offset <= log_start_offset for segment in segments[:-1])
    count = max(by_time, by_size, by_start)
    while count and segments[count - 1].next_offset > high_watermark:
        count -= 1
    return count


def _while_old(segments: Sequence[Segment], before_ms: int) -> int:
    for at, segment in enumerate(segments):
        if not segment.size or segment.largest_timestamp() >= before_ms:
            return at
    return len(segments)


def _while_large(segments: Sequence[Segment], bytes_max: int) -> int:
    over = sum(segment.size for segment in segments) - bytes_max
    for at, segment in enumerate(segments[:-1]):
        over -= segment.size
        if over < 0:
            return at
    return max(len(segments) - 1, 0)
