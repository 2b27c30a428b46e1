"""DeleteRecords (key 21): raise log start offsets.

Versions: 1 the same as 0; 2 flexible.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, Int64, String, api


class DeleteRecordsPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """The new log start offset."""

    index: Int32
    low_watermark: Int64 = -1
    error_code: Error = ErrorCode.NONE
    error_message: str | None = None  # not on the wire


class DeleteRecordsTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a DeleteRecordsResponse."""

    name: String
    partitions: list[DeleteRecordsPartitionResponse]


class DeleteRecordsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 21."""

    throttle_time_ms: Int32 = 0
    topics: list[DeleteRecordsTopicResponse]


class DeleteRecordsPartition(msgspec.Struct, kw_only=True, gc=False):
    """Delete what stands before `offset`; -1 is the high watermark."""

    index: Int32
    offset: Int64


class DeleteRecordsTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a DeleteRecordsRequest."""

    name: String
    partitions: list[DeleteRecordsPartition]


class DeleteRecordsRequest(Request[DeleteRecordsResponse], kw_only=True, gc=False):
    """API key 21: raise log start offsets."""

    api: ClassVar[Api] = api(21, "DeleteRecords", "0-2", 2, DeleteRecordsResponse)

    topics: list[DeleteRecordsTopic]
    timeout_ms: Int32 = 30_000
