"""The group coordinator: all that is asked about groups, as one machine.

    join sync leave commit delete_...  ->  GroupOutcome   records to append and replay, replies
    heartbeat describe list_groups fetch_offsets          answered at once: they append nothing
    tick delete_topics after_load unload  ->  GroupOutcomes, one for each group, in this order
    replay end_transaction                                what the log says, live and on reload

Invariants: an outcome's records go to one partition of `__consumer_offsets`, that of its group,
and are appended and replayed before the next call (only the flush may come later); committed
offsets and what a restart must know of a generation change in `replay` and `end_transaction`
alone; members, sessions and who waits live with the process.

A generation comes back as a record while it lives: it is known by its number and its members, and
gives them their assignment. Any other record of a group is the group.

Source: KIP-848's shape of a coordinator (handle, records, replay), with the classic protocol.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..errors import ErrorCode
from ..machine import LogRecord, Ticket
from ..model import TopicPartition
from .config import GroupConfig
from .consumer_classic import ClassicMembers
from .consumer_coordinator import (
    CONSUMER_SESSION,
    REVOCATION,
    ConsumerGroups,
    is_empty,
)
from .consumer_group import ConsumerGroup
from .consumer_records import group_tombstones
from .expiry import expired_offsets
from .group import CONSUMER_PROTOCOL, Group, State
from .membership import LeavingMember, Membership
from .offsets import GroupOffsets
from .rebalance import TimerKey, Timers, forget_rebalance
from .records import (
    decode_group_key,
    decode_group_value,
    decode_key,
    decode_value,
    encode_group_key,
)
from .replies import (
    CLASSIC,
    CONSUMER,
    CommitReply,
    DeleteOffsetsReply,
    FetchedOffset,
    GroupDescription,
    GroupOutcome,
    JoinReply,
    LeaveReply,
    LeftMember,
    ListedGroup,
    append_error,
)
from .requests import CommitRequest, JoinRequest, SyncRequest

_CONSUMER_TIMERS = (CONSUMER_SESSION, REVOCATION)
_NOTHING_COMMITTED = FetchedOffset()
_UNSTABLE = FetchedOffset(error=ErrorCode.UNSTABLE_OFFSET_COMMIT)


class GroupCoordinator:
    """The groups of one partition of `__consumer_offsets`, or of all of them."""

    def __init__(self, config: GroupConfig | None = None) -> None:
        self._config = config or GroupConfig()
        self._groups: dict[str, Group] = {}
        self._offsets = GroupOffsets()
        self._timers = Timers()
        self._membership = Membership(self._groups, self._config, self._timers)
        self.consumers = ConsumerGroups(self._groups, self._config, self._timers)
        self._classic_members = ClassicMembers(self.consumers, self._timers)
        self._check_ms: int | None = None  # when to look for what has expired; None: not loaded

    def join(self, request: JoinRequest, ticket: Ticket, now_ms: int) -> GroupOutcome:
        """Handle a JoinGroup; the JoinReply comes with this outcome or a later one."""
        consumer = self.consumers.groups.get(request.group_id)
        if consumer is None:
            return self._membership.join(request, ticket, now_ms)
        if not is_empty(consumer):
            return self._classic_members.join(consumer, request, ticket, now_ms)
        out = self._membership.join(request, ticket, now_ms)
        if request.group_id in self._groups:
            out.records = [*group_tombstones(request.group_id), *out.records]
            out.on_failure = lambda code: self._stay_consumers(request, ticket, out, code)
        return out

    def sync(self, request: SyncRequest, ticket: Ticket, now_ms: int) -> GroupOutcome:
        """Handle a SyncGroup; the SyncReply comes with this outcome or a later one."""
        consumer = self.consumers.groups.get(request.group_id)
        if consumer is not None:
            return self._classic_members.sync(consumer, request, ticket, now_ms)
        return self._membership.sync(request, ticket, now_ms)

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
        consumer = self.consumers.groups.get(group_id)
        if consumer is not None:
            return self._classic_members.heartbeat(
                consumer, generation, member_id, group_instance_id, now_ms
            )
        return self._membership.heartbeat(
            group_id=group_id,
            generation=generation,
            member_id=member_id,
            group_instance_id=group_instance_id,
            now_ms=now_ms,
        )

    def leave(
        self, group_id: str, members: Sequence[LeavingMember], ticket: Ticket, now_ms: int
    ) -> GroupOutcome:
        """Handle a LeaveGroup; the reply is a LeaveReply."""
        consumer = self.consumers.groups.get(group_id)
        if consumer is None:
            return self._membership.leave(group_id, members, ticket, now_ms)
        out = GroupOutcome(group_id=group_id)
        errors = self.consumers.remove(consumer, members, out)
        rows = [LeftMember(*row, error) for row, error in zip(members, errors, strict=True)]
        out.answer(ticket, LeaveReply(members=rows))
        out.on_failure = lambda code: out.instead(ticket, LeaveReply(error=append_error(code)))
        return out

    def commit(
        self,
        request: CommitRequest,
        ticket: Ticket,
        now_ms: int,
        unknown_group: ErrorCode = ErrorCode.ILLEGAL_GENERATION,
    ) -> GroupOutcome:
        """Handle an OffsetCommit; the reply is a CommitReply.

        Args:
            request: who commits what.
            ticket: of the request.
            now_ms: the time.
            unknown_group: what a member of a group that is not there is told; from version 9 on
                that is GROUP_ID_NOT_FOUND.
        """
        consumer = self.consumers.groups.get(request.group_id)
        if consumer is not None:
            refused = self.consumers.commit_errors(consumer, request, request.version)
            return self._commit(request, refused, ticket, now_ms)
        group = self._groups.get(request.group_id)
        error = _commit_error(request, group, unknown_group, transactional=False)
        if group is not None and not error and group.state is not State.EMPTY:
            self._membership.keep_alive(group, group.members[request.member_id], now_ms)
        return self._commit(request, _refused(request, error), ticket, now_ms)

    def commit_in_transaction(
        self,
        request: CommitRequest,
        producer_id: int,
        producer_epoch: int,
        ticket: Ticket,
        now_ms: int,
    ) -> GroupOutcome:
        """Handle a TxnOffsetCommit; the reply is a CommitReply."""
        consumer = self.consumers.groups.get(request.group_id)
        if consumer is not None:
            refused = self.consumers.commit_errors(consumer, request, 0)
        else:
            group = self._groups.get(request.group_id)
            error = _commit_error(request, group, ErrorCode.ILLEGAL_GENERATION, transactional=True)
            refused = _refused(request, error)
        out = self._commit(request, refused, ticket, now_ms)
        if out.records:
            out.producer = (producer_id, producer_epoch)
        return out

    def fetch_offsets(
        self,
        group_id: str,
        partitions: Iterable[TopicPartition] | None = None,
        require_stable: bool = False,
    ) -> dict[TopicPartition, FetchedOffset]:
        """Return what a group has committed for partitions; None: for all that it has, sorted."""
        held = self._offsets.fetch(group_id)
        check = require_stable and self._offsets.has_transaction(group_id)
        found: dict[TopicPartition, FetchedOffset] = {}
        for partition in sorted(held) if partitions is None else partitions:
            value = held.get(partition)
            if check and self._offsets.is_pending(group_id, partition):
                found[partition] = _UNSTABLE
            elif value is None:
                found[partition] = _NOTHING_COMMITTED
            else:
                found[partition] = FetchedOffset(value.offset, value.leader_epoch, value.metadata)
        return found

    def delete_offsets(
        self, group_id: str, partitions: Sequence[TopicPartition], ticket: Ticket
    ) -> GroupOutcome:
        """Handle an OffsetDelete; the reply is a DeleteOffsetsReply."""
        out = GroupOutcome(group_id=group_id)
        group = self.consumers.groups.get(group_id) or self._groups.get(group_id)
        error = _delete_offsets_error(group_id, group)
        if error or group is None:
            out.answer(ticket, DeleteOffsetsReply(error=error))
            return out
        subscribed = [p for p in partitions if group.subscribes_to(p.topic)]
        errors = dict.fromkeys(partitions, ErrorCode.NONE)
        errors.update(dict.fromkeys(subscribed, ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC))
        going = [partition for partition, code in errors.items() if not code]
        out.records = self._offsets.delete(group_id, going)[1]
        out.answer(ticket, DeleteOffsetsReply(partitions=errors))
        out.on_failure = lambda code: out.instead(
            ticket, DeleteOffsetsReply(error=append_error(code))
        )
        return out

    def delete_group(self, group_id: str, ticket: Ticket) -> GroupOutcome:
        """Handle one group of a DeleteGroups; the reply is an ErrorCode."""
        out = GroupOutcome(group_id=group_id)
        group = self._groups.get(group_id)
        consumer = self.consumers.groups.get(group_id)
        if consumer is None and (group is None or group.state is State.DEAD):
            out.answer(ticket, ErrorCode.GROUP_ID_NOT_FOUND)
        elif not (is_empty(consumer) if consumer else group and group.state is State.EMPTY):
            out.answer(ticket, ErrorCode.NON_EMPTY_GROUP)
        else:
            ends = group_tombstones(group_id) if consumer else [_group_tombstone(group_id)]
            out.records = [*self._offsets.delete(group_id)[1], *ends]
            out.answer(ticket, ErrorCode.NONE)
            out.on_failure = lambda code: out.instead(ticket, append_error(code))
        return out

    def delete_topics(self, topics: Sequence[str]) -> list[GroupOutcome]:
        """Forget what groups committed for topics that are gone."""
        outcomes: dict[str, GroupOutcome] = {}
        for group_id, record in self._offsets.delete_topics(topics):
            out = outcomes.setdefault(group_id, GroupOutcome(group_id=group_id))
            out.records.append(record)
        return list(outcomes.values())

    def describe(self, group_id: str) -> GroupDescription:
        """Return a group for an operator."""
        group = self._groups.get(group_id)
        if group is None:
            error = ErrorCode.GROUP_ID_NOT_FOUND
            return GroupDescription(group_id=group_id, error=error, state=State.DEAD)
        return group.described()

    def list_groups(
        self, states: Sequence[str] = (), types: Sequence[str] = ()
    ) -> list[ListedGroup]:
        """Return the groups in given states and of given types (of all, where none), by id."""
        kinds = {name.lower() for name in types} or {CLASSIC, CONSUMER}
        wanted = {name.lower() for name in states}
        classic = [
            ListedGroup(group.group_id, group.protocol_type or "", group.state, CLASSIC)
            for group in self._groups.values()
        ]
        consumers = [
            ListedGroup(group.group_id, CONSUMER_PROTOCOL, group.state(), CONSUMER)
            for group in self.consumers.groups.values()
        ]
        return sorted(
            row
            for row in (*classic, *consumers)
            if row.group_type in kinds and (not wanted or row.state.lower() in wanted)
        )

    def deadline_ms(self) -> int | None:
        """Return when `tick` may have something to do; it may find that it was too early."""
        next_ms = self._timers.next_ms()
        if next_ms is None or self._check_ms is None:
            return self._check_ms if next_ms is None else next_ms
        return min(next_ms, self._check_ms)

    def tick(self, now_ms: int) -> list[GroupOutcome]:
        """Do what time alone brings about."""
        outcomes = self._expire_members(now_ms)
        if self._check_ms is not None and self._check_ms <= now_ms:
            self._check_ms = now_ms + self._config.retention_check_interval_ms
            consumers = sorted(self.consumers.groups.items())
            outcomes += [self._expire(group, now_ms) for _, group in sorted(self._groups.items())]
            outcomes += [self._expire(group, now_ms) for _, group in consumers]
        return [out for out in outcomes if out.records or out.replies]

    def replay(
        self,
        key: bytes | None,
        value: bytes | None,
        *,
        producer_id: int = -1,
        is_transactional: bool = False,
    ) -> None:
        """Take one record of the log into account; records of others are passed over."""
        offset_key = decode_key(key) if key else None
        if offset_key is not None:
            known = offset_key.group_id in self._groups
            known = known or offset_key.group_id in self.consumers.groups
            if value is not None and not known:
                self._groups[offset_key.group_id] = Group(offset_key.group_id)
            self._offsets.replay_offset(
                offset_key,
                decode_value(value) if value is not None else None,
                producer_id if is_transactional else -1,
            )
            return
        if not key or self.consumers.replay(key, value):
            return
        group_id = decode_group_key(key)
        if group_id is not None:
            self._replay_group(group_id, value)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """Take a commit or abort marker in the log into account."""
        self._offsets.end_transaction(producer_id, commit)

    def after_load(self, now_ms: int) -> list[GroupOutcome]:
        """Begin the sessions of loaded members, and to look for what expires: this node leads."""
        self._check_ms = now_ms + self._config.retention_check_interval_ms
        self.consumers.start(now_ms)
        outcomes = [self._membership.start(group, now_ms) for group in self._groups.values()]
        return [out for out in outcomes if out.records or out.replies]

    def unload(self, now_ms: int) -> list[GroupOutcome]:
        """Answer everybody who waits: this node leads no longer, and every group is dead here."""
        self._check_ms = None
        self._timers.clear()
        living = [group for group in self._groups.values() if group.may(State.DEAD)]
        outcomes = [self._membership.unload(group, now_ms) for group in living]
        return [out for out in outcomes if out.replies]

    def _expire_members(self, now_ms: int) -> list[GroupOutcome]:
        """Do what is due; what is due of a group with records to replay is for the next tick."""
        outcomes: list[GroupOutcome] = []
        later: list[TimerKey] = []
        writing: set[str] = set()
        while (key := self._timers.take(now_ms)) is not None:
            if key.group_id in writing:
                later.append(key)
            elif key.kind not in _CONSUMER_TIMERS:
                outcomes.append(self._membership.expire(key, now_ms))
            else:
                outcomes.append(self.consumers.expire(key, now_ms))
                writing.add(key.group_id)
        for key in later:
            self._timers.set(key, now_ms)
        return outcomes

    def _commit(
        self,
        request: CommitRequest,
        refused: Mapping[TopicPartition, ErrorCode],
        ticket: Ticket,
        now_ms: int,
    ) -> GroupOutcome:
        out = GroupOutcome(group_id=request.group_id)
        taken = {key: value for key, value in request.offsets.items() if key not in refused}
        found, out.records = self._offsets.commit(
            request.group_id,
            taken,
            now_ms,
            self._config.metadata_bytes_max,
            request.retention_ms,
        )
        errors: CommitReply = {key: refused.get(key) or found[key] for key in request.offsets}
        out.answer(ticket, errors)
        out.on_failure = lambda code: out.instead(
            ticket, {key: error or append_error(code) for key, error in errors.items()}
        )
        return out

    def _stay_consumers(
        self, request: JoinRequest, ticket: Ticket, out: GroupOutcome, code: ErrorCode
    ) -> GroupOutcome:
        """Forget the classic group that an empty consumer group was to become."""
        self._groups.pop(request.group_id, None)
        forget_rebalance(self._timers, request.group_id)
        reply = JoinReply(member_id=request.member_id, error=append_error(code))
        return out.instead(ticket, reply)

    def _expire(self, group: Group | ConsumerGroup, now_ms: int) -> GroupOutcome:
        out = GroupOutcome(group_id=group.group_id)
        retention_ms = self._config.offsets_retention_ms
        going = expired_offsets(group, self._offsets, now_ms, retention_ms)
        if going:
            out.records = self._offsets.delete(group.group_id, going)[1]
        left = len(self._offsets.fetch(group.group_id)) - len(going)
        if left or self._offsets.has_transaction(group.group_id):
            return out
        if isinstance(group, ConsumerGroup):
            out.records += group_tombstones(group.group_id) if is_empty(group) else ()
        elif group.state is State.EMPTY and not group.pending:
            out.records.append(_group_tombstone(group.group_id))
        return out

    def _replay_group(self, group_id: str, value: bytes | None) -> None:
        if value is None:
            if self._groups.pop(group_id, None) is not None:
                forget_rebalance(self._timers, group_id)
            return
        saved = decode_group_value(value)
        group = self._groups.get(group_id)
        if group is not None and group.is_told_of(saved):
            group.adopt(saved)
        else:
            forget_rebalance(self._timers, group_id)
            self._groups[group_id] = Group.loaded(group_id, saved)


def _group_tombstone(group_id: str) -> LogRecord:
    return encode_group_key(group_id), None


def _commit_error(
    request: CommitRequest, group: Group | None, unknown_group: ErrorCode, transactional: bool
) -> ErrorCode:
    """Return why a commit is not to be taken; old clients' transactions name no member."""
    if transactional and not request.group_id:
        return ErrorCode.INVALID_GROUP_ID
    if group is None:
        return unknown_group if request.generation >= 0 else ErrorCode.NONE
    if group.state is State.DEAD:
        return ErrorCode.COORDINATOR_NOT_AVAILABLE
    if request.generation < 0 and group.state is State.EMPTY:
        return ErrorCode.NONE
    named = request.generation >= 0 or request.member_id or request.group_instance_id is not None
    if named:
        error = group.check_member(request.member_id, request.group_instance_id)
        if error:
            return error
        if request.generation != group.generation:
            return ErrorCode.ILLEGAL_GENERATION
    elif not transactional:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if not transactional and group.state is State.COMPLETING:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def _refused(request: CommitRequest, error: ErrorCode) -> CommitReply:
    return dict.fromkeys(request.offsets, error) if error else {}


def _delete_offsets_error(group_id: str, group: Group | ConsumerGroup | None) -> ErrorCode:
    if not group_id:
        return ErrorCode.INVALID_GROUP_ID
    if isinstance(group, ConsumerGroup):
        return ErrorCode.NONE
    if group is None or group.state is State.DEAD:
        return ErrorCode.GROUP_ID_NOT_FOUND
    if group.state is not State.EMPTY and group.protocol_type != "consumer":
        return ErrorCode.NON_EMPTY_GROUP
    return ErrorCode.NONE
