"""DeleteGroups (key 42): forget whole groups.

Versions: 2 flexible.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, api


class DeletedGroup(msgspec.Struct, kw_only=True, gc=False):
    """What came of one group."""

    group_id: String
    error_code: Error = ErrorCode.NONE
    error_message: str | None = None  # not on the wire


class DeleteGroupsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 42."""

    throttle_time_ms: Int32 = 0
    results: list[DeletedGroup]


class DeleteGroupsRequest(Request[DeleteGroupsResponse], kw_only=True, gc=False):
    """API key 42: forget these groups."""

    api: ClassVar[Api] = api(42, "DeleteGroups", "0-2", 2, DeleteGroupsResponse)

    groups: list[String]
