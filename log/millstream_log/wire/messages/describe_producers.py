"""DescribeProducers (key 61): the idempotent producers that partitions remember.

Versions: 0 alone, flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, Int64, String, api


class ProducerState(msgspec.Struct, kw_only=True, gc=False):
    """What a partition remembers of one producer."""

    producer_id: Int64
    producer_epoch: Int32  # an int32 here, and only here
    last_sequence: Int32 = -1
    last_timestamp: Int64 = -1  # ms since the epoch
    coordinator_epoch: Int32 = -1  # of the last marker; -1 before the first
    current_txn_start_offset: Int64 = -1  # -1 without an open transaction


class DescribeProducersPartitionResponse(msgspec.Struct, kw_only=True, gc=False):
    """The producers of one partition."""

    index: Int32
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    active_producers: list[ProducerState] = []


class DescribeProducersTopicResponse(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a DescribeProducersResponse."""

    name: String
    partitions: list[DescribeProducersPartitionResponse]


class DescribeProducersResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 61."""

    throttle_time_ms: Int32 = 0
    topics: list[DescribeProducersTopicResponse]


class DescribeProducersTopic(msgspec.Struct, kw_only=True, gc=False):
    """The partitions asked for of one topic."""

    name: String
    partition_indexes: list[Int32]


class DescribeProducersRequest(Request[DescribeProducersResponse], kw_only=True, gc=False):
    """API key 61: the producers of these partitions."""

    api: ClassVar[Api] = api(61, "DescribeProducers", "0", 0, DescribeProducersResponse)

    topics: list[DescribeProducersTopic]
