"""The outbox: a task's outputs encoded, partitioned and handed to the producer.

    events (objects) ─▶ keys and values as bytes ─▶ columns by partition ─▶ producer

Invariants: events of one output with equal keys go to one partition in the order they came; an
event without a key goes to the partition of its task's number. A batch for a repartition topic
ends with a mark of each task in it, which says how far that task had read.
"""

from __future__ import annotations

import asyncio
import heapq
import operator
from collections.abc import Callable, Sequence
from typing import Any

from millstream_log.client.partitioner import partition_for_key
from millstream_log.client.producer import Producer
from millstream_log.model import TopicPartition

from ..errors import ProductionError
from ..serde import encode_key, msgpack_serializer
from ..topology.node import RepartitionNode
from .checkpoint import MARK_KEY, SourceMark, encode_mark
from .task import OutEvent, Output, Settings, Task


class Outbox:
    """Sends what tasks put out, and knows what is still on its way."""

    def __init__(
        self,
        producer: Producer,
        log_producer: Producer,
        partitions: dict[str, int],
        settings: Settings,
    ) -> None:
        self._producer = producer
        self._log_producer = log_producer  # never splits what it is given
        self._partitions = partitions  # by topic
        self._codec = settings.codec
        self._on_error = settings.on_error
        self._pending: list[asyncio.Future[Any]] = []
        self._places: dict[int, dict[bytes, int]] = {}  # by partition count: key -> partition
        self.ends: dict[str, dict[str, int]] = {}  # by task: outlet "topic/partition" -> log end
        self._awaited: list[tuple[list[str], TopicPartition, asyncio.Future[Any]]] = []
        # Rows (time, key, value, headers) by partition and task.
        self._waiting: dict[TopicPartition, dict[str, list[tuple[Any, ...]]]] = {}
        # Marks of the tasks that have rows waiting for a repartition partition.
        self._outlets: dict[TopicPartition, dict[str, SourceMark]] = {}
        self._unmarked: set[TopicPartition] = set()  # holds rows that would not come out again

    def collect(
        self,
        task: Task,
        covered: Callable[[TopicPartition], bool] | None = None,
        *,
        replays: bool = True,
    ) -> None:
        """Take what `task` has put out since the last call; `dispatch` sends it.

        `covered` tells to which repartition partitions it went before a crash: there it is not
        sent again. `replays` is false for rows of `current()`, which do not come out the same
        when they are replayed.
        """
        for output, events in task.take_outputs():
            keys, values, kept = self._encode(task, output, events)
            for partition, rows in self._split(output, keys, task.partition).items():
                to = TopicPartition(output.topic.name, partition)
                if covered is not None and output.is_outlet and covered(to):
                    continue
                chosen = range(len(kept)) if rows is None else rows
                waiting = self._waiting.setdefault(to, {}).setdefault(task.name, [])
                waiting += [(kept[i][2], keys[i], values[i], kept[i][3]) for i in chosen]
                if output.is_outlet:
                    mark = SourceMark(task.name, dict(task.positions), task.closed)
                    self._outlets.setdefault(to, {})[task.name] = mark
                    if not replays:
                        self._unmarked.add(to)

    async def dispatch(self) -> None:
        """Send what was collected; the tasks' events for one partition are merged by time."""
        waiting, self._waiting = self._waiting, {}
        for to, by_task in waiting.items():
            rows = list(by_task.values())
            merged = rows[0]
            if len(rows) > 1:
                # Each task's own order is kept; whichever is behind in time goes first.
                merged = list(heapq.merge(*rows, key=_time_of))
            if not merged:
                continue
            sources = self._outlets.get(to, {})
            if to not in self._unmarked:
                at = merged[-1][0]
                merged += [(at, MARK_KEY, encode_mark(mark), ()) for mark in sources.values()]
            times, keys, values, headers = map(list, zip(*merged, strict=True))
            producer = self._log_producer if sources else self._producer
            future = await producer.send_columns(
                to.topic, to.partition, times, keys, values, headers if any(headers) else None
            )
            self._pending.append(future)
            if sources:
                self._awaited.append((list(sources), to, future))
        self._outlets.clear()
        self._unmarked.clear()

    async def flush(self) -> None:
        """Wait until everything sent is acknowledged. Raises what the log refused it with."""
        pending, self._pending = self._pending, []
        await asyncio.gather(*pending)
        for tasks, outlet, future in self._awaited:
            for task in tasks:
                self.ends.setdefault(task, {})[_name(outlet)] = future.result().offset + 1
        self._awaited.clear()

    def _encode(
        self, task: Task, output: Output, events: list[OutEvent]
    ) -> tuple[list[bytes | None], list[bytes | None], list[OutEvent]]:
        node = output.node
        if isinstance(node, RepartitionNode):
            write_key = encode_key if node.beside else msgpack_serializer
            return [write_key(k) for k, _, _, _ in events], [v for _, v, _, _ in events], events
        if node is None:  # dead letters and late events go as they are where they are bytes
            return (
                [encode_key(k) for k, _, _, _ in events],
                [self._as_bytes(v) for _, v, _, _ in events],
                events,
            )
        encode = (output.topic.codec or self._codec).encode
        try:
            values = [None if v is None else encode(v) for _, v, _, _ in events]
            return [encode_key(k) for k, _, _, _ in events], values, events
        except Exception:  # one of them is bad: find it
            return self._encode_each(task, output, events)

    def _as_bytes(self, value: Any) -> bytes | None:
        return value if value is None or isinstance(value, bytes) else self._codec.encode(value)

    def _encode_each(
        self, task: Task, output: Output, events: list[OutEvent]
    ) -> tuple[list[bytes | None], list[bytes | None], list[OutEvent]]:
        keys: list[bytes | None] = []
        values: list[bytes | None] = []
        kept: list[OutEvent] = []
        encode = (output.topic.codec or self._codec).encode
        for event in events:
            try:
                key = encode_key(event[0])
                value = None if event[1] is None else encode(event[1])
            except Exception as exc:
                site = output.node.site if output.node else None
                error = ProductionError(
                    f"a result for {output.topic.name} cannot be written: {exc}, in to at {site}",
                    topic=output.topic.name,
                    operator="to",
                    site=site,
                )
                if self._on_error.action == "fail":
                    raise error from exc
                task.stats.failed += 1
                continue
            keys.append(key)
            values.append(value)
            kept.append(event)
        return keys, values, kept

    def _split(
        self, output: Output, keys: Sequence[bytes | None], home: int
    ) -> dict[int, list[int] | None]:
        """Return the row numbers of each partition; None means all rows."""
        count = self._partitions[output.topic.name]
        if count == 1:
            return {0: None}
        known = self._places.setdefault(count, {})
        if len(known) > 100_000:
            known.clear()
        split: dict[int, list[int] | None] = {}
        for i, key in enumerate(keys):
            if key is None:
                partition = home % count
            else:
                place = known.get(key)
                if place is None:
                    place = known[key] = partition_for_key(key, count)
                partition = place
            rows = split.setdefault(partition, [])
            assert rows is not None
            rows.append(i)
        return split


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"


_time_of = operator.itemgetter(0)
