"""EndTxn (key 26): commit or abort.

Versions: 2 an error of its own for a fenced producer; 3 flexible; 4 the client knows transactions
of the second kind; 5 ends such a one, the answer says who writes the next.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int16, Int32, Int64, String, api


class EndTxnResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 26."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    producer_id: Annotated[Int64, "5+"] = -1
    producer_epoch: Annotated[Int16, "5+"] = -1


class EndTxnRequest(Request[EndTxnResponse], kw_only=True, gc=False):
    """API key 26: commit or abort."""

    api: ClassVar[Api] = api(26, "EndTxn", "0-5", 3, EndTxnResponse)

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    committed: Bool  # False aborts
