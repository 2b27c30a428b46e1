"""FindCoordinator (key 10): which broker looks after a group or a transactional id.

Versions: 1 transactional ids, throttle time and a message; 3 flexible; 4 many keys at once.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class Coordinator(msgspec.Struct, kw_only=True, gc=False):
    """Which broker looks after one key."""

    key: String
    node_id: Int32 = 0
    host: String = ""
    port: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class FindCoordinatorResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 10: one coordinator, or from version 4 on a list of them."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    error_code: Annotated[Error, "0-3"] = ErrorCode.NONE
    error_message: Annotated[String | None, "1-3 null"] = None
    node_id: Annotated[Int32, "0-3"] = 0
    host: Annotated[String, "0-3"] = ""
    port: Annotated[Int32, "0-3"] = 0
    coordinators: Annotated[list[Coordinator], "4+"] = []


class FindCoordinatorRequest(Request[FindCoordinatorResponse], kw_only=True, gc=False):
    """API key 10: which broker looks after these."""

    api: ClassVar[Api] = api(10, "FindCoordinator", "0-6", 3, FindCoordinatorResponse)

    key: Annotated[String, "0-3"] = ""
    key_type: Annotated[Int8, "1+"] = 0  # 0 group, 1 transaction, 2 share
    keys: Annotated[list[String], "4+"] = []
