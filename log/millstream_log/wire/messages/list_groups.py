"""ListGroups (key 16): all groups that the broker looks after.

Versions: 1 throttle time; 3 flexible; 4 states; 5 types.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, api


class ListedGroup(msgspec.Struct, kw_only=True, gc=False):
    """One group."""

    group_id: String
    protocol_type: String = ""
    group_state: Annotated[String, "4+"] = ""
    group_type: Annotated[String, "5+"] = ""


class ListGroupsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 16."""

    throttle_time_ms: Annotated[Int32, "1+"] = 0
    error_code: Error = ErrorCode.NONE
    groups: list[ListedGroup]


class ListGroupsRequest(Request[ListGroupsResponse], kw_only=True, gc=False):
    """API key 16: empty lists filter nothing."""

    api: ClassVar[Api] = api(16, "ListGroups", "0-5", 3, ListGroupsResponse)

    states_filter: Annotated[list[String], "4+"] = []
    types_filter: Annotated[list[String], "5+"] = []
