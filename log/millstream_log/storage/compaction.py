"""Compaction: of each key the latest record stays, under the offset it has.

    before   | a=1 b=1 | a=2 | b=nil |  active
    after    |               a=2 b=nil |  active      b=nil goes delete.retention.ms later

Steps: `plan` (under the log's lock), `rewrite` (in a thread, beside appends), `swap` (under
the lock again), `finish`. A group of small neighbours becomes one segment.

Invariants:
    Only closed segments that are on the disk and below every open transaction are touched.
    Offsets and timestamps stay. The last batch of each group stays, emptied if need be, so
    that segments go on ending where the next begins; so does each producer's last batch.
    A tombstone stays until its batch's delete horizon, which the first pass over it sets.
    Records of aborted transactions go, and are no later ones of their keys. A marker stays
    while a batch of its transaction is there; the first pass that meets none sets its delete
    horizon, and its entry in the transaction index goes with it.
    A record without key has no later one, so it stays.
    What a crash leaves is the old segments, or the new one under .swap, which opening ends.
Source: KIP-534 (delete horizon); the log cleaner of Apache Kafka 4.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import CorruptRecordError
from ..record.batch import (
    CODEC_BITS,
    CONTROL_BIT,
    BatchHeader,
    check,
    decode,
    decode_columns,
    read_header,
)
from ..record.builder import encode_records
from . import snapshots
from .descriptors import FilePool
from .log_config import LogConfig
from .segment import CLEANED, DELETED, LOG, RELATIVE_OFFSET_MAX, SWAP, Segment
from .transactions import AbortedLookup, AbortedTransaction

logger = logging.getLogger(__name__)

KEYS_MAX = 1_000_000
"""Keys looked at in one pass, to bound memory; the next pass goes on from there."""

NEVER = 2**63 - 1
_WRITE_BYTES = 1 << 20
_NO_BATCH = (-1, -1)


class Plan:
    """What one pass is going to do."""

    def __init__(
        self,
        segments: Sequence[Segment],
        config: LogConfig,
        now_ms: int,
        dirty_from: int,
        producers: Mapping[int, tuple[int, int]],
        aborted: AbortedLookup,
    ) -> None:
        self.segments = segments  # closed, oldest first
        self.config = config
        self.now_ms = now_ms
        self.dirty_from = dirty_from
        self.clean_to = segments[-1].next_offset  # less when there are too many keys
        self.producers = producers  # producer id -> (last offset of its last batch, epoch)
        self.aborted = aborted
        self.met: set[int] = set()  # producer ids of which a batch came, and not yet its marker
        self.latest: dict[bytes | None, int] = {}  # key -> its last offset in the dirty part
        self.horizon_ms = NEVER  # when the first tombstone that was kept may go


class Rewritten:
    """Segments and the one that is to stand for them, written but not yet in place."""

    def __init__(self, old: Sequence[Segment], fresh: Segment) -> None:
        self.old = old
        self.fresh = fresh
        self.drops_markers = False


def plan(
    segments: Sequence[Segment],
    config: LogConfig,
    now_ms: int,
    *,
    dirty_from: int,
    bound: int,
    horizon_ms: int,
    producers: Mapping[int, tuple[int, int]],
    aborted: Iterable[AbortedTransaction],
) -> Plan | None:
    """Return what is to be done, None when compaction is not due.

    Segments that reach beyond the offset `bound` are left alone. From `horizon_ms` on it is
    due because tombstones may go.
    """
    if not config.compacts:
        return None
    found: list[Segment] = []
    for segment in segments[:-1]:
        recent = segment.largest_timestamp() > now_ms - config.min_compaction_lag_ms
        if segment.next_offset > bound or (config.min_compaction_lag_ms and recent):
            break
        found.append(segment)
    dirty = [segment for segment in found if segment.next_offset > dirty_from]
    dirty_bytes = sum(segment.size for segment in dirty)
    if not dirty_bytes and now_ms < horizon_ms:
        return None
    ratio = dirty_bytes / max(sum(segment.size for segment in found), 1)
    if ratio < config.min_cleanable_dirty_ratio and now_ms < horizon_ms:
        oldest = dirty[0].header_at(0).max_timestamp if dirty[0].size else now_ms
        if now_ms - oldest <= config.max_compaction_lag_ms:
            return None
    if not found:
        return None
    return Plan(found, config, now_ms, dirty_from, producers, AbortedLookup(aborted))


def rewrite(plan: Plan, pool: FilePool) -> Iterator[Rewritten]:
    """Write each group anew beside the old files; the caller swaps it or abandons it.

    Raises: OSError, CorruptRecordError; what was half written is removed.
    """
    _map_keys(plan)
    for group in _groups(plan):
        directory = os.path.dirname(group[0].path)
        fresh = Segment(pool, directory, group[0].base_offset, plan.config)
        fresh.path = fresh.prefix + LOG + CLEANED
        made = Rewritten(group, fresh)
        pool.forget(fresh.path)
        pool.files.remove(fresh.path)
        try:
            changed = _copy(plan, made)
        except BaseException:
            abandon(made, pool)
            raise
        if changed or len(group) > 1:
            yield made
        else:
            abandon(made, pool)


def _map_keys(plan: Plan) -> None:
    """Learn the last offset of every key in the dirty part, or in as much as fits."""
    for segment in plan.segments:
        if segment.next_offset <= plan.dirty_from:
            continue
        for position, header in segment.walk():
            if header.next_offset <= plan.dirty_from or header.attributes & CONTROL_BIT:
                continue
            if not header.count or _is_aborted(plan, header):
                continue
            data = _read(segment, position, header)
            columns = decode_columns(data, 0, header, values=False, timestamps=False)
            plan.latest.update(zip(columns.keys, columns.offsets, strict=True))
            if len(plan.latest) >= KEYS_MAX:
                plan.clean_to = header.next_offset
                return


def _groups(plan: Plan) -> Iterator[list[Segment]]:
    """Yield runs of segments that fit into one."""
    group: list[Segment] = []
    size = 0
    for segment in plan.segments:
        if segment.base_offset >= plan.clean_to:
            break
        fits = size + segment.size <= plan.config.segment_bytes
        if group:
            span = segment.next_offset - group[0].base_offset
            if not fits or span > RELATIVE_OFFSET_MAX:
                yield group
                group, size = [], 0
        group.append(segment)
        size += segment.size
    if group:
        yield group


def _copy(plan: Plan, made: Rewritten) -> bool:
    """Write what stays of the old segments; tell whether anything differs from before."""
    group, fresh = made.old, made.fresh
    fresh.pool.unpin(fresh.pool.pin(fresh.path, create=True))
    end = group[-1].next_offset
    changed = False
    waiting = bytearray()
    headers: list[BatchHeader] = []
    for segment in group:
        for position, header in segment.walk():
            data = _read(segment, position, header)
            kept, kept_header = _keep(plan, data, header, is_last=header.next_offset == end)
            changed = changed or kept is not data
            if kept is None:
                made.drops_markers = made.drops_markers or header.is_control
                continue
            aborted = _aborted_by(plan, header)
            if aborted is not None:
                fresh.note_aborted(aborted)
            waiting += kept
            headers.append(kept_header)
            if len(waiting) >= _WRITE_BYTES:
                _put(fresh, waiting, headers)
                waiting, headers = bytearray(), []
    _put(fresh, waiting, headers)
    fresh.next_offset = end
    fresh.sync(fresh.size, closed=False)
    fresh.flushed_size = fresh.size
    return changed


def _put(fresh: Segment, data: bytearray, headers: Sequence[BatchHeader]) -> None:
    fresh.write(data)
    for header in headers:
        fresh.note(header, header.base_offset, header.max_timestamp)


def _read(segment: Segment, position: int, header: BatchHeader) -> bytes:
    """Read a batch and check it, so that no damage is given a new CRC."""
    data = segment.read(position, header.size)
    try:
        check(data, 0, header)
    except CorruptRecordError as error:
        raise CorruptRecordError(
            f"{segment.path} at position {position}, offset {header.base_offset}: {error}"
        ) from error
    return data


def _is_aborted(plan: Plan, header: BatchHeader) -> bool:
    if not header.is_transactional:
        return False
    return plan.aborted.at(header.producer_id, header.base_offset) is not None


def _aborted_by(plan: Plan, header: BatchHeader) -> AbortedTransaction | None:
    """Return the transaction that the batch is the abort marker of."""
    if not header.is_control:
        return None
    return plan.aborted.at(header.producer_id, header.base_offset)


def _keep(
    plan: Plan, data: bytes, header: BatchHeader, *, is_last: bool
) -> tuple[bytes | bytearray | None, BatchHeader]:
    """Return what stays of a batch (`data` itself when all of it does) and its header."""
    if header.is_control:
        return _keep_marker(plan, data, header, is_last=is_last)
    if header.is_transactional:
        plan.met.add(header.producer_id)
    if header.base_offset >= plan.clean_to:
        return data, header
    last_offset, _ = plan.producers.get(header.producer_id, _NO_BATCH)
    needed = is_last or last_offset == header.last_offset
    if not header.count:
        return (data if needed else None), header
    if _is_aborted(plan, header):
        return _emptied(header) if needed else (None, header)
    return _keep_latest(plan, data, header, needed=needed)


def _keep_marker(
    plan: Plan, data: bytes, header: BatchHeader, *, is_last: bool
) -> tuple[bytes | bytearray | None, BatchHeader]:
    """Return what stays of a control batch: all or nothing, at first with a horizon set."""
    is_met = header.producer_id in plan.met
    plan.met.discard(header.producer_id)
    begins_epoch = plan.producers.get(header.producer_id) == (-1, header.producer_epoch)
    if is_met or is_last or begins_epoch or header.base_offset >= plan.clean_to:
        return data, header
    horizon = header.delete_horizon_ms
    if horizon is not None and plan.now_ms >= horizon:
        return None, header
    made: bytes | bytearray = data
    if horizon is None:
        horizon = plan.now_ms + plan.config.delete_retention_ms
        records = decode(data, 0, header)
        made = encode_records(
            records, base_offset=header.base_offset, like=header, delete_horizon_ms=horizon
        )
    plan.horizon_ms = min(plan.horizon_ms, horizon)
    return made, read_header(made)


def _emptied(header: BatchHeader) -> tuple[bytearray, BatchHeader]:
    """Return the header alone of a batch whose offsets or sequences have to stay."""
    like = header._replace(attributes=header.attributes & ~CODEC_BITS)
    made = encode_records([], base_offset=header.base_offset, like=like)
    return made, read_header(made)


def _keep_latest(
    plan: Plan, data: bytes, header: BatchHeader, *, needed: bool
) -> tuple[bytes | bytearray | None, BatchHeader]:
    """Return what stays of a batch of records by their keys; `needed` keeps its header."""
    columns = decode_columns(data, 0, header, timestamps=False)
    horizon = header.delete_horizon_ms
    tombstones_go = horizon is not None and plan.now_ms >= horizon
    latest = plan.latest
    keep = []
    tombstones = 0
    rows = zip(columns.keys, columns.offsets, columns.values, strict=True)
    for at, (key, offset, value) in enumerate(rows):
        if key is not None and latest.get(key, -1) > offset:
            continue
        if value is None and key is not None:
            if tombstones_go:
                continue
            tombstones += 1
        keep.append(at)
    if tombstones and horizon is None:
        horizon = plan.now_ms + plan.config.delete_retention_ms
    elif len(keep) == header.count:
        return _kept_whole(plan, data, header, tombstones)
    if not keep:
        return _emptied(header) if needed else (None, header)
    if tombstones and horizon is not None:
        plan.horizon_ms = min(plan.horizon_ms, horizon)
    records = decode(data, 0, header)
    made = encode_records(
        [records[at] for at in keep],
        base_offset=header.base_offset,
        like=header,
        delete_horizon_ms=horizon if tombstones else None,
    )
    return made, read_header(made)


def _kept_whole(
    plan: Plan, data: bytes, header: BatchHeader, tombstones: int
) -> tuple[bytes, BatchHeader]:
    if tombstones and header.delete_horizon_ms is not None:
        plan.horizon_ms = min(plan.horizon_ms, header.delete_horizon_ms)
    return data, header


def abandon(made: Rewritten, pool: FilePool) -> None:
    """Forget what was rewritten."""
    pool.forget(made.fresh.path)
    pool.files.remove(made.fresh.path)


def swap(made: Rewritten, pool: FilePool) -> Segment:
    """Put the new file in place of the old ones, which become .deleted; return its segment.

    Raises OSError: then the old ones are back, or the next opening ends the swap.
    """
    fresh, files = made.fresh, pool.files
    directory = os.path.dirname(fresh.path)
    waiting = fresh.prefix + LOG + SWAP
    if made.drops_markers:
        # To an older snapshot the transactions of these markers would stay open for ever.
        snapshots.cut_start(files, directory, fresh.next_offset)
    pool.forget(fresh.path)
    files.rename(fresh.path, waiting)
    files.sync_dir(directory)
    renamed: list[str] = []
    try:
        for segment in made.old:
            pool.forget(segment.path)
            for path in segment.file_paths():
                if files.exists(path):
                    files.rename(path, path + DELETED)
                    renamed.append(path)
        files.sync_dir(directory)
        fresh.path = fresh.prefix + LOG
        files.rename(waiting, fresh.path)
    except OSError:
        for path in renamed:
            files.rename(path + DELETED, path)
        files.remove(waiting)
        raise
    return fresh
