"""SyncGroup (key 14): the leader hands in the assignments, every member gets its own.

Versions: 1 throttle time; 3 static members; 4 flexible; 5 protocol type and name.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bytes, Error, Int32, String, api


class SyncGroupResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 14."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    error_code: Error = ErrorCode.NONE
    protocol_type: Annotated[String | None, "5+ null"] = None
    protocol_name: Annotated[String | None, "5+ null"] = None
    assignment: Bytes = b""


class SyncGroupAssignment(msgspec.Struct, kw_only=True, gc=False):
    """What the leader gives one member."""

    member_id: String
    assignment: Bytes


class SyncGroupRequest(Request[SyncGroupResponse], kw_only=True, gc=False):
    """API key 14: hand in assignments, or wait for one's own."""

    api: ClassVar[Api] = api(14, "SyncGroup", "0-5", 4, SyncGroupResponse)

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: Annotated[String | None, "3+ null"] = None
    protocol_type: Annotated[String | None, "5+ null"] = None
    protocol_name: Annotated[String | None, "5+ null"] = None
    assignments: list[SyncGroupAssignment] = []  # empty for all but the leader
