"""SaslAuthenticate (key 36): one token of the mechanism that SaslHandshake chose.

Versions: 1 how long the session may last; 2 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bytes, Error, Int64, String, api


class SaslAuthenticateResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 36."""

    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    auth_bytes: Bytes = b""
    session_lifetime_ms: Annotated[Int64, "1+"] = 0  # 0: without end


class SaslAuthenticateRequest(Request[SaslAuthenticateResponse], kw_only=True, gc=False):
    """API key 36: one token of the client's."""

    api: ClassVar[Api] = api(36, "SaslAuthenticate", "0-2", 2, SaslAuthenticateResponse)

    auth_bytes: Bytes
