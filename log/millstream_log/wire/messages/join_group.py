"""JoinGroup (key 11): become a member of a group's next generation.

Versions: 1 rebalance timeout; 2 throttle time; 4 a first joiner is sent back with its id; 5 static
members; 6 flexible; 7 protocol type; 8 a reason; 9 the leader may skip the assignment.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Bytes, Error, Int32, String, api


class JoinGroupMember(msgspec.Struct, kw_only=True, gc=False):
    """One member, as its leader is told of it."""

    member_id: String
    group_instance_id: Annotated[String | None, "5+ null"] = None
    metadata: Bytes = b""  # of the protocol that was chosen


class JoinGroupResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 11."""

    throttle_time_ms: Annotated[Int32, "2+"] = 0
    error_code: Error = ErrorCode.NONE
    generation_id: Int32 = -1
    protocol_type: Annotated[String | None, "7+ null"] = None
    protocol_name: Annotated[String | None, "null 7+"] = ""
    leader: String = ""  # a member id
    skip_assignment: Annotated[Bool, "9+"] = False
    member_id: String = ""
    members: list[JoinGroupMember] = []  # empty for all but the leader


class JoinGroupProtocol(msgspec.Struct, kw_only=True, gc=False):
    """One way of assigning that a member speaks, and what it says in it."""

    name: String
    metadata: Bytes


class JoinGroupRequest(Request[JoinGroupResponse], kw_only=True, gc=False):
    """API key 11: become a member of the next generation."""

    api: ClassVar[Api] = api(11, "JoinGroup", "0-9", 6, JoinGroupResponse)

    group_id: String
    session_timeout_ms: Int32
    rebalance_timeout_ms: Annotated[Int32, "1+"] = -1  # -1: the session timeout
    member_id: String = ""  # empty for one that has none yet
    group_instance_id: Annotated[String | None, "5+ null"] = None
    protocol_type: String
    protocols: list[JoinGroupProtocol]  # the one liked best comes first
    reason: Annotated[String | None, "8+ null"] = None
