"""OffsetForLeaderEpoch (key 23): where a leader epoch ends, so that a reader finds its way back.

Versions: 1 the epoch that was found; 2 the epoch that the reader knows, and throttle time;
3 the replica that asks; 4 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, Int64, String, api

DEBUG_REPLICA_ID = -2  # a reader that may see beyond the high watermark


class OffsetForLeaderPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """The newest epoch not after the one asked for, and the offset behind its last record."""

    error_code: Error = ErrorCode.NONE
    partition: Int32
    leader_epoch: Annotated[Int32, "1+"] = -1
    end_offset: Int64 = -1


class OffsetForLeaderTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetForLeaderEpochResponse."""

    topic: String
    partitions: list[OffsetForLeaderPartitionResponse]


class OffsetForLeaderEpochResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 23."""

    throttle_time_ms: Annotated[Int32, "2+"] = 0
    topics: list[OffsetForLeaderTopicResponse]


class OffsetForLeaderPartition(msgspec.Struct, kw_only=True, gc=False):
    """The epoch to look up in one partition."""

    partition: Int32
    current_leader_epoch: Annotated[Int32, "2+"] = -1
    leader_epoch: Int32


class OffsetForLeaderTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetForLeaderEpochRequest."""

    topic: String
    partitions: list[OffsetForLeaderPartition]


class OffsetForLeaderEpochRequest(Request[OffsetForLeaderEpochResponse], kw_only=True, gc=False):
    """API key 23."""

    api: ClassVar[Api] = api(23, "OffsetForLeaderEpoch", "0-4", 4, OffsetForLeaderEpochResponse)

    replica_id: Annotated[Int32, "3+"] = DEBUG_REPLICA_ID
    topics: list[OffsetForLeaderTopic]
