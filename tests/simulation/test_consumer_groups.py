"""Members of both protocols that come, go, pause and lie, over a log that at times refuses.

After each step: no partition has two members that were told to read it and have not said that they
stopped; what a coordinator says that has seen nothing but the log is the same; no answer changes
anything without a record; no epoch goes back, from one protocol to the other either. In the end,
when all who are left do as they are told, the group is stable and each partition of the topics
they read has its one reader.
"""

from __future__ import annotations

import copy
import enum
import random
from typing import Any

import msgspec
import pytest
from group_scenarios import START_MS, Shell, replay
from worlds import play

from millstream_log.assignor.protocol import (
    Assignment,
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from millstream_log.errors import ErrorCode
from millstream_log.group.config import GroupConfig
from millstream_log.group.consumer_records import IdPartition
from millstream_log.group.consumer_requests import (
    ConsumerGroupDescription,
    ConsumerHeartbeat,
    HeartbeatReply,
)
from millstream_log.group.consumer_topics import TopicFacts
from millstream_log.group.coordinator import GroupCoordinator
from millstream_log.group.group import State
from millstream_log.group.records import decode_group_key
from millstream_log.group.replies import GroupOutcome, JoinedMember, JoinReply, SyncReply
from millstream_log.group.requests import JoinRequest, Protocols, SyncRequest
from millstream_log.model import TopicPartition

GROUP = "g"
EXPRESSIONS = ("", "t.*", "[tu]", "v")
NAMES = ("t", "u", "v", "t2")
CODES = (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.MESSAGE_TOO_LARGE)
POLICIES = ("bidirectional", "bidirectional", "bidirectional", "upgrade", "downgrade", "disabled")
RUNS = 20  # of a long run, each of MILLSTREAM_SIM_STEPS steps
GONE = (
    ErrorCode.UNKNOWN_MEMBER_ID,
    ErrorCode.FENCED_MEMBER_EPOCH,
    ErrorCode.FENCED_INSTANCE_ID,
    ErrorCode.GROUP_ID_NOT_FOUND,
    ErrorCode.GROUP_MAX_SIZE_REACHED,
    ErrorCode.INCONSISTENT_GROUP_PROTOCOL,
)
"""What tells a client that it is no member."""

AGAIN = (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION)
"""What tells a client of the classic protocol to join again."""


class Next(enum.Enum):
    """What a client of the classic protocol does next."""

    JOIN = enum.auto()
    SYNC = enum.auto()
    HEARTBEAT = enum.auto()


class Actor(msgspec.Struct):
    """A client, and what it takes for true."""

    name: str
    instance: str | None
    member_id: str = ""
    epoch: int = -1  # or the generation; -1: not in the group
    lives: int = 0
    owned: set[IdPartition] = msgspec.field(default_factory=set)  # reads these
    told: set[IdPartition] = msgspec.field(default_factory=set)  # is to read these
    topics: tuple[str, ...] = ()
    expression: str = ""

    classic: bool = False  # speaks the classic protocol in this life
    next: Next = Next.JOIN
    waits: int = 0  # ticket of the request that waits
    protocols: Protocols = ()
    leads: list[JoinedMember] = msgspec.field(default_factory=list)

    def drop(self) -> None:
        """Read nothing any more."""
        self.owned, self.told = set(), set()

    def forget(self) -> None:
        """Be a member no longer."""
        self.drop()
        self.member_id, self.epoch, self.waits, self.next = "", -1, 0, Next.JOIN

    def begin(self, classic: bool) -> None:
        """Begin a life, in which a client of the classic protocol is given its id."""
        self.forget()
        self.lives += 1
        self.classic = classic
        self.member_id = "" if classic else f"{self.name}-{self.lives}"


class World:
    """A group, its clients, and the checks."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.shell = Shell(
            GroupConfig(
                consumer_size_max=chance.choice([3, 100, 100]),
                consumer_assignment_interval_ms=chance.choice([0, 0, 1_000]),
                consumer_migration=chance.choice(POLICIES),
                initial_rebalance_delay_ms=chance.choice([0, 3_000]),
            )
        )
        self.classic_share = chance.choice([0.0, 0.3, 0.5, 0.8])  # of the lives
        self.cooperative = chance.random() < 0.4  # those of the classic protocol keep what they can
        self.asked: dict[int, Actor | None] = {}  # by ticket
        self.heard: Any = None  # the last answer to a heartbeat or a leave
        self.unsaved = False  # the last record of the classic group was refused
        self.age = 0  # epoch or generation of the group, while it has members
        self.reader = self.shell.reloaded()  # has seen the log and nothing else
        self.read = 0
        self.now_ms = START_MS
        self.tickets = 0
        self.made = 0
        self.facts: dict[str, TopicFacts] = {}
        self.actors = [Actor(f"m{n}", f"i{n}" if n < 3 else None) for n in range(5)]
        self.change_topics(self.actors[0])

    def step(self) -> str:
        """Let something happen, check, and return what it was."""
        weights = {
            self.let_time_go: 3,
            self.beat: 20,
            self.subscribe: 1,
            self.leave: 0.7,
            self.go_away: 1,
            self.die: 0.3,
            self.change_topics: 0.5,
            self.lie: 1,
            self.restart: 0.2,
        }
        (happening,) = self.chance.choices(list(weights), list(weights.values()))
        if self.chance.random() < 0.08:
            self.shell.failure = self.chance.choice(CODES)
        before, logged = self.said(), len(self.shell.log)
        actor = self.chance.choice(self.actors)
        done = happening(actor)
        self.shell.failure = None
        if len(self.shell.log) == logged:
            assert self.said() == before, "the group changed without a record"
        self.check()
        return f"{self.now_ms - START_MS} {actor.name} {done}"

    def beat(self, actor: Actor) -> str:
        """Join, or go on; say what is owned mostly, and stop what is to be stopped."""
        if actor.classic and (actor.waits or actor.member_id):
            return self.go_on(actor)
        if actor.epoch < 0:
            return self.subscribe(actor)
        if self.chance.random() < 0.6:
            actor.owned &= actor.told  # revoked; what is new is read from now on
            actor.owned |= actor.told
        says = self.chance.random() < 0.8
        reply = self.ask(actor, actor.epoch, owned=frozenset(actor.owned) if says else None)
        return f"beats: {self.take(actor, reply)}"

    def subscribe(self, actor: Actor) -> str:
        """Join with a subscription, or change it."""
        some = self.chance.sample(NAMES, self.chance.randrange(0, 3))
        actor.topics = tuple(sorted(some)) or ("t",)
        actor.expression = self.chance.choice(EXPRESSIONS) if self.chance.random() < 0.3 else ""
        joins = actor.epoch < 0 and not actor.waits
        if joins:
            actor.begin(self.chance.random() < self.classic_share)
        if actor.classic:
            actor.protocols, actor.expression = (), ""
            return self.join(actor)
        reply = self.ask(
            actor,
            0 if joins else actor.epoch,
            owned=frozenset(actor.owned),
            rebalance_timeout_ms=self.chance.choice([2_000, 20_000]),
            topics=actor.topics,
            expression=actor.expression,
            assignor=self.chance.choice([None, "uniform", "range"]),
        )
        return f"reads {actor.topics} {actor.expression!r}: {self.take(actor, reply)}"

    def leave(self, actor: Actor) -> str:
        """Leave for good."""
        if actor.epoch < 0:
            return "is not there"
        error = self.quit(actor) if actor.classic else self.ask(actor, -1).error
        if error in (ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID):
            actor.forget()
        return f"leaves: {error.name}"

    def go_away(self, actor: Actor) -> str:
        """Leave for a while, as static members do, having stopped reading."""
        if actor.epoch < 0 or actor.instance is None:
            return "stays away"
        error = ErrorCode.NONE if actor.classic else self.ask(actor, -2).error
        actor.forget()
        return f"goes away: {error.name}"

    def die(self, actor: Actor) -> str:
        """End without a word."""
        actor.forget()
        return "dies"

    def lie(self, actor: Actor) -> str:
        """Say an epoch, an id or an instance that is not one's own; no lie gets an answer."""
        other = self.chance.choice([a for a in self.actors if a is not actor])
        request = ConsumerHeartbeat(
            group_id=GROUP,
            member_id=self.chance.choice(["nobody", other.member_id or "nobody"]),
            epoch=self.chance.choice([5_000, 7_000]),
            instance_id=self.chance.choice([None, actor.instance]),
        )
        reply = self.send(request)
        assert reply.error, f"{request} is believed"
        return f"lies: {reply.error.name}"

    def change_topics(self, _: Actor) -> str:
        """Let a topic come, grow or go."""
        name = self.chance.choice(NAMES)
        before = self.facts.get(name)
        if before is None:
            self.made += 1
            self.facts[name] = TopicFacts(f"{self.made:032x}", self.chance.randrange(1, 5))
        elif self.chance.random() < 0.5:
            self.facts[name] = before._replace(partitions=before.partitions + 1)
        else:
            del self.facts[name]
        self.shell.see_topics(dict(self.facts))
        return f"topics {self.facts}"

    def let_time_go(self, _: Actor) -> str:
        """Go on in time, from deadline to deadline."""
        self.wait(self.chance.choice([1, 500, 3_000, 9_000, 30_000]))
        return "time goes on"

    def restart(self, _: Actor) -> str:
        """End the process, and begin another from the log."""
        self.shell.machine = copy.deepcopy(self.reader)  # to read all of the log takes long
        self.shell.machine.consumers.topics = self.shell.topics
        self.shell.run_all(self.shell.machine.after_load(self.now_ms))
        self.asked.clear()
        for actor in self.actors:
            actor.waits = 0  # asks again when it has lost the connection
        self.unsaved, self.age = False, self.group_age()
        return "the coordinator begins anew"

    def wait(self, time_ms: int) -> None:
        """Do what time brings about."""
        until_ms = self.now_ms + time_ms
        while (due_ms := self.shell.machine.deadline_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            for outcome in self.shell.machine.tick(self.now_ms):
                self.run(outcome)
        self.now_ms = until_ms

    def ask(self, actor: Actor, epoch: int, **said: object) -> HeartbeatReply:
        """Send a heartbeat of a client."""
        request = ConsumerHeartbeat(
            group_id=GROUP,
            member_id=actor.member_id,
            epoch=epoch,
            instance_id=actor.instance,
        )
        return self.send(msgspec.structs.replace(request, **said))

    def send(self, request: ConsumerHeartbeat) -> HeartbeatReply:
        """Let the coordinator answer: at once."""
        machine, ticket = self.shell.machine.consumers, self.ticket(None)
        self.run(machine.heartbeat(request, ticket, self.now_ms))
        assert ticket not in self.asked, "a heartbeat waits"
        assert isinstance(self.heard, HeartbeatReply)
        return self.heard

    def take(self, actor: Actor, reply: HeartbeatReply) -> str:
        """Do as a client does that hears this."""
        if reply.error in GONE:
            actor.forget()
        if not reply.error:
            assert reply.epoch >= actor.epoch, "an epoch goes back"
            actor.epoch = reply.epoch
            if reply.assigned is not None:
                actor.told = set(reply.assigned)
        return f"{reply.error.name} {reply.epoch}"

    # -- the classic protocol

    def go_on(self, actor: Actor) -> str:
        """Do what a client of the classic protocol does next; one that waits seldom asks again."""
        if actor.waits and self.chance.random() < 0.95:
            return "waits"
        if actor.next is Next.JOIN:
            return self.join(actor)
        return self.sync(actor) if actor.next is Next.SYNC else self.classic_heartbeat(actor)

    def join(self, actor: Actor) -> str:
        """Send a JoinGroup, having given up all, or saying what is kept."""
        if not self.cooperative:
            actor.drop()
        actor.owned = set(actor.told)
        actor.next = Next.JOIN
        actor.protocols = self.protocols(actor)
        if not self.is_member(actor):
            actor.drop()  # what it reads on is lost already, and it hears so when it syncs
        request = JoinRequest(
            group_id=GROUP,
            member_id=actor.member_id,
            group_instance_id=actor.instance,
            protocols=actor.protocols,
            session_timeout_ms=self.chance.choice([6_000, 20_000]),
            rebalance_timeout_ms=self.chance.choice([2_000, 20_000]),
            new_member_id=f"{actor.name}-{actor.lives}-{self.tickets}",
            require_member_id=self.chance.random() < 0.7,
            can_skip_assignment=True,
        )
        actor.waits = self.ticket(actor)
        self.run(self.shell.machine.join(request, actor.waits, self.now_ms))
        return f"joins as {request.member_id!r} {actor.topics}: {actor.next} {actor.epoch}"

    def protocols(self, actor: Actor) -> Protocols:
        """Return what a client says of itself under each protocol."""
        owned = tuple(self.named(actor.owned))
        said = Subscription(frozenset(actor.topics), None, owned, actor.epoch)
        names = ["cooperative-sticky"]
        if not self.cooperative:
            names = self.chance.choice([["range"], ["range", "roundrobin"], ["sticky", "range"]])
        version = self.chance.randrange(2 if owned else 0, 4)
        return tuple((name, encode_subscription(said, version)) for name in names)

    def sync(self, actor: Actor) -> str:
        """Send a SyncGroup, as the leader with what each is to read."""
        request = SyncRequest(
            group_id=GROUP,
            generation=actor.epoch,
            member_id=actor.member_id,
            group_instance_id=actor.instance,
            protocol_type="consumer",
            assignments=self.shared_out(actor.leads),
        )
        actor.waits = self.ticket(actor)
        self.run(self.shell.machine.sync(request, actor.waits, self.now_ms))
        return f"syncs {request.generation}: {actor.next} reads {self.named(actor.told)}"

    def shared_out(self, members: list[JoinedMember]) -> tuple[tuple[str, bytes], ...]:
        """Return an assignment; what another one still has is for the generation after."""
        said = {row.member_id: decode_subscription(row.metadata) for row in members}
        owners = {key: name for name, one in said.items() for key in one.owned_partitions}
        given: dict[str, list[TopicPartition]] = {name: [] for name in said}
        for topic, fact in self.facts.items():
            readers = sorted(name for name, one in said.items() if topic in one.topics)
            for index in range(fact.partitions if readers else 0):
                key, reader = TopicPartition(topic, index), readers[index % len(readers)]
                if owners.get(key, reader) == reader:
                    given[reader].append(key)
        return tuple((name, encode_assignment(Assignment(tuple(g)))) for name, g in given.items())

    def classic_heartbeat(self, actor: Actor) -> str:
        """Send a Heartbeat."""
        error = self.shell.machine.heartbeat(
            group_id=GROUP,
            generation=actor.epoch,
            member_id=actor.member_id,
            group_instance_id=actor.instance,
            now_ms=self.now_ms,
        )
        self.take_to_heart(actor, error)
        return f"heartbeats: {error.name}"

    def quit(self, actor: Actor) -> ErrorCode:
        """Send a LeaveGroup."""
        ticket = self.ticket(None)
        member = (actor.member_id, actor.instance)
        self.run(self.shell.machine.leave(GROUP, [member], ticket, self.now_ms))
        assert ticket not in self.asked, "a leave waits"
        error: ErrorCode = self.heard.error or self.heard.members[0].error
        return error

    def take_place(self, actor: Actor, reply: JoinReply) -> None:
        """Hear of a place in a generation."""
        if reply.error is ErrorCode.MEMBER_ID_REQUIRED:
            actor.member_id = reply.member_id
        self.take_to_heart(actor, reply.error)
        if not reply.error:
            actor.member_id, actor.epoch = reply.member_id, reply.generation
            actor.leads, actor.next = reply.members, Next.SYNC

    def take_part(self, actor: Actor, reply: SyncReply) -> None:
        """Hear what to read; a client that had more joins again when it has given that up."""
        self.take_to_heart(actor, reply.error)
        if reply.error:
            return
        given = decode_assignment(reply.assignment).partitions if reply.assignment else ()
        ids = {name: fact.topic_id for name, fact in self.facts.items()}
        actor.told = {(ids[key.topic], key.partition) for key in given if key.topic in ids}
        actor.next = Next.JOIN if actor.owned - actor.told else Next.HEARTBEAT
        actor.owned = set(actor.told)

    def take_to_heart(self, actor: Actor, error: ErrorCode) -> None:
        """Do as a client of the classic protocol does that is told of an error."""
        if error in GONE:
            actor.forget()
        if error in AGAIN:
            actor.next = Next.JOIN
        if error is ErrorCode.ILLEGAL_GENERATION or (error and not self.cooperative):
            actor.drop()

    # -- the coordinator

    def ticket(self, actor: Actor | None) -> int:
        """Return a ticket for a request."""
        self.tickets += 1
        self.asked[self.tickets] = actor
        return self.tickets

    def run(self, outcome: GroupOutcome) -> None:
        """Do what an outcome asks for; what is answered is answered once."""
        saves = [v for k, v in outcome.records if decode_group_key(k) is not None]
        failing = self.shell.failure is not None
        self.shell.run(outcome)
        if saves and (saves[-1] is not None or not failing):
            self.unsaved = failing
        for ticket, reply in self.shell.sent:
            assert ticket in self.asked, f"ticket {ticket} is answered twice, now with {reply}"
            self.hear(ticket, reply)
        self.shell.sent.clear()
        age = self.group_age()
        assert not age or age >= self.age, f"the group goes back from {self.age} to {age}"
        self.age = age

    def hear(self, ticket: int, reply: Any) -> None:
        """Let the client hear an answer, if it still waits for this one."""
        actor = self.asked.pop(ticket)
        if actor is None:
            self.heard = reply
        elif actor.waits == ticket:
            actor.waits = 0
            if isinstance(reply, JoinReply):
                self.take_place(actor, reply)
            else:
                self.take_part(actor, reply)

    def group_age(self) -> int:
        """Return the epoch or the generation of the group; 0: nobody is in it."""
        machine = self.shell.machine
        consumer, classic = machine.consumers.groups.get(GROUP), machine._groups.get(GROUP)
        if consumer is not None and consumer.members:
            return consumer.epoch
        return classic.generation if classic is not None and classic.members else 0

    def named(self, partitions: set[IdPartition]) -> list[TopicPartition]:
        """Return partitions of topics that are there, by name."""
        names = {fact.topic_id: name for name, fact in self.facts.items()}
        return sorted(TopicPartition(names[t], n) for t, n in partitions if t in names)

    def said(self) -> ConsumerGroupDescription | None:
        """Return all that the coordinator says of the group."""
        return self.shell.machine.consumers.describe(GROUP)

    def check(self) -> None:
        """Check that nobody reads what another reads, and that the log says it all."""
        readers: dict[IdPartition, str] = {}
        for actor in self.actors:
            if not self.is_member(actor):
                continue  # it has been put out, and will hear so
            for partition in actor.owned | actor.told:
                other = readers.setdefault(partition, actor.name)
                assert other == actor.name, f"{other} and {actor.name} both read {partition}"
        for entry in self.shell.log[self.read :]:
            replay(self.reader, entry)
        self.read = len(self.shell.log)
        assert self.reader.consumers.describe(GROUP) == self.said()
        machine = self.shell.machine
        if self.said() is not None:
            assert GROUP not in machine._groups, "the group is of both kinds"
        elif machine.describe(GROUP).state == State.STABLE and not self.unsaved:
            assert self.reader.describe(GROUP) == machine.describe(GROUP)

    def is_member(self, actor: Actor) -> bool:
        """Tell whether a client is a member, and of the generation that there is."""
        consumers, classic = self.shell.machine.consumers.groups, self.shell.machine._groups
        if GROUP in consumers:
            member = consumers[GROUP].members.get(actor.member_id)
            is_late = actor.classic and member is not None and member.place.epoch != actor.epoch
            return actor.epoch >= 0 and member is not None and not is_late
        group = classic.get(GROUP)
        is_known = group is not None and actor.member_id in group.members
        return is_known and group is not None and actor.epoch == group.generation

    def end(self) -> None:
        """Let all do as they are told, until nothing moves any more."""
        self.check_compacted()
        config = self.shell.config
        both = config.consumer_migration == "bidirectional"
        room = 5 if both and config.consumer_size_max > 5 and self.chance.random() < 0.7 else 3
        if room < len(self.actors):  # not all may go on with what they have: they begin anew
            self.end_all()
        for actor in self.actors:
            actor.next = Next.JOIN  # as clients do that see other topics than before
        share = self.classic_share if both else self.chance.choice([0.0, 1.0])
        protocols = [self.chance.random() < share for _ in range(room)]
        for _ in range(150):
            self.wait(1_000)
            for actor, classic in zip(self.actors[:room], protocols, strict=True):
                self.settle(actor, classic)
        found = self.said()
        state = found.state if found else self.shell.machine.describe(GROUP).state
        assert state == "Stable", found
        held = [partition for actor in self.actors for partition in actor.owned]
        here = self.actors[:room]
        read = {name for actor in here for name in actor.topics}
        read.update(*(self.shell.topics.matching(a.expression) for a in here if a.expression))
        wanted = [
            (fact.topic_id, index)
            for name, fact in self.facts.items()
            if name in read
            for index in range(fact.partitions)
        ]
        assert sorted(held) == sorted(wanted)
        self.check_compacted()

    def end_all(self) -> None:
        """Let all fall silent, and be forgotten."""
        for _ in range(10):
            self.wait(46_000)
        assert not self.asked, f"never answered: {self.asked}"
        for actor in self.actors:
            actor.forget()

    def check_compacted(self) -> None:
        """Check that the last record of each key tells as much as all do."""
        last = {entry.key: position for position, entry in enumerate(self.shell.log)}
        machine = GroupCoordinator(self.shell.config)
        for position in sorted(last.values()):
            replay(machine, self.shell.log[position])
        assert plain(machine.consumers.describe(GROUP)) == plain(self.said())

    def settle(self, actor: Actor, classic: bool) -> None:
        """Be a good member."""
        if actor.classic and (actor.waits or actor.member_id):
            if not actor.waits:
                self.go_on(actor)
            return
        actor.owned = set(actor.told)
        said: dict[str, Any] = {"topics": actor.topics, "expression": actor.expression}
        if actor.epoch >= 0:
            said["owned"] = frozenset(actor.owned)
            self.take(actor, self.ask(actor, actor.epoch, **said))
            return
        actor.begin(classic)
        actor.topics, actor.expression = ("t", "u" if actor is self.actors[0] else "v"), ""
        if classic:
            self.join(actor)
            return
        said = {"topics": actor.topics, "expression": "", "rebalance_timeout_ms": 30_000}
        self.take(actor, self.ask(actor, 0, owned=frozenset(), **said))


def plain(group: ConsumerGroupDescription | None) -> object:
    """Return a description whose members are in order of their ids."""
    members = sorted(group.members, key=lambda m: m.member_id) if group is not None else ()
    return group and msgspec.structs.replace(group, members=tuple(members))


@pytest.mark.parametrize("run", range(4))
def test_consumer_groups_keep_their_promises(run: int, sim_seed: int) -> None:
    """However members behave, no partition has two readers, and the log knows all."""
    play(World, f"{sim_seed}-{run}", 250)


@pytest.mark.sim
def test_consumer_groups_keep_their_promises_for_long(sim_seed: int, sim_steps: int) -> None:
    """The same, for as many steps as are asked for and in many worlds."""
    for run in range(RUNS):
        play(World, f"{sim_seed}-long-{run}", sim_steps)
