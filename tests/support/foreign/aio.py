"""aiokafka, each call in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.errors import KafkaError

from .client import (
    EARLIEST,
    LATEST,
    PLAIN,
    SECONDS,
    Member,
    Row,
    Seen,
    ThreadMember,
    Writer,
    Writing,
)

T = TypeVar("T")

_ASSIGNORS = {"range": RangePartitionAssignor, "roundrobin": RoundRobinPartitionAssignor}


class Aiokafka:
    """The client for asyncio."""

    name = "aiokafka"
    sets_time = True

    def writer(self, bootstrap: str, how: Writing = PLAIN) -> Writer:
        """Open a producer."""
        return _Writer(bootstrap, how)

    def read(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        *,
        start: int = EARLIEST,
        committed_only: bool = False,
    ) -> list[Seen]:
        """Read from partition 0, assigned by hand."""

        async def main() -> list[Seen]:
            isolation = "read_committed" if committed_only else "read_uncommitted"
            async with consumer(bootstrap, isolation_level=isolation) as reader:
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


def producer(bootstrap: str, **configs: Any) -> Any:
    """Return a producer that gives up in time."""
    return AIOKafkaProducer(
        **{"bootstrap_servers": bootstrap, "linger_ms": 20, "request_timeout_ms": 15_000, **configs}
    )


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


class _Writer:
    """A producer whose loop runs while it is called."""

    def __init__(self, bootstrap: str, how: Writing) -> None:
        configs: dict[str, Any] = {"enable_idempotence": how.idempotent}
        if how.transactional_id is not None:
            configs = {
                "transactional_id": how.transactional_id,
                "transaction_timeout_ms": how.timeout_ms,
            }
        self._runner = asyncio.Runner()
        self._producer: Any = self._run(self._start(bootstrap, how, configs))

    @staticmethod
    async def _start(bootstrap: str, how: Writing, configs: dict[str, Any]) -> Any:
        made = producer(
            bootstrap,
            compression_type=None if how.codec == "none" else how.codec,
            acks="all" if how.acks == -1 else how.acks,
            **configs,
        )
        await made.start()
        return made

    def send(self, topic: str, rows: Sequence[Row], partition: int = 0) -> None:
        self._run(send(self._producer, topic, rows, partition))

    def close(self) -> None:
        self._run(self._producer.stop())
        self._runner.close()

    def begin(self) -> None:
        self._run(self._producer.begin_transaction())

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        offsets = {TopicPartition(topic, 0): offset}
        self._run(self._producer.send_offsets_to_transaction(offsets, group))

    def commit(self) -> None:
        self._run(self._producer.commit_transaction())

    def abort(self) -> None:
        self._run(self._producer.abort_transaction())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(asyncio.wait_for(work, 2 * SECONDS))


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
                if self.full:
                    await asyncio.sleep(0.02)
                    continue
                found = await reader.getmany(timeout_ms=20, max_records=1)
                async with lock:
                    for partition, records in found.items():
                        await self._take(reader, partition, records[-1].offset)
                self.assignment = {one.partition for one in reader.assignment()}

    async def _take(self, reader: Any, partition: TopicPartition, offset: int) -> None:
        while True:
            try:
                await reader.commit({partition: offset + 1})
                break
            except KafkaError as error:
                if not error.retriable or self.leaving.is_set():
                    raise
                await asyncio.sleep(0.05)
        self.reads.append((partition.partition, offset))


class _RevokedBetweenRecords(asyncio.Lock, ConsumerRebalanceListener):  # type: ignore[misc]
    """Holds a rebalance up until the record in hand is committed."""

    async def on_partitions_revoked(self, revoked: Any) -> None:
        async with self:
            pass

    async def on_partitions_assigned(self, assigned: Any) -> None:
        pass
