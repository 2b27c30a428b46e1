"""AddPartitionsToTxn (key 24): name partitions before a transaction writes to them.

Versions: 2 an error of its own for a fenced producer; 3 flexible. From 4 on brokers ask each other.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int16, Int32, Int64, String, api


class AddPartitionsToTxnPartitionResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one partition."""

    index: Int32
    partition_error_code: Error = ErrorCode.NONE


class AddPartitionsToTxnTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an AddPartitionsToTxnResponse."""

    name: String
    results_by_partition: list[AddPartitionsToTxnPartitionResult]


class AddPartitionsToTxnResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 24."""

    throttle_time_ms: Int32 = 0
    results_by_topic: list[AddPartitionsToTxnTopicResult]


class AddPartitionsToTxnTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an AddPartitionsToTxnRequest."""

    name: String
    partitions: list[Int32]


class AddPartitionsToTxnRequest(Request[AddPartitionsToTxnResponse], kw_only=True, gc=False):
    """API key 24: name partitions before writing to them."""

    api: ClassVar[Api] = api(24, "AddPartitionsToTxn", "0-3", 3, AddPartitionsToTxnResponse)

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    topics: list[AddPartitionsToTxnTopic]
