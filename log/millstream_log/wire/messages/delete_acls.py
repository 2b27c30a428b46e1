"""DeleteAcls (key 31): remove the access rules that match filters.

Versions: 1 pattern types; 2 flexible; 3 user resources.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class DeleteAclsMatchingAcl(msgspec.Struct, kw_only=True, gc=False):
    """One rule that matched, and what came of it."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    resource_type: Int8
    resource_name: String
    pattern_type: Annotated[Int8, "1+"] = 3  # 3 literal, 4 prefixed
    principal: String
    host: String
    operation: Int8
    permission_type: Int8  # 2 deny, 3 allow


class DeleteAclsFilterResult(msgspec.Struct, kw_only=True, gc=False):
    """What one filter found."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    matching_acls: list[DeleteAclsMatchingAcl] = []


class DeleteAclsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 31."""

    throttle_time_ms: Int32 = 0
    filter_results: list[DeleteAclsFilterResult]


class DeleteAclsFilter(msgspec.Struct, kw_only=True, gc=False):
    """Which rules; None, or 1 where a number stands, matches any."""

    resource_type_filter: Int8
    resource_name_filter: Annotated[String | None, "null"] = None
    pattern_type_filter: Annotated[Int8, "1+"] = 3  # 1 any, 2 match, 3 literal, 4 prefixed
    principal_filter: Annotated[String | None, "null"] = None
    host_filter: Annotated[String | None, "null"] = None
    operation: Int8
    permission_type: Int8


class DeleteAclsRequest(Request[DeleteAclsResponse], kw_only=True, gc=False):
    """API key 31: remove access rules."""

    api: ClassVar[Api] = api(31, "DeleteAcls", "0-3", 2, DeleteAclsResponse)

    filters: list[DeleteAclsFilter]
