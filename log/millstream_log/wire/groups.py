"""The APIs about groups: FindCoordinator, OffsetCommit, OffsetFetch, OffsetDelete, and lists.

Source: Kafka's message definitions (keys 10, 8, 9, 47, 16, 42). Membership (11 to 14) is the
next floor of this house and gets its values here.
"""

from __future__ import annotations

import msgspec

from ..errors import ErrorCode
from .request import Request


class Coordinator(msgspec.Struct, kw_only=True, gc=False):
    """Which broker looks after one group."""

    key: str
    node_id: int = 0
    host: str = ""
    port: int = 0
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None


class FindCoordinatorResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 10."""

    coordinators: list[Coordinator]
    throttle_time_ms: int = 0


class FindCoordinatorRequest(Request[FindCoordinatorResponse], kw_only=True, gc=False):
    """API key 10."""

    keys: list[str]
    key_type: int = 0  # 0 group, 1 transaction


class OffsetCommitPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """What came of one partition."""

    index: int
    error_code: ErrorCode = ErrorCode.NONE


class OffsetCommitTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetCommitResponse."""

    name: str
    partitions: list[OffsetCommitPartitionResponse]


class OffsetCommitResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 8."""

    topics: list[OffsetCommitTopicResponse]
    error_message: str | None = None  # not on the wire
    throttle_time_ms: int = 0


class OffsetCommitPartition(msgspec.Struct, kw_only=True, gc=False):
    """The next offset to read, and a text of the committer's own."""

    index: int
    committed_offset: int
    committed_leader_epoch: int = -1
    committed_metadata: str | None = ""


class OffsetCommitTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetCommitRequest."""

    name: str
    partitions: list[OffsetCommitPartition]


class OffsetCommitRequest(Request[OffsetCommitResponse], kw_only=True, gc=False):
    """API key 8."""

    group_id: str
    topics: list[OffsetCommitTopic]
    generation_id: int = -1
    member_id: str = ""
    group_instance_id: str | None = None


class OffsetFetchPartition(msgspec.Struct, kw_only=True, gc=False):
    """A committed offset; -1 with no error where nothing is committed."""

    index: int
    committed_offset: int = -1
    committed_leader_epoch: int = -1
    metadata: str = ""
    error_code: ErrorCode = ErrorCode.NONE


class OffsetFetchTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetFetchResponse."""

    name: str
    partitions: list[OffsetFetchPartition]


class OffsetFetchResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 9."""

    topics: list[OffsetFetchTopic]
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    throttle_time_ms: int = 0


class OffsetFetchRequest(Request[OffsetFetchResponse], kw_only=True, gc=False):
    """API key 9: None asks for all that the group has committed."""

    group_id: str
    topics: dict[str, list[int]] | None = None
    require_stable: bool = False


class OffsetDeleteResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 47."""

    topics: list[OffsetCommitTopicResponse]
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    throttle_time_ms: int = 0


class OffsetDeleteRequest(Request[OffsetDeleteResponse], kw_only=True, gc=False):
    """API key 47: forget what a group committed for these partitions."""

    group_id: str
    topics: dict[str, list[int]]


class ListedGroup(msgspec.Struct, kw_only=True, gc=False):
    """One group."""

    group_id: str
    protocol_type: str = ""
    group_state: str = "Empty"
    group_type: str = "classic"


class ListGroupsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 16."""

    groups: list[ListedGroup]
    error_code: ErrorCode = ErrorCode.NONE
    throttle_time_ms: int = 0


class ListGroupsRequest(Request[ListGroupsResponse], kw_only=True, gc=False):
    """API key 16: empty lists filter nothing."""

    states_filter: list[str] = msgspec.field(default_factory=list)
    types_filter: list[str] = msgspec.field(default_factory=list)


class DeletedGroup(msgspec.Struct, kw_only=True, gc=False):
    """What came of one group."""

    group_id: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire


class DeleteGroupsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 42."""

    results: list[DeletedGroup]
    throttle_time_ms: int = 0


class DeleteGroupsRequest(Request[DeleteGroupsResponse], kw_only=True, gc=False):
    """API key 42."""

    groups: list[str]
