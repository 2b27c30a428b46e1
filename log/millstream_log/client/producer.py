"""The producer: keeps order, sends in batches, answers each record with a future.

    send -> partition -> open batch -> (linger, size) -> sender task -> transport -> futures

Invariants: within a partition records are appended in the order of their `send` calls; at most
`buffer_memory` bytes wait, and `send` waits when there is no room; every future that was handed
out is settled before `stop` returns. Without idempotence, which comes later, a batch that is
sent again after a lost answer may be in the log twice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import (
    ClosedError,
    InvalidRequestError,
    LogError,
    MessageTooLargeError,
    UnknownTopicOrPartitionError,
)
from ..model import Header, RecordMetadata, TopicPartition
from ..record.compress import Codec
from .accumulator import Accumulator, PendingBatch, record_size
from .batch_builder import BatchBuilder, Serializer
from .cluster import ClusterView
from .columns import split_columns
from .lifecycle import Client, Log
from .partitioner import DefaultPartitioner, Partitioner
from .sender import Sender

logger = logging.getLogger(__name__)

RecordFuture = asyncio.Future[RecordMetadata]
_ACKS = {0: 0, "0": 0, 1: 1, "1": 1, -1: -1, "-1": -1, "all": -1}


class Producer(Client):
    """Sends records to a log; aiokafka's shape."""

    def __init__(
        self,
        log: Log = "./data",
        *,
        client_id: str = "millstream",
        metadata_max_age_ms: int = 300_000,
        request_timeout_ms: int = 40_000,
        acks: int | str = "all",
        key_serializer: Serializer | None = None,
        value_serializer: Serializer | None = None,
        compression_type: str | None = None,
        max_batch_size: int = 16_384,
        partitioner: Partitioner | None = None,
        max_request_size: int = 1_048_576,
        linger_ms: float = 0,
        retry_backoff_ms: int = 100,
        buffer_memory: int = 4 << 20,
    ) -> None:
        if acks not in _ACKS:
            raise InvalidRequestError(f"acks={acks!r}: must be 0, 1 or 'all'")
        super().__init__(log)
        self.client_id = client_id
        self._acks = _ACKS[acks]
        self._key_serializer = key_serializer
        self._value_serializer = value_serializer
        self._codec = Codec.from_name(compression_type or "none")
        self._max_batch_size = max_batch_size
        self._max_request_size = max_request_size
        self._buffer_memory = buffer_memory
        self._partitioner = partitioner
        self._default_partitioner = DefaultPartitioner(max_batch_size)
        self._linger_seconds = linger_ms / 1000
        self._request_timeout_ms = request_timeout_ms
        self._retry_backoff_ms = retry_backoff_ms
        self._metadata_max_age_ms = metadata_max_age_ms
        self._accumulator = Accumulator(max_batch_size)
        self._sender: Sender | None = None

    async def start(self) -> None:
        """Open the log. Raises what opening it raises."""
        transport = await self._open()
        self._loop = asyncio.get_running_loop()
        self._cluster = ClusterView(transport, self._metadata_max_age_ms)
        self._sender = Sender(
            self._accumulator,
            transport,
            self._cluster,
            acks=self._acks,
            codec=self._codec,
            linger_seconds=self._linger_seconds,
            request_bytes_max=self._max_request_size,
            request_timeout_ms=self._request_timeout_ms,
            retry_backoff_ms=self._retry_backoff_ms,
        )
        self._sender.start()

    async def stop(self) -> None:
        """Send what waits, settle every future, give the log back; twice is once."""
        self._closed = True
        sender, self._sender = self._sender, None
        if sender is None:
            return
        try:
            await sender.close()
        finally:
            await self._give_back()

    async def send(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[Header] | None = None,
    ) -> RecordFuture:
        """Queue a record; return the future that tells where it came to stand.

        Waits when the buffer is full, and for the topic's metadata the first time. A topic
        that does not exist is created where the broker's config allows.

        Raises:
            MessageTooLargeError: the record is above `max_request_size`.
            UnknownTopicOrPartitionError, InvalidTopicError: there is no such place.
        """
        sender = self._running()
        partitions = self._known(topic) or await self._cluster.require(topic)
        place, key, value, size = self._prepare(partitions, value, key, partition, headers)
        if self._accumulator.bytes + size > self._buffer_memory:
            await sender.room(size, self._buffer_memory)
        return self._queue(place, timestamp_ms, key, value, headers, size)

    async def send_and_wait(
        self,
        topic: str,
        value: Any = None,
        key: Any = None,
        partition: int | None = None,
        timestamp_ms: int | None = None,
        headers: Sequence[Header] | None = None,
    ) -> RecordMetadata:
        """Send a record and wait until the log has taken it; raises why it has not."""
        sender = self._running()
        partitions = self._known(topic) or await self._cluster.require(topic)
        place, key, value, size = self._prepare(partitions, value, key, partition, headers)
        if not sender.is_at_rest:
            if self._accumulator.bytes + size > self._buffer_memory:
                await sender.room(size, self._buffer_memory)
            return await self._queue(place, timestamp_ms, key, value, headers, size)
        if timestamp_ms is None:
            timestamp_ms = time.time_ns() // 1_000_000
        return await sender.send_lone(place, timestamp_ms, key, value, headers)

    def _known(self, topic: str) -> tuple[TopicPartition, ...] | None:
        """Return a topic's partitions; None when they must be asked for."""
        cluster = self._cluster
        return cluster.partitions.get(topic) if self._loop.time() < cluster.good_until else None

    def _prepare(
        self,
        partitions: tuple[TopicPartition, ...],
        value: Any,
        key: Any,
        partition: int | None,
        headers: Sequence[Header] | None,
    ) -> tuple[TopicPartition, bytes | None, bytes | None, int]:
        """Serialize and choose the partition; return (place, key, value, size)."""
        if self._key_serializer is not None:
            key = self._key_serializer(key)
        if self._value_serializer is not None:
            value = self._value_serializer(value)
        if type(key) is not bytes:
            _check_bytes(key, "key")
        if type(value) is not bytes:
            _check_bytes(value, "value")
        size = record_size(key, value, headers)
        if size > self._max_request_size:
            raise MessageTooLargeError(
                f"record of {size} bytes for {partitions[0].topic}, "
                f"max_request_size {self._max_request_size}"
            )
        if partition is None:
            partition = self._choose(partitions[0].topic, key, len(partitions), size)
        elif not 0 <= partition < len(partitions):
            raise _no_partition(partitions[0].topic, partition, len(partitions))
        return partitions[partition], key, value, size

    def _queue(
        self,
        place: TopicPartition,
        timestamp_ms: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] | None,
        size: int,
    ) -> RecordFuture:
        sender = self._running()
        batch = self._accumulator.batch_for(place, size, self._loop.time())
        if timestamp_ms is None:
            timestamp_ms = time.time_ns() // 1_000_000
        future: RecordFuture = self._loop.create_future()
        batch.results.append((batch.append(timestamp_ms, key, value, headers, size), future))
        sender.wake()
        return future

    def create_batch(self) -> BatchBuilder:
        """Return an empty batch to fill; send it with `send_batch`."""
        return BatchBuilder(
            PendingBatch(TopicPartition("", -1), 0),
            self._max_batch_size,
            self._key_serializer,
            self._value_serializer,
        )

    async def send_batch(self, batch: BatchBuilder, topic: str, *, partition: int) -> RecordFuture:
        """Send a filled batch to one partition; the future tells of its first record."""
        sender = self._running()
        batch.close()
        pending = batch.pending
        if not pending.count:
            raise InvalidRequestError("the batch is empty")
        await self._check_partition(topic, partition)
        pending.topic_partition = TopicPartition(topic, partition)
        await self._make_room(sender, pending.size)
        future: RecordFuture = self._loop.create_future()
        pending.results.append((0, future))
        pending.begun = self._loop.time()
        self._accumulator.add(pending)
        sender.wake()
        return future

    async def send_columns(
        self,
        topic: str,
        partition: int,
        timestamps: Sequence[int],
        keys: Sequence[bytes | None] | None,
        values: Sequence[bytes | None],
        headers: Sequence[Sequence[Header]] | None = None,
    ) -> RecordFuture:
        """Send serialized records column by column, in whole batches of up to 1 MB.

        This is the fast road: no serializer runs, and one future (of the last record) stands
        for all. `keys` None is no keys; times are ms.

        Raises:
            MessageTooLargeError: one record is above `max_request_size`.
        """
        sender = self._running()
        await self._check_partition(topic, partition)
        if not values:
            raise InvalidRequestError("no records to send")
        key = TopicPartition(topic, partition)
        future: RecordFuture = self._loop.create_future()
        batches = split_columns(
            key, timestamps, keys, values, headers, self._max_request_size, self._loop.time()
        )
        for last, batch in batches:
            await self._make_room(sender, batch.size)
            sender.encode(batch)
            if last:
                batch.results.append((batch.count - 1, future))
            else:
                batch.results.append((batch.count - 1, _Relay(future)))
            self._accumulator.add(batch)
            sender.wake()
        return future

    async def flush(self) -> None:
        """Wait until all that was sent before this call is settled; raises nothing of it."""
        await self._running().flush()

    async def partitions_for(self, topic: str) -> set[int]:
        """Return the partitions of a topic, which is created where the config allows."""
        self._running()
        return set(range(len(await self._cluster.require(topic))))

    def metrics(self) -> Mapping[str, int]:
        """Return how many bytes wait to be sent."""
        return {"buffered_bytes": self._accumulator.bytes}

    def _running(self) -> Sender:
        if self._sender is None:
            state = "closed" if self._closed else "not started"
            raise ClosedError(f"producer is {state}")
        return self._sender

    async def _check_partition(self, topic: str, partition: int) -> None:
        partitions = self._known(topic) or await self._cluster.require(topic)
        if not 0 <= partition < len(partitions):
            raise _no_partition(topic, partition, len(partitions))

    async def _make_room(self, sender: Sender, size: int) -> None:
        if self._accumulator.bytes + size > self._buffer_memory:
            await sender.room(size, self._buffer_memory)

    def _choose(self, topic: str, key: bytes | None, count: int, size: int) -> int:
        if self._partitioner is None:
            return self._default_partitioner.partition(topic, key, count, size)
        everyone = list(range(count))
        partition = self._partitioner(key, everyone, everyone)
        if not 0 <= partition < count:
            raise _no_partition(topic, partition, count)
        return partition


class _Relay:
    """Stands in a batch that is not the last of its call: hands on an error, nothing else."""

    def __init__(self, future: RecordFuture) -> None:
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def set_result(self, _: RecordMetadata) -> None:
        pass

    def set_exception(self, error: LogError) -> None:
        self._future.set_exception(error)


def _no_partition(topic: str, partition: int, count: int) -> UnknownTopicOrPartitionError:
    return UnknownTopicOrPartitionError(
        f"topic {topic!r} has no partition {partition}, it has {count}"
    )


def _check_bytes(value: object, what: str) -> None:
    if value is not None and not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"{what} must be bytes or None, not {type(value).__name__}; give a {what}_serializer"
        )
