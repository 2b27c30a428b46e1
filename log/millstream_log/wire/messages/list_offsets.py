"""ListOffsets (key 2): offsets by time, or at the ends of a partition.

Versions: 0 asks for many offsets and is told segments' first ones; 1 one offset with its time;
2 isolation level; 4 leader epochs; 5 offset not available yet; 6 flexible; 7 the newest time;
8 the first offset held locally; 9 the last one held remotely; 10 a time limit for those;
11 the first one not yet held remotely.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, Int64, String, api


class ListOffsetsPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """An offset and its record's time in ms; (-1, -1) where there is none."""

    index: Int32
    error_code: Error = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    old_style_offsets: Annotated[list[Int64], "0"] = []  # newest first
    timestamp: Annotated[Int64, "1+"] = -1
    offset: Annotated[Int64, "1+"] = -1
    leader_epoch: Annotated[Int32, "4+"] = -1


class ListOffsetsTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ListOffsetsResponse."""

    name: String
    partitions: list[ListOffsetsPartitionResponse]


class ListOffsetsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 2."""

    throttle_time_ms: Annotated[Int32, "2+"] = 0
    topics: list[ListOffsetsTopicResponse]


class ListOffsetsPartition(msgspec.Struct, kw_only=True, gc=False):
    """A time in ms (first record at or after it), or an OffsetSpec."""

    index: Int32
    current_leader_epoch: Annotated[Int32, "4+"] = -1
    timestamp: Int64
    max_num_offsets: Annotated[Int32, "0"] = 1


class ListOffsetsTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ListOffsetsRequest."""

    name: String
    partitions: list[ListOffsetsPartition]


class ListOffsetsRequest(Request[ListOffsetsResponse], kw_only=True, gc=False):
    """API key 2: find offsets by time, or at the ends."""

    api: ClassVar[Api] = api(2, "ListOffsets", "0-11", 6, ListOffsetsResponse)

    replica_id: Int32 = -1
    isolation_level: Annotated[Int8, "2+"] = 0  # 0 read_uncommitted, 1 read_committed
    topics: list[ListOffsetsTopic]
    timeout_ms: Annotated[Int32, "10+"] = 0
