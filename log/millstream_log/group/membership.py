"""Who is in which group: joining, syncing, heartbeats, leaving, and what time does to members.

    JoinGroup ──▶ waits until all members have joined, or the rebalance time-out ──▶ generation n+1
    SyncGroup ──▶ waits for the leader's, which is appended to the log ──▶ assignment
    Heartbeat ──▶ moves the session's deadline; says when it is time to join again
    LeaveGroup, or a deadline gone by ──▶ the member goes, the others are asked to join again

Invariants: every ticket is answered exactly once, unless its request still waits; a member that
waits does not expire (one that has never been in a generation does, after five minutes).

Source: KIP-62, KIP-345, KIP-394, KIP-559, KIP-814, as Kafka's classic groups behave.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import ErrorCode
from ..machine import Ticket
from .config import GroupConfig
from .consumer_upgrade import DOWNGRADED
from .group import Group, Member, State
from .rebalance import SESSION, SYNC, Rebalances, TimerKey, Timers, part, place
from .replies import GroupOutcome, JoinReply, LeaveReply, LeftMember, SyncReply, append_error
from .requests import JoinRequest, SyncRequest

LOCAL_HOST = "/"
"""Where a member is that lives in the coordinator's own process: an address without a name."""

LeavingMember = tuple[str, str | None]
"""Member id and instance id; an operator who knows the instance id alone leaves the other empty."""


class Membership:
    """The members of all groups of a coordinator."""

    def __init__(self, groups: dict[str, Group], config: GroupConfig, timers: Timers) -> None:
        self._groups = groups  # shared with the coordinator
        self._config = config
        self._timers = timers  # shared likewise
        self._rebalances = Rebalances(config, timers)

    def join(self, request: JoinRequest, ticket: Ticket, now_ms: int) -> GroupOutcome:
        """Handle a JoinGroup; the JoinReply comes with this outcome or a later one."""
        out = GroupOutcome(group_id=request.group_id)
        group = self._groups.get(request.group_id)
        error = self._join_error(request, group)
        if error:
            member_id = request.member_id
            if error is ErrorCode.GROUP_MAX_SIZE_REACHED and group is not None:
                self._rebalances.forget(group, member_id)
                self._rebalances.complete_if_joined(group, out, now_ms)
                member_id = ""
            out.answer(ticket, JoinReply(member_id=member_id, error=error))
            return out
        if group is None:
            group = self._groups[request.group_id] = Group(request.group_id, now_ms)
        if not request.member_id:
            self._join_unknown(group, request, ticket, out, now_ms)
        elif request.member_id in group.pending and request.group_instance_id is None:
            self._join_new(group, request, request.member_id, ticket, out, now_ms)
        else:
            self._join_known(group, request, ticket, out, now_ms)
        return out

    def sync(self, request: SyncRequest, ticket: Ticket, now_ms: int) -> GroupOutcome:
        """Handle a SyncGroup; the SyncReply comes with this outcome or a later one."""
        out = GroupOutcome(group_id=request.group_id)
        group = self._groups.get(request.group_id)
        error = _sync_error(request, group)
        if error or group is None:
            out.answer(ticket, SyncReply(error=error))
            return out
        member = group.members[request.member_id]
        self._rebalances.synced(group, member)
        if group.state is State.STABLE:
            out.answer(ticket, part(group, member.assignment))
            return out
        # What waits already was sent before the member lost its connection.
        stale = SyncReply(error=ErrorCode.REBALANCE_IN_PROGRESS)
        self._rebalances.end_sync(member, stale, out)
        member.sync_ticket = ticket
        if group.leader == member.member_id:
            self._rebalances.store(group, dict(request.assignments), out, now_ms)
        return out

    def heartbeat(
        self,
        *,
        group_id: str,
        generation: int,
        member_id: str,
        group_instance_id: str | None = None,
        now_ms: int,
    ) -> ErrorCode:
        """Handle a Heartbeat, which is answered at once."""
        group = self._groups.get(group_id)
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID if group_id else ErrorCode.INVALID_GROUP_ID
        if group.state is State.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        error = group.check_member(member_id, group_instance_id)
        if error:
            return error
        if generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
        self.keep_alive(group, group.members[member_id], now_ms)
        if group.state is State.PREPARING:
            return ErrorCode.REBALANCE_IN_PROGRESS
        return ErrorCode.NONE

    def leave(
        self, group_id: str, members: Sequence[LeavingMember], ticket: Ticket, now_ms: int
    ) -> GroupOutcome:
        """Handle a LeaveGroup; the reply is a LeaveReply."""
        out = GroupOutcome(group_id=group_id)
        group = self._groups.get(group_id)
        if group is None or group.state is State.DEAD:
            out.answer(ticket, _not_left(group_id, group, members))
            return out
        left = [
            LeftMember(member_id, instance_id, self._leave_one(group, member_id, instance_id, out))
            for member_id, instance_id in members
        ]
        if any(not row.error for row in left):
            if group.state in (State.STABLE, State.COMPLETING):
                self._rebalances.prepare(group, out, now_ms)
            else:
                self._rebalances.complete_if_joined(group, out, now_ms)
        out.answer(ticket, LeaveReply(members=left))
        if out.records:
            out.on_failure = lambda code: out.instead(ticket, LeaveReply(error=append_error(code)))
        return out

    def expire(self, key: TimerKey, now_ms: int) -> GroupOutcome:
        """Do what is due when a deadline has come."""
        out = GroupOutcome(group_id=key.group_id)
        group = self._groups.get(key.group_id)
        if group is None:
            return out
        if key.kind == DOWNGRADED:
            out = self.start(group, now_ms)
            if group.state is State.STABLE:
                self._rebalances.prepare(group, out, now_ms)
        elif key.kind == SESSION:
            self._expire_session(group, key.member_id, out, now_ms)
        elif key.kind == SYNC:
            self._rebalances.sync_time_is_up(group, out, now_ms)
        else:
            self._rebalances.join_time_is_up(group, out, now_ms)
        return out

    def keep_alive(self, group: Group, member: Member, now_ms: int) -> None:
        """Begin a member's session anew."""
        self._rebalances.keep_alive(group, member, now_ms)

    def start(self, group: Group, now_ms: int) -> GroupOutcome:
        """Begin the sessions of a loaded group's members; too many are asked to join again.

        Members of the process that led before have died with it.
        """
        out = GroupOutcome(group_id=group.group_id)
        for member in list(group.members.values()):
            if member.client_host == LOCAL_HOST and member.group_instance_id is None:
                self._expire_session(group, member.member_id, out, now_ms)
            else:
                self.keep_alive(group, member, now_ms)
        if len(group.members) > self._config.size_max:
            self._rebalances.prepare(group, out, now_ms)
        return out

    def unload(self, group: Group, now_ms: int) -> GroupOutcome:
        """Send everybody who waits to look for the coordinator anew; the group is dead."""
        out = GroupOutcome(group_id=group.group_id)
        error = ErrorCode.NOT_COORDINATOR
        for member in group.members.values():
            reply = JoinReply(member_id=member.member_id, error=error)
            self._rebalances.end_join(group, member, reply, out)
            self._rebalances.end_sync(member, SyncReply(error=error), out)
        group.move(State.DEAD, now_ms)
        return out

    def _join_error(self, request: JoinRequest, group: Group | None) -> ErrorCode:
        config = self._config
        if not request.group_id:
            return ErrorCode.INVALID_GROUP_ID
        session_ms = request.session_timeout_ms
        if not config.session_timeout_min_ms <= session_ms <= config.session_timeout_max_ms:
            return ErrorCode.INVALID_SESSION_TIMEOUT
        if group is None and request.member_id:
            return ErrorCode.UNKNOWN_MEMBER_ID
        group = group or Group(request.group_id)
        if group.state is State.DEAD:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE
        if not self._has_room(group, request.member_id):
            return ErrorCode.GROUP_MAX_SIZE_REACHED
        if not group.supports(request.protocol_type, request.protocols):
            return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        return ErrorCode.NONE

    def _has_room(self, group: Group, member_id: str) -> bool:
        member = group.members.get(member_id)
        if group.state is State.EMPTY:
            return True
        if group.state is State.PREPARING:
            # Those who have joined count: where there are too many members, the last stay out.
            joined = member is not None and member.join_ticket is not None
            return joined or group.waiting() < self._config.size_max
        return member is not None or len(group.members) < self._config.size_max

    def _join_unknown(
        self, group: Group, request: JoinRequest, ticket: Ticket, out: GroupOutcome, now_ms: int
    ) -> None:
        instance_id, member_id = request.group_instance_id, request.new_member_id
        if instance_id is not None and instance_id in group.static:
            self._join_replacing(group, request, ticket, out, now_ms)
        elif instance_id is None and request.require_member_id:
            group.pending.add(member_id)
            key = TimerKey(SESSION, group.group_id, member_id)
            self._timers.set(key, now_ms + request.session_timeout_ms)
            reply = JoinReply(member_id=member_id, error=ErrorCode.MEMBER_ID_REQUIRED)
            out.answer(ticket, reply)
        else:
            self._join_new(group, request, member_id, ticket, out, now_ms)

    def _join_new(
        self,
        group: Group,
        request: JoinRequest,
        member_id: str,
        ticket: Ticket,
        out: GroupOutcome,
        now_ms: int,
    ) -> None:
        group.newcomers = group.state is State.PREPARING and group.was is State.EMPTY
        member = group.add(request, member_id)
        group.wait_to_join(member, ticket)
        # It has no session yet, but clients that gave up must not pile up in a long rebalance.
        key = TimerKey(SESSION, group.group_id, member_id)
        self._timers.set(key, now_ms + self._config.new_member_join_timeout_ms)
        self._rebalances.begin(group, out, now_ms)

    def _join_known(
        self, group: Group, request: JoinRequest, ticket: Ticket, out: GroupOutcome, now_ms: int
    ) -> None:
        error = group.check_member(request.member_id, request.group_instance_id)
        if error:
            out.answer(ticket, JoinReply(member_id=request.member_id, error=error))
            return
        member = group.members[request.member_id]
        leads = group.leader == member.member_id
        settled = group.state is State.COMPLETING or (group.state is State.STABLE and not leads)
        if settled and member.protocols == request.protocols:
            # Its reply was lost, or it wants to sync again: the generation it has is the present.
            out.answer(ticket, place(group, member))
            return
        # What waits already was sent before the member lost its connection.
        stale = JoinReply(member_id=member.member_id, error=ErrorCode.REBALANCE_IN_PROGRESS)
        self._rebalances.end_join(group, member, stale, out)
        _update(group, member, request)
        group.wait_to_join(member, ticket)
        self._rebalances.begin(group, out, now_ms)

    def _join_replacing(
        self, group: Group, request: JoinRequest, ticket: Ticket, out: GroupOutcome, now_ms: int
    ) -> None:
        """Give a static member that has come back without its id a new one; the old is fenced."""
        leader = group.leader or ""
        member = group.members[group.static[request.group_instance_id or ""]]
        before = (member.protocols, member.rebalance_timeout_ms, member.session_timeout_ms)
        old_id, fenced = member.member_id, ErrorCode.FENCED_INSTANCE_ID
        self._rebalances.end_join(group, member, JoinReply(member_id=old_id, error=fenced), out)
        self._rebalances.end_sync(member, SyncReply(error=fenced), out)
        _update(group, member, request)
        self._rename(group, member, request.new_member_id, now_ms)
        if group.state is not State.STABLE or group.elected_protocol() != group.protocol:
            group.wait_to_join(member, ticket)
            self._rebalances.begin(group, out, now_ms)
            return

        def revert(code: ErrorCode) -> GroupOutcome:
            group.update(member, *before)
            self._rename(group, member, old_id, now_ms)
            reply = place(group, member)
            reply.member_id, reply.error, reply.members = "", append_error(code), []
            return out.instead(ticket, reply)

        kept = {held.member_id: held.assignment for held in group.members.values()}
        self._rebalances.save(group, kept, out)
        reply = place(group, member)
        if request.can_skip_assignment:
            reply.skip_assignment = group.leader == member.member_id
        else:  # told that its old self leads, it makes no assignment but takes the one there is
            reply.leader, reply.members = leader, []
        out.answer(ticket, reply)
        out.on_failure = revert

    def _rename(self, group: Group, member: Member, member_id: str, now_ms: int) -> None:
        self._timers.cancel(TimerKey(SESSION, group.group_id, member.member_id))
        group.replace(member, member_id)
        self.keep_alive(group, member, now_ms)

    def _leave_one(
        self, group: Group, member_id: str, instance_id: str | None, out: GroupOutcome
    ) -> ErrorCode:
        if member_id in group.pending:
            self._rebalances.forget(group, member_id)
            return ErrorCode.NONE
        member_id = member_id or group.static.get(instance_id or "", "")
        error = group.check_member(member_id, instance_id)
        if not error:
            self._rebalances.drop(group, group.members[member_id], out)
        return error

    def _expire_session(self, group: Group, member_id: str, out: GroupOutcome, now_ms: int) -> None:
        member = group.members.get(member_id)
        if member is None:
            group.remove(member_id)
        else:
            waits = member.join_ticket is not None or member.sync_ticket is not None
            if waits and not member.is_new:
                return  # its session begins anew when it is answered
            self._rebalances.drop(group, member, out)
        if group.state in (State.STABLE, State.COMPLETING) and member is not None:
            self._rebalances.prepare(group, out, now_ms)
        elif group.state is State.PREPARING and group.all_joined():
            self._rebalances.complete_join(group, out, now_ms)


def _update(group: Group, member: Member, request: JoinRequest) -> None:
    rebalance_ms, session_ms = request.rebalance_timeout_ms, request.session_timeout_ms
    group.update(member, request.protocols, rebalance_ms, session_ms)


def _sync_error(request: SyncRequest, group: Group | None) -> ErrorCode:
    if not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    if group is None or group.state is State.EMPTY:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if group.state is State.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    error = group.check_member(request.member_id, request.group_instance_id)
    if error:
        return error
    if request.generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    asked = (request.protocol_type, request.protocol_name)
    agreed = (group.protocol_type, group.protocol)
    if any(None not in pair and pair[0] != pair[1] for pair in zip(asked, agreed, strict=True)):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    if group.state is State.PREPARING:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _not_left(group_id: str, group: Group | None, members: Sequence[LeavingMember]) -> LeaveReply:
    if not group_id:
        return LeaveReply(error=ErrorCode.INVALID_GROUP_ID)
    if group is not None:
        return LeaveReply(error=ErrorCode.COORDINATOR_NOT_AVAILABLE)
    unknown = ErrorCode.UNKNOWN_MEMBER_ID
    return LeaveReply(members=[LeftMember(*row, unknown) for row in members])
