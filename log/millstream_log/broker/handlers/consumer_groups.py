"""ConsumerGroupHeartbeat, ConsumerGroupDescribe (keys 68, 69): the consumer groups of KIP-848.

Invariants: what is decided is decided in `group/`; here a request is freed of its version, and
the reply put into it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from ...errors import ErrorCode, LogError
from ...group.consumer_records import IdPartition
from ...group.consumer_requests import (
    JOINS,
    ConsumerHeartbeat,
    DescribedConsumer,
    HeartbeatReply,
)
from ...group.replies import append_error
from ...wire.messages.consumer_group_describe import (
    AssignedPartitions,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    ConsumerGroupDescription,
    ConsumerGroupMemberDescription,
    MemberAssignment,
)
from ...wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    HeartbeatAssignment,
    OwnedPartitions,
)
from ..host import Host
from .bounds import check_names
from .by_topic import numbers_by_topic
from .group_ids import check_group_id
from .operations import GROUP_OPERATIONS

_MEMBERS_MAKE_IDS_FROM = 1
_SPEAKS_CLASSIC, _SPEAKS_CONSUMER = 0, 1
_OPERATIONS_OMITTED = -(2**31)


async def consumer_group_heartbeat(
    host: Host, request: ConsumerGroupHeartbeatRequest
) -> ConsumerGroupHeartbeatResponse:
    """Say that a member lives; hear what it is to read."""
    groups = host.groups
    try:
        if request.group_id:
            check_group_id(request.group_id)
        check_names(host, request.subscribed_topic_names or [])
        host.check_writable(f"join group {request.group_id!r}")
        asked = _heartbeat(request)
        reply: HeartbeatReply = await groups.call(
            lambda ticket, now_ms: groups.machine.consumers.heartbeat(asked, ticket, now_ms)
        )
    except LogError as error:
        return ConsumerGroupHeartbeatResponse(
            error_code=append_error(error.code), error_message=str(error)
        )
    return ConsumerGroupHeartbeatResponse(
        error_code=reply.error,
        error_message=reply.message,
        member_id=reply.member_id,
        member_epoch=reply.epoch,
        heartbeat_interval_ms=reply.interval_ms,
        assignment=None if reply.assigned is None else _assignment(reply.assigned),
    )


def _heartbeat(request: ConsumerGroupHeartbeatRequest) -> ConsumerHeartbeat:
    names, owned = request.subscribed_topic_names, request.topic_partitions
    makes_id = request.version < _MEMBERS_MAKE_IDS_FROM and request.member_epoch == JOINS
    return ConsumerHeartbeat(
        group_id=request.group_id,
        member_id=request.member_id or (str(uuid.uuid4()) if makes_id else ""),
        epoch=request.member_epoch,
        instance_id=request.instance_id,
        rack_id=request.rack_id,
        rebalance_timeout_ms=request.rebalance_timeout_ms,
        topics=None if names is None else tuple(names),
        expression=request.subscribed_topic_regex,
        assignor=request.server_assignor,
        owned=None
        if owned is None
        else frozenset((part.topic_id, number) for part in owned for number in part.partitions),
        client_id=request.peer.client_id,
        client_host=f"/{request.peer.client_host}",
    )


def _assignment(partitions: Iterable[IdPartition]) -> HeartbeatAssignment:
    return HeartbeatAssignment(
        topic_partitions=[
            OwnedPartitions(topic_id=topic_id, partitions=numbers)
            for topic_id, numbers in numbers_by_topic(sorted(partitions)).items()
        ]
    )


async def consumer_group_describe(
    host: Host, request: ConsumerGroupDescribeRequest
) -> ConsumerGroupDescribeResponse:
    """Tell the state of consumer groups, what their members have and are to have."""
    check_names(host, request.group_ids)
    host.groups.refresh()
    return ConsumerGroupDescribeResponse(
        groups=[_described(host, request, group_id) for group_id in request.group_ids]
    )


def _described(
    host: Host, request: ConsumerGroupDescribeRequest, group_id: str
) -> ConsumerGroupDescription:
    try:
        check_group_id(group_id)
    except LogError as error:
        return ConsumerGroupDescription(
            group_id=group_id, error_code=error.code, error_message=str(error)
        )
    group = host.groups.machine.consumers.describe(group_id)
    if group is None:
        return ConsumerGroupDescription(
            group_id=group_id,
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=f"there is no consumer group {group_id!r}",
        )
    wants_operations = request.include_authorized_operations
    return ConsumerGroupDescription(
        group_id=group_id,
        group_state=group.state,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.assignor,
        members=[_member(host, member) for member in group.members],
        authorized_operations=GROUP_OPERATIONS if wants_operations else _OPERATIONS_OMITTED,
    )


def _member(host: Host, member: DescribedConsumer) -> ConsumerGroupMemberDescription:
    said = member.said
    return ConsumerGroupMemberDescription(
        member_id=member.member_id,
        instance_id=said.instance_id,
        rack_id=said.rack_id,
        member_epoch=member.epoch,
        client_id=said.client_id,
        client_host=said.client_host,
        subscribed_topic_names=list(said.topics),
        subscribed_topic_regex=said.expression,
        assignment=_named(host, member.assigned),
        target_assignment=_named(host, member.target),
        member_type=_SPEAKS_CONSUMER if said.classic is None else _SPEAKS_CLASSIC,
    )


def _named(host: Host, partitions: Iterable[IdPartition]) -> MemberAssignment:
    """Return partitions with the names of their topics; those of topics that are gone are not."""
    names = host.topic_names()
    return MemberAssignment(
        topic_partitions=[
            AssignedPartitions(topic_id=topic_id, topic_name=names[topic_id], partitions=numbers)
            for topic_id, numbers in numbers_by_topic(sorted(partitions)).items()
            if topic_id in names
        ]
    )
