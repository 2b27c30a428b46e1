"""A group that lives goes from the classic protocol to that of KIP-848, and back.

    a consumer joins a classic group   its generation becomes the epoch; each member keeps what it
                                       has, and speaks the classic protocol on
    the last consumer leaves           the epoch becomes the generation of a classic group, whose
                                       members are then asked to join
    it comes back with the classic     likewise; when all have what they are to have, nobody needs
    protocol, under its instance id    to join

Source: KIP-848, as Apache Kafka 4.3 behaves.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..assignor.protocol import (
    Assignment,
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
)
from ..errors import ErrorCode, ProtocolError
from ..machine import LogRecord
from ..model import TopicPartition
from .consumer_group import ConsumerGroup, ConsumerMember
from .consumer_records import (
    Classic,
    Epoch,
    IdPartition,
    Key,
    Kind,
    Place,
    Said,
    encode_epoch,
    encode_key,
    encode_place,
    encode_said,
    encode_target,
    group_tombstones,
)
from .consumer_topics import Topics
from .group import CONSUMER_PROTOCOL, Group, Member, State
from .records import GroupMetadata, MemberMetadata, encode_group_key, encode_group_value
from .replies import GroupOutcome, JoinReply, SyncReply

DOWNGRADED = "downgraded"
"""The kind of timer that asks the members of a group that became classic to join."""


def can_upgrade(group: Group) -> bool:
    """Tell whether the members of a classic group are consumers that say what they read."""
    if group.protocol_type != CONSUMER_PROTOCOL or not group.protocol or not group.members:
        return False
    try:
        for member in group.members.values():
            _subscription(group, member)
    except (ProtocolError, StopIteration):
        return False
    return group.state is not State.DEAD


def upgraded(group: Group, topics: Topics, out: GroupOutcome) -> ConsumerGroup:
    """Write the records that make a consumer group of a classic one; return what they make."""
    generation, group_id = group.generation, group.group_id
    rows: list[tuple[Key, bytes]] = []
    places: list[tuple[Key, bytes]] = []
    names: set[str] = set()
    held = _held(group, topics)
    for member_id, member in group.members.items():
        subscription = _subscription(group, member)
        names |= subscription.topics
        has = {partition: generation for partition, name in held.items() if name == member_id}
        said = _said(group, member, subscription)
        rows.insert(len(rows) // 2, (Key(Kind.MEMBER, group_id, member_id), encode_said(said)))
        rows.append((Key(Kind.TARGET, group_id, member_id), encode_target(frozenset(has))))
        place = Place(generation, generation, assigned=has)
        places.append((Key(Kind.PLACE, group_id, member_id), encode_place(place)))
    began = encode_epoch(Epoch(generation, topics.hash(names)))
    rows.insert(len(rows) // 2, (Key(Kind.GROUP, group_id), began))
    rows.append((Key(Kind.ASSIGNMENT, group_id), encode_epoch(Epoch(generation))))
    made = ConsumerGroup(group_id)
    out.records.append((encode_group_key(group_id), None))
    for key, value in [*rows, *places]:
        out.records.append((encode_key(key), value))
        made.replay(key, value)
    _send_back(group, out)
    return made


def downgraded(
    group: ConsumerGroup, members: Sequence[ConsumerMember], topics: Topics
) -> list[LogRecord]:
    """Return the records that end a consumer group and begin a classic one of these members."""
    spoken = [dict(m.said.classic.protocols) for m in members if m.said.classic is not None]
    protocol = next(name for name in spoken[0] if all(name in names for names in spoken))
    value = GroupMetadata(
        protocol_type=CONSUMER_PROTOCOL,
        generation=group.epoch,
        protocol=protocol,
        leader=members[0].member_id,
        state_timestamp_ms=-1,
        members=tuple(
            MemberMetadata(
                member.member_id,
                member.said.instance_id,
                member.said.client_id,
                member.said.client_host,
                member.said.rebalance_timeout_ms,
                member.said.classic.session_timeout_ms if member.said.classic else 0,
                protocols[protocol],
                encode_assignment(Assignment(partitions_of(member.place, topics))),
            )
            for member, protocols in zip(members, spoken, strict=True)
        ),
    )
    begins = (encode_group_key(group.group_id), encode_group_value(value))
    return [*group_tombstones(group.group_id), begins]


def partitions_of(place: Place, topics: Topics) -> tuple[TopicPartition, ...]:
    """Return what a member has, by the names of topics that are there still."""
    return tuple(
        TopicPartition(topics.names[topic_id], number)
        for topic_id, number in sorted(place.assigned)
        if topic_id in topics.names
    )


def _subscription(group: Group, member: Member) -> Subscription:
    return decode_subscription(member.metadata(group.protocol), member.group_instance_id)


def _held(group: Group, topics: Topics) -> dict[IdPartition, str]:
    """Return who has what: as assigned, and as members say whose assignment has been revoked.

    Those that keep their partitions in a rebalance read on: to take them for free, as Kafka does,
    would give them a second reader. Of two that claim one the later generation is believed.
    """
    facts, held = topics.facts, dict[IdPartition, tuple[int, str]]()
    for member_id, member in group.members.items():
        generation, told = _last_told(group, member)
        for key in told:
            if key.topic in facts:
                partition = (facts[key.topic].topic_id, key.partition)
                claim = (generation, member_id)
                held[partition] = max(held.get(partition, claim), claim)
    return {partition: member_id for partition, (_, member_id) in held.items()}


def _last_told(group: Group, member: Member) -> tuple[int, tuple[TopicPartition, ...]]:
    if not member.assignment:
        said = _subscription(group, member)
        return said.generation_id, said.owned_partitions
    try:
        return group.generation, decode_assignment(member.assignment).partitions
    except ProtocolError:
        return group.generation, ()


def _said(group: Group, member: Member, subscription: Subscription) -> Said:
    return Said(
        instance_id=member.group_instance_id,
        rack_id=subscription.rack_id,
        client_id=member.client_id,
        client_host=member.client_host,
        topics=tuple(sorted(subscription.topics)),
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        classic=Classic(member.session_timeout_ms, member.protocols),
    )


def _send_back(group: Group, out: GroupOutcome) -> None:
    """Let those who wait ask again, and find the consumer group, unless it comes to none."""
    again = ErrorCode.REBALANCE_IN_PROGRESS
    for member in group.members.values():
        if member.join_ticket is not None:
            reply = JoinReply(member_id=member.member_id, error=again)
            out.answer(member.join_ticket, reply)
        if member.sync_ticket is not None:
            out.answer(member.sync_ticket, SyncReply(error=again))
