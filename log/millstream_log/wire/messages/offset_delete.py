"""OffsetDelete (key 47): forget what a group committed for some partitions.

Versions: 0 alone, never flexible.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import VERSION_MAX, Api, Error, Int32, String, api
from .offset_commit import OffsetCommitTopicResponse


class OffsetDeleteResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 47."""

    error_code: Error = ErrorCode.NONE
    throttle_time_ms: Int32 = 0
    topics: list[OffsetCommitTopicResponse]
    error_message: str | None = None  # not on the wire


class OffsetDeletePartition(msgspec.Struct, kw_only=True, gc=False):
    """One partition."""

    index: Int32


class OffsetDeleteTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an OffsetDeleteRequest."""

    name: String
    partitions: list[OffsetDeletePartition]


class OffsetDeleteRequest(Request[OffsetDeleteResponse], kw_only=True, gc=False):
    """API key 47: forget what a group committed for these partitions."""

    api: ClassVar[Api] = api(47, "OffsetDelete", "0", VERSION_MAX, OffsetDeleteResponse)

    group_id: String
    topics: list[OffsetDeleteTopic]
