"""DescribeUserScramCredentials (key 50): which users have a SCRAM password, and how it is kept.

Versions: 0 alone, flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class CredentialInfo(msgspec.Struct, kw_only=True, gc=False):
    """One credential of a user, without its secret."""

    mechanism: Int8  # 1 SCRAM-SHA-256, 2 SCRAM-SHA-512
    iterations: Int32


class DescribedUser(msgspec.Struct, kw_only=True, gc=False):
    """The credentials of one user."""

    user: String
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    credential_infos: list[CredentialInfo] = []


class DescribeUserScramCredentialsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 50."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    results: list[DescribedUser] = []


class UserName(msgspec.Struct, kw_only=True, gc=False):
    """One user asked for."""

    name: String


class DescribeUserScramCredentialsRequest(
    Request[DescribeUserScramCredentialsResponse], kw_only=True, gc=False
):
    """API key 50: None, or an empty list, asks for all users."""

    api: ClassVar[Api] = api(
        50, "DescribeUserScramCredentials", "0", 0, DescribeUserScramCredentialsResponse
    )

    users: Annotated[list[UserName] | None, "null"] = None
