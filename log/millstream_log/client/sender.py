"""The task that takes batches from the accumulator to the broker and settles their futures.

    wait for records -> linger -> drain one batch of each partition -> request -> settle

Invariants: batches of one partition leave in order. Up to `IN_FLIGHT` requests are on the way at
once, handed to the transport in order, and only when more is waiting than one request holds; a
lone record is one straight call.
"""

from __future__ import annotations

import asyncio
import logging
import types
from collections.abc import Generator, Sequence

from ..errors import (
    ClosedError,
    ErrorCode,
    LogError,
    RequestTimedOutError,
    StorageError,
    UnknownTopicOrPartitionError,
    error_for,
)
from ..model import Header, RecordMetadata, TimestampType, TopicPartition
from ..record.builder import encode_columns
from ..record.compress import Codec
from ..record.single import encode_single
from ..wire.messages.produce import (
    ProducePartition,
    ProducePartitionResponse,
    ProduceRequest,
    ProduceTopic,
)
from .accumulator import Accumulator, PendingBatch, record_size
from .cluster import ClusterView
from .transport import Transport

logger = logging.getLogger(__name__)

IN_FLIGHT = 5
_CREATE_TIME, _LOG_APPEND_TIME = TimestampType.CREATE_TIME, TimestampType.LOG_APPEND_TIME


class Sender:
    """Sends what an accumulator holds."""

    def __init__(
        self,
        accumulator: Accumulator,
        transport: Transport,
        cluster: ClusterView,
        *,
        acks: int,
        codec: Codec,
        linger_seconds: float,
        request_bytes_max: int,
        request_timeout_ms: int,
        retry_backoff_ms: int,
    ) -> None:
        self._accumulator = accumulator
        self._transport = transport
        self._cluster = cluster
        self._acks = acks
        self._codec = codec
        self._linger = linger_seconds
        self._request_bytes_max = request_bytes_max
        self._timeout_ms = request_timeout_ms
        self._backoff = retry_backoff_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.Future[None] | None = None
        self._rooms: list[tuple[int, int, asyncio.Future[None]]] = []
        self._flushes: list[asyncio.Future[None]] = []
        self._hurry = False
        self._closing = False
        self._taken = False  # a caller is in the task's place
        self._lone = True  # the last round carried one record: batching has nothing to gain
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._task = self._loop.create_task(self._run())

    async def close(self) -> None:
        """Send what waits, then end."""
        self._closing = True
        self.wake()
        if self._task is not None:
            await self._task

    @property
    def is_at_rest(self) -> bool:
        """Whether a caller may send its record itself: no linger, nobody else at it."""
        return self._lone and self._idle is not None and not (self._linger or self._taken)

    async def send_lone(
        self,
        topic_partition: TopicPartition,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[Header] | None,
    ) -> RecordMetadata:
        """Send one record in the caller's own task: it is spared batch, future and our task.

        Then yields once, so that others who send meanwhile come together in one batch. Where
        the first try fails and another may help, the record goes the way of all.
        """
        self._taken = True
        try:
            if headers or self._codec:
                keys = None if key is None else [key]
                rows = [tuple(headers)] if headers else None
                encoded = encode_columns([timestamp_ms], keys, [value], rows, codec=self._codec)
            else:
                encoded = encode_single(timestamp_ms, key, value)
            request = self._request_of(topic_partition, encoded, key is not None)
            response = await self._transport.send(request)
            await _turn()
        finally:
            self._taken = False
            if self._accumulator or self._closing or self._flushes or self._rooms:
                self.wake()
        answer = response.topics[0].partitions[0]
        if answer.error_code is ErrorCode.NONE:
            return _metadata(topic_partition, answer, 0, timestamp_ms)
        batch = PendingBatch(topic_partition, self._loop.time())
        future: asyncio.Future[RecordMetadata] = self._loop.create_future()
        size = record_size(key, value, headers)
        batch.results.append((batch.append(timestamp_ms, key, value, headers, size), future))
        await self._take_answer(batch, answer)
        self.wake()
        return await future

    def _request_of(
        self, topic_partition: TopicPartition, encoded: bytearray, all_keyed: bool
    ) -> ProduceRequest:
        topic, index = topic_partition
        part = ProducePartition(index=index, records=encoded, all_keyed=all_keyed)
        return ProduceRequest(
            topics=[ProduceTopic(name=topic, partitions=[part])],
            acks=self._acks,
            timeout_ms=self._timeout_ms,
        )

    def wake(self) -> None:
        """Tell the task that there is something to send."""
        idle = self._idle
        if idle is not None and not self._taken:
            self._idle = None
            if not idle.done():
                idle.set_result(None)

    async def room(self, size: int, bytes_max: int) -> None:
        """Wait until `size` more bytes fit below `bytes_max`, or nothing else waits."""
        while self._accumulator and self._accumulator.bytes + size > bytes_max:
            future = self._loop.create_future()
            self._rooms.append((size, bytes_max, future))
            self.wake()
            await future
            if self._closing:
                raise ClosedError("producer was closed while a record waited for room")

    async def flush(self) -> None:
        """Wait until what the accumulator holds now is settled."""
        if not (self._accumulator or self._taken) and self._idle is not None:
            return
        future = self._loop.create_future()
        self._flushes.append(future)
        self._hurry = True
        self.wake()
        await future

    def encode(self, batch: PendingBatch) -> None:
        """Turn a batch's columns into bytes."""
        keys = batch.keys if batch.some_keyed else None
        batch.encoded = encode_columns(
            batch.timestamps, keys, batch.values, batch.headers, codec=self._codec
        )

    async def _run(self) -> None:
        try:
            while True:
                if not self._accumulator:
                    self._all_settled()
                    if self._closing:
                        return
                    self._idle = self._loop.create_future()
                    await self._idle
                    continue
                if self._linger and not (self._hurry or self._closing or self._rooms):
                    due = self._accumulator.next_due(self._linger)
                    if due > self._loop.time():
                        await self._wait_until(due)
                        continue
                await self._send_round()
        except BaseException as error:
            self._fail_all(error)
            raise

    async def _wait_until(self, due: float) -> None:
        idle = self._idle = self._loop.create_future()
        timer = self._loop.call_at(due, self.wake)
        try:
            await idle
        finally:
            timer.cancel()

    def _drain(self) -> list[PendingBatch]:
        hurry = self._hurry or self._closing or self._rooms or not self._linger
        due_before = float("inf") if hurry else self._loop.time() - self._linger
        return self._accumulator.drain(self._request_bytes_max, due_before)

    async def _send_round(self) -> None:
        batches = self._drain()
        self._lone = not self._accumulator and len(batches) == 1 and batches[0].count == 1
        if not self._accumulator:
            await self._send(batches)
        else:
            rounds = [batches]
            while len(rounds) < IN_FLIGHT and (batches := self._drain()):
                rounds.append(batches)
            await asyncio.gather(*(self._send(batches) for batches in rounds))
        if self._rooms:
            self._give_room()

    async def _send(self, batches: list[PendingBatch]) -> None:
        if not batches:
            return
        try:
            for batch in batches:
                if batch.encoded is None:
                    self.encode(batch)
            response = await self._transport.send(self._request(batches))
        except LogError as error:
            for batch in batches:
                await self._failed(batch, error)
            return
        except Exception as error:  # a fault of ours: those who wait must hear of it
            logger.exception("cannot send to %s", [str(b.topic_partition) for b in batches])
            for batch in batches:
                _fail(batch, error)
            return
        if len(batches) == 1:
            await self._take_answer(batches[0], response.topics[0].partitions[0])
            return
        answers = {
            (topic.name, answer.index): answer
            for topic in response.topics
            for answer in topic.partitions
        }
        for batch in batches:
            await self._take_answer(batch, answers[batch.topic_partition])

    async def _take_answer(self, batch: PendingBatch, answer: ProducePartitionResponse) -> None:
        if answer.error_code is ErrorCode.NONE:
            _settle(batch, answer)
        else:
            message = answer.error_message or f"append to {batch.topic_partition}"
            await self._failed(batch, error_for(answer.error_code, message))

    def _request(self, batches: list[PendingBatch]) -> ProduceRequest:
        topics: dict[str, list[ProducePartition]] = {}
        for batch in batches:
            assert batch.encoded is not None
            topic, index = batch.topic_partition
            part = ProducePartition(index=index, records=batch.encoded, all_keyed=batch.all_keyed)
            topics.setdefault(topic, []).append(part)
        return ProduceRequest(
            topics=[ProduceTopic(name=name, partitions=parts) for name, parts in topics.items()],
            acks=self._acks,
            timeout_ms=self._timeout_ms,
        )

    async def _failed(self, batch: PendingBatch, error: LogError) -> None:
        """Send a batch again when that may help and there is time; else tell who waits.

        A disk that refuses is told at once: who sends decides whether to wait for room.
        """
        if not error.retriable or isinstance(error, StorageError):
            _fail(batch, error)
            return
        if self._loop.time() - batch.begun > self._timeout_ms / 1000:
            late = RequestTimedOutError(f"{batch.topic_partition} after {self._timeout_ms} ms")
            late.__cause__ = error
            _fail(batch, late)
            return
        try:
            topic, index = batch.topic_partition
            self._cluster.forget(topic)
            if index >= len(await self._cluster.require(topic)):
                raise error
        except UnknownTopicOrPartitionError as gone:
            _fail(batch, gone)
            return
        except LogError as trouble:
            logger.debug("metadata of %s: %s", batch.topic_partition, trouble)
        await asyncio.sleep(self._backoff)
        self._accumulator.put_back(batch)

    def _give_room(self) -> None:
        waiting, self._rooms = self._rooms, []
        for _, _, future in waiting:
            if not future.done():
                future.set_result(None)

    def _all_settled(self) -> None:
        self._hurry = False
        if self._rooms:
            self._give_room()
        flushes, self._flushes = self._flushes, []
        for future in flushes:
            if not future.done():
                future.set_result(None)

    def _fail_all(self, error: BaseException) -> None:
        """Settle everything, for the sender itself has ended."""
        wrapped = ClosedError(f"the sender ended: {error!r}")
        while batches := self._accumulator.drain(1 << 62):
            for batch in batches:
                _fail(batch, wrapped)
        self._closing = True
        self._all_settled()


@types.coroutine
def _turn() -> Generator[None, None, None]:
    """Let the event loop go round once."""
    yield


def _settle(batch: PendingBatch, answer: ProducePartitionResponse) -> None:
    topic_partition = batch.topic_partition
    timestamps = batch.timestamps
    for index, future in batch.results:
        if not future.done():
            future.set_result(_metadata(topic_partition, answer, index, timestamps[index]))


def _metadata(
    topic_partition: TopicPartition, answer: ProducePartitionResponse, index: int, timestamp: int
) -> RecordMetadata:
    base = answer.base_offset
    stamped = answer.log_append_time_ms
    return RecordMetadata(
        topic_partition[0],
        topic_partition[1],
        topic_partition,
        base + index if base >= 0 else -1,
        timestamp if stamped < 0 else stamped,
        _CREATE_TIME if stamped < 0 else _LOG_APPEND_TIME,
        answer.log_start_offset,
    )


def _fail(batch: PendingBatch, error: BaseException) -> None:
    for _, future in batch.results:
        if not future.done():
            future.set_exception(error)
