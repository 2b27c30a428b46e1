"""Gets bytes for assigned partitions and turns them into records or columns.

    positions -> Fetch -> whole batches by partition -> Buffered -> records | columns

Invariants: an answer for a position that is no longer the partition's is dropped, so a seek, or
two readers at once, never deliver twice or out of order; partitions take turns, so a full one
does not starve the rest; control batches move the position and are never seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ..errors import CorruptRecordError, ErrorCode, error_for
from ..model import Record, TimestampType, TopicPartition
from ..record.batch import BatchHeader, check, decode_columns, iter_batches, read_header
from ..record.columns import Columns
from ..wire.messages.fetch import FetchPartition, FetchPartitionResponse, FetchRequest, FetchTopic
from .subscription import Buffered, PartitionState, Subscription
from .transport import Transport

T = TypeVar("T")
Deserializer = Callable[[Any], Any]


class Fetcher:
    """Fetches and decodes for one subscription."""

    def __init__(
        self,
        subscription: Subscription,
        transport: Transport,
        *,
        key_deserializer: Deserializer | None,
        value_deserializer: Deserializer | None,
        fetch_min_bytes: int,
        fetch_max_bytes: int,
        max_partition_fetch_bytes: int,
        check_crcs: bool,
        isolation_level: int,
    ) -> None:
        self._subscription = subscription
        self._transport = transport
        self._key_deserializer = key_deserializer
        self._value_deserializer = value_deserializer
        self._min_bytes = fetch_min_bytes
        self._max_bytes = fetch_max_bytes
        self._max_partition_bytes = max_partition_fetch_bytes
        self._check_crcs = check_crcs
        self._isolation_level = isolation_level
        self._turn = 0

    async def fetch(
        self,
        partitions: Sequence[TopicPartition],
        max_wait_ms: int,
        *,
        bytes_max: int | None = None,
    ) -> None:
        """Fill the buffers of those `partitions` that have none; wait for bytes when told to."""
        wanted: dict[TopicPartition, int] = {}
        for partition in partitions:
            state = self._subscription.assigned.get(partition)
            if state is not None and state.position is not None and state.buffer is None:
                wanted[partition] = state.position
        if not wanted:
            return
        response = await self._transport.send(self._request(wanted, max_wait_ms, bytes_max))
        now_ms = time.time_ns() // 1_000_000
        for topic in response.topics:
            for answer in topic.partitions:
                partition = TopicPartition(topic.name, answer.index)
                state = self._subscription.assigned.get(partition)
                if state is None or state.position != wanted[partition] or state.buffer is not None:
                    continue
                state.fetched_ms = now_ms
                _take_answer(partition, state, answer)

    def _request(
        self, wanted: dict[TopicPartition, int], max_wait_ms: int, bytes_max: int | None
    ) -> FetchRequest:
        total = self._max_bytes if bytes_max is None else bytes_max
        each = self._max_partition_bytes
        if bytes_max is not None:
            each = max(each, bytes_max // len(wanted))
        order = list(wanted)
        if len(order) > 1:
            self._turn = (self._turn + 1) % len(order)
            order = order[self._turn :] + order[: self._turn]
        topics: list[FetchTopic] = []
        for partition in order:
            if not topics or topics[-1].name != partition.topic:
                topics.append(FetchTopic(name=partition.topic, partitions=[]))
            topics[-1].partitions.append(
                FetchPartition(
                    index=partition.partition, fetch_offset=wanted[partition], max_bytes=each
                )
            )
        return FetchRequest(
            topics=topics,
            max_wait_ms=max_wait_ms,
            min_bytes=self._min_bytes,
            max_bytes=total,
            isolation_level=self._isolation_level,
        )

    def take_records(
        self, partitions: Sequence[TopicPartition], records_max: int | None
    ) -> dict[TopicPartition, list[Record]]:
        """Hand out buffered records, at most `records_max`; positions move past them.

        A batch or record that cannot be read is kept as its partition's `error`.
        """
        return self._take(partitions, records_max, self._take_from)

    def take_columns(
        self,
        partitions: Sequence[TopicPartition],
        batches_max: int | None,
        options: dict[str, bool],
    ) -> dict[TopicPartition, list[Columns]]:
        """Hand out buffered batches as columns, as `take_records` does records."""

        def take(
            partition: TopicPartition, state: PartitionState, left: int | None
        ) -> list[Columns]:
            return self._columns_from(partition, state, left, options)

        return self._take(partitions, batches_max, take)

    def _take(
        self,
        partitions: Sequence[TopicPartition],
        left: int | None,
        take: Callable[[TopicPartition, PartitionState, int | None], list[T]],
    ) -> dict[TopicPartition, list[T]]:
        found: dict[TopicPartition, list[T]] = {}
        for partition in self._in_turn(partitions):
            state = self._subscription.assigned.get(partition)
            if state is None or state.buffer is None or state.paused:
                continue
            try:
                taken = take(partition, state, left)
            except Exception as error:  # what others have is not to be lost with it
                state.error = error
                continue
            if taken:
                found[partition] = taken
                if left is not None:
                    left -= len(taken)
                    if left <= 0:
                        break
        return found

    async def locate(self, partition: TopicPartition, error: CorruptRecordError) -> Exception:
        """Return the error with file and position, which the broker finds by looking itself."""
        state = self._subscription.assigned.get(partition)
        if state is None or state.position is None:
            return error
        request = self._request({partition: state.position}, 0, None)
        request.verify = True
        answer = (await self._transport.send(request)).topics[0].partitions[0]
        if answer.error_code is not ErrorCode.CORRUPT_MESSAGE or not answer.error_message:
            return error
        located = CorruptRecordError(f"{partition}: {answer.error_message}")
        located.__cause__ = error
        return located

    def _in_turn(self, partitions: Sequence[TopicPartition]) -> list[TopicPartition]:
        turn = self._turn % len(partitions) if partitions else 0
        return [*partitions[turn:], *partitions[:turn]]

    def _take_from(
        self, partition: TopicPartition, state: PartitionState, records_max: int | None
    ) -> list[Record]:
        out: list[Record] = []
        buffer = state.buffer
        while buffer is not None and (records_max is None or len(out) < records_max):
            if buffer.taken >= len(buffer.records):
                if not self._decode_next(partition, state, buffer, out):
                    break
                continue
            end = len(buffer.records)
            if records_max is not None:
                end = min(end, buffer.taken + records_max - len(out))
            out += buffer.records[buffer.taken : end]
            buffer.taken = end
            if end < len(buffer.records):
                state.position = buffer.records[end].offset
            else:
                state.position = buffer.after
        if buffer is not None and buffer.is_empty:
            state.buffer = None
        return out

    def _decode_next(
        self, partition: TopicPartition, state: PartitionState, buffer: Buffered, out: list[Record]
    ) -> bool:
        if buffer.next_batch >= len(buffer.data):
            return False
        assert state.position is not None
        failure: Exception | None = None
        records: list[Record] = []
        at = buffer.next_batch
        try:
            header = self._header(buffer)
            if not header.is_control:
                columns = decode_columns(buffer.data, at, header).since(state.position)
                records, failure = self._records(partition, header, columns)
        except CorruptRecordError as error:
            failure = error
        if failure is not None and not records:
            if out:  # what stands before it goes out first; the next call meets it again
                return False
            raise _located(partition, failure) from failure
        buffer.begun = at
        buffer.records = records
        buffer.taken = 0
        if failure is None:
            buffer.next_batch = at + header.size
            buffer.after = header.next_offset
        else:
            buffer.after = records[-1].offset + 1
        if not records:
            state.position = max(state.position, header.next_offset)
        return True

    def _header(self, buffer: Buffered) -> BatchHeader:
        header = read_header(buffer.data, buffer.next_batch)
        if self._check_crcs:
            check(buffer.data, buffer.next_batch, header)
        return header

    def _records(
        self, partition: TopicPartition, header: BatchHeader, columns: Columns
    ) -> tuple[list[Record], Exception | None]:
        """Return the records, and why they end early when a deserializer fails."""
        keys, key_failure = _apply(self._key_deserializer, columns.keys)
        values, value_failure = _apply(self._value_deserializer, columns.values)
        headers: Sequence[Any] = columns.headers or ((),) * len(columns)
        topic, index = partition
        kind = TimestampType.LOG_APPEND_TIME if header.attributes & 8 else TimestampType.CREATE_TIME
        records = [
            Record(topic, index, offset, timestamp, kind, key, value, head)
            for offset, timestamp, key, value, head in zip(
                columns.offsets, columns.timestamps, keys, values, headers, strict=False
            )
        ]
        return records, key_failure if len(keys) <= len(values) else value_failure

    def _columns_from(
        self,
        partition: TopicPartition,
        state: PartitionState,
        batches_max: int | None,
        options: dict[str, bool],
    ) -> list[Columns]:
        buffer = state.buffer
        assert buffer is not None
        assert state.position is not None
        out: list[Columns] = []
        start, position = buffer.next_batch, state.position
        if buffer.taken < len(buffer.records):  # a batch that getmany has begun: from its start
            start = buffer.begun
        try:
            for at, header in iter_batches(buffer.data, start):
                if batches_max is not None and len(out) >= batches_max:
                    break
                if self._check_crcs:
                    check(buffer.data, at, header)
                if not header.is_control and header.count:
                    columns = decode_columns(buffer.data, at, header, **options)
                    if header.base_offset < position:
                        columns = columns.since(position)
                    if columns.offsets:
                        out.append(columns)
                start = at + header.size
                position = max(position, header.next_offset)
        except CorruptRecordError as error:
            if not out:
                raise _located(partition, error) from error
        state.position = position
        buffer.records, buffer.taken, buffer.next_batch = [], 0, start
        if start >= len(buffer.data):
            state.buffer = None
        return out


def _apply(
    deserializer: Deserializer | None, fields: Sequence[bytes | None]
) -> tuple[Sequence[Any], Exception | None]:
    """Return the fields deserialized up to the first that fails, and its error."""
    if deserializer is None:
        return fields, None
    done: list[Any] = []
    try:
        done.extend(map(deserializer, fields))  # extend keeps what came before a failure
    except Exception as error:
        return done, error
    return done, None


def _take_answer(
    partition: TopicPartition, state: PartitionState, answer: FetchPartitionResponse
) -> None:
    if answer.error_code is not ErrorCode.NONE:
        message = answer.error_message or f"fetch {partition} at offset {state.position}"
        state.error = error_for(answer.error_code, message)
        return
    state.high_watermark = answer.high_watermark
    state.last_stable_offset = answer.last_stable_offset
    state.log_start_offset = answer.log_start_offset
    if answer.records:
        state.buffer = Buffered(answer.records)


def _located(partition: TopicPartition, error: Exception) -> Exception:
    if isinstance(error, CorruptRecordError):
        return CorruptRecordError(f"{partition}: {error}")
    return error
