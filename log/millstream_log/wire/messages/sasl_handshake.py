"""SaslHandshake (key 17): choose the mechanism of the authentication that follows.

Versions: 1 what follows is SaslAuthenticate and not bare tokens; never flexible.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import VERSION_MAX, Api, Error, String, api


class SaslHandshakeResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 17."""

    error_code: Error = ErrorCode.NONE
    mechanisms: list[String]  # those of the broker


class SaslHandshakeRequest(Request[SaslHandshakeResponse], kw_only=True, gc=False):
    """API key 17: choose a mechanism."""

    api: ClassVar[Api] = api(17, "SaslHandshake", "0-1", VERSION_MAX, SaslHandshakeResponse)

    mechanism: String
