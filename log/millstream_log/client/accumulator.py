"""Records that wait to be sent, batch by batch, for each partition.

    append -> open batch (columns) -> full or lingered -> drain -> one request, one batch of each
              partition -> the next of the same partition after it

Invariants: batches of a partition leave in the order in which they were begun, and records in
the order in which they came; a batch that has left takes no more; `size` is an upper estimate
of the encoded size without compression, so a batch never turns out larger than it was let be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from ..model import Header, TopicPartition

BATCH_OVERHEAD_BYTES = 61
RECORD_OVERHEAD_BYTES = 22  # seven varints at their usual longest
HEADER_OVERHEAD_BYTES = 10


def record_size(
    key: bytes | None, value: bytes | None, headers: Iterable[Header] | None = None
) -> int:
    """Return the most bytes that a record takes in an uncompressed batch."""
    size = RECORD_OVERHEAD_BYTES
    if key is not None:
        size += len(key)
    if value is not None:
        size += len(value)
    if headers:
        for name, content in headers:
            size += HEADER_OVERHEAD_BYTES + len(name) * 3 + (len(content) if content else 0)
    return size


class PendingBatch:
    """One batch on its way: columns until it is encoded, and who waits for it."""

    __slots__ = (
        "all_keyed",
        "begun",
        "count",
        "encoded",
        "headers",
        "keys",
        "results",
        "sealed",
        "size",
        "some_keyed",
        "timestamps",
        "topic_partition",
        "values",
    )

    def __init__(self, topic_partition: TopicPartition, begun: float) -> None:
        self.topic_partition = topic_partition
        self.begun = begun  # seconds on the caller's monotonic clock
        self.size = BATCH_OVERHEAD_BYTES
        self.count = 0
        self.timestamps: list[int] = []
        self.keys: list[bytes | None] = []
        self.values: list[bytes | None] = []
        self.headers: list[Sequence[Header]] | None = None
        self.encoded: bytearray | None = None
        self.all_keyed = True
        self.some_keyed = False
        self.sealed = False
        self.results: list[tuple[int, Any]] = []  # (index of the record, who waits for it)

    def append(
        self,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] | None,
        size: int,
    ) -> int:
        """Add a record of `size` bytes; return its index in the batch."""
        index = self.count
        self.timestamps.append(timestamp_ms)
        self.keys.append(key)
        self.values.append(value)
        if key is None:
            self.all_keyed = False
        else:
            self.some_keyed = True
        if headers:
            if self.headers is None:
                self.headers = [()] * index
            self.headers.append(tuple(headers))
        elif self.headers is not None:
            self.headers.append(())
        self.size += size
        self.count = index + 1
        return index


class Accumulator:
    """All batches that wait, by partition."""

    def __init__(self, batch_bytes: int) -> None:
        self._batch_bytes = batch_bytes
        self._waiting: dict[TopicPartition, deque[PendingBatch]] = {}
        self.bytes = 0

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def batch_for(self, key: TopicPartition, size: int, now: float) -> PendingBatch:
        """Return the batch that a record of `size` bytes goes to; count the bytes."""
        self.bytes += size
        queue = self._waiting.get(key)
        if queue is None:
            queue = self._waiting[key] = deque()
        elif queue:
            last = queue[-1]
            if not last.sealed and last.size + size <= self._batch_bytes:
                return last
        batch = PendingBatch(key, now)
        self.bytes += batch.size
        queue.append(batch)
        return batch

    def add(self, batch: PendingBatch) -> None:
        """Queue a whole batch behind what waits for its partition."""
        batch.sealed = True
        self.bytes += batch.size
        self._waiting.setdefault(batch.topic_partition, deque()).append(batch)

    def put_back(self, batch: PendingBatch) -> None:
        """Queue a batch that could not be sent in front of what waits for its partition."""
        batch.sealed = True
        self.bytes += batch.size
        self._waiting.setdefault(batch.topic_partition, deque()).appendleft(batch)

    def next_due(self, linger_seconds: float) -> float:
        """Return the time at which the first batch is due; -inf when one is full."""
        due = float("inf")
        for queue in self._waiting.values():
            if len(queue) > 1 or queue[0].sealed or queue[0].size >= self._batch_bytes:
                return float("-inf")
            due = min(due, queue[0].begun + linger_seconds)
        return due

    def drain(self, bytes_max: int, due_before: float = float("inf")) -> list[PendingBatch]:
        """Take the first batch of each partition, up to `bytes_max` but at least one.

        A batch that is neither full nor begun before `due_before` stays.
        """
        taken: list[PendingBatch] = []
        size = 0
        for key, queue in list(self._waiting.items()):
            batch = queue[0]
            full = len(queue) > 1 or batch.sealed or batch.size >= self._batch_bytes
            if not full and batch.begun > due_before:
                continue
            if taken and size + batch.size > bytes_max:
                break
            size += batch.size
            batch.sealed = True
            taken.append(queue.popleft())
            # What stays moves to the end, so that every partition has its turn.
            del self._waiting[key]
            if queue:
                self._waiting[key] = queue
        self.bytes -= size
        return taken
