"""One consumer group of KIP-848, as its records tell it.

    epoch              of the group: goes up when members, subscriptions or topics change
    assignment epoch   of the targets: which group epoch they were made for
    a member's epoch   which targets it has reached

    Empty        no members
    Assigning    the targets are older than the group
    Reconciling  some member has not reached its target
    Stable       all have

Invariants: all of it but `seen` changes by records alone; an owner of a partition is the member
that has it, or is giving it up; nobody is given what another one owns.

Source: KIP-848, as Apache Kafka 4.3 behaves.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from .consumer_records import (
    Epoch,
    Expression,
    IdPartition,
    Key,
    Kind,
    Place,
    Said,
    State,
    Target,
    decode_epoch,
    decode_expression,
    decode_place,
    decode_said,
    decode_target,
)
from .consumer_topics import Topics

EMPTY = "Empty"
ASSIGNING = "Assigning"
RECONCILING = "Reconciling"
STABLE = "Stable"
AWAY = -2
"""Epoch of a static member that has left for a while."""

NO_TARGET: Target = frozenset()


class ConsumerMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a consumer group."""

    member_id: str
    said: Said = Said()
    place: Place = Place()


class ConsumerGroup:
    """A group, its members and their targets."""

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.epoch = 1
        self.topics_hash = 0  # of the topics that are subscribed to, when the epoch began
        self.assignment_epoch = 1
        self.assigned_ms = 0  # when the targets were made
        self.members: dict[str, ConsumerMember] = {}
        self.static: dict[str, str] = {}  # member id by instance id
        self.targets: dict[str, Target] = {}  # by member id
        self.expressions: dict[str, Expression] = {}
        self.owners: dict[IdPartition, str] = {}
        self.seen: Topics | None = None  # the topics that the hash is known to stand for

    def replay(self, key: Key, value: bytes | None) -> None:
        """Take a record about this group into account, but for the end of the group itself."""
        match key.kind:
            case Kind.GROUP if value is not None:
                self.epoch, self.topics_hash = decode_epoch(value)
            case Kind.MEMBER:
                self._replay_said(key.name, None if value is None else decode_said(value))
            case Kind.ASSIGNMENT:
                told = Epoch(1) if value is None else decode_epoch(value)
                self.assignment_epoch, self.assigned_ms = told
            case Kind.TARGET if value is None:
                self.targets.pop(key.name, None)
            case Kind.TARGET:
                self.targets[key.name] = decode_target(value or b"")
            case Kind.PLACE:
                self._replay_place(key.name, None if value is None else decode_place(value))
            case Kind.EXPRESSION if value is None:
                self.expressions.pop(key.name, None)
            case Kind.EXPRESSION:
                self.expressions[key.name] = decode_expression(value or b"")

    def state(self) -> str:
        """Return the state of the group, as operators read it."""
        if not self.members:
            return EMPTY
        if self.epoch > self.assignment_epoch:
            return ASSIGNING
        settled = all(
            member.place.epoch == self.assignment_epoch and member.place.state is State.STABLE
            for member in self.members.values()
        )
        return STABLE if settled else RECONCILING

    def assignor(self, members: dict[str, ConsumerMember], default: str) -> str:
        """Return the assignor that most members ask for, of those that ask for one."""
        votes = Counter(member.said.assignor for member in members.values() if member.said.assignor)
        return max(votes, key=lambda name: (votes[name], name), default=default)

    def subscribes_to(self, topic: str) -> bool:
        """Tell whether a member reads a topic."""
        return any(topic in self.topics_of(member.said) for member in self.members.values())

    def topics_of(
        self, said: Said, expressions: dict[str, Expression] | None = None
    ) -> frozenset[str]:
        """Return the topics that a member reads, by name and by expression."""
        known = self.expressions if expressions is None else expressions
        matched = known.get(said.expression) if said.expression else None
        return frozenset((*said.topics, *(matched.topics if matched else ())))

    def _replay_said(self, member_id: str, said: Said | None) -> None:
        member = self.members.get(member_id)
        if member is not None and self.static.get(member.said.instance_id or "") == member_id:
            del self.static[member.said.instance_id or ""]
        if said is None:
            self._replay_place(member_id, None)
            self.members.pop(member_id, None)
            return
        place = member.place if member is not None else Place()
        self.members[member_id] = ConsumerMember(member_id=member_id, said=said, place=place)
        if said.instance_id is not None:
            self.static[said.instance_id] = member_id

    def _replay_place(self, member_id: str, place: Place | None) -> None:
        member = self.members.get(member_id, ConsumerMember(member_id=member_id))
        for partition in (*member.place.assigned, *member.place.revoking):
            if self.owners.get(partition) == member_id:
                del self.owners[partition]
        if place is not None:
            self.members[member_id] = msgspec.structs.replace(member, place=place)
            self.owners |= dict.fromkeys((*place.assigned, *place.revoking), member_id)
        elif member_id in self.members:
            self.members[member_id] = msgspec.structs.replace(member, place=Place())
