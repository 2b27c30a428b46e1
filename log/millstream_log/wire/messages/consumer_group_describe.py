"""ConsumerGroupDescribe (key 69): the state of consumer groups, what members have and should have.

Versions: 0 flexible; 1 which protocol a member speaks.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int8, Int32, String, Uuid, api
from .describe_groups import OPERATIONS_OMITTED


class AssignedPartitions(msgspec.Struct, kw_only=True, gc=False):
    """Partitions of one topic."""

    topic_id: Uuid
    topic_name: String
    partitions: list[Int32]


class MemberAssignment(msgspec.Struct, kw_only=True, gc=False):
    """The partitions of a member."""

    topic_partitions: list[AssignedPartitions]


class ConsumerGroupMemberDescription(msgspec.Struct, kw_only=True, gc=False):
    """One member."""

    member_id: String
    instance_id: Annotated[String | None, "null"] = None
    rack_id: Annotated[String | None, "null"] = None
    member_epoch: Int32
    client_id: String
    client_host: String
    subscribed_topic_names: list[String]
    subscribed_topic_regex: Annotated[String | None, "null"] = None
    assignment: MemberAssignment
    target_assignment: MemberAssignment
    member_type: Annotated[Int8, "1+"] = -1  # 0 classic, 1 consumer


class ConsumerGroupDescription(msgspec.Struct, kw_only=True, gc=False):
    """One group."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    group_id: String
    group_state: String = ""
    group_epoch: Int32 = 0
    assignment_epoch: Int32 = 0
    assignor_name: String = ""
    members: list[ConsumerGroupMemberDescription] = []
    authorized_operations: Int32 = OPERATIONS_OMITTED


class ConsumerGroupDescribeResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 69."""

    throttle_time_ms: Int32 = 0
    groups: list[ConsumerGroupDescription]


class ConsumerGroupDescribeRequest(Request[ConsumerGroupDescribeResponse], kw_only=True, gc=False):
    """API key 69: tell of these groups."""

    api: ClassVar[Api] = api(69, "ConsumerGroupDescribe", "0-1", 0, ConsumerGroupDescribeResponse)

    group_ids: list[String]
    include_authorized_operations: Bool = False
