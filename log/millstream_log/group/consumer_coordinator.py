"""The consumer groups of KIP-848: members say that they live, and are told what to read.

    heartbeat ──▶ the member as it is now ──▶ group epoch ──▶ targets ──▶ the member's place
                  record 5                    16, 3          7, 6        8

    no heartbeat for the session time-out      the member goes: 8, 7, 5 are taken back, 3 goes up
    partitions not given up in time            likewise

Invariants: a group changes in `replay` alone; nobody waits: each heartbeat is answered at once, by
what its own records bring about; targets are made at most once in an assignment interval.

Source: KIP-848, KIP-1251, as Apache Kafka 4.3 behaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from ..assignor.protocol import Subscription
from ..errors import BrokerError, ErrorCode
from ..machine import Ticket
from ..model import TopicPartition
from .config import GroupConfig
from .consumer_group import AWAY, EMPTY, NO_TARGET, ConsumerGroup, ConsumerMember
from .consumer_members import said_by, sender, speaker
from .consumer_places import Goal, next_place
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
    decode_key,
    encode_epoch,
    encode_expression,
    encode_key,
    encode_place,
    encode_said,
    encode_target,
)
from .consumer_requests import (
    JOINS,
    LEAVES,
    ConsumerGroupDescription,
    ConsumerHeartbeat,
    DescribedConsumer,
    HeartbeatReply,
    check_heartbeat,
)
from .consumer_targets import make_targets
from .consumer_topics import Topics, check_expression
from .consumer_upgrade import DOWNGRADED, can_upgrade, downgraded, upgraded
from .group import Group
from .group import State as ClassicState
from .rebalance import SESSION, TimerKey, Timers, forget_rebalance
from .records import encode_group_key
from .replies import GroupOutcome, append_error
from .requests import CommitRequest

CONSUMER_SESSION = "consumer session"
REVOCATION = "revocation"
_RETRY_MS = 500  # after a member could not be taken out of the log
_EPOCH_COMMITS_FROM = 9  # version of OffsetCommit in which a generation may be an epoch


class ConsumerGroups:
    """The consumer groups of one coordinator."""

    def __init__(self, classic: dict[str, Group], config: GroupConfig, timers: Timers) -> None:
        self.groups: dict[str, ConsumerGroup] = {}
        self.topics = Topics()
        self._classic = classic  # shared with the coordinator; an id is in one of the two
        self._config = config
        self._timers = timers  # shared likewise

    def heartbeat(self, request: ConsumerHeartbeat, ticket: Ticket, now_ms: int) -> GroupOutcome:
        """Handle a ConsumerGroupHeartbeat; the reply is a HeartbeatReply."""
        out = GroupOutcome(group_id=request.group_id)
        try:
            check_heartbeat(request, self._config.consumer_assignors)
            if request.epoch in (LEAVES, AWAY):
                reply = self._leave(request, out)
            else:
                reply = self.stay(request, out, now_ms)
        except BrokerError as error:
            reply = HeartbeatReply(error=error.code, message=str(error))
            out.records, out.replies = [], []
        out.answer(ticket, reply)
        out.on_failure = lambda code: GroupOutcome(
            group_id=out.group_id, replies=[(ticket, HeartbeatReply(error=append_error(code)))]
        )
        return out

    def replay(self, data: bytes, value: bytes | None) -> bool:
        """Take a record into account; return False when it is none of a consumer group."""
        key = decode_key(data)
        if key is None:
            return False
        group = self.groups.get(key.group_id)
        if key.kind is Kind.GROUP and value is None:
            self.groups.pop(key.group_id, None)
        elif group is not None:
            group.replay(key, value)
        elif value is not None and key.kind is not Kind.TOPICS:
            group = self.groups[key.group_id] = ConsumerGroup(key.group_id)
            group.replay(key, value)
            if self._classic.pop(key.group_id, None) is not None:
                forget_rebalance(self._timers, key.group_id)
        if key.kind is Kind.MEMBER and value is None:
            for kind in (CONSUMER_SESSION, REVOCATION):
                self._timers.cancel(TimerKey(kind, key.group_id, key.name))
        return True

    def start(self, now_ms: int) -> None:
        """Begin the sessions of loaded members: this node leads."""
        for group in self.groups.values():
            for member in group.members.values():
                self.keep_alive(group, member, now_ms)
                self._watch(group.group_id, member, now_ms)

    def expire(self, key: TimerKey, now_ms: int) -> GroupOutcome:
        """Let a member go whose session, or whose time to give partitions up, is over."""
        out = GroupOutcome(group_id=key.group_id)
        group = self.groups.get(key.group_id)
        member = group.members.get(key.member_id) if group is not None else None
        if group is None or member is None:
            return out
        late = member.place.state is State.UNREVOKED_PARTITIONS or member.said.classic is not None
        if key.kind == REVOCATION and not late:
            return out
        self._take_out(group, [member], out)

        def fail(code: ErrorCode) -> GroupOutcome:
            self._timers.set(key, now_ms + _RETRY_MS)
            return GroupOutcome(group_id=key.group_id)

        out.on_failure = fail
        return out

    def remove(
        self, group: ConsumerGroup, members: Sequence[tuple[str, str | None]], out: GroupOutcome
    ) -> list[ErrorCode]:
        """Take members out for an operator who names member ids or instance ids."""
        going: dict[str, ConsumerMember] = {}
        errors = []
        for member_id, instance_id in members:
            found = member_id or group.static.get(instance_id or "", "")
            asked = ConsumerHeartbeat(
                group_id=group.group_id, member_id=found, epoch=LEAVES, instance_id=instance_id
            )
            try:
                going[found] = speaker(group, asked)
                errors.append(ErrorCode.NONE)
            except BrokerError as error:
                errors.append(error.code)
        self._take_out(group, list(going.values()), out)
        return errors

    def commit_errors(
        self, group: ConsumerGroup, request: CommitRequest, version: int
    ) -> dict[TopicPartition, ErrorCode]:
        """Return which partitions the sender of a commit may not commit now.

        Version 0 means: in a transaction, whose older clients name no member.
        """
        named = request.member_id or request.group_instance_id is not None
        if request.generation < 0 and (not group.members or not (version or named)):
            return {}
        member = group.members.get(request.member_id)
        if member is None:
            return dict.fromkeys(request.offsets, ErrorCode.UNKNOWN_MEMBER_ID)
        is_classic = member.said.classic is not None
        if version and version < _EPOCH_COMMITS_FROM and not is_classic:
            return dict.fromkeys(request.offsets, ErrorCode.UNSUPPORTED_VERSION)
        knows_epochs = version and not is_classic
        stale = ErrorCode.STALE_MEMBER_EPOCH if knows_epochs else ErrorCode.ILLEGAL_GENERATION
        return {
            partition: stale
            for partition in request.offsets
            if not self._may_commit(member.place, partition, request.generation)
        }

    def fetch_error(self, group_id: str, member_id: str | None, epoch: int) -> ErrorCode:
        """Return why a member that says its epoch may not know committed offsets now."""
        group = self.groups.get(group_id)
        if group is None or (member_id is None and epoch < 0):
            return ErrorCode.NONE
        if member_id is None:
            return ErrorCode.UNKNOWN_SERVER_ERROR  # as Kafka does, which does not look for it
        member = group.members.get(member_id or "")
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        if member.place.epoch == epoch:
            return ErrorCode.NONE
        is_classic = member.said.classic is not None
        return ErrorCode.ILLEGAL_GENERATION if is_classic else ErrorCode.STALE_MEMBER_EPOCH

    def describe(self, group_id: str) -> ConsumerGroupDescription | None:
        """Return a group for an operator; None: there is no consumer group of this id."""
        group = self.groups.get(group_id)
        if group is None:
            return None
        return ConsumerGroupDescription(
            group_id=group_id,
            state=group.state(),
            epoch=group.epoch,
            assignment_epoch=group.assignment_epoch,
            assignor=group.assignor(group.members, self._config.consumer_assignors[0]),
            members=tuple(
                DescribedConsumer(
                    member_id,
                    member.place.epoch,
                    member.said,
                    frozenset((*member.place.assigned, *member.place.revoking)),
                    group.targets.get(member_id, NO_TARGET),
                )
                for member_id, member in group.members.items()
            ),
        )

    # -- heartbeats

    def stay(self, request: ConsumerHeartbeat, out: GroupOutcome, now_ms: int) -> HeartbeatReply:
        """Take a heartbeat of a member that joins or goes on.

        Raises:
            BrokerError: it may not; `out` is to be emptied.
        """
        group = self._group(request, out, now_ms)
        is_member = request.member_id in group.members
        if not is_member and len(group.members) >= self._config.consumer_size_max:
            message = (
                f"group {group.group_id!r} has {len(group.members)} members, as many as may be"
            )
            raise BrokerError(message, ErrorCode.GROUP_MAX_SIZE_REACHED)
        before, replaced = sender(group, request)
        said = said_by(before, request)
        if said.expression and said.expression not in group.expressions:
            check_expression(said.expression)
        if replaced is not None:
            self._replace(group, replaced, before, out)
        member = msgspec.structs.replace(before, said=said)
        if member != group.members.get(member.member_id):
            _write(out, Key(Kind.MEMBER, group.group_id, member.member_id), encode_said(said))
        view = _View(group, member, replaced)
        changed = (said.topics, said.expression) != (before.said.topics, before.said.expression)
        if changed or group.seen is not self.topics:
            self._renew(view, changed, out, now_ms)
        ends = self._loses_last_consumer(view, request)
        if ends and view.epoch > group.epoch:
            self._end(view, member.place, out, now_ms)
            return HeartbeatReply(member_id=request.member_id, epoch=JOINS)  # it is to join again
        due_ms = group.assigned_ms + self._config.consumer_assignment_interval_ms
        if view.epoch > group.assignment_epoch and now_ms >= due_ms:
            self._assign(view, out, now_ms)
        place = self._move(view, request, changed, out)
        self.keep_alive(group, member, now_ms)
        if place is not before.place:
            self._watch(group.group_id, msgspec.structs.replace(member, place=place), now_ms)
        if ends:
            self._end(view, place, out, now_ms)
        return self._stayed(request, before.place, place)

    def _stayed(self, request: ConsumerHeartbeat, before: Place, place: Place) -> HeartbeatReply:
        tells = request.epoch == JOINS or request.is_full
        tells = tells or before.assigned.keys() != place.assigned.keys()
        return HeartbeatReply(
            member_id=request.member_id,
            epoch=place.epoch,
            interval_ms=self._config.consumer_heartbeat_interval_ms,
            assigned=frozenset(place.assigned) if tells else None,
        )

    def _group(self, request: ConsumerHeartbeat, out: GroupOutcome, now_ms: int) -> ConsumerGroup:
        """Return the group; one that joins may find none, or one that is to change."""
        group = self.groups.get(request.group_id)
        if group is not None:
            return group
        classic = self._classic.get(request.group_id)
        joins = request.epoch == JOINS
        if joins and classic is not None and classic.state is ClassicState.EMPTY:
            out.records.append((encode_group_key(request.group_id), None))
        elif joins and classic is not None and self._may_upgrade(classic):
            made = upgraded(classic, self.topics, out)
            for member in made.members.values():
                self.keep_alive(made, member, now_ms)
            return made
        elif not joins or classic is not None:
            message = f"{request.group_id!r} is not a consumer group"
            raise BrokerError(message, ErrorCode.GROUP_ID_NOT_FOUND)
        return ConsumerGroup(request.group_id)

    def _may_upgrade(self, classic: Group) -> bool:
        policy, size = self._config.consumer_migration, len(classic.members)
        may = policy in ("upgrade", "bidirectional") and size < self._config.consumer_size_max
        return may and can_upgrade(classic)

    def _replace(
        self, group: ConsumerGroup, old_id: str, member: ConsumerMember, out: GroupOutcome
    ) -> None:
        """Let a static member that comes back have the place of its old self."""
        self._forget(group, old_id, out)
        target = group.targets.get(old_id)
        if target is not None:
            key = Key(Kind.TARGET, group.group_id, member.member_id)
            _write(out, key, encode_target(target))

    def _renew(self, view: _View, changed: bool, out: GroupOutcome, now_ms: int) -> None:
        """Begin an epoch of the group if what its members read has changed."""
        group, topics = view.group, self.topics
        told = {said.expression for said in view.all_said() if said.expression}
        for text in sorted(told | group.expressions.keys()):
            before = group.expressions.get(text)
            key = Key(Kind.EXPRESSION, group.group_id, text)
            if text not in told:
                _write(out, key, None)
                continue
            found = before if before and group.seen is topics else None
            names = found.topics if found else topics.matching(text)
            if before is None or before.topics != names:
                found = Expression(names, 0, now_ms)
                _write(out, key, encode_expression(found))
            view.expressions[text] = found or Expression(names, 0, now_ms)
        topics_hash = topics.hash(view.topics())
        if changed or topics_hash != group.topics_hash:
            view.epoch = group.epoch + 1
            key = Key(Kind.GROUP, group.group_id)
            _write(out, key, encode_epoch(Epoch(view.epoch, topics_hash)))
        else:
            group.seen = topics  # else the record may be lost yet: the next heartbeat looks again

    def _assign(self, view: _View, out: GroupOutcome, now_ms: int) -> None:
        """Make the targets of the group's epoch."""
        group = view.group
        members, before = view.members(), view.targets()
        found = make_targets(
            group.assignor(members, self._config.consumer_assignors[0]),
            self.topics,
            {
                name: Subscription(
                    view.topics_of(member.said), group_instance_id=member.said.instance_id
                )
                for name, member in members.items()
            },
            before,
        )
        for member_id, target in sorted(found.items()):
            if target != before[member_id] or not view.has_target(member_id):
                _write(out, Key(Kind.TARGET, group.group_id, member_id), encode_target(target))
        value = encode_epoch(Epoch(view.epoch, now_ms))
        _write(out, Key(Kind.ASSIGNMENT, group.group_id), value)
        view.target_epoch, view.target = view.epoch, found[view.member.member_id]

    def _move(
        self, view: _View, request: ConsumerHeartbeat, changed: bool, out: GroupOutcome
    ) -> Place:
        place = view.member.place
        goal = Goal(
            epoch=view.target_epoch,
            target=view.target,
            topic_ids=self.topics.ids(view.topics_of(view.member.said)),
            owned=request.owned,
            owners=view.group.owners,
            changed=changed,
        )
        found = next_place(place, goal)
        held = view.group.members.get(view.member.member_id)
        if held is None or found != held.place:
            key = Key(Kind.PLACE, view.group.group_id, view.member.member_id)
            _write(out, key, encode_place(found))
        return found

    # -- leaving

    def _leave(self, request: ConsumerHeartbeat, out: GroupOutcome) -> HeartbeatReply:
        group = self.groups.get(request.group_id)
        if group is None:
            message = f"{request.group_id!r} is not a consumer group"
            raise BrokerError(message, ErrorCode.GROUP_ID_NOT_FOUND)
        member = speaker(group, request)
        if request.epoch == AWAY:
            self._timers.cancel(TimerKey(REVOCATION, group.group_id, member.member_id))
            kept = dict.fromkeys(member.place.assigned, 0)
            away = member.place._replace(epoch=AWAY, assigned=kept, revoking={})
            key = Key(Kind.PLACE, group.group_id, member.member_id)
            _write(out, key, encode_place(away))
        else:
            self._take_out(group, [member], out)
        return HeartbeatReply(member_id=request.member_id, epoch=request.epoch)

    def _take_out(
        self, group: ConsumerGroup, members: Sequence[ConsumerMember], out: GroupOutcome
    ) -> None:
        """Let members go, and begin an epoch of the group without them."""
        going = {member.member_id for member in members}
        if not going:
            return
        for member_id in going:
            self._forget(group, member_id, out)
        staying = [member for name, member in group.members.items() if name not in going]
        if self._may_downgrade(staying):
            for member in staying:
                self._forget(group, member.member_id, out)
            out.records += downgraded(group, staying, self.topics)
            self._timers.set(TimerKey(DOWNGRADED, group.group_id), 0)
            return
        left = [member.said for member in staying]
        told = {said.expression for said in left}
        for text in sorted(group.expressions.keys() - told):
            _write(out, Key(Kind.EXPRESSION, group.group_id, text), None)
        names = frozenset[str]().union(*(group.topics_of(said) for said in left))
        value = encode_epoch(Epoch(group.epoch + 1, self.topics.hash(names)))
        _write(out, Key(Kind.GROUP, group.group_id), value)

    def _may_downgrade(self, members: Sequence[ConsumerMember]) -> bool:
        """Tell whether these members, were they all, would make a classic group."""
        policy, size = self._config.consumer_migration, len(members)
        may = policy in ("downgrade", "bidirectional") and size <= self._config.size_max
        return may and size > 0 and all(member.said.classic is not None for member in members)

    def _loses_last_consumer(self, view: _View, request: ConsumerHeartbeat) -> bool:
        """Tell whether a static member that joins is the last to come to the classic protocol."""
        came_back = request.epoch == JOINS and request.instance_id in view.group.static
        return came_back and self._may_downgrade(list(view.members().values()))

    def _end(self, view: _View, place: Place, out: GroupOutcome, now_ms: int) -> None:
        """Make a classic group of all, the one that comes included."""
        group, epoch = view.group, view.epoch
        came = msgspec.structs.replace(view.member, place=place)
        members = [m if m.member_id != came.member_id else came for m in view.members().values()]
        for member in members:
            self._forget(group, member.member_id, out)
        out.records += downgraded(group, members, self.topics)
        is_settled = epoch == group.epoch == view.target_epoch and all(
            (member.place.epoch, member.place.state) == (epoch, State.STABLE) for member in members
        )
        if not is_settled:  # else what nobody has been told to read would stay without a reader
            self._timers.set(TimerKey(DOWNGRADED, group.group_id), 0)
        for member in members:
            if member.said.classic is not None:
                key = TimerKey(SESSION, group.group_id, member.member_id)
                self._timers.set(key, now_ms + member.said.classic.session_timeout_ms)

    def _forget(self, group: ConsumerGroup, member_id: str, out: GroupOutcome) -> None:
        for kind in (Kind.PLACE, Kind.TARGET, Kind.MEMBER):
            _write(out, Key(kind, group.group_id, member_id), None)

    # -- time

    def keep_alive(self, group: ConsumerGroup, member: ConsumerMember, now_ms: int) -> None:
        """Begin a member's session anew."""
        key = TimerKey(CONSUMER_SESSION, group.group_id, member.member_id)
        classic = member.said.classic
        session_ms = self._config.consumer_session_timeout_ms
        self._timers.set(key, now_ms + (classic.session_timeout_ms if classic else session_ms))

    def _watch(self, group_id: str, member: ConsumerMember, now_ms: int) -> None:
        """Give a member that is to give partitions up the time that it asked for."""
        key = TimerKey(REVOCATION, group_id, member.member_id)
        gives_up = member.place.state is State.UNREVOKED_PARTITIONS
        if member.said.classic is not None:
            return  # it has its time to join and to sync
        if gives_up and member.place.epoch != AWAY:
            self._timers.set(key, now_ms + member.said.rebalance_timeout_ms)
        else:
            self._timers.cancel(key)

    def _may_commit(self, place: Place, partition: TopicPartition, epoch: int) -> bool:
        """Tell whether a member may commit: in its epoch, or in one since it has the partition."""
        if epoch == place.epoch:
            return True
        fact = self.topics.facts.get(partition.topic)
        since = place.assigned.get((fact.topic_id, partition.partition)) if fact else None
        return since is not None and since <= epoch < place.epoch


def is_empty(group: ConsumerGroup) -> bool:
    """Tell whether nobody is in a group."""
    return group.state() == EMPTY


class _View:
    """A group as it will be when the records of one heartbeat have been replayed."""

    def __init__(self, group: ConsumerGroup, member: ConsumerMember, replaced: str | None) -> None:
        self.group = group
        self.member = member
        self.epoch = group.epoch
        self.expressions = dict(group.expressions)
        self.target_epoch = group.assignment_epoch
        self.target: Target = group.targets.get(replaced or member.member_id, NO_TARGET)
        self._replaced = replaced

    def members(self) -> dict[str, ConsumerMember]:
        """Return all members by id."""
        others = {k: m for k, m in self.group.members.items() if k != self._replaced}
        return {**others, self.member.member_id: self.member}

    def targets(self) -> dict[str, frozenset[IdPartition]]:
        """Return the targets that there are, by member id."""
        held = self.group.targets
        return {
            name: self.target if name == self.member.member_id else held.get(name, NO_TARGET)
            for name in self.members()
        }

    def has_target(self, member_id: str) -> bool:
        """Tell whether a target has been made for a member, be it an empty one."""
        own = self._replaced if member_id == self.member.member_id else None
        return (own or member_id) in self.group.targets

    def all_said(self) -> Iterable[Said]:
        """Return what each member has said."""
        return [member.said for member in self.members().values()]

    def topics(self) -> frozenset[str]:
        """Return the topics that somebody reads."""
        return frozenset[str]().union(*(self.topics_of(said) for said in self.all_said()))

    def topics_of(self, said: Said) -> frozenset[str]:
        """Return the topics that a member reads."""
        return self.group.topics_of(said, self.expressions)


def _write(out: GroupOutcome, key: Key, value: bytes | None) -> None:
    out.records.append((encode_key(key), value))
