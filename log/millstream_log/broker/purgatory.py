"""Where fetches wait for bytes: parked with a deadline, woken by appends, never polled.

Invariants: a waiter is woken once, by the first of its partitions that moves or by its deadline;
after that nothing here knows it. Waking is a future's result, so a cancelled fetch leaves nothing
behind but an entry that is dropped when its own wait ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..model import TopicPartition

_Waiter = asyncio.Future[bool]


class Purgatory:
    """Waiters by the partition that may wake them."""

    def __init__(self) -> None:
        self._waiting: dict[TopicPartition, set[_Waiter]] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def wait(self, partitions: Iterable[TopicPartition], seconds: float) -> bool:
        """Wait until one of `partitions` moves; return False when `seconds` were over first."""
        loop = asyncio.get_running_loop()
        waiter: _Waiter = loop.create_future()
        keys = tuple(partitions)
        for key in keys:
            self._waiting.setdefault(key, set()).add(waiter)
        timer = loop.call_later(seconds, _wake, waiter, False)
        try:
            return await waiter
        finally:
            timer.cancel()
            for key in keys:
                self._forget(key, waiter)

    def notify(self, partition: TopicPartition) -> None:
        """Wake all that wait for `partition`."""
        for waiter in self._waiting.get(partition, ()):
            _wake(waiter, True)

    def wake_all(self) -> None:
        """Wake everyone: the log is being closed, or a topic has gone."""
        for waiters in self._waiting.values():
            for waiter in waiters:
                _wake(waiter, True)

    def _forget(self, key: TopicPartition, waiter: _Waiter) -> None:
        waiters = self._waiting.get(key)
        if waiters is not None:
            waiters.discard(waiter)
            if not waiters:
                del self._waiting[key]


def _wake(waiter: _Waiter, moved: bool) -> None:
    if not waiter.done():
        waiter.set_result(moved)
