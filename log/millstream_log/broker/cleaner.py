"""Retention, compaction and checkpoints in the background.

    every log.retention.check.interval.ms        ->  retain, checkpoint  |
    every log.cleaner.backoff.ms                 ->  compact             |  in a thread,
    every log.flush.offset.checkpoint.interval.ms,                       |  beside appends
    and when ....bytes were appended             ->  checkpoint          |

Invariants: one job at a time, so two never rewrite one log; a job that fails is logged with its
traceback, kept in `last_error` for those who ask, and tried again at its next turn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ..clock import Clock
from ..errors import LogError
from ..storage.log_dir import LogDir
from .config import BrokerConfig

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0
"""How often it is asked whether checkpoints are due."""


class Cleaner:
    """Runs the background jobs of one log directory."""

    def __init__(
        self, log_dir: LogDir, config: BrokerConfig, clock: Clock, *, checkpoints: bool = True
    ) -> None:
        """Clean `log_dir`; without `checkpoints` only retention writes them."""
        self._log_dir = log_dir
        self._clock = clock
        self._retain_seconds = config.get_int("log.retention.check.interval.ms") / 1000
        self._compact_seconds = config.get_int("log.cleaner.backoff.ms") / 1000
        self._compacts = bool(config.get("log.cleaner.enable"))
        self._checkpoints = checkpoints
        self._checkpoint_seconds = config.get_int("log.flush.offset.checkpoint.interval.ms") / 1000
        self._scan_bytes_max = config.get_int("log.flush.offset.checkpoint.bytes")
        self._checkpointed = clock.monotonic()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="millstream-cleaner")
        self._tasks: list[asyncio.Task[None]] = []
        self._turn = asyncio.Lock()
        self.last_error: BaseException | None = None

    def start(self) -> None:
        """Start the jobs on the running event loop."""
        loop = asyncio.get_running_loop()
        self._tasks.append(loop.create_task(self._repeat(self.retain, self._retain_seconds)))
        if self._compacts:
            self._tasks.append(loop.create_task(self._repeat(self.compact, self._compact_seconds)))
        if self._checkpoints:
            self._tasks.append(loop.create_task(self._repeat(self.checkpoint, _LOOK_SECONDS)))

    async def close(self) -> None:
        """Stop; a job that is under way is waited for."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._turn:
            self._executor.shutdown(wait=True)

    async def retain(self) -> bool:
        """Apply retention once, then write checkpoints; False when it failed."""
        return await self._run(self._retain_now)

    async def compact(self) -> bool:
        """Compact once what is due; False when it failed."""
        return await self._run(self._compact_now)

    async def checkpoint(self) -> bool:
        """Write checkpoints if they are due, by time or bytes; False when it failed."""
        scan_bytes = self._log_dir.scan_bytes
        is_late = self._clock.monotonic() >= self._checkpointed + self._checkpoint_seconds
        if scan_bytes >= self._scan_bytes_max or (scan_bytes and is_late):
            return await self._run(self._checkpoint_now)
        return True

    def _checkpoint_now(self) -> int:
        self._checkpointed = self._clock.monotonic()
        self._log_dir.checkpoint()
        return 0

    def _compact_now(self) -> int:
        # Compaction takes nothing away that its replacement could outlive: under flush="os" the
        # log must be on the disk first.
        failed: LogError | None = None
        for log in list(self._log_dir.partitions.values()):
            if log.config.compacts and log.is_dirty:
                try:
                    log.flush()
                except LogError as error:  # the others are compacted all the same
                    failed = error
        won = self._log_dir.compact(self._clock.now_ms())
        if failed is not None:
            raise failed
        return won

    def _retain_now(self) -> int:
        removed = self._log_dir.retain(self._clock.now_ms())
        self._checkpoint_now()
        return removed

    async def _run(self, job: Callable[[], int]) -> bool:
        async with self._turn:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._executor, job)
            try:
                removed = await asyncio.shield(work)
            except asyncio.CancelledError:
                # The thread cannot be stopped: whoever closes the log must find it done.
                await asyncio.wait([work])
                raise
            except Exception as error:
                self.last_error = error
                logger.exception("cleaning %s failed; it is tried again", self._log_dir.path)
                return False
            self.last_error = None
            if removed:
                logger.debug("cleaning %s won %d bytes", self._log_dir.path, removed)
            return True

    async def _repeat(self, job: Callable[[], object], seconds: float) -> None:
        while True:
            await asyncio.sleep(max(seconds, 0.01))
            await job()  # type: ignore[misc]
