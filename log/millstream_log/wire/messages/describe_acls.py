"""DescribeAcls (key 29): the access rules that match a filter.

Versions: 1 pattern types; 2 flexible; 3 user resources.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class AclDescription(msgspec.Struct, kw_only=True, gc=False):
    """Who may do what, or may not."""

    principal: String
    host: String
    operation: Int8
    permission_type: Int8  # 2 deny, 3 allow


class DescribeAclsResource(msgspec.Struct, kw_only=True, gc=False):
    """The rules of one resource."""

    resource_type: Int8
    resource_name: String
    pattern_type: Annotated[Int8, "1+"] = 3  # 3 literal, 4 prefixed
    acls: list[AclDescription]


class DescribeAclsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 29."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    resources: list[DescribeAclsResource] = []


class DescribeAclsRequest(Request[DescribeAclsResponse], kw_only=True, gc=False):
    """API key 29: None, or 1 where a number stands, matches any."""

    api: ClassVar[Api] = api(29, "DescribeAcls", "0-3", 2, DescribeAclsResponse)

    resource_type_filter: Int8
    resource_name_filter: Annotated[String | None, "null"] = None
    pattern_type_filter: Annotated[Int8, "1+"] = 3  # 1 any, 2 match, 3 literal, 4 prefixed
    principal_filter: Annotated[String | None, "null"] = None
    host_filter: Annotated[String | None, "null"] = None
    operation: Int8
    permission_type: Int8
