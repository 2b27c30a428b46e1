"""What is asked of consumer groups, freed of the wire, and the answers."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from ..errors import BrokerError, ErrorCode
from .consumer_group import AWAY
from .consumer_records import Classic, IdPartition, Said

JOINS = 0
LEAVES = -1
_ID_BYTES_MAX = 32_767  # what their length fields in the log can say


class ConsumerHeartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """A member says that it lives, and what has changed; None where nothing has."""

    group_id: str
    member_id: str
    epoch: int  # 0 joins, -1 leaves, -2 leaves for a while
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1  # -1: as before
    topics: tuple[str, ...] | None = None
    expression: str | None = None
    assignor: str | None = None
    owned: frozenset[IdPartition] | None = None
    client_id: str = ""
    client_host: str = ""
    classic: Classic | None = None  # of a member that speaks the classic protocol

    @property
    def is_full(self) -> bool:
        """Whether the member has said all there is to say."""
        subscribed = self.topics is not None or self.expression is not None
        return self.rebalance_timeout_ms != -1 and subscribed and self.owned is not None


class HeartbeatReply(msgspec.Struct, frozen=True, kw_only=True):
    """What a member is to do."""

    error: ErrorCode = ErrorCode.NONE
    message: str | None = None
    member_id: str | None = None
    epoch: int = 0
    interval_ms: int = 0  # until the next heartbeat
    assigned: frozenset[IdPartition] | None = None  # None: as before


class DescribedConsumer(NamedTuple):
    """A member as an operator is told of it."""

    member_id: str
    epoch: int
    said: Said
    assigned: frozenset[IdPartition]
    target: frozenset[IdPartition]


class ConsumerGroupDescription(msgspec.Struct, frozen=True, kw_only=True):
    """A group as an operator is told of it."""

    group_id: str
    state: str
    epoch: int
    assignment_epoch: int
    assignor: str
    members: tuple[DescribedConsumer, ...]


def check_heartbeat(request: ConsumerHeartbeat, assignors: tuple[str, ...]) -> None:
    """Raise BrokerError where a heartbeat contradicts itself, whatever the group is."""
    names = {
        "MemberId": request.member_id,
        "GroupId": request.group_id,
        "InstanceId": request.instance_id,
        "RackId": request.rack_id,
    }
    for what, text in names.items():
        if text is not None and not text.strip():
            raise _invalid(f"{what} can't be empty")
        if text is not None and len(text.encode()) > _ID_BYTES_MAX:
            raise _invalid(f"{what} has more than {_ID_BYTES_MAX} bytes")
    if request.expression is not None and len(request.expression.encode()) > _ID_BYTES_MAX:
        raise _invalid(f"SubscribedTopicRegex has more than {_ID_BYTES_MAX} bytes")
    if request.epoch == JOINS:
        _check_join(request)
    elif request.epoch == AWAY and request.instance_id is None:
        raise _invalid("InstanceId can't be null")
    elif request.epoch < AWAY:
        raise _invalid(f"MemberEpoch {request.epoch} is less than {AWAY}")
    if request.assignor is not None and request.assignor not in assignors:
        message = f"ServerAssignor {request.assignor!r}, known: {', '.join(assignors)}"
        raise BrokerError(message, ErrorCode.UNSUPPORTED_ASSIGNOR)


def _check_join(request: ConsumerHeartbeat) -> None:
    if request.rebalance_timeout_ms == -1:
        raise _invalid("RebalanceTimeoutMs must be provided in first request")
    if request.owned is None or request.owned:
        raise _invalid("TopicPartitions must be empty when (re-)joining")
    if request.topics is None and request.expression is None:
        raise _invalid("SubscribedTopicNames or SubscribedTopicRegex must be there when joining")


def _invalid(message: str) -> BrokerError:
    return BrokerError(message, ErrorCode.INVALID_REQUEST)
