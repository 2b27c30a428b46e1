"""Which member of a consumer group a heartbeat comes from, and whether it may speak for it.

    epoch 0, unknown         a new member
    epoch 0, known           it begins anew, and keeps what it has
    epoch 0, instance away   takes the place of the static member, id and all
    epoch as known           the member
    the epoch before         the member, whose last answer was lost: if it says what it has
    any other                FENCED_MEMBER_EPOCH

Source: KIP-848, KIP-345, as Apache Kafka 4.3 behaves.
"""

from __future__ import annotations

import msgspec

from ..errors import BrokerError, ErrorCode
from .consumer_group import AWAY, ConsumerGroup, ConsumerMember
from .consumer_records import Said
from .consumer_requests import JOINS, ConsumerHeartbeat


def sender(group: ConsumerGroup, request: ConsumerHeartbeat) -> tuple[ConsumerMember, str | None]:
    """Return the member, and the id of the one whose place it takes, if it does.

    Raises:
        BrokerError: it may not speak.
    """
    if request.epoch == JOINS:
        return _joining(group, request)
    member = speaker(group, request)
    _check_epoch(member, request)
    return member, None


def speaker(group: ConsumerGroup, request: ConsumerHeartbeat) -> ConsumerMember:
    """Return the member of this member id and instance id.

    Raises:
        BrokerError: there is none, or the instance id is another's.
    """
    member_id, instance_id = request.member_id, request.instance_id
    if instance_id is not None:
        holder = group.static.get(instance_id)
        if holder is None:
            message = f"instance id {instance_id!r} is not in group {group.group_id!r}"
            raise BrokerError(message, ErrorCode.UNKNOWN_MEMBER_ID)
        if holder != member_id:
            message = f"instance id {instance_id!r} is that of member {holder!r} now"
            raise BrokerError(message, ErrorCode.FENCED_INSTANCE_ID)
    member = group.members.get(member_id)
    if member is None:
        message = f"member {member_id!r} is not in group {group.group_id!r}"
        raise BrokerError(message, ErrorCode.UNKNOWN_MEMBER_ID)
    return member


def said_by(member: ConsumerMember, request: ConsumerHeartbeat) -> Said:
    """Return what the member has said, this heartbeat included."""
    said = member.said
    timeout_ms = request.rebalance_timeout_ms
    return Said(
        instance_id=said.instance_id if request.instance_id is None else request.instance_id,
        rack_id=said.rack_id if request.rack_id is None else request.rack_id,
        client_id=request.client_id,
        client_host=request.client_host,
        topics=said.topics if request.topics is None else tuple(sorted(set(request.topics))),
        expression=said.expression if request.expression is None else request.expression,
        rebalance_timeout_ms=said.rebalance_timeout_ms if timeout_ms == -1 else timeout_ms,
        assignor=said.assignor if request.assignor is None else request.assignor,
        classic=request.classic,
    )


def _joining(group: ConsumerGroup, request: ConsumerHeartbeat) -> tuple[ConsumerMember, str | None]:
    new = ConsumerMember(member_id=request.member_id)
    holder = group.static.get(request.instance_id) if request.instance_id is not None else None
    if holder is None:
        return group.members.get(request.member_id, new), None
    member = group.members[holder]
    if request.classic is not None:
        return _joining_classic(member, request)
    if member.place.epoch != AWAY:
        message = f"instance id {request.instance_id!r} is that of member {holder!r}, still here"
        raise BrokerError(message, ErrorCode.UNRELEASED_INSTANCE_ID)
    place = member.place._replace(epoch=JOINS, previous_epoch=JOINS)
    return msgspec.structs.replace(new, said=member.said, place=place), holder


def _joining_classic(
    member: ConsumerMember, request: ConsumerHeartbeat
) -> tuple[ConsumerMember, str | None]:
    """Return a static member of the classic protocol, which needs no leave to come again."""
    if member.member_id == request.member_id:
        return member, None
    place = member.place._replace(epoch=JOINS, previous_epoch=JOINS)
    new = ConsumerMember(member_id=request.member_id, said=member.said, place=place)
    return new, member.member_id


def _check_epoch(member: ConsumerMember, request: ConsumerHeartbeat) -> None:
    place = member.place
    if request.epoch == place.epoch:
        return
    lost = request.epoch < place.epoch and request.epoch == place.previous_epoch
    if lost and request.owned is not None and request.owned <= place.assigned.keys():
        return
    message = (
        f"member epoch {request.epoch}, known is {place.epoch}: the member must give up all its"
        " partitions and join again"
    )
    raise BrokerError(message, ErrorCode.FENCED_MEMBER_EPOCH)
