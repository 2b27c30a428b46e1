"""Members that come, go, fall silent and lie, over a log that at times refuses an append.

After each step: no request has two answers, and none is lost; the members of a generation work by
one protocol, which each of them offers; generations do not go back; a coordinator that has seen
nothing but the log says the same of stable and of empty groups, and of every committed offset,
which in turn changes by records alone.
"""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest
from group_scenarios import START_MS, Entry, Shell, replay, subscription
from worlds import play

from millstream_log.errors import ErrorCode
from millstream_log.group.config import GroupConfig
from millstream_log.group.coordinator import GroupCoordinator
from millstream_log.group.group import State
from millstream_log.group.records import decode_group_key, decode_group_value
from millstream_log.group.replies import GroupDescription, GroupOutcome, JoinReply, SyncReply
from millstream_log.group.requests import CommitRequest, JoinRequest, Protocols, SyncRequest
from millstream_log.model import TopicPartition

GROUPS = ("g", "h")
PROTOCOLS = ("range", "sticky", "cooperative")
PARTITIONS = tuple(TopicPartition(topic, index) for topic in "tu" for index in range(2))
PRODUCERS = (7, 8)
CODES = (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.MESSAGE_TOO_LARGE)
RUNS = 60  # of a long run, each of MILLSTREAM_SIM_STEPS steps


class Actor(msgspec.Struct):
    """A client, and what it takes for true."""

    name: str
    group: str
    instance: str | None
    member_id: str = ""
    generation: int = -1
    leads: list[str] = msgspec.field(default_factory=list)  # members it has to assign to
    protocols: Protocols = ()
    joined: bool = False  # its next request is a SyncGroup
    content: bool = False  # it has its part, and has not been told to join again


class Asked(msgspec.Struct):
    """A request that has no answer yet."""

    actor: Actor
    offers: frozenset[str] = frozenset()  # of a JoinGroup


class World:
    """Two groups, their clients, and the checks."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        config = GroupConfig(
            initial_rebalance_delay_ms=chance.choice([0, 0, 3_000]),
            size_max=chance.choice([4, 100, 100]),
            new_member_join_timeout_ms=30_000,
            offsets_retention_ms=120_000,
            retention_check_interval_ms=30_000,
        )
        self.shell = Shell(config)
        self.reader = GroupCoordinator(config)  # has seen the log and nothing else
        self.read = 0
        self.now_ms = START_MS
        self.ids = 0
        self.asked: dict[int, Asked] = {}  # by ticket
        self.tickets = 0
        self.unsaved: set[str] = set()  # groups whose last append about themselves failed
        self.protocols: dict[tuple[str, int], str] = {}  # of generations, in this process
        self.newest: dict[str, int] = {}  # generation that a member was told, in this process
        self.saved: dict[str, int] = {}  # generation in the log
        self.actors = [
            Actor(f"{group}{n}", group, f"i{n}" if n < 2 else None)
            for group in GROUPS
            for n in range(5)
        ]

    def step(self) -> str:
        """Let something happen, check, and return what it was."""
        weights = {
            self.let_time_go: 4,
            self.join_or_sync: 24,
            self.heartbeat: 6,
            self.commit: 3,
            self.commit_in_transaction: 1,
            self.end_transaction: 1,
            self.leave: 1,
            self.forget: 0.5,
            self.delete: 0.4,
            self.restart: 0.15,
        }
        (happening,) = self.chance.choices(list(weights), list(weights.values()))
        if self.chance.random() < 0.05:
            self.shell.failure = self.chance.choice(CODES)
        before, logged = self.offsets(self.shell.machine), len(self.shell.log)
        actor = self.chance.choice(self.actors)
        said = happening(actor)
        self.take_replies()
        self.shell.failure = None
        if len(self.shell.log) == logged:
            assert self.offsets(self.shell.machine) == before, "offsets changed without a record"
        self.read_log()
        self.compare(self.reader)
        return f"{self.now_ms - START_MS} {actor.name} {said}"

    def let_time_go(self, _: Actor) -> str:
        """Go on in time, from deadline to deadline."""
        until_ms = self.now_ms + self.chance.choice([1, 500, 3_000, 9_000])
        while (due_ms := self.shell.machine.deadline_ms()) is not None and due_ms <= until_ms:
            self.now_ms = max(self.now_ms, due_ms)
            for outcome in self.shell.machine.tick(self.now_ms):
                self.run(outcome)
        self.now_ms = until_ms
        return "time goes on"

    def join_or_sync(self, actor: Actor) -> str:
        """Do what a client does next: mostly nothing, if it waits or has what it wants."""
        waits = any(asked.actor is actor for asked in self.asked.values())
        if (waits or actor.content) and self.chance.random() < 0.95:
            return "waits" if waits else "is content"
        return self.sync(actor) if actor.joined else self.join(actor)

    def join(self, actor: Actor) -> str:
        """Join, at times with other protocols, another's id, or none."""
        if not actor.protocols or self.chance.random() < 0.1:
            names = self.chance.sample(PROTOCOLS, self.chance.choice([1, 2, 3, 3, 3]))
            topics = self.chance.choice([["t"], ["t", "u"]])
            actor.protocols = tuple((name, subscription(topics)) for name in names)
        self.ids += 1
        request = JoinRequest(
            group_id=actor.group,
            member_id=self.maybe_a_lie(actor.member_id),
            group_instance_id=actor.instance,
            protocol_type="consumer" if self.chance.random() < 0.98 else "connect",
            protocols=actor.protocols,
            session_timeout_ms=self.chance.choice([6_000, 10_000, 20_000, 20_000]),
            rebalance_timeout_ms=self.chance.choice([0, 4_000, 12_000]),
            new_member_id=f"{actor.name}-{self.ids}",
            require_member_id=self.chance.random() < 0.7,
            can_skip_assignment=self.chance.random() < 0.5,
        )
        ticket = self.ask(actor, frozenset(name for name, _ in actor.protocols))
        self.run(self.shell.machine.join(request, ticket, self.now_ms))
        return f"joins as {request.member_id!r} {[name for name, _ in actor.protocols]}"

    def sync(self, actor: Actor) -> str:
        """Sync, as the leader with an assignment for most."""
        told = [name for name in actor.leads if self.chance.random() < 0.9]
        request = SyncRequest(
            group_id=actor.group,
            generation=actor.generation + (self.chance.random() < 0.03),
            member_id=self.maybe_a_lie(actor.member_id),
            group_instance_id=actor.instance,
            assignments=tuple((name, f"{actor.generation}:{name}".encode()) for name in told),
        )
        self.run(self.shell.machine.sync(request, self.ask(actor), self.now_ms))
        return f"syncs {request.generation}"

    def heartbeat(self, actor: Actor) -> str:
        """Let everybody in a group but a few say that they live."""
        said = []
        for one in self.actors:
            if one.group == actor.group and one.member_id and self.chance.random() < 0.8:
                error = self.shell.machine.heartbeat(
                    group_id=one.group,
                    generation=one.generation,
                    member_id=one.member_id,
                    group_instance_id=one.instance,
                    now_ms=self.now_ms,
                )
                said.append(f"{one.name} {error.name}")
                self.take_to_heart(one, error)
        return f"and others heartbeat: {said}"

    def commit(self, actor: Actor) -> str:
        """Commit as a member, or as one that is none."""
        request = self.commit_request(actor)
        self.run(self.shell.machine.commit(request, self.ask(actor), self.now_ms))
        return f"commits {request.offsets}"

    def commit_in_transaction(self, actor: Actor) -> str:
        """Commit in a transaction that is open or begins with it."""
        request, producer_id = self.commit_request(actor), self.chance.choice(PRODUCERS)
        machine, ticket = self.shell.machine, self.ask(actor)
        self.run(machine.commit_in_transaction(request, producer_id, 0, ticket, self.now_ms))
        return f"commits {request.offsets} by producer {producer_id}"

    def end_transaction(self, _: Actor) -> str:
        """Commit or abort a producer's transaction."""
        producer_id, commits = self.chance.choice(PRODUCERS), self.chance.random() < 0.6
        self.shell.append(Entry(None, None, producer_id, commits))
        return f"producer {producer_id} ends {commits}"

    def leave(self, actor: Actor) -> str:
        """Leave, at times in another's name."""
        member = (self.maybe_a_lie(actor.member_id), actor.instance)
        ticket = self.ask(actor)
        self.run(self.shell.machine.leave(actor.group, [member], ticket, self.now_ms))
        actor.member_id = ""
        actor.joined = actor.content = False
        return f"leaves {member}"

    def forget(self, actor: Actor) -> str:
        """Let a client lose its memory: its process ends and begins again."""
        actor.member_id, actor.generation = "", -1
        actor.joined = actor.content = False
        return "forgets all"

    def delete(self, actor: Actor) -> str:
        """Delete a group, some of its offsets, or a topic's."""
        machine = self.shell.machine
        match self.chance.randrange(3):
            case 0:
                self.run(machine.delete_group(actor.group, self.ask(actor)))
            case 1:
                self.run(machine.delete_offsets(actor.group, PARTITIONS[:2], self.ask(actor)))
            case _:
                for outcome in machine.delete_topics(["u"]):
                    self.run(outcome)
        return "deletes"

    def restart(self, _: Actor) -> str:
        """End the process, in order or not; what waited is answered or lost."""
        if self.chance.random() < 0.5:
            for outcome in self.shell.machine.unload(self.now_ms):
                self.run(outcome)
            self.take_replies()
            assert not self.asked, "unloading leaves somebody waiting"
        self.asked.clear()
        self.protocols.clear()
        self.newest.clear()
        self.unsaved.clear()
        self.shell.restart(self.now_ms)
        return "the coordinator begins anew"

    def ask(self, actor: Actor, offers: frozenset[str] = frozenset()) -> int:
        """Return a ticket for a request."""
        self.tickets += 1
        self.asked[self.tickets] = Asked(actor, offers)
        return self.tickets

    def run(self, outcome: GroupOutcome) -> None:
        """Do what an outcome asks for, and put down what it did to the group on record."""
        about = [key for key, _ in outcome.records if decode_group_key(key) is not None]
        failing = self.shell.failure is not None and bool(outcome.records)
        self.shell.run(outcome)
        if about:
            (self.unsaved.add if failing else self.unsaved.discard)(outcome.group_id)

    def commit_request(self, actor: Actor) -> CommitRequest:
        """Return a commit of some partitions."""
        is_member = self.chance.random() < 0.8
        some = self.chance.sample(PARTITIONS, self.chance.randrange(1, 3))
        return CommitRequest(
            group_id=actor.group,
            generation=actor.generation if is_member else -1,
            member_id=actor.member_id if is_member else "",
            group_instance_id=actor.instance if is_member else None,
            offsets={partition: (self.chance.randrange(1000), -1, "") for partition in some},
        )

    def maybe_a_lie(self, member_id: str) -> str:
        """Return the id, or seldom another."""
        others = [actor.member_id for actor in self.actors] + ["nobody-1"]
        return member_id if self.chance.random() < 0.96 else self.chance.choice(others)

    def take_replies(self) -> None:
        """Give replies to those who asked, each once."""
        for ticket, reply in self.shell.sent:
            asked = self.asked.pop(ticket, None)
            assert asked is not None, f"ticket {ticket} is answered twice, now with {reply}"
            if isinstance(reply, JoinReply):
                self.take_place(asked, reply)
            elif isinstance(reply, SyncReply):
                self.take_part(asked.actor, reply)
        self.shell.sent.clear()

    def take_place(self, asked: Asked, reply: JoinReply) -> None:
        """Check a member's place in its generation, and let it know."""
        actor = asked.actor
        if reply.error is ErrorCode.MEMBER_ID_REQUIRED:
            actor.member_id = reply.member_id
        if reply.error:
            self.take_to_heart(actor, reply.error)
            return
        key, name = (actor.group, reply.generation), reply.protocol_name or ""
        assert name in asked.offers, f"{name} is not among {asked.offers}"
        assert self.protocols.setdefault(key, name) == name, f"{key} has two protocols"
        assert reply.generation >= self.newest.get(actor.group, 0), "a generation goes back"
        assert reply.members or reply.leader != reply.member_id
        self.newest[actor.group] = reply.generation
        actor.member_id, actor.generation = reply.member_id, reply.generation
        actor.leads = [row.member_id for row in reply.members]
        actor.joined = True

    def take_part(self, actor: Actor, reply: SyncReply) -> None:
        """Check a member's part, and let it know."""
        self.take_to_heart(actor, reply.error)
        actor.joined, actor.content = False, not reply.error

    def take_to_heart(self, actor: Actor, error: ErrorCode) -> None:
        """Do as a client does that is told of an error."""
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            actor.member_id, actor.generation = "", -1
        if error:
            actor.joined = actor.content = False

    def read_log(self) -> None:
        """Let the reader see what has been appended, and check that generations go on."""
        for entry in self.shell.log[self.read :]:
            replay(self.reader, entry)
            group_id = decode_group_key(entry.key) if entry.key else None
            if group_id is not None and entry.value is None:
                self.saved.pop(group_id, None)
                self.newest.pop(group_id, None)
                self.protocols = {k: v for k, v in self.protocols.items() if k[0] != group_id}
            elif group_id is not None and entry.value is not None:
                generation = decode_group_value(entry.value).generation
                assert generation >= self.saved.get(group_id, 0), "a saved generation goes back"
                self.saved[group_id] = generation
        self.read = len(self.shell.log)

    def compare(self, reader: GroupCoordinator) -> None:
        """Check that a coordinator which has seen the log alone says the same."""
        machine = self.shell.machine
        assert self.offsets(reader) == self.offsets(machine)
        for group_id in GROUPS:
            lives, reads = machine.describe(group_id), reader.describe(group_id)
            if lives.state == State.STABLE and group_id not in self.unsaved:
                assert plain(lives) == plain(reads)
            elif lives.state == State.EMPTY and group_id not in self.unsaved:
                assert reads.error or plain(lives) == plain(reads)
            elif lives.state == State.DEAD:
                assert reads.state in (State.DEAD, State.EMPTY)

    def offsets(self, machine: GroupCoordinator) -> list[Any]:
        """Return what has been committed, and what is in doubt."""
        return [
            machine.fetch_offsets(group_id, partitions, stable)
            for group_id in GROUPS
            for partitions in (None, PARTITIONS)
            for stable in (False, True)
        ]

    def end(self) -> None:
        """Let everybody fall silent: all who wait are answered, and the groups are empty."""
        self.compare(self.shell.reloaded())
        for _ in range(40):
            self.let_time_go(self.actors[0])
            self.now_ms += 9_000
        self.let_time_go(self.actors[0])
        self.take_replies()
        self.read_log()
        self.compare(self.shell.reloaded())
        assert not self.asked, f"never answered: {self.asked}"
        for group_id in GROUPS:
            assert self.shell.machine.describe(group_id).state in (State.EMPTY, State.DEAD)


def plain(group: GroupDescription) -> tuple[Any, ...]:
    """Return a description with its members in order of their ids."""
    return group.state, group.protocol_type, group.protocol, sorted(group.members)


@pytest.mark.parametrize("run", range(4))
def test_groups_keep_their_promises(run: int, sim_seed: int) -> None:
    """However members behave, answers, generations and offsets stay as the log has them."""
    play(World, f"{sim_seed}-{run}", 250)


@pytest.mark.sim
def test_groups_keep_their_promises_for_long(sim_seed: int, sim_steps: int) -> None:
    """The same, for as many steps as are asked for and in many worlds."""
    for run in range(RUNS):
        play(World, f"{sim_seed}-long-{run}", sim_steps)
