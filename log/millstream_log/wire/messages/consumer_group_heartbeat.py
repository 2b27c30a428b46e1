"""ConsumerGroupHeartbeat (key 68): join a consumer group, stay in it, learn one's part, leave.

Versions: 0 flexible; 1 a subscription by a regular expression, and ids that members make.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Error, Int32, String, Uuid, api


class OwnedPartitions(msgspec.Struct, kw_only=True, gc=False):
    """Partitions of one topic, which a member owns or may own."""

    topic_id: Uuid
    partitions: list[Int32]


class HeartbeatAssignment(msgspec.Struct, kw_only=True, gc=False):
    """What a member may read at once."""

    topic_partitions: list[OwnedPartitions]


class ConsumerGroupHeartbeatResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 68."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    member_id: Annotated[String | None, "null"] = None
    member_epoch: Int32 = 0
    heartbeat_interval_ms: Int32 = 0
    assignment: Annotated[HeartbeatAssignment | None, "null"] = None  # None: as before


class ConsumerGroupHeartbeatRequest(
    Request[ConsumerGroupHeartbeatResponse], kw_only=True, gc=False
):
    """API key 68: what has not changed since the last heartbeat is null, or -1."""

    api: ClassVar[Api] = api(68, "ConsumerGroupHeartbeat", "0-1", 0, ConsumerGroupHeartbeatResponse)

    group_id: String
    member_id: String = ""
    member_epoch: Int32 = 0  # 0 joins, -1 leaves, -2 leaves for a while (static members)
    instance_id: Annotated[String | None, "null"] = None
    rack_id: Annotated[String | None, "null"] = None
    rebalance_timeout_ms: Int32 = -1
    subscribed_topic_names: Annotated[list[String] | None, "null"] = None
    subscribed_topic_regex: Annotated[String | None, "1+ null 1+"] = None
    server_assignor: Annotated[String | None, "null"] = None
    topic_partitions: Annotated[list[OwnedPartitions] | None, "null"] = None
