"""Producers that start, stop, retry, lie and fence one another, over a shell that may die anywhere.

The log, the partitions and what clients were told last; coordinator, records on their way, markers
half written and who waits die in a crash. Whatever happens: a transaction ends in one way in all
of its partitions, it is not complete before they all know, and no client was told otherwise.
"""

from __future__ import annotations

import collections
import itertools
import random
from collections.abc import Callable
from typing import Any

import pytest

from millstream_log.errors import ErrorCode
from millstream_log.machine import LogRecord
from millstream_log.model import TopicPartition
from millstream_log.transaction.config import TransactionConfig
from millstream_log.transaction.coordinator import TransactionCoordinator
from millstream_log.transaction.records import decode_key, decode_value
from millstream_log.transaction.replies import InitReply, Markers, TxnOutcome
from millstream_log.transaction.transaction import TRANSITIONS, Producer, State

IDS = ("t0", "t1", "t2")
CLIENTS = ("t0", "t0", "t1", "t1", "t2")  # the id of each
PARTITIONS = [TopicPartition("in", number) for number in range(3)]
CONFIG = TransactionConfig(timeout_max_ms=200, id_expiration_ms=500, retry_ms=20)
NOBODY = Producer(-1, -1)
# How likely it is that a client, when it is its turn:
HURRIES = 0.05  # writes before it has an answer
GIVES_UP = 0.02  # no longer waits for an answer
BEGINS = 0.05  # takes its id, perhaps from another
SLEEPS = 0.01


class Transaction:
    """What one client writes between two ends, as the client sees it."""

    def __init__(self) -> None:
        self.ends: set[bool] = set()  # how its markers ended it, in any partition
        self.has_records = False


class Partition:
    """A partition's memory of producers: fencing, and which transactions are open."""

    def __init__(self) -> None:
        self.epochs: dict[int, int] = {}
        self.open: dict[int, set[Transaction]] = {}

    def write(self, producer: Producer, transaction: Transaction) -> None:
        """Append a record."""
        assert producer.epoch >= self.epochs.get(producer.producer_id, -1)
        self.epochs[producer.producer_id] = producer.epoch
        self.open.setdefault(producer.producer_id, set()).add(transaction)
        transaction.has_records = True

    def mark(self, markers: Markers) -> None:
        """Append a marker."""
        assert markers.producer_epoch >= self.epochs.get(markers.producer_id, -1)
        self.epochs[markers.producer_id] = markers.producer_epoch
        for transaction in self.open.pop(markers.producer_id, ()):
            transaction.ends.add(markers.commit)
            assert len(transaction.ends) == 1, "committed here, aborted there"


class Client:
    """A producer, which may be slow, forgetful or wrong."""

    def __init__(self, world: World, transactional_id: str, version: int) -> None:
        self.world = world
        self.version = version  # of the transactions that it knows
        self.transactional_id = transactional_id
        self.producer = NOBODY
        self.transaction = Transaction()
        self.wishes: bool | None = None  # commit or abort: asked for, and no answer that counts
        self.asked: int | None = None  # the ticket of the request that it waits for
        self.sleeps_until_ms = 0

    def act(self) -> None:
        """Do something, or wait."""
        chance = self.world.chance
        if self.world.now_ms < self.sleeps_until_ms:
            return
        if self.asked is not None:
            if chance.random() < HURRIES and self.producer != NOBODY:
                self.write()
            elif chance.random() < GIVES_UP:
                self.asked = None
        elif self.producer == NOBODY:
            if chance.random() < BEGINS:
                self.init(NOBODY)
        elif chance.random() < SLEEPS:
            self.sleeps_until_ms = self.world.now_ms + chance.choice([50, 300, 1500])
        elif self.wishes is not None:
            self.end(self.wishes if chance.random() < 0.95 else not self.wishes)
        else:
            weights = {self.add: 6, self.write: 8, self.finish: 4, self.lie: 2, self.renew: 0.3}
            chance.choices(list(weights), list(weights.values()))[0]()

    def init(self, held: Producer) -> None:
        """Ask to be a producer, or to go on as one."""
        world = self.world
        self.ask(
            lambda ticket: world.machine.init_producer_id(
                self.transactional_id,
                world.chance.choice([30, 100, 200]),
                *held,
                new_producer_id=next(world.producer_ids),
                ticket=ticket,
                now_ms=world.now_ms,
            ),
            self.initialised,
        )

    def initialised(self, reply: InitReply) -> None:
        """Take in who one is; nothing that the id was used for before is open any more."""
        if reply.error in (ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_ID_MAPPING):
            self.producer = NOBODY
        if reply.error:
            return
        producer = Producer(reply.producer_id, reply.producer_epoch)
        assert self.world.given.setdefault(producer, self) is self, "two with one id and epoch"
        for client in self.world.clients:
            if client.transactional_id == self.transactional_id:
                self.world.check_closed(client.transaction)
        self.producer, self.wishes = producer, None
        self.transaction = Transaction()
        self.world.seen["initialised"] += 1

    def add(self) -> None:
        """Name partitions."""
        world = self.world
        partitions = world.chance.sample(PARTITIONS, world.chance.randint(1, 2))
        self.ask(
            lambda ticket: world.machine.add_partitions(
                self.transactional_id,
                *self.producer,
                partitions,
                version=self.version,
                ticket=ticket,
                now_ms=world.now_ms,
            ),
            self.refused_or_not,
        )

    def write(self) -> None:
        """Write a record, if the coordinator has nothing against it."""
        partition = self.world.chance.choice(PARTITIONS)
        if self.may_write(self.producer, partition):
            self.world.partitions[partition].write(self.producer, self.transaction)
            self.world.seen["written"] += 1

    def may_write(self, producer: Producer, partition: TopicPartition) -> bool:
        """Ask what Produce asks."""
        errors = self.world.machine.verify(self.transactional_id, *producer, [partition])
        return errors[partition] is ErrorCode.NONE

    def finish(self) -> None:
        """Commit, or abort."""
        self.wishes = self.world.chance.random() < 0.7
        self.end(self.wishes)

    def end(self, commit: bool) -> None:
        """Ask for the end of the transaction."""
        world = self.world
        if self.version == 2:
            self.ask(
                lambda ticket: world.machine.end_and_bump(
                    self.transactional_id,
                    *self.producer,
                    commit,
                    new_producer_id=next(world.producer_ids),
                    ticket=ticket,
                    now_ms=world.now_ms,
                ),
                lambda reply: self.ended_and_bumped(commit, reply),
            )
            return
        self.ask(
            lambda ticket: world.machine.end_txn(
                self.transactional_id, *self.producer, commit, ticket=ticket, now_ms=world.now_ms
            ),
            lambda error: self.ended(commit, error),
        )

    def ended_and_bumped(self, commit: bool, reply: InitReply) -> None:
        """Take in who one is from now on."""
        if reply.error is ErrorCode.NONE:
            before = self.producer
            self.producer = Producer(reply.producer_id, reply.producer_epoch)
            assert self.world.given.setdefault(self.producer, self) is self, "two with one epoch"
            assert self.producer in (before.bumped(), Producer(self.producer.producer_id, 0))
            self.world.seen["bumped"] += 1
            self.world.seen["went on as new"] += self.producer.epoch == 0
        self.ended(commit, reply.error)

    def ended(self, commit: bool, error: ErrorCode) -> None:
        """Take in how it ended: that is so in every partition."""
        if error is ErrorCode.NONE:
            self.world.check_closed(self.transaction)
            if self.transaction.has_records:
                assert self.transaction.ends == {commit}, "told one thing, done another"
                self.world.seen["committed" if commit else "aborted"] += 1
            self.transaction, self.wishes = Transaction(), None
        self.refused_or_not(error)

    def refused_or_not(self, error: ErrorCode) -> None:
        """Begin anew where there is no way on."""
        self.world.seen[error.name] += 1
        if error is ErrorCode.INVALID_TXN_STATE:  # there was nothing, or it ends the other way
            self.transaction, self.wishes = Transaction(), None
        elif error in (ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_ID_MAPPING):
            self.producer, self.wishes = NOBODY, None
        else:
            assert error in (
                ErrorCode.NONE,
                ErrorCode.CONCURRENT_TRANSACTIONS,
                ErrorCode.NOT_COORDINATOR,
            )

    def lie(self) -> None:
        """Speak as a producer that one is not: that leads nowhere."""
        world, (producer_id, epoch) = self.world, self.producer
        said = world.chance.choice([Producer(producer_id, epoch - 1), Producer(10**9, epoch)])
        assert not self.may_write(said, world.chance.choice(PARTITIONS))
        out = world.machine.end_txn(
            self.transactional_id, *said, True, ticket=0, now_ms=world.now_ms
        )
        assert not out.records
        assert out.replies[0][1] is not ErrorCode.NONE

    def renew(self) -> None:
        """Restart, or go on after an error (KIP-360), with what was open left behind."""
        self.init(self.world.chance.choice([NOBODY, self.producer]))

    def ask(self, decide: Callable[[int], TxnOutcome], heard: Callable[[Any], None]) -> None:
        """Send a request."""
        ticket = self.asked = next(self.world.tickets)

        def answered(reply: Any) -> None:
            if self.asked == ticket:
                self.asked = None
                heard(reply)

        self.world.waiting[ticket] = answered
        self.world.take(decide(ticket))


class World:
    """Everything: what lasts, and what a crash takes away."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now_ms = 0
        self.seen = collections.Counter[str]()
        self.producer_ids = itertools.count(1)
        self.tickets = itertools.count(1)
        self.given: dict[Producer, Client] = {}
        self.partitions = {partition: Partition() for partition in PARTITIONS}
        self.log: list[LogRecord] = []
        self.states: dict[str, State] = {}  # as the log says
        # Of the clients of one id, one may be older than the other.
        self.clients = [Client(self, name, self.chance.choice([0, 2])) for name in CLIENTS]
        self.begin()

    def begin(self) -> None:
        """Start a process on what there is."""
        self.machine = TransactionCoordinator(CONFIG)
        self.on_way: list[TxnOutcome] = []
        self.marking: dict[str, tuple[Markers, list[TopicPartition]]] = {}  # what is left to mark
        self.waiting: dict[int, Callable[[Any], None]] = {}
        for key, value in self.log:
            self.machine.replay(key, value)
        for outcome in self.machine.after_load(self.now_ms):
            self.take(outcome)

    def step(self) -> None:
        """Let one thing happen."""
        weights = {
            self.client_acts: 40,
            self.record_arrives: 30,
            self.marker_arrives: 25,
            self.time_passes: 4,
            self.crash: 0.5,
        }
        self.chance.choices(list(weights), list(weights.values()))[0]()

    def client_acts(self) -> None:
        """Let one client do something."""
        self.chance.choice(self.clients).act()

    def crash(self) -> None:
        """End the process; the log may have been compacted meanwhile."""
        self.seen["crashes"] += 1
        self.seen["crashes amid markers"] += any(left for _, left in self.marking.values())
        self.seen["crashes before a record"] += bool(self.on_way)
        if self.chance.random() < 0.5:
            self.log = list(dict(self.log).items())
        for client in self.clients:
            client.asked = None
        self.begin()

    def time_passes(self) -> None:
        """Let the clock go on, and the timer with it."""
        self.now_ms += self.chance.choice([1, 5, 20, 20, 100])
        self.tick()

    def tick(self) -> None:
        """Let the timer ring, if it is to."""
        due_ms = self.machine.deadline_ms()
        if due_ms is not None and due_ms <= self.now_ms:
            for outcome in self.machine.tick(self.now_ms):
                self.seen["markers of the timer"] += bool(outcome.markers)
                self.take(outcome)

    def take(self, outcome: TxnOutcome) -> None:
        """Do what is to be done at once; records take their time."""
        if outcome.records:
            self.on_way.append(outcome)
        else:
            self.deliver(outcome)

    def record_arrives(self, trouble: float = 0.05) -> None:
        """Append and replay one outcome's records, or fail to, before that or after it."""
        if not self.on_way:
            return
        outcome = self.on_way.pop(self.chance.randrange(len(self.on_way)))
        assert outcome.on_failure is not None
        is_written = self.chance.random() >= trouble
        is_durable = is_written and self.chance.random() >= trouble / 2
        if is_written:
            for record in outcome.records:
                self.check_record(*record)
                self.log.append(record)
                self.machine.replay(*record)
        if is_durable:
            self.deliver(outcome)
        else:
            self.seen["appends failed"] += 1
            failed = outcome.on_failure(ErrorCode.KAFKA_STORAGE_ERROR)
            assert isinstance(failed, TxnOutcome)
            self.deliver(failed)

    def deliver(self, outcome: TxnOutcome) -> None:
        """Send the replies, take the markers."""
        for ticket, reply in outcome.replies:
            self.waiting.pop(ticket)(reply)
        for markers in outcome.markers:
            assert markers.transactional_id not in self.marking, "markers handed out twice"
            self.marking[markers.transactional_id] = (markers, list(markers.partitions))

    def marker_arrives(self) -> None:
        """Write one marker, or tell the coordinator that there is none left."""
        if not self.marking:
            return
        name = self.chance.choice(sorted(self.marking))
        markers, left = self.marking[name]
        if left:
            self.partitions[left.pop(self.chance.randrange(len(left)))].mark(markers)
            return
        del self.marking[name]
        self.take(
            self.machine.markers_written(
                name, markers.producer_id, markers.producer_epoch, self.now_ms
            )
        )

    def check_record(self, key: bytes, value: bytes | None) -> None:
        """Assert that the log's story of an id may go on like this."""
        name = decode_key(key)
        assert name is not None
        before = self.states.get(name)
        if value is None:
            assert before is not None
            assert State.DEAD in TRANSITIONS[before]
            del self.states[name]
            self.seen["forgotten"] += 1
            return
        known = decode_value(name, value)
        again = known.is_prepared and before is known.state
        assert before is None or again or known.state in TRANSITIONS[before]
        if known.state in (State.COMPLETE_COMMIT, State.COMPLETE_ABORT):
            for partition in self.partitions.values():
                assert known.producer.producer_id not in partition.open, "complete too early"
        self.states[name] = known.state

    def check_closed(self, transaction: Transaction) -> None:
        """Assert that a transaction is open nowhere."""
        for partition in self.partitions.values():
            assert all(transaction not in held for held in partition.open.values())

    def settle(self) -> None:
        """Let everything come to its end without clients: nothing stays open, nothing is kept."""
        while self.machine.deadline_ms() is not None or self.on_way or self.marking:
            while self.on_way:
                self.record_arrives(trouble=0)
            if self.marking:
                self.marker_arrives()
            else:
                self.now_ms = max(self.now_ms, self.machine.deadline_ms() or 0)
                self.tick()
        assert not any(partition.open for partition in self.partitions.values())
        assert not self.states
        described = self.machine.describe(IDS)
        assert {row.error for row in described} == {ErrorCode.TRANSACTIONAL_ID_NOT_FOUND}


def lived(seed: int, steps: int) -> collections.Counter[str]:
    """Let a world live for some steps; return how often it has seen what."""
    world = World(seed)
    for _ in range(steps):
        world.step()
    world.settle()
    return world.seen


def test_some_short_lives_see_everything() -> None:
    """In a few short runs all that matters has happened, and no invariant was broken."""
    seen = sum((lived(seed, 4000) for seed in range(15)), collections.Counter())
    for what in (
        "initialised",
        "bumped",
        "written",
        "committed",
        "aborted",
        "forgotten",
        "appends failed",
        "markers of the timer",
        "crashes amid markers",
        "crashes before a record",
        "PRODUCER_FENCED",
        "INVALID_TXN_STATE",
        "INVALID_PRODUCER_ID_MAPPING",
    ):
        assert seen[what] > 3, what


@pytest.mark.sim
def test_every_transaction_ends_in_one_way(sim_seed: int, sim_steps: int) -> None:
    """However long it goes on: one end each, complete last, and what was told is so."""
    for life in range(20):
        lived(sim_seed + life, sim_steps)
