"""InitProducerId (key 22): a producer's id and epoch, and the end of what its forerunner left open.

Versions: 2 flexible; 3 the id and epoch that the producer has; 4 an error of its own for a fenced
producer; 5 the client knows transactions of the second kind.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int16, Int32, Int64, String, api


class InitProducerIdResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 22."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    producer_id: Int64 = -1
    producer_epoch: Int16 = -1


class InitProducerIdRequest(Request[InitProducerIdResponse], kw_only=True, gc=False):
    """API key 22: a producer's id and epoch."""

    api: ClassVar[Api] = api(22, "InitProducerId", "0-5", 2, InitProducerIdResponse)

    transactional_id: Annotated[String | None, "null"] = None
    transaction_timeout_ms: Int32 = 60_000
    producer_id: Annotated[Int64, "3+"] = -1  # -1 for one that has none yet
    producer_epoch: Annotated[Int16, "3+"] = -1
