"""From one generation of a group to the next, and the deadlines of its members on the way.

    prepare        members are asked to join; who waits to sync is sent back
    complete_join  all have joined, or time is up: the next generation, or an empty group
    store          the leader's assignment goes to the log; when it is replayed the group is stable

Invariants: a ticket that is taken from a member is answered in the same outcome; a group that
prepares has a deadline; a generation that nobody is left in is put on record as empty.

Source: KIP-62, KIP-134, KIP-345, as Kafka's classic groups behave.
"""

from __future__ import annotations

from typing import NamedTuple

from ..deadlines import Deadlines
from ..errors import ErrorCode
from ..machine import Ticket
from .config import GroupConfig
from .group import Group, Member, State
from .records import encode_group_key, encode_group_value
from .replies import GroupOutcome, JoinReply, SyncReply, append_error

SESSION = "session"
JOIN = "join"
SYNC = "sync"


class TimerKey(NamedTuple):
    """What is to happen to whom."""

    kind: str
    group_id: str
    member_id: str = ""


Timers = Deadlines[TimerKey]
"""The deadlines of all groups of a coordinator."""


class Rebalances:
    """What happens to a group as a whole."""

    def __init__(self, config: GroupConfig, timers: Timers) -> None:
        self._config = config
        self._timers = timers

    def begin(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        """Begin a rebalance, or end the one that goes on should everybody have joined."""
        if group.may(State.PREPARING):
            self.prepare(group, out, now_ms)
        else:
            self.complete_if_joined(group, out, now_ms)

    def prepare(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        """Ask the members to join again; a group that was empty waits for more of them to come."""
        if group.state is State.COMPLETING:
            self._fail_sync(group, out, now_ms)
        group.unsynced.clear()
        self._timers.cancel(TimerKey(SYNC, group.group_id))
        group.move(State.PREPARING, now_ms)
        if group.was is State.EMPTY:
            delay_ms = self._config.initial_rebalance_delay_ms
            group.initial_left_ms = max(group.rebalance_timeout_ms() - delay_ms, 0)
            # Without a delay too it is a timer's turn: who joins at the same time comes along.
            self._timers.set(TimerKey(JOIN, group.group_id), now_ms + delay_ms)
        elif group.all_joined():
            self.complete_join(group, out, now_ms)
        else:
            self._wait_for_members(group, now_ms)

    def complete_if_joined(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        """End the joining if everybody has joined; the initial delay runs its time regardless."""
        preparing = group.state is State.PREPARING and group.was is not State.EMPTY
        if preparing and group.all_joined():
            self.complete_join(group, out, now_ms)

    def complete_join(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        """Begin the next generation with those who joined, and the static members who did not."""
        self._timers.cancel(TimerKey(JOIN, group.group_id))
        for member in list(group.members.values()):
            if member.join_ticket is None and member.group_instance_id is None:
                self.forget(group, member.member_id)
        if group.members and not group.elect_leader():
            self._wait_for_members(group, now_ms)  # until their sessions end
            return
        group.next_generation(now_ms)
        if not group.members:
            # Should this be lost, a restart finds the generation before, whose members time out.
            self.save(group, {}, out)
            out.on_failure = lambda code: GroupOutcome(group_id=out.group_id, replies=out.replies)
            return
        for member in group.members.values():
            self.end_join(group, member, place(group, member), out)
            self.keep_alive(group, member, now_ms)
            member.is_new = False
            group.unsynced[member.member_id] = None
        self._timers.set(TimerKey(SYNC, group.group_id), now_ms + group.rebalance_timeout_ms())

    def join_time_is_up(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        """End the joining, unless it is the initial delay and somebody came during it."""
        if group.was is not State.EMPTY or not group.newcomers or not group.initial_left_ms:
            self.complete_join(group, out, now_ms)
            return
        delay_ms = min(self._config.initial_rebalance_delay_ms, group.initial_left_ms)
        group.newcomers = False
        group.initial_left_ms -= delay_ms
        self._timers.set(TimerKey(JOIN, group.group_id), now_ms + delay_ms)

    def synced(self, group: Group, member: Member) -> None:
        """Put down that a member has sent its SyncGroup."""
        group.unsynced.pop(member.member_id, None)
        if not group.unsynced:
            self._timers.cancel(TimerKey(SYNC, group.group_id))

    def store(
        self, group: Group, assignments: dict[str, bytes], out: GroupOutcome, now_ms: int
    ) -> None:
        """Append the leader's assignment and give everybody who waits its part."""
        generation = group.generation
        tickets: set[Ticket] = set()
        for member in group.members.values():
            if member.sync_ticket is not None:
                tickets.add(member.sync_ticket)
                own = assignments.get(member.member_id, b"")
                self.end_sync(member, part(group, own), out)
                self.keep_alive(group, member, now_ms)

        def fail(code: ErrorCode) -> GroupOutcome:
            failed = GroupOutcome(group_id=group.group_id)
            error = SyncReply(error=append_error(code))
            for ticket, reply in out.replies:
                failed.answer(ticket, error if ticket in tickets else reply)
            if group.state is State.COMPLETING and group.generation == generation:
                self.prepare(group, failed, now_ms)
            return failed

        self.save(group, assignments, out)
        out.on_failure = fail

    def sync_time_is_up(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        """Go on without the members of the generation that have never sent their SyncGroup."""
        if group.unsynced and group.may(State.PREPARING):
            for member_id in list(group.unsynced):
                self.forget(group, member_id)
            self.prepare(group, out, now_ms)

    def keep_alive(self, group: Group, member: Member, now_ms: int) -> None:
        """Begin a member's session anew."""
        key = TimerKey(SESSION, group.group_id, member.member_id)
        self._timers.set(key, now_ms + member.session_timeout_ms)

    def drop(self, group: Group, member: Member, out: GroupOutcome) -> None:
        """Let a member go, and tell it so if it waits: if it still lives it joins anew."""
        unknown = ErrorCode.UNKNOWN_MEMBER_ID
        self.end_join(group, member, JoinReply(member_id="", error=unknown), out)
        self.end_sync(member, SyncReply(error=unknown), out)
        self.forget(group, member.member_id)

    def forget(self, group: Group, member_id: str) -> None:
        """Let a member that does not wait, or an id that was given out, go."""
        self._timers.cancel(TimerKey(SESSION, group.group_id, member_id))
        group.remove(member_id)

    def end_join(self, group: Group, member: Member, reply: JoinReply, out: GroupOutcome) -> None:
        """Answer a member's JoinGroup if one waits."""
        ticket = group.take_join_ticket(member)
        if ticket is not None:
            out.answer(ticket, reply)

    def end_sync(self, member: Member, reply: SyncReply, out: GroupOutcome) -> None:
        """Answer a member's SyncGroup if one waits."""
        if member.sync_ticket is not None:
            out.answer(member.sync_ticket, reply)
            member.sync_ticket = None

    def save(self, group: Group, assignments: dict[str, bytes], out: GroupOutcome) -> None:
        """Append the generation with an assignment by member id."""
        value = encode_group_value(group.saved(assignments))
        out.records.append((encode_group_key(group.group_id), value))

    def _wait_for_members(self, group: Group, now_ms: int) -> None:
        due_ms = now_ms + group.rebalance_timeout_ms()
        self._timers.set(TimerKey(JOIN, group.group_id), due_ms)

    def _fail_sync(self, group: Group, out: GroupOutcome, now_ms: int) -> None:
        for member in group.members.values():
            member.assignment = b""
            if member.sync_ticket is not None:
                self.end_sync(member, SyncReply(error=ErrorCode.REBALANCE_IN_PROGRESS), out)
                self.keep_alive(group, member, now_ms)


def forget_rebalance(timers: Timers, group_id: str) -> None:
    """Take the deadlines of a group away whose place another one takes."""
    for kind in (JOIN, SYNC):
        timers.cancel(TimerKey(kind, group_id))


def place(group: Group, member: Member) -> JoinReply:
    """Return a member's place in the generation; its leader learns who the others are."""
    return JoinReply(
        member_id=member.member_id,
        generation=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol,
        leader=group.leader or "",
        members=group.joined_members() if group.leader == member.member_id else [],
    )


def part(group: Group, assignment: bytes) -> SyncReply:
    """Return a member's part in the generation."""
    return SyncReply(
        protocol_type=group.protocol_type, protocol_name=group.protocol, assignment=assignment
    )
