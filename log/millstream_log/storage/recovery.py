"""From the files of a partition to its segments, epochs and producers.

    below the recovery point          from it on
    +-----------+-----------+---------+-----------+----------+~~~~~~
    | segment, taken as it is         | CRC of every batch   | torn: cut
    +-----------+-----------+---------+-----------+----------+~~~~~~

Invariants:
    After a clean shutdown the recovery point is the log end: nothing is scanned.
    Above the recovery point the log ends before the first bad batch, or before the first
    offset that is missing between two segments; a warning says how many bytes went.
    A bad batch below the recovery point cuts nothing: the partition cannot be opened.
    A reader changes nothing on the disk.
    Transaction indexes that are missing above the recovery point, or damaged, are made anew.
    Files on their way in or out: .cleaned (forget it), .swap (finish it), .deleted (go on).
Source: the recovery of Apache Kafka 4 logs.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from itertools import zip_longest
from typing import NamedTuple

from ..errors import CorruptRecordError
from ..record.batch import BatchHeader
from . import snapshots
from .checkpoint import LEADER_EPOCHS
from .descriptors import FilePool
from .epochs import LeaderEpochs
from .files import Files
from .log_config import LogConfig
from .producers import Producers, read_marker
from .segment import (
    CLEANED,
    DELETED,
    INDEX,
    INDEX_SUFFIXES,
    LOG,
    SWAP,
    TIME_INDEX,
    TXN_INDEX,
    Segment,
    file_name,
)
from .snapshots import offsets_of
from .transactions import TransactionIndex

logger = logging.getLogger(__name__)

CLEAN = 2**63 - 1
"""The recovery point of a log that was closed: nothing has to be scanned."""


class Loaded(NamedTuple):
    """A partition as its files tell it."""

    segments: list[Segment]  # one at least
    epochs: LeaderEpochs
    producers: Producers
    log_start_offset: int


def load(
    pool: FilePool,
    directory: str,
    config: LogConfig,
    *,
    recovery_point: int,
    log_start_offset: int,
    now_ms: int,
) -> Loaded:
    """Read a partition's directory; cut and mend it unless the pool is read-only.

    Raises: OSError; CorruptRecordError for a bad batch below the recovery point.
    """
    names = pool.files.list(directory)
    if pool.writable:
        names = _tidy(pool, directory, names, config)
    segments = _find(pool, directory, names, config)
    if segments:
        _recover(pool, segments, recovery_point)
    else:
        segments = [Segment(pool, directory, log_start_offset, config)]
        if pool.writable:
            segments[0].create(now_ms)
            pool.files.sync_dir(directory)
    end = segments[-1].next_offset
    if pool.writable:
        snapshots.cut(pool.files, directory, end)
    start = min(max(log_start_offset, segments[0].base_offset), end)
    epochs = _load_epochs(pool, directory, end)
    known_to = _load_transactions(segments, set(names), min(recovery_point, end))
    producers = replay(pool, directory, segments, epochs, known_to)
    if pool.writable:
        _save_transactions(segments, known_to)
    epochs.cut_start(start)
    return Loaded(segments, epochs, producers, start)


def _tidy(pool: FilePool, directory: str, names: list[str], config: LogConfig) -> list[str]:
    """Finish or forget what a crash has left half done; return the names afterwards."""
    files = pool.files
    for name in names:
        if name.endswith((CLEANED, DELETED, ".tmp")):
            files.remove(os.path.join(directory, name))
    for base in offsets_of(names, LOG + SWAP):
        swap = os.path.join(directory, file_name(base, LOG + SWAP))
        for old in {base, *_covered(pool, directory, names, base, config)}:
            for suffix in (*INDEX_SUFFIXES, LOG):
                files.remove(os.path.join(directory, file_name(old, suffix)))
        files.rename(swap, os.path.join(directory, file_name(base, LOG)))
    names = files.list(directory)
    logs = set(offsets_of(names, LOG))
    for suffix in INDEX_SUFFIXES:
        for base in set(offsets_of(names, suffix)) - logs:
            files.remove(os.path.join(directory, file_name(base, suffix)))
    return files.list(directory)


def _covered(
    pool: FilePool, directory: str, names: list[str], base: int, config: LogConfig
) -> list[int]:
    """Return the segments that the compacted one waiting at `base` stands for."""
    swap = _swapped(pool, directory, base, config)
    return [old for old in offsets_of(names, LOG) if base <= old < swap.next_offset]


def _swapped(pool: FilePool, directory: str, base: int, config: LogConfig) -> Segment:
    segment = Segment(pool, directory, base, config)
    segment.path += SWAP
    segment.rebuild(0, pool.files.size(segment.path))
    return segment


def _find(pool: FilePool, directory: str, names: list[str], config: LogConfig) -> list[Segment]:
    """Return the segments by their names and sizes; the last one's end is not known yet."""
    bases = offsets_of(names, LOG)
    paths = {}
    for base in offsets_of(names, LOG + SWAP):  # only a reader still finds one
        covered = _covered(pool, directory, names, base, config)
        bases = sorted({*bases, base} - set(covered) | {base})
        paths[base] = os.path.join(directory, file_name(base, LOG + SWAP))
    segments = []
    for base, following in zip_longest(bases, bases[1:]):
        segment = Segment(pool, directory, base, config)
        if base in paths:
            segment.path = paths[base]
            segment.prefix += SWAP  # its indexes are made in memory
        segment.adopt(pool.files.size(segment.path), base if following is None else following)
        segments.append(segment)
    return segments


def _recover(pool: FilePool, segments: list[Segment], recovery_point: int) -> None:
    """Find where the log ends, and let it end there."""
    last = len(segments) - 1
    for at, segment in enumerate(segments):
        # An empty last one may be left of a roll that failed: then its name tells no end. One
        # that ends at the recovery point may have been closed after it was synced.
        is_told = at < last - 1 or (at < last and segments[last].size > 0)
        if is_told and segment.next_offset < recovery_point:
            continue
        size = segment.size
        expected = segment.next_offset
        fault = ""
        try:
            segment.resume(size, recovery_point)
        except CorruptRecordError as error:
            if segment.next_offset < recovery_point:
                raise
            fault = str(error)
        segment.flushed_size = segment.size if recovery_point == CLEAN else 0
        if not fault and at < last and segment.next_offset != expected:
            if at == last - 1 and not segments[last].size:
                fault = "the next segment is empty"
            elif segment.next_offset > expected:
                raise CorruptRecordError(
                    f"{segment.path} ends at offset {segment.next_offset},"
                    f" the next segment begins at {expected}"
                )
            else:
                fault = f"offsets [{segment.next_offset}, {expected}) are missing"
        if fault:
            _end_at(pool, segments, at, size, fault)
        if pool.writable and recovery_point != CLEAN:
            segment.publish_indexes(closed=at < len(segments) - 1)
        if fault:
            return


def _end_at(pool: FilePool, segments: list[Segment], at: int, size: int, fault: str) -> None:
    """Drop what follows the last whole batch of segment `at`, whose file has `size` bytes."""
    segment = segments[at]
    dropped = segments[at + 1 :]
    del segments[at + 1 :]
    if not pool.writable:
        return
    lost = size - segment.size + sum(other.size for other in dropped)
    logger.warning(
        "%s ends at position %d, offset %d: %d bytes cut (%s)",
        segment.path,
        segment.size,
        segment.next_offset,
        lost,
        fault,
    )
    for other in reversed(dropped):
        pool.forget(other.path)
        for path in other.file_paths():
            pool.files.remove(path)
    pinned = pool.pin(segment.path)
    try:
        pinned.file.truncate(segment.size)
        pinned.file.sync()
    finally:
        pool.unpin(pinned)
    pool.files.sync_dir(os.path.dirname(segment.path))


def _load_epochs(pool: FilePool, directory: str, end: int) -> LeaderEpochs:
    path = os.path.join(directory, LEADER_EPOCHS)
    try:
        epochs = LeaderEpochs.decode(pool.files.read(path), path)
    except FileNotFoundError:
        return LeaderEpochs()
    epochs.cut_end(end)
    return epochs


def _load_transactions(segments: list[Segment], names: set[str], recovery_point: int) -> int:
    """Read the transaction indexes; return the offset below which they tell all.

    Where a segment lacks another index, its transaction index may not have been written.
    """
    known_to = recovery_point
    for segment in segments:
        name = os.path.basename(segment.prefix)
        has_file = name + TXN_INDEX in names
        if segment.base_offset >= known_to:
            if has_file:
                segment.transactions = TransactionIndex()
        elif not {name + INDEX, name + TIME_INDEX} <= names or (
            has_file and not segment.load_transactions(known_to)
        ):
            known_to = segment.base_offset
            segment.transactions = TransactionIndex() if has_file else None
    return known_to


def _save_transactions(segments: list[Segment], known_to: int) -> None:
    """Write the transaction indexes that were made anew.

    The newest comes first: until the oldest is right, the next opening makes them all again.
    """
    for segment in reversed(segments):
        if segment.next_offset <= known_to:
            break
        try:
            segment.save_transactions()
        except OSError as error:
            logger.warning("made anew at the next opening: %s", error)
            break


def replay(
    pool: FilePool,
    directory: str,
    segments: list[Segment],
    epochs: LeaderEpochs,
    known_to: int,
) -> Producers:
    """Read the newest snapshot, and the batches from there on.

    The segments learn which transactions were aborted in them from `known_to` on, which may
    take an older snapshot and the batches between the two.
    """
    end = segments[-1].next_offset
    nothing = (segments[0].base_offset, Producers())
    start, producers = next(snapshots.newest(pool.files, directory, end), nothing)
    if start > known_to:
        older, before = next(snapshots.newest(pool.files, directory, known_to), nothing)
        take_in(segments, older, start, epochs, before, known_to)
    take_in(segments, start, end, epochs, producers, known_to)
    return producers


def take_in(
    segments: Iterable[Segment],
    start: int,
    end: int,
    epochs: LeaderEpochs,
    producers: Producers,
    known_to: int,
) -> None:
    """Learn of epochs, producers and aborted transactions from the batches in [start, end)."""
    for segment in segments:
        if segment.next_offset <= start or segment.base_offset >= end:
            continue
        first, stop = segment.locate(max(start, segment.base_offset)), segment.locate(end)
        if first < segment.plain_bytes:
            _note_epoch(epochs, segment.header_at(first))
            first = segment.plain_bytes
        for position, header in segment.walk(first, stop):
            _note_epoch(epochs, header)
            if header.producer_id < 0:
                continue
            marker = None
            if header.is_control:
                marker = read_marker(segment.read(position, header.size), 0, header)
            aborted = producers.note(header, marker)
            if aborted is not None and aborted.last_offset >= known_to:
                segment.note_aborted(aborted)


def _note_epoch(epochs: LeaderEpochs, header: BatchHeader) -> None:
    if header.leader_epoch > epochs.latest:
        epochs.assign(header.leader_epoch, header.base_offset)


def log_sizes(files: Files, directory: str) -> dict[str, int]:
    """Return the sizes of a partition's .log files by path. Raises OSError."""
    paths = [os.path.join(directory, name) for name in files.list(directory) if len(name) == 24]
    return {path: files.size(path) for path in paths if path.endswith(LOG)}
