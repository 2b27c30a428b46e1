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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from millstream_log.client.partitioner import partition_for_key
from millstream_log.client.producer import Producer
from millstream_log.errors import BrokerError
from millstream_log.model import TopicPartition

from ..errors import ProductionError
from ..serde import encode_key, msgpack_serializer
from ..topology.node import RepartitionNode, SinkNode
from .checkpoint import MARK_KEY, SourceMark, encode_mark
from .task import OutEvent, Output, Settings, Task

Encoded = list[bytes | None]
Write = Callable[[Any], bytes | None]


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
        self._pending: list[tuple[TopicPartition, asyncio.Future[Any]]] = []
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
        for output, keys, values, kept in self._encoded(task):
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

    def _encoded(self, task: Task) -> Iterator[tuple[Output, Encoded, Encoded, list[OutEvent]]]:
        """Yield outputs with keys and values as bytes, and the events they are of."""
        while taken := task.take_outputs():  # what cannot be written may be set aside: once more
            for output, events in taken:
                yield output, *self._encode(task, output, events)

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
            given = headers if any(headers) else None
            with _refusals_told(to):
                future = await producer.send_columns(
                    to.topic, to.partition, times, keys, values, given
                )
            self._pending.append((to, future))
            if sources:
                self._awaited.append((list(sources), to, future))
        self._outlets.clear()
        self._unmarked.clear()

    async def flush(self) -> None:
        """Wait until everything sent is acknowledged. Raises what the log refused it with."""
        pending, self._pending = self._pending, []
        answers = await asyncio.gather(*(f for _, f in pending), return_exceptions=True)
        for (to, _), answer in zip(pending, answers, strict=True):
            if isinstance(answer, BaseException):
                with _refusals_told(to):
                    raise answer
        for tasks, outlet, future in self._awaited:
            for task in tasks:
                self.ends.setdefault(task, {})[_name(outlet)] = future.result().offset + 1
        self._awaited.clear()

    def _encode(
        self, task: Task, output: Output, events: list[OutEvent]
    ) -> tuple[Encoded, Encoded, list[OutEvent]]:
        write_key, write = self._writers(output)
        try:
            keys = [write_key(k) for k, _, _, _ in events]
            return keys, [None if v is None else write(v) for _, v, _, _ in events], events
        except Exception:  # one of them is bad: find it
            return self._encode_each(task, output, events)

    def _writers(self, output: Output) -> tuple[Write, Write]:
        """Return what writes keys and values of an output."""
        encode = (output.topic.codec or self._codec).encode
        if isinstance(output.node, RepartitionNode):  # its values are written in the loop
            return encode_key if output.node.beside else msgpack_serializer, _as_it_is
        # Dead letters are bytes already.
        return encode_key, encode if output.node is not None else _as_it_is

    def _encode_each(
        self, task: Task, output: Output, events: list[OutEvent]
    ) -> tuple[Encoded, Encoded, list[OutEvent]]:
        keys: Encoded = []
        values: Encoded = []
        kept: list[OutEvent] = []
        write_key, write = self._writers(output)
        for event in events:
            key = None
            try:
                key = write_key(event[0])
                value = None if event[1] is None else write(event[1])
            except Exception as exc:
                error = _production_error(output, f"cannot be written: {exc}")
                error.__cause__ = exc
                # There are no bytes of it, so it is set aside as it reads.
                task.set_aside(error, key, repr(event[1]).encode(), event[2], event[3])
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


@contextmanager
def _refusals_told(to: TopicPartition) -> Iterator[None]:
    """Raise ProductionError for what the log refuses; what keeps it from answering goes on up."""
    try:
        yield
    except BrokerError as exc:
        raise ProductionError(
            f"a result for {to} is refused by the log: {exc}",
            topic=to.topic,
            partition=to.partition,
            operator="to",
        ) from exc


def _as_it_is(data: bytes) -> bytes:
    return data


def _production_error(output: Output, why: str) -> ProductionError:
    node = output.node
    operator, site = (node.operator, node.site) if node is not None else ("", None)
    if isinstance(node, SinkNode):
        operator = "to"
    return ProductionError(
        f"a result for {output.topic.name} {why}, in {operator} at {site}",
        topic=output.topic.name,
        operator=operator,
        site=site,
    )


def _name(partition: TopicPartition) -> str:
    return f"{partition.topic}/{partition.partition}"


_time_of = operator.itemgetter(0)
