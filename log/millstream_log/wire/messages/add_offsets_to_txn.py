"""AddOffsetsToTxn (key 25): name a group before a transaction commits its offsets.

Versions: 2 an error of its own for a fenced producer; 3 flexible; 4 the client knows transactions
of the second kind.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int16, Int32, Int64, String, api


class AddOffsetsToTxnResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 25."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE


class AddOffsetsToTxnRequest(Request[AddOffsetsToTxnResponse], kw_only=True, gc=False):
    """API key 25: name a group before committing its offsets."""

    api: ClassVar[Api] = api(25, "AddOffsetsToTxn", "0-4", 3, AddOffsetsToTxnResponse)

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    group_id: String
