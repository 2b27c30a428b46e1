"""CreatePartitions (key 37): raise topics to more partitions.

Versions: 1 the same as 0; 2 flexible; 3 may be refused by quota.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int32, String, api


class CreatePartitionsResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one topic."""

    name: String
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class CreatePartitionsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 37."""

    throttle_time_ms: Int32 = 0
    topics: list[CreatePartitionsResult]


class CreatePartitionsAssignment(msgspec.Struct, kw_only=True, gc=False):
    """Which brokers hold one new partition, its leader first."""

    broker_ids: list[Int32]


class CreatePartitionsTopic(msgspec.Struct, kw_only=True, gc=False):
    """Raise a topic to `count` partitions in all."""

    name: String
    count: Int32
    assignments: Annotated[list[CreatePartitionsAssignment] | None, "null"] = None  # of new ones


class CreatePartitionsRequest(Request[CreatePartitionsResponse], kw_only=True, gc=False):
    """API key 37."""

    api: ClassVar[Api] = api(37, "CreatePartitions", "0-3", 2, CreatePartitionsResponse)

    topics: list[CreatePartitionsTopic]
    timeout_ms: Int32 = 30_000
    validate_only: Bool = False
