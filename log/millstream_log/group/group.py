"""One consumer group: its state, who is in it, and what its members agree on.

    Empty ──▶ PreparingRebalance ──▶ CompletingRebalance ──▶ Stable
      ▲         │  ▲  ▲                      │                 │
      └─────────┘  │  └──────────────────────┘                 │      any ──▶ Dead
                   └───────────────────────────────────────────┘

    PreparingRebalance   members are asked to join; ends when all have, or at the time-out
    CompletingRebalance  a generation has begun; its leader owes the assignment
    Stable               everybody may have its part

Invariants: the protocol of a generation is one that each of its members offered; the generation
never goes back; a static member's instance id leads to one member id, the last that joined with it.

Source: KIP-62, KIP-134, KIP-345, KIP-394, as Kafka's classic groups behave.
"""

from __future__ import annotations

import enum

import msgspec

from ..errors import CorruptRecordError, ErrorCode
from ..machine import Ticket
from .records import GroupMetadata, MemberMetadata, subscribed_topics
from .replies import DescribedMember, GroupDescription, JoinedMember
from .requests import JoinRequest, Protocols

CONSUMER_PROTOCOL = "consumer"


class State(enum.StrEnum):
    """The states of a group, as operators read them."""

    EMPTY = "Empty"
    PREPARING = "PreparingRebalance"
    COMPLETING = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.EMPTY: frozenset({State.PREPARING, State.DEAD}),
    State.PREPARING: frozenset({State.EMPTY, State.COMPLETING, State.DEAD}),
    State.COMPLETING: frozenset({State.PREPARING, State.STABLE, State.DEAD}),
    State.STABLE: frozenset({State.PREPARING, State.DEAD}),
    State.DEAD: frozenset(),
}


class Member(msgspec.Struct, kw_only=True):
    """A member of a group."""

    member_id: str
    group_instance_id: str | None = None  # of a static member
    client_id: str
    client_host: str
    rebalance_timeout_ms: int
    session_timeout_ms: int
    protocols: Protocols
    assignment: bytes = b""
    is_new: bool = False  # has seen no generation yet: it may expire while it waits to join
    join_ticket: Ticket | None = None  # of the JoinGroup that waits
    sync_ticket: Ticket | None = None  # of the SyncGroup that waits

    def metadata(self, protocol: str | None) -> bytes:
        """Return what the member said under a protocol that it offers."""
        return next(metadata for name, metadata in self.protocols if name == protocol)


class Group:
    """A group and its members."""

    def __init__(self, group_id: str, state_timestamp_ms: int = -1) -> None:
        self.group_id = group_id
        self.state = State.EMPTY
        self.was = State.EMPTY  # the state before
        self.state_timestamp_ms = state_timestamp_ms  # when it came into its state; -1 unknown
        self.protocol_type: str | None = None  # None: nobody ever joined, commits only
        self.protocol: str | None = None  # of the generation
        self.generation = 0
        self.leader: str | None = None  # its member id
        self.members: dict[str, Member] = {}  # by id, in the order they came
        self.static: dict[str, str] = {}  # member id by instance id
        self.pending: set[str] = set()  # ids given out, with which nobody has joined yet
        self.unsynced: dict[str, None] = {}  # ids whose SyncGroup of this generation is due
        self.subscribed: frozenset[str] | None = None  # topics; None: not known
        self.newcomers = False  # somebody joined since the initial delay last began
        self.initial_left_ms = 0  # by how much the initial delay may still be extended
        self._waiting = 0  # members whose JoinGroup waits
        self._offered: dict[str, int] = {}  # members by the protocols they offer

    def add(self, request: JoinRequest, member_id: str) -> Member:
        """Take a member in."""
        member = Member(
            member_id=member_id,
            group_instance_id=request.group_instance_id,
            client_id=request.client_id,
            client_host=request.client_host,
            rebalance_timeout_ms=request.rebalance_timeout_ms,
            session_timeout_ms=request.session_timeout_ms,
            protocols=request.protocols,
            is_new=True,
        )
        if not self.members:
            self.protocol_type = request.protocol_type
        self._take_in(member)
        return member

    def update(
        self, member: Member, protocols: Protocols, rebalance_ms: int, session_ms: int
    ) -> None:
        """Put down what a member says when it joins again."""
        self._count_protocols(member, -1)
        member.protocols = protocols
        self._count_protocols(member, 1)
        member.rebalance_timeout_ms = rebalance_ms
        member.session_timeout_ms = session_ms

    def remove(self, member_id: str) -> None:
        """Let a member, or an id that was given out, go; its tickets are the caller's to answer."""
        self.pending.discard(member_id)
        self.unsynced.pop(member_id, None)
        member = self.members.pop(member_id, None)
        if member is not None:
            self.take_join_ticket(member)
            self._count_protocols(member, -1)
            if member.group_instance_id is not None:
                del self.static[member.group_instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)

    def replace(self, member: Member, member_id: str) -> None:
        """Give a static member another id; its tickets are the caller's to answer."""
        del self.members[member.member_id]
        if member.member_id in self.unsynced:
            del self.unsynced[member.member_id]
            self.unsynced[member_id] = None
        if self.leader == member.member_id:
            self.leader = member_id
        member.member_id = member_id
        self.members[member_id] = member
        self.static[member.group_instance_id or ""] = member_id

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """Return what is wrong with somebody who says it is this member."""
        if group_instance_id is not None:
            known = self.static.get(group_instance_id)
            if known is not None and known != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
            if known is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def _take_in(self, member: Member) -> None:
        self.members[member.member_id] = member
        if member.group_instance_id is not None:
            self.static[member.group_instance_id] = member.member_id
        if self.leader is None:
            self.leader = member.member_id
        self._count_protocols(member, 1)
        self.pending.discard(member.member_id)

    def wait_to_join(self, member: Member, ticket: Ticket) -> None:
        """Let a member's JoinGroup wait; none of it waits already."""
        member.join_ticket = ticket
        self._waiting += 1

    def take_join_ticket(self, member: Member) -> Ticket | None:
        """Return the ticket of a member's JoinGroup, which waits no longer; None if none does."""
        ticket = member.join_ticket
        if ticket is not None:
            member.join_ticket = None
            self._waiting -= 1
        return ticket

    def waiting(self) -> int:
        """Return how many members wait to join."""
        return self._waiting

    def all_joined(self) -> bool:
        """Tell whether nobody is left to join: neither a member nor an id that was given out."""
        return self._waiting == len(self.members) and not self.pending

    def rebalance_timeout_ms(self) -> int:
        """Return the longest time that a member asks for to join again; at least 1."""
        return max([1, *(member.rebalance_timeout_ms for member in self.members.values())])

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Tell whether the group could work with a member that offers these."""
        if self.state is State.EMPTY:
            return bool(protocol_type and protocols)
        everybody = len(self.members)
        return protocol_type == self.protocol_type and any(
            self._offered.get(name, 0) == everybody for name, _ in protocols
        )

    def elected_protocol(self) -> str:
        """Return the protocol that most members like best among those that all of them offer.

        A draw goes to the one that was named first, in the order of the members.
        """
        everybody = len(self.members)
        votes: dict[str, int] = {}
        for member in self.members.values():
            vote = next(name for name, _ in member.protocols if self._offered[name] == everybody)
            votes[vote] = votes.get(vote, 0) + 1
        return max(votes, key=votes.__getitem__)

    def elect_leader(self) -> bool:
        """Give the lead to a member that waits to join; return False when none does."""
        if self.leader is not None and self.members[self.leader].join_ticket is not None:
            return True
        for member in self.members.values():
            if member.join_ticket is not None:
                self.leader = member.member_id
                return True
        return False

    def _count_protocols(self, member: Member, by: int) -> None:
        for name in {name for name, _ in member.protocols}:
            self._offered[name] = self._offered.get(name, 0) + by

    def may(self, target: State) -> bool:
        """Tell whether the group can go to a state from the one it is in."""
        return target in TRANSITIONS[self.state]

    def move(self, target: State, now_ms: int) -> None:
        """Go to a state."""
        assert self.may(target), f"group {self.group_id!r} cannot go from {self.state} to {target}"
        self.was = self.state
        self.state = target
        self.state_timestamp_ms = now_ms

    def next_generation(self, now_ms: int) -> None:
        """Begin a generation of the members there are; without any the group is empty."""
        self.generation += 1
        self.unsynced.clear()
        self.protocol = self.elected_protocol() if self.members else None
        self.subscribed = self._subscribed()
        self.move(State.COMPLETING if self.members else State.EMPTY, now_ms)

    def saved(self, assignments: dict[str, bytes]) -> GroupMetadata:
        """Return the generation as the log keeps it, with an assignment by member id."""
        return GroupMetadata(
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=self.protocol,
            leader=self.leader,
            state_timestamp_ms=self.state_timestamp_ms,
            members=tuple(
                MemberMetadata(
                    member.member_id,
                    member.group_instance_id,
                    member.client_id,
                    member.client_host,
                    member.rebalance_timeout_ms,
                    member.session_timeout_ms,
                    member.metadata(self.protocol),
                    assignments.get(member.member_id, b""),
                )
                for member in self.members.values()
            ),
        )

    @classmethod
    def loaded(cls, group_id: str, saved: GroupMetadata) -> Group:
        """Return the group that the log keeps."""
        group = cls(group_id, saved.state_timestamp_ms)
        group.protocol_type = saved.protocol_type or None
        group.generation = saved.generation
        group.protocol = (saved.protocol or "") if saved.members else None
        group.state = State.STABLE if saved.members else State.EMPTY
        for row in saved.members:
            group._take_in(
                Member(
                    member_id=row.member_id,
                    group_instance_id=row.group_instance_id,
                    client_id=row.client_id,
                    client_host=row.client_host,
                    rebalance_timeout_ms=row.rebalance_timeout_ms,
                    session_timeout_ms=row.session_timeout_ms,
                    protocols=((saved.protocol or "", row.subscription),),
                    assignment=row.assignment,
                )
            )
        if saved.leader in group.members:
            group.leader = saved.leader
        group.subscribed = group._subscribed()
        return group

    def is_told_of(self, saved: GroupMetadata) -> bool:
        """Tell whether a saved generation is the one that lives here, members and all."""
        return saved.generation == self.generation and all(
            row.member_id in self.members for row in saved.members
        )

    def adopt(self, saved: GroupMetadata) -> None:
        """Take the assignments of a saved generation, which is the one that lives here."""
        for row in saved.members:
            self.members[row.member_id].assignment = row.assignment
        if saved.members and self.state is State.COMPLETING:
            self.move(State.STABLE, saved.state_timestamp_ms)
        if self.state is State.STABLE:
            self.subscribed = self._subscribed()

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether a topic is subscribed to; where it is not known, a consumer group does."""
        if self.subscribed is None:
            return self.protocol_type == CONSUMER_PROTOCOL
        return topic in self.subscribed

    def joined_members(self) -> list[JoinedMember]:
        """Return the members of the generation, for its leader."""
        return [
            JoinedMember(member.member_id, member.group_instance_id, member.metadata(self.protocol))
            for member in self.members.values()
        ]

    def described(self) -> GroupDescription:
        """Return the group for an operator."""
        stable = self.state is State.STABLE
        return GroupDescription(
            group_id=self.group_id,
            state=self.state,
            protocol_type=self.protocol_type or "",
            protocol=(self.protocol or "") if stable else "",
            members=[
                DescribedMember(
                    member.member_id,
                    member.group_instance_id,
                    member.client_id,
                    member.client_host,
                    member.metadata(self.protocol) if stable else b"",
                    member.assignment,
                )
                for member in self.members.values()
            ],
        )

    def _subscribed(self) -> frozenset[str] | None:
        if self.protocol_type != CONSUMER_PROTOCOL or (self.members and self.protocol is None):
            return None
        topics: set[str] = set()
        try:
            for member in self.members.values():
                topics.update(subscribed_topics(member.metadata(self.protocol)))
        except CorruptRecordError:
            return None  # a client of its own kind: the group counts as subscribed to everything
        return frozenset(topics)
