"""Produce (key 0): append one batch to each partition, patched in place, never opened.

Invariants: everything up to the append runs straight, while the request's bytes are still where
they were received; only `flush="ack"` makes it wait, and then once for all partitions of the
request. A batch of a transaction is taken only if the coordinator knows that this partition is
part of it, whatever the version of the client. From version 12 on it is told so here, in a record
that is appended straight before the batch, and both are waited for. What coordinators have written
is theirs: only an administrator's tool may append to their topics.

Source: KIP-890.
"""

from __future__ import annotations

import struct

from ...errors import (
    BrokerError,
    ErrorCode,
    InvalidRecordError,
    InvalidTopicError,
    LogError,
    OutOfOrderSequenceError,
    RecordsRefusedError,
)
from ...metadata.names import INTERNAL_TOPICS
from ...model import TopicPartition
from ...record.batch import CODEC_BITS, HEADER_BYTES, MAGIC, PREFIX_BYTES, TRANSACTIONAL_BIT
from ...record.compress import Codec
from ...wire.messages.produce import (
    BatchIndexError,
    ProducePartition,
    ProducePartitionResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceTopicResponse,
)
from ...wire.schema import VERSION_MAX
from ..host import Host
from ..partition import Partition

_ALL, _NONE, _LEADER = -1, 0, 1
_BODIES_FROM = 3
_ADMIN_CLIENT = "__admin_client"  # the client id by which Kafka knows its own tools
_ZSTD_FROM = 7
_ABORTABLE_FROM = 11
_ADDS_FROM = 12
_UNREACHED = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
}
_LENGTH = struct.Struct(">8xi")
_MAGIC_AND_ATTRIBUTES = struct.Struct(">16xb4xh")
_PRODUCER = struct.Struct(">43xqhi")

_Appended = list[tuple[Partition, ProducePartitionResponse]]


async def produce(host: Host, request: ProduceRequest) -> ProduceResponse:
    """Append, wait as the flush policy says, answer."""
    appending = _Appending(host, request)
    topics = []
    for topic in request.topics:
        try:
            appending.check_request()
            name = host.topic_name(topic.name, topic.topic_id)
            answers = [appending.append(name, part) for part in topic.partitions]
        except LogError as error:
            answers = [_failed(part, error) for part in topic.partitions]
        topics.append(
            ProduceTopicResponse(name=topic.name, topic_id=topic.topic_id, partitions=answers)
        )
    if appending.waits:
        await _wait(host, appending.waits)
    return ProduceResponse(topics=topics)


class _Appending:
    """One Produce request while it is appended."""

    __slots__ = ("_adding", "_host", "_now_ms", "_request", "_waits_for_disk", "waits")

    def __init__(self, host: Host, request: ProduceRequest) -> None:
        self._host = host
        self._request = request
        self._now_ms = host.clock.now_ms()
        self._waits_for_disk = request.acks != _NONE and host.flusher.must_wait
        self.waits: _Appended = []
        self._adding: list[Partition] = []  # where the transaction of a batch was told of it

    def check_request(self) -> None:
        """Refuse what no partition may take."""
        request = self._request
        if request.version < _BODIES_FROM:
            raise BrokerError(
                f"Produce version {request.version} holds no record batches of version 2",
                ErrorCode.UNSUPPORTED_VERSION,
            )
        if request.acks not in (_ALL, _NONE, _LEADER):
            raise BrokerError(
                f"acks={request.acks}: must be -1, 0 or 1", ErrorCode.INVALID_REQUIRED_ACKS
            )

    def append(self, topic: str, part: ProducePartition) -> ProducePartitionResponse:
        """Append the batch of one partition; return where it stands, or why not."""
        host = self._host
        self._adding = []
        try:
            partition = host.partitions.get((topic, part.index)) or host.partition(
                topic, part.index
            )
            self._check(partition, part)
            # Only a compacted topic needs keys, and who knows of them need not be doubted.
            check_keys = not part.all_keyed and partition.log.config.compacts
            result = partition.append(part.records, self._now_ms, check_keys=check_keys)
        except LogError as error:
            return _failed(part, error)
        answer = ProducePartitionResponse(
            index=part.index,
            base_offset=result.base_offset,
            log_append_time_ms=result.log_append_time_ms,
            log_start_offset=result.log_start_offset,
        )
        if self._waits_for_disk:
            self.waits += [(added, answer) for added in self._adding]
            self.waits.append((partition, answer))
        return answer

    def _check(self, partition: Partition, part: ProducePartition) -> None:
        host, request = self._host, self._request
        if host.read_only:
            host.check_writable(f"append to {partition.topic_partition}")
        topic = partition.topic_partition.topic
        if topic in INTERNAL_TOPICS and request.peer.client_id != _ADMIN_CLIENT:
            raise InvalidTopicError(f"cannot append to internal topic {topic}")
        wanted = partition.log.config.min_insync_replicas
        if request.acks == _ALL and wanted > 1:
            raise BrokerError(
                f"{partition.topic_partition}: 1 replica in sync, min.insync.replicas {wanted}",
                ErrorCode.NOT_ENOUGH_REPLICAS,
            )
        if request.version != VERSION_MAX:  # a client of this process made its batch itself
            attributes = _check_batch(part.records, request.version)
            if attributes & TRANSACTIONAL_BIT:
                self._check_transaction(partition, part.records)

    def _check_transaction(self, partition: Partition, records: bytearray | memoryview) -> None:
        """Refuse a batch of a transaction that this partition is no part of, or becomes one."""
        key = partition.topic_partition
        producer_id, producer_epoch, sequence = _PRODUCER.unpack_from(records)
        transactional_id = self._request.transactional_id or ""
        if self._request.version >= _ADDS_FROM:
            if sequence > 0 and producer_id not in partition.log.producers.entries:
                raise OutOfOrderSequenceError(
                    f"producer {producer_id} sends sequence {sequence} where it is not known"
                )
            code = self._add(transactional_id, producer_id, producer_epoch, key)
        else:
            code = self._host.transactions.machine.verify(
                transactional_id, producer_id, producer_epoch, [key]
            )[key]
            if code is ErrorCode.CONCURRENT_TRANSACTIONS:
                code = ErrorCode.NOT_ENOUGH_REPLICAS  # what older clients know to try again
            if code is ErrorCode.INVALID_TXN_STATE and self._request.version >= _ABORTABLE_FROM:
                code = ErrorCode.TRANSACTION_ABORTABLE
        if code:
            raise BrokerError(
                f"{key}: no part of the transaction of {self._request.transactional_id!r},"
                f" producer {producer_id} epoch {producer_epoch}",
                code,
            )

    def _add(
        self, transactional_id: str, producer_id: int, producer_epoch: int, key: TopicPartition
    ) -> ErrorCode:
        code, written = self._host.transactions.add_straight(
            transactional_id, producer_id, producer_epoch, key
        )
        if code is ErrorCode.PRODUCER_FENCED:
            return ErrorCode.INVALID_PRODUCER_EPOCH  # its older name, which Produce goes by
        if self._waits_for_disk:
            self._adding += written
        return ErrorCode.NOT_ENOUGH_REPLICAS if code in _UNREACHED else code


def _check_batch(records: bytearray | memoryview, version: int) -> int:
    """Return the attributes of what must be a single batch of a version we hold."""
    if len(records) < HEADER_BYTES:
        raise InvalidRecordError(f"{len(records)} bytes of records, a batch has {HEADER_BYTES}")
    (length,) = _LENGTH.unpack_from(records)
    if length + PREFIX_BYTES != len(records):
        raise InvalidRecordError(
            f"a batch of {length + PREFIX_BYTES} bytes in {len(records)}: one for each partition"
        )
    magic, attributes = _MAGIC_AND_ATTRIBUTES.unpack_from(records)
    if magic != MAGIC:
        raise InvalidRecordError(f"record batch version {magic}, must be {MAGIC}")
    if attributes & CODEC_BITS == Codec.ZSTD and version < _ZSTD_FROM:
        raise BrokerError(
            f"zstd in Produce version {version}, it needs {_ZSTD_FROM}",
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
        )
    return int(attributes)


def _failed(part: ProducePartition, error: LogError) -> ProducePartitionResponse:
    said = str(error)
    refused = error.records if isinstance(error, RecordsRefusedError) else ()
    return ProducePartitionResponse(
        index=part.index,
        error_code=error.code,
        error_message=said,
        record_errors=[
            BatchIndexError(batch_index=at, batch_index_error_message=said) for at in refused
        ],
    )


async def _wait(host: Host, waits: _Appended) -> None:
    futures = [host.flusher.wait(partition) for partition, _ in waits]
    for future, (_, answer) in zip(futures, waits, strict=True):
        try:
            await future
        except LogError as error:
            answer.error_code = error.code
            answer.error_message = str(error)
            answer.base_offset = -1
