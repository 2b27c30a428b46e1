"""UpdateFeatures (key 57): raise or lower the feature versions that a cluster runs.

Versions: 0 flexible from the first; 1 the kind of change, and checking alone; 2 one error for
all features.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int8, Int16, Int32, String, api


class UpdatableFeatureResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one feature."""

    feature: String
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class UpdateFeaturesResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 57."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    results: Annotated[list[UpdatableFeatureResult], "0-1"] = []


class FeatureUpdateKey(msgspec.Struct, kw_only=True, gc=False):
    """The version that one feature shall have; below 1 takes it away."""

    feature: String
    max_version_level: Int16
    allow_downgrade: Annotated[Bool, "0"] = False
    upgrade_type: Annotated[Int8, "1+"] = 1  # 1 upgrade, 2 safe downgrade, 3 unsafe downgrade


class UpdateFeaturesRequest(Request[UpdateFeaturesResponse], kw_only=True, gc=False):
    """API key 57."""

    api: ClassVar[Api] = api(57, "UpdateFeatures", "0-2", 0, UpdateFeaturesResponse)

    timeout_ms: Int32 = 60_000
    feature_updates: list[FeatureUpdateKey]
    validate_only: Annotated[Bool, "1+"] = False
