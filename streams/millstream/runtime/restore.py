"""Restoring a task: its stores from the changelog, its tables from their topics, its marks.

    store's meta: position p ─▶ replay changelog [p, end) ─▶ checkpoint
    checkpoint: positions ─▶ replay table topics up to there
    checkpoint: outlets   ─▶ what was sent to repartition topics after it (marks)

Invariants: the changelog is the truth; a store that claims to be ahead of it is wiped and
rebuilt. What a mark says was sent is not sent again.
"""

from __future__ import annotations

import logging

import msgspec

from millstream_log.client.transport import Transport
from millstream_log.model import TopicPartition
from millstream_log.progress import Progress

from ..state.store import Store
from ..topology.node import RepartitionNode
from .checkpoint import (
    CHECKPOINT_KEY,
    MARK_KEY,
    Checkpoint,
    SourceMark,
    decode_checkpoint,
    decode_mark,
)
from .reader import read_range
from .task import Task

logger = logging.getLogger(__name__)


class StoreMeta(msgspec.Struct):
    """What a store remembers of itself, changed together with its entries."""

    changelog: int  # next offset of the changelog it has not applied
    checkpoint: bytes = b""  # the last one applied, as it stands in the changelog
    tables: dict[str, int] = {}  # "topic/partition" -> next offset it has not applied


_encode_meta = msgspec.msgpack.Encoder().encode
_decode_meta = msgspec.msgpack.Decoder(StoreMeta).decode


def write_meta(changelog: int, checkpoint: bytes, tables: dict[str, int]) -> bytes:
    """Return a store's meta as bytes."""
    return _encode_meta(StoreMeta(changelog, checkpoint, tables))


class Marks:
    """What a task has sent to repartition topics since its last checkpoint."""

    def __init__(self, sent: dict[TopicPartition, SourceMark]) -> None:
        self._sent = sent
        self._positions = {outlet: dict(mark.positions) for outlet, mark in sent.items()}

    def __bool__(self) -> bool:
        return bool(self._sent)

    def steps(self) -> dict[str, int]:
        """Return, by source partition, the next offset at which what was sent changes."""
        bounds: dict[str, int] = {}
        for positions in self._positions.values():
            for key, offset in positions.items():
                bounds[key] = min(bounds.get(key, offset), offset)
        return bounds

    def covers_events(self, key: str, position: int, outlet: TopicPartition) -> bool:
        """Tell whether what came of `key` below `position` went to `outlet` before."""
        return position <= self._positions.get(outlet, {}).get(key, -1)

    def covers_window(self, aggregate: str, window: int, outlet: TopicPartition) -> bool:
        """Tell whether the final rows of a window went to `outlet` before."""
        mark = self._sent.get(outlet)
        return mark is not None and window < mark.closed.get(aggregate, window)

    def pass_by(self, key: str, position: int) -> None:
        """Forget positions of `key` that lie at or below `position`.

        Windows are not forgotten: one that has sent its final rows never sends them again.
        """
        for positions in self._positions.values():
            if positions.get(key, position + 1) <= position:
                del positions[key]


async def replay_changelog(
    transport: Transport, changelog: TopicPartition, end: int, store: Store, *, show: bool
) -> tuple[StoreMeta, Checkpoint]:
    """Bring a store up to the end of its changelog; return its meta and the checkpoint."""
    meta = StoreMeta(0)
    known = store.meta()
    if known is not None:
        meta = _decode_meta(known)
        if meta.changelog > end:
            logger.warning(
                "the store of %s is at %d, its changelog ends at %d: rebuilding the store",
                changelog, meta.changelog, end,
            )  # fmt: skip
            store.wipe()
            meta = StoreMeta(0)
    with Progress(f"restoring {changelog}", end - meta.changelog, "changes", quiet=not show) as bar:
        async for columns in read_range(transport, changelog, meta.changelog):
            changes = list(zip(columns.keys, columns.values, strict=True))
            if changes[-1][0] == CHECKPOINT_KEY:
                meta.checkpoint = changes.pop()[1] or b""
            meta.changelog = columns.offsets[-1] + 1
            store.write(changes, _encode_meta(meta))
            bar.advance(len(columns.offsets))
    return meta, decode_checkpoint(meta.checkpoint) if meta.checkpoint else Checkpoint()


async def replay_tables(transport: Transport, task: Task, meta: StoreMeta, *, show: bool) -> None:
    """Bring a task's tables up to the positions of its checkpoint."""
    for topic in task.table_topics:
        key = f"{topic}/{task.partition}"
        start, end = meta.tables.get(key, 0), task.positions.get(key, 0)
        if end <= start:
            continue
        partition = TopicPartition(topic, task.partition)
        with Progress(f"restoring {partition}", end - start, "rows", quiet=not show) as bar:
            async for columns in read_range(transport, partition, start, end):
                task.table_rows(topic, columns, end)
                bar.advance(len(columns.offsets))
        meta.tables[key] = end
        _, rows = task.changes()
        task.store.write(rows, _encode_meta(meta))


async def find_marks(
    transport: Transport, task: Task, checkpoint: Checkpoint, partitions: dict[str, int]
) -> Marks:
    """Read what the task sent to its outlets after its last checkpoint."""
    sent: dict[TopicPartition, SourceMark] = {}
    for node in task.subtopology.outlets:
        assert isinstance(node, RepartitionNode)
        assert node.topic is not None
        topic = node.topic.name
        for partition in range(partitions[topic]):
            outlet = TopicPartition(topic, partition)
            start = checkpoint.outlets.get(f"{topic}/{partition}", 0)
            async for columns in read_range(transport, outlet, start):
                for key, value in zip(columns.keys, columns.values, strict=True):
                    if key == MARK_KEY and value is not None:
                        mark = decode_mark(value)
                        if mark.task == task.name:
                            sent[outlet] = mark
    return Marks(sent)
