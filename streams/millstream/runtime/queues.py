"""Queued events of a task's partitions, taken in event-time order. Pure.

    clicks/0   |5 7 6|8|      a run is as much of one chunk as comes before
    users/0    |6|9 9|        the first event of every other partition

Invariants: events of one partition leave in the order they came.
"""

from __future__ import annotations

from collections import deque

from .intake import Chunk

Run = tuple[str, Chunk, int, int]
"""Partition, chunk, and the range `[start, stop)` of it to process."""


class Queues:
    """Chunks by partition."""

    def __init__(self) -> None:
        self._chunks: dict[str, deque[Chunk]] = {}

    def put(self, key: str, chunk: Chunk) -> bool:
        """Append a chunk to a partition's queue; one without events belongs to the one before it.

        Return False when there is neither: nothing waits before it, so it is done with.
        """
        queue = self._chunks.setdefault(key, deque())
        if len(chunk):
            queue.append(chunk)
        elif queue:
            queue[-1].next_offset = chunk.next_offset
            queue[-1].bad += chunk.bad
        else:
            return False
        return True

    def size(self, key: str) -> int:
        """Return how many events of a partition are waiting."""
        return sum(len(chunk) - chunk.start for chunk in self._chunks.get(key, ()))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is waiting."""
        return not any(self._chunks.values())

    def latest(self, key: str) -> int:
        """Return the largest event time that waits in a partition; one must be waiting."""
        return max(
            max(chunk.times[chunk.start :]) if chunk.start else chunk.latest
            for chunk in self._chunks[key]
        )

    def next_run(self, before: dict[str, int], horizon: int) -> Run | None:
        """Take the next run of events up to time `horizon`; None when there is none.

        `before` maps a partition to an offset at which a run must stop.
        """
        heads = [(q[0].times[q[0].start], key) for key, q in self._chunks.items() if q]
        if not heads:
            return None
        heads.sort()
        key = heads[0][1]
        if heads[0][0] > horizon:
            return None
        queue = self._chunks[key]
        chunk = queue[0]
        start, stop = chunk.start, len(chunk)
        bound = min(horizon, heads[1][0]) if len(heads) > 1 else horizon
        times = chunk.times
        if chunk.latest > bound and max(times[start:]) > bound:
            stop = next(i for i in range(start, stop) if times[i] > bound)
        limit = before.get(key)
        if limit is not None and chunk.offsets[start] < limit <= chunk.offsets[stop - 1]:
            stop = next(i for i in range(start, stop) if chunk.offsets[i] >= limit)
        chunk.start = stop
        if stop == len(chunk):
            queue.popleft()
        return key, chunk, start, stop
