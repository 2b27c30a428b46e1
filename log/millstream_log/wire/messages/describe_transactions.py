"""DescribeTransactions (key 65): the state of transactional ids.

Versions: 0 alone, flexible.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int16, Int32, Int64, String, api


class DescribedTransactionTopic(msgspec.Struct, kw_only=True, gc=False):
    """The partitions of one topic that an open transaction has named."""

    topic: String
    partitions: list[Int32]


class DescribedTransaction(msgspec.Struct, kw_only=True, gc=False):
    """One transactional id."""

    error_code: Error = ErrorCode.NONE
    transactional_id: String
    transaction_state: String = ""
    transaction_timeout_ms: Int32 = 0
    transaction_start_time_ms: Int64 = 0  # ms since the epoch
    producer_id: Int64 = 0
    producer_epoch: Int16 = 0
    topics: list[DescribedTransactionTopic] = []


class DescribeTransactionsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 65."""

    throttle_time_ms: Int32 = 0
    transaction_states: list[DescribedTransaction]


class DescribeTransactionsRequest(Request[DescribeTransactionsResponse], kw_only=True, gc=False):
    """API key 65: the state of these ids."""

    api: ClassVar[Api] = api(65, "DescribeTransactions", "0", 0, DescribeTransactionsResponse)

    transactional_ids: list[String]
