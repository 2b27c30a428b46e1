"""DescribeGroups (key 15): the state of groups, their members and assignments.

Versions: 1 throttle time; 3 authorized operations; 4 static members; 5 flexible; 6 a message, and
an error for a group that does not exist.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Bytes, Error, Int32, String, api

OPERATIONS_OMITTED = -(2**31)  # authorized operations where nobody asked for them


class DescribedGroupMember(msgspec.Struct, kw_only=True, gc=False):
    """One member of a described group."""

    member_id: String
    group_instance_id: Annotated[String | None, "4+ null"] = None
    client_id: String = ""
    client_host: String = ""
    member_metadata: Bytes = b""
    member_assignment: Bytes = b""


class DescribedGroup(msgspec.Struct, kw_only=True, gc=False):
    """One group."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "6+ null"] = None
    group_id: String
    group_state: String = ""
    protocol_type: String = ""
    protocol_data: String = ""  # the name of the protocol that was chosen
    members: list[DescribedGroupMember] = []
    authorized_operations: Annotated[Int32, "3+"] = OPERATIONS_OMITTED  # a bit for each


class DescribeGroupsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 15."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    groups: list[DescribedGroup]


class DescribeGroupsRequest(Request[DescribeGroupsResponse], kw_only=True, gc=False):
    """API key 15: the state of these groups."""

    api: ClassVar[Api] = api(15, "DescribeGroups", "0-6", 5, DescribeGroupsResponse)

    groups: list[String]
    include_authorized_operations: Annotated[Bool, "3+"] = False
