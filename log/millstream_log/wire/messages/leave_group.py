"""LeaveGroup (key 13): members go, or are sent away.

Versions: 1 throttle time; 3 many members at once, static ones too; 4 flexible; 5 a reason.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, api


class LeaveGroupMemberResponse(msgspec.Struct, kw_only=True, gc=False):
    """What came of one member."""

    member_id: String
    group_instance_id: Annotated[String | None, "null"] = None
    error_code: Error = ErrorCode.NONE


class LeaveGroupResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 13."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    error_code: Error = ErrorCode.NONE
    members: Annotated[list[LeaveGroupMemberResponse], "3+"] = []


class LeaveGroupMember(msgspec.Struct, kw_only=True, gc=False):
    """Who goes, by member id or by instance id."""

    member_id: String = ""
    group_instance_id: Annotated[String | None, "null"] = None
    reason: Annotated[String | None, "5+ null"] = None


class LeaveGroupRequest(Request[LeaveGroupResponse], kw_only=True, gc=False):
    """API key 13: members go."""

    api: ClassVar[Api] = api(13, "LeaveGroup", "0-5", 4, LeaveGroupResponse)

    group_id: String
    member_id: Annotated[String, "0-2"] = ""
    members: Annotated[list[LeaveGroupMember], "3+"] = []
