"""Members of consumer groups that come, go, pause and lie, over a log that at times refuses.

After each step: no partition has two members that were told to read it and have not said that they
stopped; what a coordinator says that has seen nothing but the log is the same; no answer changes
anything without a record. In the end, when all who are left do as they are told, the group is
stable and each partition of the topics they read has its one reader.
"""

from __future__ import annotations

import random

import msgspec
import pytest
from group_scenarios import START_MS, Shell, replay
from worlds import play

from millstream_log.errors import ErrorCode
from millstream_log.group.config import GroupConfig
from millstream_log.group.consumer_records import IdPartition
from millstream_log.group.consumer_requests import ConsumerHeartbeat, HeartbeatReply
from millstream_log.group.consumer_topics import TopicFacts
from millstream_log.group.replies import GroupOutcome

GROUP = "g"
EXPRESSIONS = ("", "t.*", "[tu]", "v")
NAMES = ("t", "u", "v", "t2")
CODES = (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.MESSAGE_TOO_LARGE)
RUNS = 20  # of a long run, each of MILLSTREAM_SIM_STEPS steps


class Actor(msgspec.Struct):
    """A client, and what it takes for true."""

    name: str
    instance: str | None
    epoch: int = -1  # not in the group
    lives: int = 0
    owned: set[IdPartition] = msgspec.field(default_factory=set)  # reads these
    told: set[IdPartition] = msgspec.field(default_factory=set)  # is to read these
    topics: tuple[str, ...] = ()
    expression: str = ""

    @property
    def member_id(self) -> str:
        """Return the id of this life of the client."""
        return f"{self.name}-{self.lives}"


class World:
    """A group, its clients, and the checks."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.shell = Shell(
            GroupConfig(
                consumer_size_max=chance.choice([3, 100, 100]),
                consumer_assignment_interval_ms=chance.choice([0, 0, 1_000]),
            )
        )
        self.reader = self.shell.reloaded()  # has seen the log and nothing else
        self.read = 0
        self.now_ms = START_MS
        self.tickets = 0
        self.made = 0
        self.facts: dict[str, TopicFacts] = {}
        self.actors = [Actor(f"m{n}", f"i{n}" if n < 2 else None) for n in range(5)]
        self.change_topics(self.actors[0])

    def step(self) -> str:
        """Let something happen, check, and return what it was."""
        weights = {
            self.let_time_go: 3,
            self.beat: 20,
            self.subscribe: 1,
            self.leave: 0.7,
            self.go_away: 0.4,
            self.die: 0.3,
            self.change_topics: 0.5,
            self.lie: 1,
            self.restart: 0.2,
        }
        (happening,) = self.chance.choices(list(weights), list(weights.values()))
        if self.chance.random() < 0.05:
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
        joins = actor.epoch < 0
        if joins:
            actor.lives += 1
            actor.owned, actor.told = set(), set()
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
        reply = self.ask(actor, -1)
        if reply.error in (ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID):
            actor.epoch, actor.owned, actor.told = -1, set(), set()
        return f"leaves: {reply.error.name}"

    def go_away(self, actor: Actor) -> str:
        """Leave for a while, as static members do, having stopped reading."""
        if actor.epoch < 0 or actor.instance is None:
            return "stays away"
        actor.owned = set()
        reply = self.ask(actor, -2)
        actor.epoch, actor.told = -1, set()
        return f"goes away: {reply.error.name}"

    def die(self, actor: Actor) -> str:
        """End without a word."""
        actor.epoch, actor.owned, actor.told = -1, set(), set()
        return "dies"

    def lie(self, actor: Actor) -> str:
        """Say an epoch, an id or an instance that is not one's own; no lie gets an answer."""
        other = self.chance.choice([a for a in self.actors if a is not actor])
        request = ConsumerHeartbeat(
            group_id=GROUP,
            member_id=self.chance.choice(["nobody", other.member_id]),
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
        self.shell.restart(self.now_ms)
        return "the coordinator begins anew"

    def wait(self, time_ms: int) -> None:
        """Do what time brings about."""
        until_ms = self.now_ms + time_ms
        while (due_ms := self.shell.machine.deadline_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            for outcome in self.shell.machine.tick(self.now_ms):
                self.shell.run(outcome)
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
        """Let the coordinator answer: at once, and once."""
        self.tickets += 1
        machine = self.shell.machine.consumers
        outcome: GroupOutcome = machine.heartbeat(request, self.tickets, self.now_ms)
        self.shell.run(outcome)
        ((ticket, reply),) = self.shell.sent
        self.shell.sent.clear()
        assert ticket == self.tickets
        assert isinstance(reply, HeartbeatReply)
        return reply

    def take(self, actor: Actor, reply: HeartbeatReply) -> str:
        """Do as a client does that hears this."""
        gone = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH)
        if reply.error in (*gone, ErrorCode.FENCED_INSTANCE_ID, ErrorCode.GROUP_ID_NOT_FOUND):
            actor.epoch, actor.owned, actor.told = -1, set(), set()
        if not reply.error:
            assert reply.epoch >= actor.epoch, "an epoch goes back"
            actor.epoch = reply.epoch
            if reply.assigned is not None:
                actor.told = set(reply.assigned)
        return f"{reply.error.name} {reply.epoch}"

    def said(self) -> object:
        """Return all that the coordinator says of the group."""
        return self.shell.machine.consumers.describe(GROUP)

    def check(self) -> None:
        """Check that nobody reads what another reads, and that the log says it all."""
        group = self.shell.machine.consumers.groups.get(GROUP)
        readers: dict[IdPartition, str] = {}
        for actor in self.actors:
            member = group.members.get(actor.member_id) if group is not None else None
            if member is None or actor.epoch < 0:
                continue  # it has been put out, and will hear so
            for partition in actor.owned | actor.told:
                other = readers.setdefault(partition, actor.name)
                assert other == actor.name, f"{other} and {actor.name} both read {partition}"
        for entry in self.shell.log[self.read :]:
            replay(self.reader, entry)
        self.read = len(self.shell.log)
        assert self.reader.consumers.describe(GROUP) == self.said()

    def end(self) -> None:
        """Let all do as they are told, until nothing moves any more."""
        self.wait(46_000)
        for actor in self.actors:
            actor.epoch, actor.owned, actor.told = -1, set(), set()
        room = 3
        for _ in range(20):
            self.wait(1_000)
            for actor in self.actors[:room]:
                self.settle(actor)
        found = self.shell.machine.consumers.describe(GROUP)
        assert found is not None
        assert found.state == "Stable", found
        held = [partition for actor in self.actors for partition in actor.owned]
        read = {name for actor in self.actors[:room] for name in actor.topics}
        wanted = [
            (fact.topic_id, index)
            for name, fact in self.facts.items()
            if name in read
            for index in range(fact.partitions)
        ]
        assert sorted(held) == sorted(wanted)

    def settle(self, actor: Actor) -> None:
        """Be a good member."""
        actor.owned = set(actor.told)
        if actor.epoch >= 0:
            self.take(actor, self.ask(actor, actor.epoch, owned=frozenset(actor.owned)))
            return
        actor.lives += 1
        actor.topics = ("t", "u") if actor is self.actors[0] else ("t", "v")
        said = {"topics": actor.topics, "expression": "", "rebalance_timeout_ms": 30_000}
        self.take(actor, self.ask(actor, 0, owned=frozenset(), **said))


@pytest.mark.parametrize("run", range(4))
def test_consumer_groups_keep_their_promises(run: int, sim_seed: int) -> None:
    """However members behave, no partition has two readers, and the log knows all."""
    play(World, f"{sim_seed}-{run}", 250)


@pytest.mark.sim
def test_consumer_groups_keep_their_promises_for_long(sim_seed: int, sim_steps: int) -> None:
    """The same, for as many steps as are asked for and in many worlds."""
    for run in range(RUNS):
        play(World, f"{sim_seed}-long-{run}", sim_steps)
