"""TxnOffsetCommit (key 28): offsets of a group that count once a transaction commits.

Versions: 2 leader epoch; 3 flexible, and the member that commits; 4 the client knows transactions
of the second kind; 5 takes the group into the transaction.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ..request import Request
from ..schema import Api, Int16, Int32, Int64, String, api
from .offset_commit import OffsetCommitTopicResponse


class TxnOffsetCommitResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 28."""

    throttle_time_ms: Int32 = 0
    topics: list[OffsetCommitTopicResponse]


class TxnOffsetCommitPartition(msgspec.Struct, kw_only=True, gc=False):
    """The next offset to read, and a text of the committer's own."""

    index: Int32
    committed_offset: Int64
    committed_leader_epoch: Annotated[Int32, "2+"] = -1
    committed_metadata: Annotated[String | None, "null"] = ""


class TxnOffsetCommitTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic of a TxnOffsetCommitRequest."""

    name: String
    partitions: list[TxnOffsetCommitPartition]


class TxnOffsetCommitRequest(Request[TxnOffsetCommitResponse], kw_only=True, gc=False):
    """API key 28: offsets that count once the transaction commits."""

    api: ClassVar[Api] = api(28, "TxnOffsetCommit", "0-5", 3, TxnOffsetCommitResponse)

    transactional_id: String
    group_id: String
    producer_id: Int64
    producer_epoch: Int16
    generation_id: Annotated[Int32, "3+"] = -1  # -1 for no member
    member_id: Annotated[String, "3+"] = ""
    group_instance_id: Annotated[String | None, "3+ null"] = None
    topics: list[TxnOffsetCommitTopic]
