"""Produce (key 0): append one batch to each named partition.

Versions: 0-2 are advertised for old librdkafka alone, which else would not compress, and are
refused (KAFKA-18659); 3 transactional id; 5 log start offset; 8 record errors and a message;
9 flexible; 10 the current leader; 12 takes its partitions into the transaction;
13 topics by id.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int16, Int32, Int64, Records, String, Uuid, api


class BatchIndexError(msgspec.Struct, kw_only=True, gc=False):
    """What is wrong with one record of a batch."""

    batch_index: Int32
    batch_index_error_message: Annotated[String | None, "null"] = None


class LeaderIdAndEpoch(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """Who leads a partition now."""

    leader_id: Int32 = -1
    leader_epoch: Int32 = -1


class ProducePartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """Where one partition's batch came to stand, or why not."""

    index: Int32
    error_code: Error = ErrorCode.NONE
    base_offset: Int64 = -1
    log_append_time_ms: Annotated[Int64, "2+"] = -1  # -1 for CreateTime
    log_start_offset: Annotated[Int64, "5+"] = -1
    record_errors: Annotated[list[BatchIndexError], "8+"] = []
    error_message: Annotated[String | None, "8+ null"] = None
    current_leader: Annotated[LeaderIdAndEpoch, "10+ tag 0"] = LeaderIdAndEpoch()


class ProduceTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ProduceResponse."""

    name: Annotated[String, "0-12"] = ""
    topic_id: Annotated[Uuid, "13+"] = ""
    partitions: list[ProducePartitionResponse]


class NodeEndpoint(msgspec.Struct, kw_only=True, gc=False):
    """Where a broker can be reached."""

    node_id: Int32
    host: String
    port: Int32
    rack: Annotated[String | None, "null"] = None


class ProduceResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 0."""

    topics: list[ProduceTopicResponse]
    throttle_time_ms: Annotated[Int32, "1+"] = 0
    node_endpoints: Annotated[list[NodeEndpoint], "10+ tag 0"] = []


class ProducePartition(msgspec.Struct, kw_only=True, gc=False):
    """One batch for one partition."""

    index: Int32
    records: Records  # the broker patches it in place
    all_keyed: bool = False  # not on the wire: the sender says that no key is null


class ProduceTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ProduceRequest."""

    name: Annotated[String, "0-12"] = ""
    topic_id: Annotated[Uuid, "13+"] = ""
    partitions: list[ProducePartition]


class ProduceRequest(Request[ProduceResponse], kw_only=True, gc=False):
    """API key 0: append one batch to each named partition."""

    api: ClassVar[Api] = api(0, "Produce", "0-13", 9, ProduceResponse)

    transactional_id: Annotated[String | None, "3+ null"] = None
    acks: Int16 = -1  # 0 none, 1 leader, -1 all in sync
    timeout_ms: Int32 = 30_000
    topics: list[ProduceTopic]
