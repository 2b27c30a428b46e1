"""ApiVersions (key 18): what a broker speaks, asked before anything else.

Versions: 1 throttle time; 3 flexible, the client's software, features; 4 features may begin at
version 0. The header of the answer is never flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int16, Int32, Int64, String, api


class ApiVersion(msgspec.Struct, kw_only=True, gc=False):
    """One API and the versions of it, both ends included."""

    api_key: Int16
    min_version: Int16
    max_version: Int16


class SupportedFeature(msgspec.Struct, kw_only=True, gc=False):
    """A feature and the versions of it that this broker could run."""

    name: String
    min_version: Int16
    max_version: Int16


class FinalizedFeature(msgspec.Struct, kw_only=True, gc=False):
    """A feature and the versions of it that the whole cluster runs."""

    name: String
    max_version_level: Int16
    min_version_level: Int16


class ApiVersionsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 18."""

    error_code: Error = ErrorCode.NONE
    api_keys: list[ApiVersion]
    throttle_time_ms: Annotated[Int32, "1+"] = 0
    supported_features: Annotated[list[SupportedFeature], "3+ tag 0"] = []
    finalized_features_epoch: Annotated[Int64, "3+ tag 1"] = -1
    finalized_features: Annotated[list[FinalizedFeature], "3+ tag 2"] = []
    zk_migration_ready: Annotated[Bool, "3+ tag 3"] = False


class ApiVersionsRequest(Request[ApiVersionsResponse], kw_only=True, gc=False):
    """API key 18."""

    api: ClassVar[Api] = api(18, "ApiVersions", "0-4", 3, ApiVersionsResponse)

    client_software_name: Annotated[String, "3+"] = ""
    client_software_version: Annotated[String, "3+"] = ""
