"""CreateAcls (key 30): add access rules.

Versions: 1 pattern types; 2 flexible; 3 user resources.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class AclCreationResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one rule."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class CreateAclsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 30."""

    throttle_time_ms: Int32 = 0
    results: list[AclCreationResult]


class AclCreation(msgspec.Struct, kw_only=True, gc=False):
    """One rule."""

    resource_type: Int8
    resource_name: String
    resource_pattern_type: Annotated[Int8, "1+"] = 3  # 3 literal, 4 prefixed
    principal: String
    host: String
    operation: Int8
    permission_type: Int8  # 2 deny, 3 allow


class CreateAclsRequest(Request[CreateAclsResponse], kw_only=True, gc=False):
    """API key 30: add access rules."""

    api: ClassVar[Api] = api(30, "CreateAcls", "0-3", 2, CreateAclsResponse)

    creations: list[AclCreation]
