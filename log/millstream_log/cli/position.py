"""Where to read from: `earliest`, `latest`, an offset, or a time.

    "earliest" "latest" "1200" "2013-01-01" "2013-01-01T05:17:00Z" "1357016220000"

Invariants: a number below TIME_MIN_MS is an offset, from it on a time in epoch ms (a partition
that long would take centuries to fill, and 1973 is before any Kafka); a time without a zone
is UTC.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from ..client.offsets import list_offsets
from ..client.transport import Transport
from ..errors import CorruptRecordError, StorageError, UnknownTopicOrPartitionError
from ..model import TopicPartition
from ..wire.enums import OffsetSpec
from .command import CommandError

TIME_MIN_MS = 100_000_000_000
"""3 March 1973."""

UNSOUND = (CorruptRecordError, StorageError, UnknownTopicOrPartitionError)
"""What a partition says that cannot be opened, or that another process is making just now."""

_ENDS = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """What a person asked for: one of the three is not None."""

    text: str
    end: OffsetSpec | None = None
    offset: int | None = None
    time_ms: int | None = None


class Bounds(NamedTuple):
    """The offsets [start, end) that a partition holds."""

    start: int
    end: int


@functools.lru_cache(maxsize=1 << 14)  # event times of one file come again and again
def iso_to_ms(text: str) -> int:
    """Return an ISO 8601 time in epoch ms, rounded down; UTC where it names no zone.

    >>> iso_to_ms("2013-01-01T05:17:00Z")
    1357017420000
    """
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    past = when - _EPOCH
    return (past.days * 86_400 + past.seconds) * 1000 + past.microseconds // 1000


def parse_position(text: str) -> Position:
    """Read a position, as argparse wants it read."""
    if text in _ENDS:
        return Position(text, end=_ENDS[text])
    if text.isdecimal() and text.isascii():
        number = int(text)
        if number < TIME_MIN_MS:
            return Position(text, offset=number)
        return Position(text, time_ms=number)
    try:
        return Position(text, time_ms=iso_to_ms(text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not earliest, latest, an offset, or a time such as 2013-01-01T05:17:00Z"
        ) from None


async def bounds_of(
    transport: Transport, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Bounds]:
    """Return what each partition holds now, as far as consumers may see."""
    wanted = list(partitions)
    if not wanted:
        return {}
    return await _bounds(transport, wanted)


async def sound_bounds_of(
    transport: Transport, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, Bounds]:
    """Return the same of those partitions that can be opened; the log has told of the others."""
    wanted = list(partitions)
    try:
        return await bounds_of(transport, wanted)
    except UNSOUND:
        found: dict[TopicPartition, Bounds] = {}
        for key in wanted:
            try:
                found |= await _bounds(transport, [key])
            except UNSOUND:
                continue
        return found


async def _bounds(
    transport: Transport, wanted: list[TopicPartition]
) -> dict[TopicPartition, Bounds]:
    starts = await list_offsets(transport, dict.fromkeys(wanted, int(OffsetSpec.EARLIEST)))
    ends = await list_offsets(transport, dict.fromkeys(wanted, int(OffsetSpec.LATEST)))
    return {key: Bounds(starts[key].offset, ends[key].offset) for key in wanted}


async def resolve(
    transport: Transport, position: Position, bounds: Mapping[TopicPartition, Bounds]
) -> dict[TopicPartition, int]:
    """Return the offset of the first record at or after `position` in each partition.

    Raises CommandError when an offset lies outside all of the partitions.
    """
    if position.end is not None:
        earliest = position.end is OffsetSpec.EARLIEST
        return {key: held.start if earliest else held.end for key, held in bounds.items()}
    if position.time_ms is not None:
        found = await list_offsets(transport, dict.fromkeys(bounds, position.time_ms))
        return {
            key: found[key].offset if found[key].offset >= 0 else held.end
            for key, held in bounds.items()
        }
    offset = position.offset or 0
    if not any(held.start <= offset <= held.end for held in bounds.values()):
        held = "; ".join(f"{key} holds [{low}, {high})" for key, (low, high) in bounds.items())
        raise CommandError(f"offset {offset} is out of range: {held}")
    return {key: min(max(offset, held.start), held.end) for key, held in bounds.items()}
