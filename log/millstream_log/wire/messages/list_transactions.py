"""ListTransactions (key 66): the transactional ids that the broker looks after.

Versions: 1 those that have been open for some time; all flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, Int64, String, api


class ListedTransaction(msgspec.Struct, kw_only=True, gc=False):
    """One transactional id."""

    transactional_id: String
    producer_id: Int64
    transaction_state: String


class ListTransactionsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 66."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    unknown_state_filters: list[String] = []  # asked for, and no state of ours
    transaction_states: list[ListedTransaction] = []


class ListTransactionsRequest(Request[ListTransactionsResponse], kw_only=True, gc=False):
    """API key 66: empty lists and -1 filter nothing."""

    api: ClassVar[Api] = api(66, "ListTransactions", "0-1", 0, ListTransactionsResponse)

    state_filters: list[String] = []
    producer_id_filters: list[Int64] = []
    duration_filter: Annotated[Int64, "1+"] = -1  # ms
