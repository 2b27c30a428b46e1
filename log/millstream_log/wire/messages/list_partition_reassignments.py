"""ListPartitionReassignments (key 46): which partitions are on their way to other brokers.

Versions: 0 flexible from the first.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, api


class OngoingPartitionReassignment(msgspec.Struct, kw_only=True, gc=False):
    """One partition on its way."""

    partition_index: Int32
    replicas: list[Int32]
    adding_replicas: list[Int32] = []
    removing_replicas: list[Int32] = []


class OngoingTopicReassignment(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a ListPartitionReassignmentsResponse."""

    name: String
    partitions: list[OngoingPartitionReassignment]


class ListPartitionReassignmentsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 46."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    topics: list[OngoingTopicReassignment]


class ListPartitionReassignmentsTopic(msgspec.Struct, kw_only=True, gc=False):
    """Partitions of one topic to look at."""

    name: String
    partition_indexes: list[Int32]


class ListPartitionReassignmentsRequest(
    Request[ListPartitionReassignmentsResponse], kw_only=True, gc=False
):
    """API key 46: None asks for every partition."""

    api: ClassVar[Api] = api(
        46, "ListPartitionReassignments", "0", 0, ListPartitionReassignmentsResponse
    )

    timeout_ms: Int32 = 60_000
    topics: Annotated[list[ListPartitionReassignmentsTopic] | None, "null"] = None
