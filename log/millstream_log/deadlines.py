"""Deadlines by key, of which most are moved before they come.

    set(key, due) ... set(key, later)      one entry in the heap: moving later costs two dict reads
    take(now)                              entry is due, key is not: back into the heap

Invariants: a key has at most one deadline; `take` gives each key that is due once, in the order of
the entries and never before its time; `next_ms` may be early (an entry whose key has moved), never
late; the heap holds at most twice as many entries as there are keys, and some.
"""

from __future__ import annotations

import heapq
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_STALE_MIN = 64


class Deadlines(Generic[K]):
    """The deadlines of one machine."""

    def __init__(self) -> None:
        self._due: dict[K, int] = {}  # the deadlines, ms
        self._queued: dict[K, int] = {}  # where the key's entry lies in the heap, ms
        self._heap: list[tuple[int, int, K]] = []  # the int between keeps equals in order
        self._pushes = 0

    def set(self, key: K, due_ms: int) -> None:
        """Give a key a deadline, in place of the one that it may have."""
        self._due[key] = due_ms
        queued_ms = self._queued.get(key)
        if queued_ms is None or due_ms < queued_ms:
            self._push(key, due_ms)

    def cancel(self, key: K) -> None:
        """Take a key's deadline away; one without is left alone."""
        self._due.pop(key, None)

    def __contains__(self, key: K) -> bool:
        """Tell whether a key has a deadline."""
        return key in self._due

    def clear(self) -> None:
        """Take all deadlines away."""
        self._due.clear()
        self._queued.clear()
        self._heap.clear()

    def next_ms(self) -> int | None:
        """Return when `take` may have something to give, or None for never."""
        return self._heap[0][0] if self._heap else None

    def take(self, now_ms: int) -> K | None:
        """Return a key whose deadline has come, and forget the deadline; None when none has."""
        while self._heap and self._heap[0][0] <= now_ms:
            queued_ms, _, key = heapq.heappop(self._heap)
            if self._queued.get(key) != queued_ms:
                continue  # moved to an earlier time, where it has been taken
            del self._queued[key]
            due_ms = self._due.get(key)
            if due_ms is None:
                continue
            if due_ms <= now_ms:
                del self._due[key]
                return key
            self._push(key, due_ms)
        return None

    def _push(self, key: K, due_ms: int) -> None:
        self._queued[key] = due_ms
        self._pushes += 1
        heapq.heappush(self._heap, (due_ms, self._pushes, key))
        if len(self._heap) > 2 * len(self._queued) + _STALE_MIN:
            # A key that goes to and fro between a near and a far deadline leaves a far entry
            # behind each time, which nothing would take out for long.
            self._heap = [entry for entry in self._heap if self._queued.get(entry[2]) == entry[0]]
            heapq.heapify(self._heap)
