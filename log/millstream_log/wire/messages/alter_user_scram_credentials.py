"""AlterUserScramCredentials (key 51): set or delete SCRAM passwords.

Versions: 0 alone, flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bytes, Error, Int8, Int32, String, api


class AlteredUser(msgspec.Struct, kw_only=True, gc=False):
    """What came of one user."""

    user: String
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class AlterUserScramCredentialsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 51."""

    throttle_time_ms: Int32 = 0
    results: list[AlteredUser]


class ScramCredentialDeletion(msgspec.Struct, kw_only=True, gc=False):
    """One credential to delete."""

    name: String  # of the user
    mechanism: Int8  # 1 SCRAM-SHA-256, 2 SCRAM-SHA-512


class ScramCredentialUpsertion(msgspec.Struct, kw_only=True, gc=False):
    """One credential to set."""

    name: String  # of the user
    mechanism: Int8
    iterations: Int32
    salt: Bytes
    salted_password: Bytes


class AlterUserScramCredentialsRequest(
    Request[AlterUserScramCredentialsResponse], kw_only=True, gc=False
):
    """API key 51: set or delete SCRAM passwords."""

    api: ClassVar[Api] = api(
        51, "AlterUserScramCredentials", "0", 0, AlterUserScramCredentialsResponse
    )

    deletions: list[ScramCredentialDeletion]
    upsertions: list[ScramCredentialUpsertion]
