"""ElectLeaders (key 43): let partitions be led by their preferred replica, or by any.

Versions: 0 the preferred replica; 1 the kind of election, an error of the whole answer;
2 flexible.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int8, Int32, String, api


class PartitionResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one partition."""

    partition_id: Int32
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None


class ReplicaElectionResult(msgspec.Struct, kw_only=True, gc=False):
    """One topic of an ElectLeadersResponse."""

    topic: String
    partition_result: list[PartitionResult]


class ElectLeadersResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 43."""

    throttle_time_ms: Int32 = 0
    error_code: Annotated[Error, "1+"] = ErrorCode.NONE
    replica_election_results: list[ReplicaElectionResult]


class TopicPartitions(msgspec.Struct, kw_only=True, gc=False):
    """Partitions of one topic that shall elect."""

    topic: String
    partitions: list[Int32]


class ElectLeadersRequest(Request[ElectLeadersResponse], kw_only=True, gc=False):
    """API key 43: None asks for every partition."""

    api: ClassVar[Api] = api(43, "ElectLeaders", "0-2", 2, ElectLeadersResponse)

    election_type: Annotated[Int8, "1+"] = 0  # 0 preferred, 1 unclean
    topic_partitions: Annotated[list[TopicPartitions] | None, "null"] = None
    timeout_ms: Int32 = 60_000
