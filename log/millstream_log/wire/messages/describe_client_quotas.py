"""DescribeClientQuotas (key 48): the limits that match a filter.

Versions: 1 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Float64, Int8, Int32, String, api


class QuotaEntity(msgspec.Struct, kw_only=True, gc=False):
    """One part of whom a quota is for."""

    entity_type: String  # user, client-id or ip
    entity_name: Annotated[String | None, "null"] = None  # None for the default of its type


class QuotaValue(msgspec.Struct, kw_only=True, gc=False):
    """One limit."""

    key: String
    value: Float64


class QuotaEntry(msgspec.Struct, kw_only=True, gc=False):
    """The limits of one entity."""

    entity: list[QuotaEntity]
    values: list[QuotaValue]


class DescribeClientQuotasResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 48."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    entries: Annotated[list[QuotaEntry] | None, "null"] = None


class QuotaComponent(msgspec.Struct, kw_only=True, gc=False):
    """One part of the filter."""

    entity_type: String
    match_type: Int8  # 0 this name, 1 the default, 2 any name
    match: Annotated[String | None, "null"] = None


class DescribeClientQuotasRequest(Request[DescribeClientQuotasResponse], kw_only=True, gc=False):
    """API key 48: the limits that match all components."""

    api: ClassVar[Api] = api(48, "DescribeClientQuotas", "0-1", 1, DescribeClientQuotasResponse)

    components: list[QuotaComponent]
    strict: Bool = False  # leave out entities that have further parts
