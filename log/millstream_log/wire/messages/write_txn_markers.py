"""WriteTxnMarkers (key 27): end transactions in partitions, as a coordinator or an operator does.

Versions: 1 flexible; 2 of which version the transaction is.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int8, Int16, Int32, Int64, String, api


class WritableTxnMarkerPartitionResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of the marker in one partition."""

    index: Int32
    error_code: Error = ErrorCode.NONE


class WritableTxnMarkerTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a marker's result."""

    name: String
    partitions: list[WritableTxnMarkerPartitionResult]


class WritableTxnMarkerResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one marker."""

    producer_id: Int64
    topics: list[WritableTxnMarkerTopicResult]


class WriteTxnMarkersResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 27."""

    markers: list[WritableTxnMarkerResult]


class WritableTxnMarkerTopic(msgspec.Struct, kw_only=True, gc=False):
    """The partitions of one topic that a marker goes to."""

    name: String
    partition_indexes: list[Int32]


class WritableTxnMarker(msgspec.Struct, kw_only=True, gc=False):
    """How a producer's transaction ends."""

    producer_id: Int64
    producer_epoch: Int16
    transaction_result: Bool  # True commits
    topics: list[WritableTxnMarkerTopic]
    coordinator_epoch: Int32
    transaction_version: Annotated[Int8, "2+"] = 0


class WriteTxnMarkersRequest(Request[WriteTxnMarkersResponse], kw_only=True, gc=False):
    """API key 27: end transactions in partitions."""

    api: ClassVar[Api] = api(27, "WriteTxnMarkers", "1-2", 1, WriteTxnMarkersResponse)

    markers: list[WritableTxnMarker]
