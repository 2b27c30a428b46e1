"""What is asked of a group coordinator, freed of the wire and its versions."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from ..model import TopicPartition

Protocols = tuple[tuple[str, bytes], ...]
"""Name and metadata of each protocol that a member can work with, the one it likes best first."""

Commit = tuple[int, int, str | None]
"""Offset, leader epoch (-1 where unknown) and metadata of a commit."""


class JoinRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A member asks for a place in the next generation."""

    group_id: str
    member_id: str = ""  # "" for one that has no id yet
    group_instance_id: str | None = None  # of a static member
    protocol_type: str = "consumer"
    protocols: Protocols
    session_timeout_ms: int
    rebalance_timeout_ms: int  # version 0 has none and takes the session timeout
    client_id: str = ""
    client_host: str = ""
    new_member_id: str = ""  # the id to give, should one be needed; nobody has had it before
    require_member_id: bool = True  # version 4 and up: take the id first, then join with it
    can_skip_assignment: bool = True  # version 9 and up


class SyncRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A member asks for its part; the leader brings everybody's."""

    group_id: str
    generation: int
    member_id: str
    group_instance_id: str | None = None
    protocol_type: str | None = None  # None before version 5: not checked
    protocol_name: str | None = None
    assignments: tuple[tuple[str, bytes], ...] = ()  # by member id; of the leader alone


class CommitRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A member, or with generation -1 whoever likes, states how far it has come."""

    group_id: str
    generation: int = -1
    member_id: str = ""
    group_instance_id: str | None = None
    offsets: Mapping[TopicPartition, Commit]
    retention_ms: int = -1  # how long it is kept; -1: as the broker says
    version: int = 9  # of OffsetCommit; members of consumer groups know version 9
