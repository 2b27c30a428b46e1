"""What a group coordinator answers, and the outcome that carries it."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from ..errors import ErrorCode
from ..machine import Outcome, Ticket
from ..model import TopicPartition

CLASSIC = "classic"
CONSUMER = "consumer"
"""The types of groups, as operators read them."""


class GroupOutcome(Outcome, kw_only=True):
    """An outcome about one group, whose records all go to the partition of that group."""

    group_id: str

    def answer(self, ticket: Ticket, reply: Any) -> None:
        """Add a reply to those to be sent."""
        self.replies.append((ticket, reply))

    def instead(self, ticket: Ticket, reply: Any) -> GroupOutcome:
        """Return an outcome with the same replies but for one ticket, and nothing else to do."""
        others = [row for row in self.replies if row[0] != ticket]
        return GroupOutcome(group_id=self.group_id, replies=[*others, (ticket, reply)])


class JoinedMember(NamedTuple):
    """A member as its leader is told of it."""

    member_id: str
    group_instance_id: str | None
    metadata: bytes  # what it said under the protocol that was chosen


class JoinReply(msgspec.Struct, kw_only=True):
    """The place of a member in a generation."""

    member_id: str
    error: ErrorCode = ErrorCode.NONE
    generation: int = -1
    protocol_type: str | None = None
    protocol_name: str | None = None
    leader: str = ""
    skip_assignment: bool = False  # the assignment that is there holds: the leader makes none
    members: list[JoinedMember] = msgspec.field(default_factory=list)  # for the leader alone


class SyncReply(msgspec.Struct, kw_only=True):
    """The part of a member in a generation."""

    error: ErrorCode = ErrorCode.NONE
    protocol_type: str | None = None
    protocol_name: str | None = None
    assignment: bytes = b""


class LeftMember(NamedTuple):
    """What came of one member that was to leave."""

    member_id: str
    group_instance_id: str | None
    error: ErrorCode


class LeaveReply(msgspec.Struct, kw_only=True):
    """What came of a LeaveGroup; before version 3 its one member's error is the whole answer."""

    error: ErrorCode = ErrorCode.NONE
    members: list[LeftMember] = msgspec.field(default_factory=list)


CommitReply = dict[TopicPartition, ErrorCode]
"""What came of each partition of an OffsetCommit or a TxnOffsetCommit."""


class DeleteOffsetsReply(msgspec.Struct, kw_only=True):
    """What came of an OffsetDelete."""

    error: ErrorCode = ErrorCode.NONE
    partitions: dict[TopicPartition, ErrorCode] = msgspec.field(default_factory=dict)


class FetchedOffset(NamedTuple):
    """A committed offset; -1 with no error where nothing is committed."""

    offset: int = -1
    leader_epoch: int = -1
    metadata: str = ""
    error: ErrorCode = ErrorCode.NONE


class DescribedMember(NamedTuple):
    """A member as an operator is told of it."""

    member_id: str
    group_instance_id: str | None
    client_id: str
    client_host: str
    metadata: bytes  # empty unless the group is stable
    assignment: bytes


class GroupDescription(msgspec.Struct, kw_only=True):
    """A group as an operator is told of it; a group that is not there is Dead, with an error."""

    group_id: str
    error: ErrorCode = ErrorCode.NONE  # versions before 6 do not send GROUP_ID_NOT_FOUND
    state: str
    protocol_type: str = ""
    protocol: str = ""  # empty unless the group is stable
    members: list[DescribedMember] = msgspec.field(default_factory=list)


class ListedGroup(NamedTuple):
    """One row of a list of groups."""

    group_id: str
    protocol_type: str
    state: str
    group_type: str = CLASSIC


def append_error(code: ErrorCode) -> ErrorCode:
    """Return what a client is told when the append to `__consumer_offsets` failed with `code`."""
    return _APPEND_ERRORS.get(code, code)


_APPEND_ERRORS = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.INVALID_FETCH_SIZE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
