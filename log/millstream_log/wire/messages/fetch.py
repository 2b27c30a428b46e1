"""Fetch (key 1): whole batches from where each partition is to be read on.

Versions: 4 isolation level; 5 log start offset; 6 storage errors; 7 sessions, which fetch
partitions by what changed; 9 the leader epoch that the reader knows; 10 zstd; 11 racks;
12 flexible, diverging epochs and the current leader; 13 topics by id; 15 the follower's own
state; 16 where the current leader can be reached; 17 a follower's directory; 18 its high watermark.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, Int64, String, Uuid, api
from .produce import LeaderIdAndEpoch, NodeEndpoint


class EpochEndOffset(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """The newest epoch that reader and leader share, and where it ends; -1 for no difference."""

    epoch: Int32 = -1
    end_offset: Int64 = -1


class SnapshotId(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """The snapshot of a metadata log that a follower has to fetch; -1 for none."""

    end_offset: Int64 = -1
    epoch: Int32 = -1


class AbortedTransaction(msgspec.Struct, kw_only=True, gc=False):
    """A producer's records from `first_offset` to its next abort marker are void."""

    producer_id: Int64
    first_offset: Int64


class FetchPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """Whole batches of one partition, the first holding the fetch offset; b"" for none."""

    index: Int32
    error_code: Error = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    high_watermark: Int64 = -1
    last_stable_offset: Int64 = -1
    log_start_offset: Annotated[Int64, "5+"] = -1
    diverging_epoch: Annotated[EpochEndOffset, "12+ tag 0"] = EpochEndOffset()
    current_leader: Annotated[LeaderIdAndEpoch, "12+ tag 1"] = LeaderIdAndEpoch()
    snapshot_id: Annotated[SnapshotId, "12+ tag 2"] = SnapshotId()
    aborted_transactions: Annotated[list[AbortedTransaction] | None, "null"] = []
    preferred_read_replica: Annotated[Int32, "11+"] = -1
    records: Annotated[bytes, "records"] = b""


class FetchTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a FetchResponse."""

    name: Annotated[String, "0-12"] = ""
    topic_id: Annotated[Uuid, "13+"] = ""
    partitions: list[FetchPartitionResponse]


class FetchResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 1."""

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Error, "7+"] = ErrorCode.NONE
    session_id: Annotated[Int32, "7+"] = 0  # 0 outside of a session
    topics: list[FetchTopicResponse]
    node_endpoints: Annotated[list[NodeEndpoint], "16+ tag 0"] = []


class FetchPartition(msgspec.Struct, kw_only=True, gc=False):
    """Where to read in one partition, and how much."""

    index: Int32
    current_leader_epoch: Annotated[Int32, "9+"] = -1
    fetch_offset: Int64
    last_fetched_epoch: Annotated[Int32, "12+"] = -1
    log_start_offset: Annotated[Int64, "5+"] = -1  # the follower's; -1 from a consumer
    max_bytes: Int32 = 1 << 20
    replica_directory_id: Annotated[Uuid, "17+ tag 0"] = ""
    high_watermark: Annotated[Int64, "18+ tag 1"] = 2**63 - 1  # the follower's; so large for none


class FetchTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a FetchRequest."""

    name: Annotated[String, "0-12"] = ""
    topic_id: Annotated[Uuid, "13+"] = ""
    partitions: list[FetchPartition]


class ForgottenTopic(msgspec.Struct, kw_only=True, gc=False):
    """Partitions to take out of a session."""

    name: Annotated[String, "7-12"] = ""
    topic_id: Annotated[Uuid, "13+"] = ""
    partitions: list[Int32]


class ReplicaState(msgspec.Struct, kw_only=True, frozen=True, gc=False):
    """The follower that fetches; -1 for a consumer."""

    replica_id: Int32 = -1
    replica_epoch: Int64 = -1


class FetchRequest(Request[FetchResponse], kw_only=True, gc=False):
    """API key 1: read until `min_bytes` are there or `max_wait_ms` is over."""

    api: ClassVar[Api] = api(1, "Fetch", "4-18", 12, FetchResponse)

    cluster_id: Annotated[String | None, "12+ null tag 0"] = None
    replica_id: Annotated[Int32, "0-14"] = -1
    replica_state: Annotated[ReplicaState, "15+ tag 1"] = ReplicaState()
    max_wait_ms: Int32 = 500
    min_bytes: Int32 = 1
    max_bytes: Int32 = 50 << 20
    isolation_level: Int8 = 0  # 0 read_uncommitted, 1 read_committed
    session_id: Annotated[Int32, "7+"] = 0
    session_epoch: Annotated[Int32, "7+"] = -1  # -1 for a fetch outside of a session
    topics: list[FetchTopic]
    forgotten_topics_data: Annotated[list[ForgottenTopic], "7+"] = []
    rack_id: Annotated[String, "11+"] = ""
    verify: bool = False  # not on the wire: check every CRC and name the file of a bad one
