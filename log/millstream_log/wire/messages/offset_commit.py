"""OffsetCommit (key 8): note how far a group has read, partition by partition.

Versions: 1 generation and member; 2-4 a retention time; 3 throttle time; 6 leader epoch;
7 static members; 8 flexible; 9 the consumer protocol's member epoch; 10 topics by id.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, Int64, String, Uuid, api


class OffsetCommitPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """What came of one partition."""

    index: Int32
    error_code: Error = ErrorCode.NONE


class OffsetCommitTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetCommitResponse."""

    name: Annotated[String, "0-9"] = ""
    topic_id: Annotated[Uuid, "10+"] = ""
    partitions: list[OffsetCommitPartitionResponse]


class OffsetCommitResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 8."""

    throttle_time_ms: Annotated[Int32, "3+"] = 0
    topics: list[OffsetCommitTopicResponse]
    error_message: str | None = None  # not on the wire


class OffsetCommitPartition(msgspec.Struct, kw_only=True, gc=False):
    """The next offset to read, and a text of the committer's own."""

    index: Int32
    committed_offset: Int64
    committed_leader_epoch: Annotated[Int32, "6+"] = -1
    commit_timestamp: Annotated[Int64, "1"] = -1  # ms since the epoch; -1 for now
    committed_metadata: Annotated[String | None, "null"] = ""


class OffsetCommitTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetCommitRequest."""

    name: Annotated[String, "0-9"] = ""
    topic_id: Annotated[Uuid, "10+"] = ""
    partitions: list[OffsetCommitPartition]


class OffsetCommitRequest(Request[OffsetCommitResponse], kw_only=True, gc=False):
    """API key 8: note how far a group has read."""

    api: ClassVar[Api] = api(8, "OffsetCommit", "1-10", 8, OffsetCommitResponse)

    group_id: String
    generation_id: Annotated[Int32, "1+"] = -1  # or the member's epoch; -1 for no member
    member_id: Annotated[String, "1+"] = ""
    group_instance_id: Annotated[String | None, "7+ null"] = None
    retention_time_ms: Annotated[Int64, "2-4"] = -1  # -1: as the broker says
    topics: list[OffsetCommitTopic]
