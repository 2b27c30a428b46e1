"""AlterConfigs (key 33): put all configs of a resource in place of those it has.

Versions: 1 the same as 0; 2 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ..enums import ResourceType
from ..request import Request
from ..schema import Api, Bool, Int32, String, api
from .incremental_alter_configs import AlterConfigsResult


class AlterConfigsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 33."""

    throttle_time_ms: Int32 = 0
    responses: list[AlterConfigsResult]


class ConfigValue(msgspec.Struct, kw_only=True, gc=False):
    """One config that is to be set."""

    name: String
    value: Annotated[String | None, "null"] = None


class ConfigsReplacement(msgspec.Struct, kw_only=True, gc=False):
    """All that shall be set on one resource; what is not named goes back to its default."""

    resource_type: Annotated[ResourceType, "int8"]
    resource_name: String
    configs: list[ConfigValue]


class AlterConfigsRequest(Request[AlterConfigsResponse], kw_only=True, gc=False):
    """API key 33."""

    api: ClassVar[Api] = api(33, "AlterConfigs", "0-2", 2, AlterConfigsResponse)

    resources: list[ConfigsReplacement]
    validate_only: Bool = False
