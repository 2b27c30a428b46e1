"""DescribeTopicPartitions (key 75): topics and their partitions, page by page.

Versions: 0 flexible from the first.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int32, String, Uuid, api
from .metadata import OPERATIONS_UNKNOWN


class Cursor(msgspec.Struct, kw_only=True, gc=False):
    """The partition that a page begins with."""

    topic_name: String
    partition_index: Int32


class DescribedPartition(msgspec.Struct, kw_only=True, gc=False):
    """Who leads a partition, who holds it, and who might lead it."""

    error_code: Error = ErrorCode.NONE
    partition_index: Int32
    leader_id: Int32
    leader_epoch: Int32 = -1
    replica_nodes: list[Int32]
    isr_nodes: list[Int32]
    eligible_leader_replicas: Annotated[list[Int32] | None, "null"] = None
    last_known_elr: Annotated[list[Int32] | None, "null"] = None
    offline_replicas: list[Int32] = []


class DescribedTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic and those of its partitions that the page holds."""

    error_code: Error = ErrorCode.NONE
    name: Annotated[String | None, "null"]
    topic_id: Uuid = ""
    is_internal: Bool = False
    partitions: list[DescribedPartition] = []
    topic_authorized_operations: Int32 = OPERATIONS_UNKNOWN  # a bit for each


class DescribeTopicPartitionsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 75."""

    throttle_time_ms: Int32 = 0
    topics: list[DescribedTopic]
    next_cursor: Annotated[Cursor | None, "null"] = None  # None on the last page


class TopicRequest(msgspec.Struct, kw_only=True, gc=False):
    """A topic by its name."""

    name: String


class DescribeTopicPartitionsRequest(
    Request[DescribeTopicPartitionsResponse], kw_only=True, gc=False
):
    """API key 75."""

    api: ClassVar[Api] = api(75, "DescribeTopicPartitions", "0", 0, DescribeTopicPartitionsResponse)

    topics: list[TopicRequest]
    response_partition_limit: Int32 = 2000
    cursor: Annotated[Cursor | None, "null"] = None  # None for the first page
