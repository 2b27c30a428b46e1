"""AlterClientQuotas (key 49): set or remove limits.

Versions: 1 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Float64, Int32, String, api
from .describe_client_quotas import QuotaEntity


class QuotaAlterationResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one entity."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    entity: list[QuotaEntity]


class AlterClientQuotasResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 49."""

    throttle_time_ms: Int32 = 0
    entries: list[QuotaAlterationResult]


class QuotaOperation(msgspec.Struct, kw_only=True, gc=False):
    """One limit to set or to remove."""

    key: String
    value: Float64 = 0.0
    remove: Bool = False


class QuotaAlteration(msgspec.Struct, kw_only=True, gc=False):
    """What to change for one entity."""

    entity: list[QuotaEntity]
    ops: list[QuotaOperation]


class AlterClientQuotasRequest(Request[AlterClientQuotasResponse], kw_only=True, gc=False):
    """API key 49: set or remove limits."""

    api: ClassVar[Api] = api(49, "AlterClientQuotas", "0-1", 1, AlterClientQuotasResponse)

    entries: list[QuotaAlteration]
    validate_only: Bool = False
