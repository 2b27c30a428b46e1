"""When each transactional id is to be looked at: at most one deadline each, most moved before due.

    set(id, due) ... set(id, later)     one entry in the heap: moving later costs two dict reads
    take(now)                           entry is due, id is not: back into the heap

Invariants: `take` gives an id never before its time and once for each deadline; ids that are due
together come in the order of their entries, then of their names; `next_ms` may be early (an entry
whose id has moved), never late; the heap holds at most twice as many entries as ids have, and some.
"""

from __future__ import annotations

import heapq

_STALE_MIN = 64


class Deadlines:
    """The deadlines of all transactional ids of a coordinator."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}  # the deadlines, ms
        self._queued: dict[str, int] = {}  # where the id's entry lies in the heap, ms
        self._heap: list[tuple[int, str]] = []

    def set(self, transactional_id: str, due_ms: int) -> None:
        """Give an id a deadline, in place of the one that it may have."""
        self._due[transactional_id] = due_ms
        queued_ms = self._queued.get(transactional_id)
        if queued_ms is None or due_ms < queued_ms:
            self._push(transactional_id, due_ms)

    def cancel(self, transactional_id: str) -> None:
        """Take an id's deadline away; one without is left alone."""
        self._due.pop(transactional_id, None)

    def next_ms(self) -> int | None:
        """Return when `take` may have something to give, or None for never."""
        return self._heap[0][0] if self._heap else None

    def take(self, now_ms: int) -> str | None:
        """Return an id whose deadline has come, and forget the deadline; None when none has."""
        while self._heap and self._heap[0][0] <= now_ms:
            queued_ms, transactional_id = heapq.heappop(self._heap)
            if self._queued.get(transactional_id) != queued_ms:
                continue  # moved to an earlier time, where it has been taken
            del self._queued[transactional_id]
            due_ms = self._due.get(transactional_id)
            if due_ms is None:
                continue
            if due_ms <= now_ms:
                del self._due[transactional_id]
                return transactional_id
            self._push(transactional_id, due_ms)
        return None

    def _push(self, transactional_id: str, due_ms: int) -> None:
        self._queued[transactional_id] = due_ms
        heapq.heappush(self._heap, (due_ms, transactional_id))
        if len(self._heap) > 2 * len(self._queued) + _STALE_MIN:
            # An id that goes to and fro between a near and a far deadline leaves a far entry behind
            # each time, which nothing would take out for a week.
            self._heap = [(due_ms, name) for name, due_ms in self._queued.items()]
            heapq.heapify(self._heap)
