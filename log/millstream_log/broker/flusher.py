"""When appended bytes go to the disk: by acknowledgement, by interval, or as the system likes.

    ack       append -> dirty -> one round of fdatasync in a thread for all that waits -> high
              watermark = what was flushed -> the waiting produces are answered
    interval  append -> high watermark; a round every `interval_ms` while anything is dirty
    os        append -> high watermark; closing flushes

Invariants: one round at a time; what is appended during a round waits for the next, so the
slower the disk, the more one round carries. A failed flush answers those that waited for that
partition, and a later round (of the next append, or of the interval) tries all of it again.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal, get_args

from ..errors import InvalidConfigError

if TYPE_CHECKING:
    from .partition import Partition

_Outcomes = dict["Partition", "int | Exception"]
_Waiting = list[tuple["Partition", asyncio.Future[None]]]

logger = logging.getLogger(__name__)

FlushPolicy = Literal["ack", "interval", "os"]


def check_policy(policy: str) -> FlushPolicy:
    """Return `policy`; raise InvalidConfigError when there is no such one."""
    for known in get_args(FlushPolicy):
        if policy == known:
            return known  # type: ignore[no-any-return]
    raise InvalidConfigError(f"flush={policy!r}: must be one of ack, interval, os")


class Flusher:
    """Flushes partitions by one policy."""

    def __init__(self, policy: FlushPolicy, interval_ms: int, executor: Executor) -> None:
        self.policy = policy
        self._acked = policy == "ack"
        self._interval_only = policy == "interval"
        self._interval = interval_ms / 1000
        self._executor = executor
        self._dirty: dict[Partition, None] = {}
        self._waiting: _Waiting = []
        self._busy = False  # a round is under way
        self._closed = False
        self._ended: asyncio.Future[None] | None = None
        self._timer: asyncio.Handle | None = None

    @property
    def must_wait(self) -> bool:
        """Whether an acknowledgement waits for the disk."""
        return self._acked

    def opened(self, partition: Partition) -> None:
        """Let consumers see what a partition held when it was opened."""
        partition.log.high_watermark = partition.log.log_end_offset

    def appended(self, partition: Partition) -> None:
        """Note that a partition has grown."""
        if self._acked:
            self._dirty[partition] = None
            return
        partition.advance(partition.log.log_end_offset)
        if self._interval_only:
            self._dirty[partition] = None
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(self._interval, self._start_round)

    def forget(self, partition: Partition) -> None:
        """Drop a partition that is being deleted; what waits for it is answered."""
        self._dirty.pop(partition, None)
        for waiting, future in self._waiting:
            if waiting is partition:
                _settle(future, None)
        self._waiting = [entry for entry in self._waiting if entry[0] is not partition]

    def wait(self, partition: Partition) -> asyncio.Future[None]:
        """Return a future that is done when all appended to `partition` so far is on the disk.

        Its exception is the StorageError of the disk.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        if partition not in self._dirty and not self._busy:
            future.set_result(None)
            return future
        self._dirty[partition] = None
        self._waiting.append((partition, future))
        if not self._busy and self._timer is None:
            # Not at once: what others append in this turn of the loop comes along.
            self._timer = loop.call_soon(self._start_round)
        return future

    async def close(self) -> None:
        """Answer those that wait, then stop; closing the log directory flushes the rest."""
        if self._timer is not None:
            self._timer.cancel()
        while self._busy or self._waiting:
            self._ended = asyncio.get_running_loop().create_future()
            self._start_round()
            await self._ended
        self._closed = True

    def _start_round(self) -> None:
        self._timer = None
        if self._busy or self._closed or not self._dirty:
            return
        self._busy = True
        partitions, self._dirty = list(self._dirty), {}
        waiting, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()

        def work() -> None:
            # Straight back to the loop: a future in between would cost each round two more turns.
            outcomes = _flush(partitions)
            loop.call_soon_threadsafe(self._end_round, outcomes, waiting)

        self._executor.submit(work)

    def _end_round(self, outcomes: _Outcomes, waiting: _Waiting) -> None:
        self._busy = False
        for partition, outcome in outcomes.items():
            if isinstance(outcome, int):
                partition.advance(outcome)
                continue
            logger.error("cannot flush %s: %s", partition.topic_partition, outcome)
            if not self._acked:
                self._dirty[partition] = None
        for partition, future in waiting:
            answer = outcomes.get(partition)  # None: deleted meanwhile
            _settle(future, answer if isinstance(answer, Exception) else None)
        if self._ended is not None:
            _settle(self._ended, None)
        elif self._acked:
            self._start_round()
        elif self._dirty:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval, self._start_round)


def _flush(partitions: list[Partition]) -> _Outcomes:
    """Flush each partition; return how far it is on the disk, or why not. Runs in a thread."""
    outcomes: _Outcomes = {}
    for partition in partitions:
        try:
            outcomes[partition] = partition.log.flush()
        except Exception as error:  # of whatever kind: somebody waits to hear of it
            outcomes[partition] = error
    return outcomes


def _settle(future: asyncio.Future[None], error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
