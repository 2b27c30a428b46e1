"""DescribeConfigs (key 32): what configs hold now, and where their values come from.

Versions: 0 says only whether a value is the default; 1 its source and its synonyms; 3 type and
documentation; 4 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..enums import ConfigSource, ConfigType, ResourceType
from ..request import Request
from ..schema import Api, Bool, Error, Int32, String, api


class ConfigSynonym(msgspec.Struct, kw_only=True, gc=False):
    """A config that gives, or would give, the same value."""

    name: String
    value: Annotated[String | None, "null"]
    source: Annotated[ConfigSource, "int8"]


class ConfigEntry(msgspec.Struct, kw_only=True, gc=False):
    """One config as it holds now."""

    name: String
    value: Annotated[String | None, "null"]
    read_only: Bool = False
    source: Annotated[ConfigSource, "int8 1+"] = ConfigSource.DEFAULT
    is_default: Annotated[Bool, "0"] = False  # nobody set it
    is_sensitive: Bool = False
    synonyms: Annotated[list[ConfigSynonym], "1+"] = []  # the one that holds first
    config_type: Annotated[ConfigType, "int8 3+"] = ConfigType.UNKNOWN
    documentation: Annotated[String | None, "3+ null"] = None


class DescribeConfigsResult(msgspec.Struct, kw_only=True, gc=False):
    """The configs of one resource, in order of name."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    resource_type: Annotated[ResourceType, "int8"]
    resource_name: String
    configs: list[ConfigEntry] = []


class DescribeConfigsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 32."""

    throttle_time_ms: Int32 = 0
    results: list[DescribeConfigsResult]


class ConfigResource(msgspec.Struct, kw_only=True, gc=False):
    """A topic by name, or the broker by its id as text; None asks for all configs."""

    resource_type: Annotated[ResourceType, "int8"]
    resource_name: String
    configuration_keys: Annotated[list[String] | None, "null"] = None


class DescribeConfigsRequest(Request[DescribeConfigsResponse], kw_only=True, gc=False):
    """API key 32."""

    api: ClassVar[Api] = api(32, "DescribeConfigs", "0-4", 4, DescribeConfigsResponse)

    resources: list[ConfigResource]
    include_synonyms: Annotated[Bool, "1+"] = False
    include_documentation: Annotated[Bool, "3+"] = False
