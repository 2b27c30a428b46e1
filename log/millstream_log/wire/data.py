"""The APIs that carry records: Produce, Fetch, ListOffsets, DeleteRecords.

Each request holds topics, each topic its partitions; the answer has the same shape and order.
`topic_id` is 32 hex digits, or empty where the topic goes by its name. Record bytes are whole
batches and are handed on, never opened; a `bytearray` in a ProduceRequest is patched in place
by the broker (base offset, leader epoch), so its sender must not use it again.

Source: Kafka's message definitions (keys 0, 1, 2, 21), field by field.
"""

from __future__ import annotations

import enum

import msgspec

from ..errors import ErrorCode
from .request import Request


class ProducePartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """Where one partition's batch came to stand, or why not."""

    index: int
    error_code: ErrorCode = ErrorCode.NONE
    base_offset: int = -1
    log_append_time_ms: int = -1  # -1 for CreateTime
    log_start_offset: int = -1
    error_message: str | None = None


class ProduceTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ProduceResponse."""

    name: str
    topic_id: str = ""
    partitions: list[ProducePartitionResponse]


class ProduceResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 0."""

    topics: list[ProduceTopicResponse]
    throttle_time_ms: int = 0


class ProducePartition(msgspec.Struct, kw_only=True, gc=False):
    """One batch for one partition."""

    index: int
    records: bytearray  # the broker patches it in place
    all_keyed: bool = False  # not on the wire: the sender says that no key is null


class ProduceTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ProduceRequest."""

    name: str
    topic_id: str = ""
    partitions: list[ProducePartition]


class ProduceRequest(Request[ProduceResponse], kw_only=True, gc=False):
    """API key 0: append one batch to each named partition."""

    topics: list[ProduceTopic]
    acks: int = -1  # 0 none, 1 leader, -1 all in sync
    timeout_ms: int = 30_000
    transactional_id: str | None = None


class AbortedTransaction(msgspec.Struct, kw_only=True, gc=False):
    """A producer's records from `first_offset` to its next abort marker are void."""

    producer_id: int
    first_offset: int


class FetchPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """Whole batches of one partition, the first holding the fetch offset; b"" for none."""

    index: int
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    high_watermark: int = -1
    last_stable_offset: int = -1
    log_start_offset: int = -1
    aborted_transactions: list[AbortedTransaction] = msgspec.field(default_factory=list)
    preferred_read_replica: int = -1
    records: bytes = b""


class FetchTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a FetchResponse."""

    name: str
    topic_id: str = ""
    partitions: list[FetchPartitionResponse]


class FetchResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 1."""

    topics: list[FetchTopicResponse]
    throttle_time_ms: int = 0
    error_code: ErrorCode = ErrorCode.NONE
    session_id: int = 0


class FetchPartition(msgspec.Struct, kw_only=True, gc=False):
    """Where to read in one partition, and how much."""

    index: int
    fetch_offset: int
    max_bytes: int = 1 << 20
    current_leader_epoch: int = -1
    last_fetched_epoch: int = -1
    log_start_offset: int = -1


class FetchTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a FetchRequest."""

    name: str
    topic_id: str = ""
    partitions: list[FetchPartition]


class FetchRequest(Request[FetchResponse], kw_only=True, gc=False):
    """API key 1: read until `min_bytes` are there or `max_wait_ms` is over."""

    topics: list[FetchTopic]
    max_wait_ms: int = 500
    min_bytes: int = 1
    max_bytes: int = 50 << 20
    isolation_level: int = 0  # 0 read_uncommitted, 1 read_committed
    replica_id: int = -1
    session_id: int = 0
    session_epoch: int = -1
    rack_id: str = ""
    verify: bool = False  # not on the wire: check every CRC and name the file of a bad one


class OffsetSpec(enum.IntEnum):
    """What a ListOffsets timestamp below zero asks for."""

    LATEST = -1
    EARLIEST = -2
    MAX_TIMESTAMP = -3


class ListOffsetsPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """An offset and its record's time in ms; (-1, -1) where there is none."""

    index: int
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    timestamp: int = -1
    offset: int = -1
    leader_epoch: int = -1


class ListOffsetsTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ListOffsetsResponse."""

    name: str
    partitions: list[ListOffsetsPartitionResponse]


class ListOffsetsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 2."""

    topics: list[ListOffsetsTopicResponse]
    throttle_time_ms: int = 0


class ListOffsetsPartition(msgspec.Struct, kw_only=True, gc=False):
    """A time in ms (first record at or after it), or an OffsetSpec."""

    index: int
    timestamp: int
    current_leader_epoch: int = -1


class ListOffsetsTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ListOffsetsRequest."""

    name: str
    partitions: list[ListOffsetsPartition]


class ListOffsetsRequest(Request[ListOffsetsResponse], kw_only=True, gc=False):
    """API key 2: find offsets by time, or at the ends."""

    topics: list[ListOffsetsTopic]
    isolation_level: int = 0
    replica_id: int = -1


class DeleteRecordsPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """The new log start offset."""

    index: int
    low_watermark: int = -1
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire


class DeleteRecordsTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a DeleteRecordsResponse."""

    name: str
    partitions: list[DeleteRecordsPartitionResponse]


class DeleteRecordsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 21."""

    topics: list[DeleteRecordsTopicResponse]
    throttle_time_ms: int = 0


class DeleteRecordsPartition(msgspec.Struct, kw_only=True, gc=False):
    """Delete what stands before `offset`; -1 is the high watermark."""

    index: int
    offset: int


class DeleteRecordsTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a DeleteRecordsRequest."""

    name: str
    partitions: list[DeleteRecordsPartition]


class DeleteRecordsRequest(Request[DeleteRecordsResponse], kw_only=True, gc=False):
    """API key 21: raise log start offsets."""

    topics: list[DeleteRecordsTopic]
    timeout_ms: int = 30_000
