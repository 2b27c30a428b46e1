"""OffsetFetch (key 9): what groups have committed.

Versions: 2 null asks for all topics, and an error of the whole group; 3 throttle time; 5 leader
epoch; 6 flexible; 7 wait for open transactions; 8 many groups at once; 9 member and epoch;
10 topics by id.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int32, Int64, String, Uuid, api


class OffsetFetchPartition(msgspec.Struct, kw_only=True, gc=False):
    """A committed offset; -1 with no error where nothing is committed."""

    index: Int32
    committed_offset: Int64 = -1
    committed_leader_epoch: Annotated[Int32, "5+"] = -1
    metadata: Annotated[String | None, "null"] = ""
    error_code: Error = ErrorCode.NONE


class OffsetFetchTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetFetchResponse."""

    name: Annotated[String, "0-9"] = ""
    topic_id: Annotated[Uuid, "10+"] = ""
    partitions: list[OffsetFetchPartition]


class OffsetFetchGroup(msgspec.Struct, kw_only=True, gc=False):
    """What one group has committed."""

    group_id: String
    topics: list[OffsetFetchTopic]
    error_code: Error = ErrorCode.NONE
    error_message: str | None = None  # not on the wire


class OffsetFetchResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 9: one group's topics, or from version 8 on its groups."""

    throttle_time_ms: Annotated[Int32, "3+"] = 0
    topics: Annotated[list[OffsetFetchTopic], "0-7"] = []
    error_code: Annotated[Error, "2-7"] = ErrorCode.NONE
    groups: Annotated[list[OffsetFetchGroup], "8+"] = []
    error_message: str | None = None  # not on the wire


class OffsetFetchRequestTopic(msgspec.Struct, kw_only=True, gc=False):
    """The partitions asked for of one topic."""

    name: Annotated[String, "0-9"] = ""
    topic_id: Annotated[Uuid, "10+"] = ""
    partition_indexes: list[Int32]


class OffsetFetchRequestGroup(msgspec.Struct, kw_only=True, gc=False):
    """One group asked for; None asks for all that it has committed."""

    group_id: String
    member_id: Annotated[String | None, "9+ null"] = None
    member_epoch: Annotated[Int32, "9+"] = -1
    topics: Annotated[list[OffsetFetchRequestTopic] | None, "null"] = None


class OffsetFetchRequest(Request[OffsetFetchResponse], kw_only=True, gc=False):
    """API key 9: None asks for all that the group has committed."""

    api: ClassVar[Api] = api(9, "OffsetFetch", "1-10", 6, OffsetFetchResponse)

    group_id: Annotated[String, "0-7"] = ""
    topics: Annotated[list[OffsetFetchRequestTopic] | None, "0-7 null 2-7"] = None
    groups: Annotated[list[OffsetFetchRequestGroup], "8+"] = []
    require_stable: Annotated[Bool, "7+"] = False  # wait for offsets of open transactions
