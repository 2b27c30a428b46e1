"""One member of one group, as it sees itself: pure state.

    UNJOINED ─┬─ JoinGroup ──▶ SYNCING ── SyncGroup ──▶ STABLE ── Heartbeat ──▶ STABLE
    JOINING ──┘                                           │
        ▲──── REBALANCE_IN_PROGRESS, a coordinator that is away, something to tell the group
    UNJOINED ◀── UNKNOWN_MEMBER_ID, ILLEGAL_GENERATION: what the member held is lost
    FENCED   ◀── FENCED_INSTANCE_ID: another has its instance id; there is no way back

Invariants: the state says which request is next, and an answer is the only thing but `rejoin` and
`leave` that moves it; an answer to what was asked in another generation changes nothing.

Source: KIP-62, KIP-345, KIP-394, KIP-429, as Kafka's consumers behave.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..assignor.assignors import Assignor, RebalanceProtocol
from ..assignor.protocol import (
    Assignment,
    Claim,
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from ..errors import ErrorCode, error_for
from ..model import TopicPartition
from ..wire.messages.heartbeat import HeartbeatRequest
from ..wire.messages.join_group import JoinGroupProtocol, JoinGroupRequest, JoinGroupResponse
from ..wire.messages.leave_group import LeaveGroupMember, LeaveGroupRequest
from ..wire.messages.sync_group import SyncGroupAssignment, SyncGroupRequest, SyncGroupResponse
from .offsets import ANYBODY, Committer

_PROTOCOL_TYPE = "consumer"
_LOST = frozenset({ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION})
_AT_ONCE = _LOST | {ErrorCode.REBALANCE_IN_PROGRESS}
_MOVES = _AT_ONCE | {ErrorCode.FENCED_INSTANCE_ID}


class MemberState(enum.Enum):
    """What is next."""

    UNJOINED = "unjoined"  # in no generation; JoinGroup
    JOINING = "joining"  # in a generation that is over, or is to be; JoinGroup
    SYNCING = "syncing"  # in a new generation, without its part of it; SyncGroup
    STABLE = "stable"  # has its part; Heartbeat, time and again
    FENCED = "fenced"  # nothing


class MemberOptions(NamedTuple):
    """What a member tells its group."""

    group_id: str
    group_instance_id: str | None  # of a static member
    assignors: tuple[Assignor, ...]  # the one liked best comes first
    session_timeout_ms: int
    rebalance_timeout_ms: int


class Membership:
    """One member of one group."""

    def __init__(self, options: MemberOptions) -> None:
        common = set(RebalanceProtocol).intersection(*(a.protocols for a in options.assignors))
        self.is_cooperative = RebalanceProtocol.COOPERATIVE in common
        self.state = MemberState.UNJOINED
        self.member_id = ""
        self.generation = -1
        self.partitions: tuple[TopicPartition, ...] = ()  # given in this generation
        self.members: dict[str, Subscription] = {}  # to share out to; empty unless this one leads
        self._options = options
        self._protocol = options.assignors[0]
        self._skips_assignment = False
        self._claim = Claim()  # what the last generation gave

    @property
    def must_join(self) -> bool:
        """Whether JoinGroup is next."""
        return self.state in (MemberState.UNJOINED, MemberState.JOINING)

    @property
    def group_topics(self) -> frozenset[str]:
        """The topics of all members, where this one leads."""
        return frozenset[str]().union(*(member.topics for member in self.members.values()))

    @property
    def committer(self) -> Committer:
        """Who commits as this member; anybody while it is in no generation."""
        if self.generation < 0:
            return ANYBODY._replace(member_id=self.member_id)
        return Committer(self.generation, self.member_id, self._options.group_instance_id)

    # -- joining ------------------------------------------------------------------------------

    def join_request(
        self, topics: Iterable[str], owned: Iterable[TopicPartition]
    ) -> JoinGroupRequest:
        """Return the request to join, for these topics, by a member that still holds `owned`."""
        options = self._options
        topics, owned = frozenset(topics), tuple(owned)
        return JoinGroupRequest(
            group_id=options.group_id,
            session_timeout_ms=options.session_timeout_ms,
            rebalance_timeout_ms=options.rebalance_timeout_ms,
            member_id=self.member_id,
            group_instance_id=options.group_instance_id,
            protocol_type=_PROTOCOL_TYPE,
            protocols=[
                JoinGroupProtocol(
                    name=assignor.name,
                    metadata=encode_subscription(
                        Subscription(
                            topics, assignor.user_data(self._claim), owned, self.generation
                        )
                    ),
                )
                for assignor in options.assignors
            ],
        )

    def on_join(self, answer: JoinGroupResponse) -> bool:
        """Take the answer into account; return whether the next request may go at once.

        Raises:
            LogError: the group does not take this member, and would not later either.
        """
        if answer.error_code is ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            return True
        if answer.error_code:
            return self._refused(answer.error_code)
        self.state = MemberState.SYNCING
        self.member_id = answer.member_id
        self.generation = answer.generation_id
        self._protocol = next(a for a in self._options.assignors if a.name == answer.protocol_name)
        self._skips_assignment = answer.skip_assignment
        self.members = {
            member.member_id: decode_subscription(member.metadata, member.group_instance_id)
            for member in answer.members
        }
        return True

    def sync_request(self, partitions_per_topic: Mapping[str, int]) -> SyncGroupRequest:
        """Return the request for one's part; where this member leads, with everybody's."""
        shares: list[SyncGroupAssignment] = []
        if self.members and not self._skips_assignment:
            shared = self._protocol.assign(partitions_per_topic, self.members)
            shares = [
                SyncGroupAssignment(
                    member_id=member_id, assignment=encode_assignment(Assignment(tuple(given)))
                )
                for member_id, given in shared.items()
            ]
        return SyncGroupRequest(
            group_id=self._options.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._options.group_instance_id,
            protocol_type=_PROTOCOL_TYPE,
            protocol_name=self._protocol.name,
            assignments=shares,
        )

    def on_sync(self, answer: SyncGroupResponse) -> bool:
        """Take the answer into account; return whether the next request may go at once.

        Raises:
            LogError: as `on_join` does.
        """
        if answer.error_code:
            return self._refused(answer.error_code)
        given = answer.assignment
        self.partitions = decode_assignment(given).partitions if given else ()
        self._claim = Claim(self.partitions, self.generation)
        self.state = MemberState.STABLE
        return True

    def rejoin(self) -> None:
        """Join again: there is something to tell the group, or an answer did not come."""
        if self.state in (MemberState.SYNCING, MemberState.STABLE):
            self.state = MemberState.JOINING

    # -- staying ------------------------------------------------------------------------------

    def heartbeat_request(self) -> HeartbeatRequest | None:
        """Return the request that says this member lives; None where there is no membership."""
        if self.generation < 0:
            return None
        return HeartbeatRequest(
            group_id=self._options.group_id,
            generation_id=self.generation,
            member_id=self.member_id,
            group_instance_id=self._options.group_instance_id,
        )

    def on_heartbeat(self, asked: HeartbeatRequest, code: ErrorCode) -> None:
        """Take the answer to a heartbeat into account."""
        self._heed(asked.generation_id, asked.member_id, code)

    def on_commit(self, asked: Committer, code: ErrorCode) -> None:
        """Take the error of a commit into account, so far as it is about membership."""
        self._heed(asked.generation, asked.member_id, code)

    def leave(self) -> LeaveGroupRequest | None:
        """Forget the membership; return the request that tells the group, None where none is due.

        A static member is expected back, so it does not tell.
        """
        member_id = self.member_id
        self._lose()
        self.member_id = ""
        if not member_id or self._options.group_instance_id is not None:
            return None
        return LeaveGroupRequest(
            group_id=self._options.group_id,
            member_id=member_id,
            members=[LeaveGroupMember(member_id=member_id)],
        )

    def _heed(self, generation: int, member_id: str, code: ErrorCode) -> None:
        """Move a stable member; one that joins already learns from the answer to that."""
        asked_now = (generation, member_id) == (self.generation, self.member_id)
        if code in _MOVES and asked_now and self.state is MemberState.STABLE:
            self._move(code)

    def _refused(self, code: ErrorCode) -> bool:
        self._move(code)
        error = error_for(code, f"cannot join group {self._options.group_id!r}")
        if code not in _AT_ONCE and not error.retriable:
            raise error
        return code in _AT_ONCE

    def _move(self, code: ErrorCode) -> None:
        if code is ErrorCode.FENCED_INSTANCE_ID:
            self._lose()
            self.state = MemberState.FENCED
        elif code in _LOST:
            self._lose()
            if code is ErrorCode.UNKNOWN_MEMBER_ID:
                self.member_id = ""
        else:
            self.rejoin()

    def _lose(self) -> None:
        self.state = MemberState.UNJOINED
        self.generation = -1
        self.partitions = ()
        self.members = {}
