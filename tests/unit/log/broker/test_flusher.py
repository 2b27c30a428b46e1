from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from millstream_log.broker.flusher import Flusher, FlushPolicy, check_policy
from millstream_log.broker.partition import Partition
from millstream_log.broker.purgatory import Purgatory
from millstream_log.errors import InvalidConfigError, StorageError
from millstream_log.model import TopicPartition


class FakeLog:
    """Counts flushes; can hold one up, or fail it."""

    def __init__(self, index: int = 0) -> None:
        self.topic_partition = TopicPartition("t", index)
        self.log_end_offset = self.high_watermark = 0
        self.flushes = 0
        self.error: StorageError | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def append(self, records: bytearray, **_: Any) -> None:
        self.log_end_offset += 1

    def flush(self) -> int:
        end = self.log_end_offset
        self.begun.set()
        assert self.gate.wait(10)
        self.flushes += 1
        if self.error is not None:
            raise self.error
        return end


Scenario = Callable[[Flusher, Callable[[FakeLog], Partition]], Awaitable[None]]


def run(policy: FlushPolicy, scenario: Scenario, interval_ms: int = 1) -> None:
    """Run a scenario with a flusher and a way to host fake logs on it."""

    async def main() -> None:
        with ThreadPoolExecutor(1) as threads:
            flusher = Flusher(policy, interval_ms, threads)

            def host(log: FakeLog) -> Partition:
                return Partition(log, flusher, Purgatory())  # type: ignore[arg-type]

            async with asyncio.timeout(10):
                await scenario(flusher, host)
                await flusher.close()

    asyncio.run(main())


def test_ack_lets_consumers_see_what_is_on_the_disk_and_no_more() -> None:
    """The high watermark follows the flush, and the wait is over when it has."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        partition = host(log := FakeLog())
        partition.append(bytearray(), 0)
        assert log.high_watermark == 0
        await flusher.wait(partition)
        assert (log.high_watermark, log.flushes) == (1, 1)

    run("ack", scenario)


def test_one_round_carries_all_that_wait() -> None:
    """Appends that come while a flush is under way share the next one."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        partition = host(log := FakeLog())
        log.gate.clear()
        waits = []
        partition.append(bytearray(), 0)
        waits.append(flusher.wait(partition))
        await asyncio.to_thread(log.begun.wait, 10)
        for _ in range(64):
            partition.append(bytearray(), 0)
            waits.append(flusher.wait(partition))
        log.gate.set()
        await asyncio.gather(*waits)
        assert log.high_watermark == 65
        assert log.flushes <= 2

    run("ack", scenario)


def test_a_failed_flush_reaches_those_that_wait_for_that_partition_alone() -> None:
    """One disk's StorageError is not another's answer, and the next flush is a new try."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        bad, good = FakeLog(0), FakeLog(1)
        bad.error = StorageError("disk full")
        partitions = [host(bad), host(good)]
        for partition in partitions:
            partition.append(bytearray(), 0)
        waits = [flusher.wait(partition) for partition in partitions]
        with pytest.raises(StorageError, match="full"):
            await waits[0]
        await waits[1]
        assert (bad.high_watermark, good.high_watermark) == (0, 1)
        bad.error = None
        partitions[0].append(bytearray(), 0)
        await flusher.wait(partitions[0])
        assert bad.high_watermark == 2

    run("ack", scenario)


def test_one_that_goes_away_takes_nobody_with_it() -> None:
    """A cancelled wait leaves the others of its round waiting for their answer."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        partition = host(FakeLog())
        partition.append(bytearray(), 0)
        first, second = flusher.wait(partition), flusher.wait(partition)
        first.cancel()
        await second

    run("ack", scenario)


def test_interval_shows_records_at_once_and_flushes_later() -> None:
    """Consumers need not wait; the disk gets one round for all of an interval."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        partition = host(log := FakeLog())
        for _ in range(10):
            partition.append(bytearray(), 0)
        assert (log.high_watermark, log.flushes) == (10, 0)
        await asyncio.to_thread(log.begun.wait, 10)
        await flusher.close()
        assert log.flushes == 1

    run("interval", scenario)


def test_os_leaves_the_disk_to_the_system() -> None:
    """Nothing is flushed before the log is closed."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        partition = host(log := FakeLog())
        partition.append(bytearray(), 0)
        assert not flusher.must_wait
        assert (log.high_watermark, log.flushes) == (1, 0)

    run("os", scenario)


def test_closing_answers_those_that_wait() -> None:
    """Nobody who waits for the disk is left waiting when the log is closed."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        partition = host(log := FakeLog())
        partition.append(bytearray(), 0)
        wait = flusher.wait(partition)
        await flusher.close()
        assert wait.done()
        assert log.high_watermark == 1

    run("ack", scenario)


def test_a_deleted_partition_is_waited_for_no_more() -> None:
    """Forgetting a partition answers its waiters and leaves the others' round whole."""

    async def scenario(flusher: Flusher, host: Callable[[FakeLog], Partition]) -> None:
        gone, kept = host(FakeLog(0)), host(FakeLog(1))
        for partition in (gone, kept):
            partition.append(bytearray(), 0)
        waits = [flusher.wait(gone), flusher.wait(kept)]
        flusher.forget(gone)
        await asyncio.gather(*waits)

    run("ack", scenario)


def test_a_policy_that_does_not_exist_is_refused() -> None:
    """The error lists the three that do."""
    assert check_policy("ack") == "ack"
    with pytest.raises(InvalidConfigError, match="ack, interval, os"):
        check_policy("sometimes")
