"""Members of the classic protocol in a consumer group: what they ask, in its terms.

    JoinGroup   a heartbeat that joins: its generation is the epoch it has reached
    SyncGroup   what the member has
    Heartbeat   REBALANCE_IN_PROGRESS when there is more to reach than it has

A member that is told to join, and one that has joined, have their rebalance time-out for it.

Source: KIP-848, as Apache Kafka 4.3 behaves.
"""

from __future__ import annotations

from ..assignor.protocol import Assignment, decode_subscription, encode_assignment
from ..errors import BrokerError, ErrorCode, ProtocolError
from ..machine import Ticket
from .consumer_coordinator import REVOCATION, ConsumerGroups
from .consumer_group import ConsumerGroup, ConsumerMember
from .consumer_records import Classic, State
from .consumer_requests import JOINS, ConsumerHeartbeat
from .consumer_upgrade import partitions_of
from .group import CONSUMER_PROTOCOL
from .rebalance import TimerKey, Timers
from .replies import GroupOutcome, JoinReply, SyncReply, append_error
from .requests import JoinRequest, SyncRequest


class ClassicMembers:
    """The members of the classic protocol of all consumer groups."""

    def __init__(self, consumers: ConsumerGroups, timers: Timers) -> None:
        self._consumers = consumers
        self._timers = timers

    def join(
        self, group: ConsumerGroup, request: JoinRequest, ticket: Ticket, now_ms: int
    ) -> GroupOutcome:
        """Handle a JoinGroup, which never waits here."""
        out = GroupOutcome(group_id=request.group_id)
        try:
            reply = self._join(group, request, out, now_ms)
        except BrokerError as error:
            reply = JoinReply(member_id="", error=error.code)
            out.records, out.replies = [], []
        out.answer(ticket, reply)
        out.on_failure = lambda code: out.instead(
            ticket, JoinReply(member_id="", error=append_error(code))
        )
        return out

    def sync(
        self, group: ConsumerGroup, request: SyncRequest, ticket: Ticket, now_ms: int
    ) -> GroupOutcome:
        """Handle a SyncGroup: what the member has is there."""
        out = GroupOutcome(group_id=request.group_id)
        error = self._sync_error(group, request, now_ms)
        if error:
            out.answer(ticket, SyncReply(error=error))
            return out
        member = group.members[request.member_id]
        self._timers.cancel(TimerKey(REVOCATION, group.group_id, member.member_id))
        given = Assignment(partitions_of(member.place, self._consumers.topics))
        out.answer(
            ticket,
            SyncReply(
                protocol_type=request.protocol_type,
                protocol_name=request.protocol_name,
                assignment=encode_assignment(given),
            ),
        )
        return out

    def heartbeat(
        self,
        group: ConsumerGroup,
        generation: int,
        member_id: str,
        group_instance_id: str | None,
        now_ms: int,
    ) -> ErrorCode:
        """Handle a Heartbeat."""
        error = self._check(group, member_id, group_instance_id, generation)
        if error:
            return error
        member = group.members[member_id]
        self._consumers.keep_alive(group, member, now_ms)
        return self._send_back(group, member, now_ms) if _has_more(group, member) else error

    def _join(
        self, group: ConsumerGroup, request: JoinRequest, out: GroupOutcome, now_ms: int
    ) -> JoinReply:
        _check_protocols(group, request)
        static = request.group_instance_id is not None
        if not request.member_id and request.require_member_id and not static:
            required = ErrorCode.MEMBER_ID_REQUIRED
            return JoinReply(member_id=request.new_member_id, error=required)
        asked = self._asked(request)
        told = self._consumers.stay(asked, out, now_ms)
        key = TimerKey(REVOCATION, group.group_id, asked.member_id)
        self._timers.set(key, now_ms + request.rebalance_timeout_ms)
        return JoinReply(
            member_id=asked.member_id,
            generation=told.epoch,
            protocol_type=CONSUMER_PROTOCOL,
            protocol_name=request.protocols[0][0],
        )

    def _asked(self, request: JoinRequest) -> ConsumerHeartbeat:
        try:
            said = decode_subscription(request.protocols[0][1])
        except ProtocolError as error:
            raise BrokerError(str(error), ErrorCode.UNKNOWN_SERVER_ERROR) from error
        facts = self._consumers.topics.facts
        return ConsumerHeartbeat(
            group_id=request.group_id,
            member_id=request.member_id or request.new_member_id,
            epoch=JOINS,
            instance_id=request.group_instance_id,
            rack_id=said.rack_id,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            topics=tuple(said.topics),
            expression="",
            owned=frozenset(
                (facts[key.topic].topic_id, key.partition)
                for key in said.owned_partitions
                if key.topic in facts
            ),
            client_id=request.client_id,
            client_host=request.client_host,
            classic=Classic(request.session_timeout_ms, request.protocols),
        )

    def _check(
        self, group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int
    ) -> ErrorCode:
        holder = group.static.get(instance_id) if instance_id is not None else member_id
        if holder is not None and holder != member_id:
            return ErrorCode.FENCED_INSTANCE_ID
        member = group.members.get(member_id) if holder is not None else None
        if member is None or member.said.classic is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        same = generation == member.place.epoch
        return ErrorCode.NONE if same else ErrorCode.ILLEGAL_GENERATION

    def _sync_error(self, group: ConsumerGroup, request: SyncRequest, now_ms: int) -> ErrorCode:
        error = self._check(group, request.member_id, request.group_instance_id, request.generation)
        if error:
            return error
        member = group.members[request.member_id]
        likes_best = member.said.classic.protocols[0][0] if member.said.classic else None
        if request.protocol_type not in (None, CONSUMER_PROTOCOL):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        if request.protocol_name not in (None, likes_best):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        # One that is to give partitions up hears of them here, and joins again without them.
        gives_up = member.place.state is State.UNREVOKED_PARTITIONS
        if member.place.epoch < group.epoch and not gives_up:
            return self._send_back(group, member, now_ms)
        return ErrorCode.NONE

    def _send_back(self, group: ConsumerGroup, member: ConsumerMember, now_ms: int) -> ErrorCode:
        key = TimerKey(REVOCATION, group.group_id, member.member_id)
        if key not in self._timers:
            self._timers.set(key, now_ms + member.said.rebalance_timeout_ms)
        return ErrorCode.REBALANCE_IN_PROGRESS


def _has_more(group: ConsumerGroup, member: ConsumerMember) -> bool:
    place = member.place
    if place.state is State.UNRELEASED_PARTITIONS:
        missing = group.targets.get(member.member_id, frozenset()) - place.assigned.keys()
        return place.epoch < group.epoch or bool(missing - group.owners.keys())
    return place.epoch < group.epoch or place.state is State.UNREVOKED_PARTITIONS


def _check_protocols(group: ConsumerGroup, request: JoinRequest) -> None:
    """Check that a member speaks a protocol which all of the classic members speak."""
    spoken = [
        {name for name, _ in member.said.classic.protocols}
        for member in group.members.values()
        if member.said.classic is not None and member.member_id != request.member_id
    ]
    speaks = (name for name, _ in request.protocols if all(name in names for names in spoken))
    if request.protocol_type == CONSUMER_PROTOCOL and any(speaks):
        return
    message = f"group {group.group_id!r} has no protocol in common with a member that joins"
    raise BrokerError(message, ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
