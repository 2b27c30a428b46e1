from __future__ import annotations

import asyncio
import logging
import threading

import pytest

from millstream_log.broker.broker import Broker
from millstream_log.broker.cleaner import Cleaner
from millstream_log.broker.config import BrokerConfig
from millstream_log.record.builder import encode_columns
from millstream_log.testing import ManualClock, MemoryFiles
from millstream_log.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic


class FakeDir:
    """Counts what the cleaner asks for; fails or waits when told to."""

    path = "/log"

    def __init__(self) -> None:
        self.retained = self.compacted = self.checkpoints = 0
        self.scan_bytes = 0
        self.error: Exception | None = None
        self.partitions: dict[object, object] = {}
        self.compacting = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def retain(self, now_ms: int) -> int:
        if self.error is not None:
            raise self.error
        self.retained += 1
        return 0

    def checkpoint(self) -> None:
        self.checkpoints += 1
        self.scan_bytes = 0

    def compact(self, now_ms: int) -> int:
        self.compacting.set()
        assert self.gate.wait(10)
        self.compacted += 1
        return 0


def make(fake: FakeDir, **configs: str) -> Cleaner:
    """Return a cleaner over a fake directory; underscores stand for dots."""
    settings = {name.replace("_", "."): value for name, value in configs.items()}
    return Cleaner(fake, BrokerConfig(settings), ManualClock())  # type: ignore[arg-type]


def test_checkpoints_are_due_by_bytes_and_by_time() -> None:
    """A start after a crash has so many bytes to scan, or those of so long, at the most."""

    async def main() -> None:
        fake, clock = FakeDir(), ManualClock()
        names = ("log.flush.offset.checkpoint.bytes", "log.flush.offset.checkpoint.interval.ms")
        config = BrokerConfig(dict(zip(names, ("1000", "5000"), strict=True)))
        cleaner = Cleaner(fake, config, clock)  # type: ignore[arg-type]
        seen = []
        for scan_bytes, seconds in ((0, 9), (999, 0), (1000, 4), (1, 0), (1, 2), (0, 9), (1, 0)):
            fake.scan_bytes = scan_bytes
            clock.advance(seconds * 1000)
            assert await cleaner.checkpoint()
            seen.append(fake.checkpoints)
        await cleaner.close()
        assert seen == [0, 1, 2, 2, 2, 2, 3]

    asyncio.run(main())


def test_a_job_that_fails_is_logged_kept_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """An exception in the background never vanishes, and never ends the background."""
    fake = FakeDir()

    async def main() -> None:
        cleaner = make(fake)
        fake.error = RuntimeError("no luck")
        with caplog.at_level(logging.ERROR):
            assert not await cleaner.retain()
        assert cleaner.last_error is fake.error
        assert "no luck" in caplog.text
        assert "Traceback" in caplog.text
        fake.error = None
        assert await cleaner.retain()
        assert cleaner.last_error is None
        assert (fake.retained, fake.checkpoints) == (1, 1)
        await cleaner.close()

    asyncio.run(main())


def test_jobs_run_by_themselves_one_at_a_time_and_end_with_close() -> None:
    """Retention waits while compaction rewrites, and closing waits for what is under way."""
    fake = FakeDir()

    async def main() -> None:
        cleaner = make(fake, log_retention_check_interval_ms="1", log_cleaner_backoff_ms="1")
        fake.gate.clear()
        compaction = asyncio.create_task(cleaner.compact())
        await asyncio.to_thread(fake.compacting.wait, 10)
        retention = asyncio.create_task(cleaner.retain())
        await asyncio.sleep(0)
        assert fake.retained == 0
        fake.gate.set()
        assert await compaction
        assert await retention
        fake.compacting.clear()
        cleaner.start()
        await asyncio.to_thread(fake.compacting.wait, 10)
        await cleaner.close()
        assert fake.compacted >= 2

    asyncio.run(main())


def test_a_broker_compacts_beside_appends() -> None:
    """The latest value of each key is left, with its offset, while records are appended."""

    async def main() -> None:
        clock = ManualClock()
        broker = await Broker.open("/log", files=MemoryFiles(), clock=clock, flush="os")
        configs = [
            CreatableTopicConfig(name="cleanup.policy", value="compact"),
            CreatableTopicConfig(name="segment.bytes", value="500"),
            CreatableTopicConfig(name="min.cleanable.dirty.ratio", value="0"),
        ]
        topic = CreatableTopic(name="t", num_partitions=1, configs=configs)
        await broker.handle(CreateTopicsRequest(topics=[topic]))

        async def append(n: int) -> None:
            batch = encode_columns([clock.now_ms()], [b"k%d" % (n % 3)], [b"%d" % n])
            part = ProducePartition(index=0, records=batch)
            answer = await broker.handle(
                ProduceRequest(topics=[ProduceTopic(name="t", partitions=[part])])
            )
            assert answer.topics[0].partitions[0].base_offset == n

        for n in range(60):
            await append(n)
        log = broker.host.partition("t", 0).log
        before = log.size_bytes
        assert broker.cleaner is not None
        compaction = asyncio.create_task(broker.cleaner.compact())
        for n in range(60, 80):
            await append(n)
            await asyncio.sleep(0)
        assert await compaction
        assert log.size_bytes < before
        assert log.log_end_offset == 80
        await broker.close()

    asyncio.run(main())
