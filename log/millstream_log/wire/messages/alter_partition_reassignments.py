"""AlterPartitionReassignments (key 45): give partitions to other brokers, or stop doing so.

Versions: 0 flexible from the first; 1 says whether the count of replicas may change.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int32, String, api


class ReassignablePartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """What came of one partition."""

    partition_index: Int32
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class ReassignableTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an AlterPartitionReassignmentsResponse."""

    name: String
    partitions: list[ReassignablePartitionResponse]


class AlterPartitionReassignmentsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 45."""

    throttle_time_ms: Int32 = 0
    allow_replication_factor_change: Annotated[Bool, "1+"] = True
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    responses: list[ReassignableTopicResponse]


class ReassignablePartition(msgspec.Struct, kw_only=True, gc=False):
    """The brokers that shall hold one partition; None stops a reassignment under way."""

    partition_index: Int32
    replicas: Annotated[list[Int32] | None, "null"] = None


class ReassignableTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an AlterPartitionReassignmentsRequest."""

    name: String
    partitions: list[ReassignablePartition]


class AlterPartitionReassignmentsRequest(
    Request[AlterPartitionReassignmentsResponse], kw_only=True, gc=False
):
    """API key 45."""

    api: ClassVar[Api] = api(
        45, "AlterPartitionReassignments", "0-1", 0, AlterPartitionReassignmentsResponse
    )

    timeout_ms: Int32 = 60_000
    allow_replication_factor_change: Annotated[Bool, "1+"] = True
    topics: list[ReassignableTopic]
