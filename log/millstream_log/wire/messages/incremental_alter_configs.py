"""IncrementalAlterConfigs (key 44): change the configs that are named, and no others.

Versions: 1 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..enums import AlterOp, ResourceType
from ..request import Request
from ..schema import Api, Bool, Error, Int32, String, api


class AlterConfigsResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one resource."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    resource_type: Annotated[ResourceType, "int8"]
    resource_name: String


class IncrementalAlterConfigsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 44."""

    throttle_time_ms: Int32 = 0
    responses: list[AlterConfigsResult]


class AlterableConfig(msgspec.Struct, kw_only=True, gc=False):
    """One change."""

    name: String
    operation: Annotated[AlterOp, "int8"] = AlterOp.SET
    value: Annotated[String | None, "null"] = None


class AlterConfigsResource(msgspec.Struct, kw_only=True, gc=False):
    """All changes of one resource: they hold together or not at all."""

    resource_type: Annotated[ResourceType, "int8"]
    resource_name: String
    configs: list[AlterableConfig]


class IncrementalAlterConfigsRequest(
    Request[IncrementalAlterConfigsResponse], kw_only=True, gc=False
):
    """API key 44."""

    api: ClassVar[Api] = api(
        44, "IncrementalAlterConfigs", "0-1", 1, IncrementalAlterConfigsResponse
    )

    resources: list[AlterConfigsResource]
    validate_only: Bool = False
