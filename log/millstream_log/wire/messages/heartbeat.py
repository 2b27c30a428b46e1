"""Heartbeat (key 12): a member lives, and learns whether its group is being rebalanced.

Versions: 1 throttle time; 3 static members; 4 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, api


class HeartbeatResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 12."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    error_code: Error = ErrorCode.NONE


class HeartbeatRequest(Request[HeartbeatResponse], kw_only=True, gc=False):
    """API key 12: a member lives."""

    api: ClassVar[Api] = api(12, "Heartbeat", "0-4", 4, HeartbeatResponse)

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: Annotated[String | None, "3+ null"] = None
