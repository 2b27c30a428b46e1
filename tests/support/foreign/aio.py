"""aiokafka, each call in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from .client import EARLIEST, LATEST, SECONDS, Member, Row, Seen, ThreadMember

T = TypeVar("T")

_ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


class Aiokafka:
    """The client for asyncio."""

    name = "aiokafka"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")
    sets_time = True

    def write(
        self, bootstrap: str, topic: str, rows: Sequence[Row], *, codec: str = "none", acks: int = 1
    ) -> None:
        """Write to partition 0."""

        async def main() -> None:
            kind = None if codec == "none" else codec
            async with producer(
                bootstrap, compression_type=kind, acks="all" if acks == -1 else acks
            ) as writer:
                await send(writer, topic, rows)

        run(main())

    def read(self, bootstrap: str, topic: str, count: int, *, start: int = EARLIEST) -> list[Seen]:
        """Read from partition 0, assigned by hand."""

        async def main() -> list[Seen]:
            async with consumer(bootstrap) as reader:
                partition = TopicPartition(topic, 0)
                reader.assign([partition])
                if start == EARLIEST:
                    await reader.seek_to_beginning(partition)
                elif start == LATEST:
                    await reader.seek_to_end(partition)
                else:
                    reader.seek(partition, start)
                return [seen(await reader.getone()) for _ in range(count)]

        return run(main())

    def offset_at(self, bootstrap: str, topic: str, timestamp_ms: int) -> int:
        """Look a time up."""

        async def main() -> int:
            async with consumer(bootstrap) as reader:
                partition = TopicPartition(topic, 0)
                found = (await reader.offsets_for_times({partition: timestamp_ms}))[partition]
                return -1 if found is None else int(found.offset)

        return run(main())

    def join(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        assignor: str = "range",
        instance_id: str | None = None,
        limit: int | None = None,
    ) -> Member:
        """Become a member."""
        return _Member(bootstrap, group, topic, assignor, instance_id, limit)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or fail in time."""
    return asyncio.run(asyncio.wait_for(work, 2 * SECONDS))


@asynccontextmanager
async def producer(bootstrap: str, **configs: Any) -> AsyncIterator[Any]:
    """Run a producer for the time of a `with` block."""
    writer = AIOKafkaProducer(
        **{"bootstrap_servers": bootstrap, "linger_ms": 20, "request_timeout_ms": 15_000, **configs}
    )
    await writer.start()
    try:
        yield writer
    finally:
        await writer.stop()


@asynccontextmanager
async def consumer(bootstrap: str, *topics: str, **configs: Any) -> AsyncIterator[Any]:
    """Run a consumer, which notices changes of its group soon, for the time of a `with` block."""
    reader = AIOKafkaConsumer(
        *topics,
        **{
            "bootstrap_servers": bootstrap,
            "auto_offset_reset": "earliest",
            "heartbeat_interval_ms": 100,
            "fetch_max_wait_ms": 100,
            "enable_auto_commit": False,
            **configs,
        },
    )
    await reader.start()
    try:
        yield reader
    finally:
        await reader.stop()


async def send(through: Any, topic: str, rows: Sequence[Row], partition: int = 0) -> list[int]:
    """Produce all rows; return their offsets once they are acknowledged."""
    futures = [
        await through.send(
            topic,
            row.value,
            key=row.key,
            headers=list(row.headers),
            partition=partition,
            timestamp_ms=row.timestamp_ms,
        )
        for row in rows
    ]
    return [getattr(done, "offset", -1) for done in await asyncio.gather(*futures)]


def seen(record: Any) -> Seen:
    """Return a record in the words of the tests."""
    row = Row(record.value, record.key, tuple(record.headers), record.timestamp)
    return Seen(record.partition, record.offset, row)


class _Member(ThreadMember):
    def consume(self) -> None:
        asyncio.run(self._consume())

    async def _consume(self) -> None:
        lock = _RevokedBetweenRecords()
        async with consumer(
            self.bootstrap,
            group_id=self.group,
            group_instance_id=self.instance_id,
            partition_assignment_strategy=[_ASSIGNORS[self.assignor]],
            session_timeout_ms=6000,
        ) as reader:
            reader.subscribe([self.topic], listener=lock)
            while not self.leaving.is_set():
                await asyncio.sleep(0)
                async with lock:
                    found = {} if self.full else await reader.getmany(timeout_ms=20, max_records=1)
                    for partition, records in found.items():
                        await self._take(reader, partition, records[-1].offset)
                self.assignment = {one.partition for one in reader.assignment()}

    async def _take(self, reader: Any, partition: TopicPartition, offset: int) -> None:
        await reader.commit({partition: offset + 1})
        self.reads.append((partition.partition, offset))


class _RevokedBetweenRecords(asyncio.Lock, ConsumerRebalanceListener):  # type: ignore[misc]
    """Holds a rebalance up until the record in hand is committed."""

    async def on_partitions_revoked(self, revoked: Any) -> None:
        async with self:
            pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        pass
