"""Clients that go on whatever happens to the broker, and keep a record of what it has promised.

    Writer      idempotent; knows what was acknowledged            -> topic a
    Processor   a -> b, its offsets in the transaction; every few transactions it aborts one
    Reader      a member of a group; knows which commits were acknowledged

Invariants: each works in a thread of its own; what goes wrong in it is raised by `finish`.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

SOURCE, TARGET = "a", "b"
PARTITIONS = 4
ABORTED = b" aborted"
_ABORT_EVERY = 5
_BATCH = 200
_CALL_SECONDS = 30.0
_PATIENT = {
    "log_level": 0,
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 200,
    "retry.backoff.ms": 20,
    "retry.backoff.max.ms": 200,
    # librdkafka 2.16 would forget the only broker there is, and a transaction then never ends.
    "metadata.recovery.strategy": "none",
}

T = TypeVar("T")


class Worker:
    """A thread that repeats its work until it may end."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def finish(self) -> None:
        """Let the work end; raise what went wrong in it."""
        self.ended.set()
        self._thread.join()
        self.check()

    def check(self) -> None:
        """Raise what has gone wrong, if anything has."""
        if self._error is not None:
            raise self._error

    def work(self) -> None:
        """Do a piece of work."""
        raise NotImplementedError

    def close(self) -> None:
        """Give up what is held."""

    def _run(self) -> None:
        try:
            while not self.ended.is_set():
                self.work()
            self.close()
        except BaseException as error:
            self._error = error


def consumer(bootstrap: str, group: str) -> Consumer:
    """Return a consumer that commits only when it is told to."""
    return Consumer(
        {
            **_PATIENT,
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 100,
            "heartbeat.interval.ms": 200,
            "session.timeout.ms": 6000,
        }
    )


def place_of(message: Message) -> tuple[int, int]:
    """Return partition and offset of a message that came from a broker."""
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    return partition, offset


def ends_of(messages: Sequence[Message]) -> list[TopicPartition]:
    """Return what is to be committed once these are done with."""
    ends = {partition: offset + 1 for partition, offset in map(place_of, messages)}
    return [TopicPartition(SOURCE, partition, end) for partition, end in ends.items()]


def patiently(call: Callable[[], T]) -> T:
    """Return what a call returns, which is tried again for as long as that may help."""
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable():
                raise


def committed(reader: Consumer) -> dict[int, int]:
    """Return what a consumer's group has committed for topic a; 0 for nothing."""
    parts = [TopicPartition(SOURCE, index) for index in range(PARTITIONS)]
    while True:
        try:
            found = reader.committed(parts, _CALL_SECONDS)
        except KafkaException:
            continue
        if not any(part.error for part in found):
            return {part.partition: max(part.offset, 0) for part in found}


class Writer(Worker):
    """Writes numbered records to all partitions of topic a."""

    def __init__(self, bootstrap: str, name: str) -> None:
        super().__init__()
        self.name = name
        self.sent = 0
        self.acknowledged = 0
        self._producer = Producer(
            {
                **_PATIENT,
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.timeout.ms": 120_000,
            }
        )

    def work(self) -> None:
        """Send one record."""
        self._producer.produce(
            SOURCE,
            f"{self.name} {self.sent}".encode(),
            partition=self.sent % PARTITIONS,
            on_delivery=self._delivered,
        )
        self.sent += 1
        self._producer.poll(0)
        self.ended.wait(0.004)

    def close(self) -> None:
        """Have everything acknowledged."""
        left = self._producer.flush(_CALL_SECONDS)
        assert (left, self.acknowledged) == (0, self.sent)

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        assert error is None, error
        self.acknowledged += 1


class Processor(Worker):
    """Copies topic a to topic b, each record exactly once."""

    group = "processor"

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self.transactions = 0
        self.recoveries = 0  # from errors that cost a transaction
        self._bootstrap = bootstrap
        self._reader = consumer(bootstrap, self.group)
        self._producer = self._new_producer()
        self._rewind()

    def work(self) -> None:
        """Carry out one transaction."""
        found = [m for m in self._reader.consume(_BATCH, 0.1) if m.error() is None]
        if not found:
            return
        self.transactions += 1
        try:
            if self.transactions % _ABORT_EVERY:
                self._copy(found)
            else:
                self._begin(found, ABORTED)
                self._producer.flush(1.0)
                self._abort()
        except KafkaException as error:
            self.recoveries += 1
            self._recover(error.args[0])

    def close(self) -> None:
        """Leave."""
        self._reader.close()

    def _copy(self, found: Sequence[Message]) -> None:
        self._begin(found, b"")
        offsets = ends_of(found)
        group = self._reader.consumer_group_metadata()
        producer = self._producer
        patiently(lambda: producer.send_offsets_to_transaction(offsets, group, _CALL_SECONDS))
        patiently(lambda: producer.commit_transaction(_CALL_SECONDS))

    def _begin(self, found: Sequence[Message], suffix: bytes) -> None:
        self._producer.begin_transaction()
        for message in found:
            value = message.value()
            assert value is not None
            self._producer.produce(TARGET, value + suffix, partition=place_of(message)[0])

    def _abort(self) -> None:
        patiently(lambda: self._producer.abort_transaction(_CALL_SECONDS))
        self._rewind()

    def _recover(self, error: KafkaError) -> None:
        try:
            if error.txn_requires_abort():
                self._abort()
                return
        except KafkaException as worse:
            error = worse.args[0]
        assert error.fatal(), error
        self._producer = self._new_producer()
        self._rewind()

    def _new_producer(self) -> Producer:
        configs: dict[str, Any] = {
            **_PATIENT,
            "bootstrap.servers": self._bootstrap,
            "transactional.id": "processor",
            "transaction.timeout.ms": 60_000,
        }
        producer = Producer(configs)
        patiently(lambda: producer.init_transactions(_CALL_SECONDS))
        return producer

    def _rewind(self) -> None:
        """Go on reading where the last committed transaction ended."""
        self._reader.assign(
            [
                TopicPartition(SOURCE, index, offset or OFFSET_BEGINNING)
                for index, offset in committed(self._reader).items()
            ]
        )


class Promises:
    """Which commits of a group were acknowledged: they may never be forgotten."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offsets: dict[int, int] = defaultdict(int)

    def note(self, offsets: Sequence[TopicPartition]) -> None:
        """Take note of acknowledged commits."""
        with self._lock:
            for part in offsets:
                self._offsets[part.partition] = max(self._offsets[part.partition], part.offset)

    def verify(self, reader: Consumer) -> dict[int, int]:
        """Compare what the broker says now with what it had promised before; return it."""
        with self._lock:
            promised = dict(self._offsets)
        found = committed(reader)
        for index, offset in promised.items():
            assert found[index] >= offset, f"partition {index}: {found[index]} after {offset}"
        return found


class Reader(Worker):
    """One member of the group that reads topic a."""

    group = "readers"

    def __init__(self, bootstrap: str, promises: Promises) -> None:
        super().__init__()
        self.read: set[tuple[int, int]] = set()  # partition and offset
        self._promises = promises
        self._reader = consumer(bootstrap, self.group)
        self._reader.subscribe([SOURCE])

    def work(self) -> None:
        """Read some, and commit it."""
        found = [m for m in self._reader.consume(_BATCH, 0.1) if m.error() is None]
        if not found:
            return
        self.read.update(map(place_of, found))
        try:
            done = self._reader.commit(offsets=ends_of(found), asynchronous=False)
        except KafkaException:
            return  # nothing was promised: a rebalance, or the broker is away
        self._promises.note([part for part in done if part.error is None])

    def close(self) -> None:
        """Leave the group."""
        self._reader.close()
