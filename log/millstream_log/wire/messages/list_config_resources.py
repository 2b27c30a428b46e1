"""ListConfigResources (key 74): what has configs, by type.

Versions: 0 client metrics alone; 1 other types too; all flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..enums import ResourceType
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class ListedResource(msgspec.Struct, kw_only=True, gc=False):
    """One that has configs."""

    resource_name: String
    resource_type: Annotated[Int8, "1+"] = ResourceType.CLIENT_METRICS


class ListConfigResourcesResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 74."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    config_resources: list[ListedResource] = []


class ListConfigResourcesRequest(Request[ListConfigResourcesResponse], kw_only=True, gc=False):
    """API key 74: an empty list asks for every type that the version knows."""

    api: ClassVar[Api] = api(74, "ListConfigResources", "0-1", 0, ListConfigResourcesResponse)

    resource_types: Annotated[list[Int8], "1+"] = []
