"""confluent-kafka, which is librdkafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from .client import (
    EARLIEST,
    LATEST,
    PLAIN,
    SECONDS,
    Member,
    Row,
    Seen,
    ThreadMember,
    Writer,
    Writing,
)

_ISOLATION = {False: "read_uncommitted", True: "read_committed"}
_PASSING = (  # what a commit may fail with while a broker restarts
    KafkaError._TRANSPORT,
    KafkaError._WAIT_COORD,
    KafkaError._TIMED_OUT,
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)
_SPECIAL = {EARLIEST: OFFSET_BEGINNING, LATEST: OFFSET_END}


class Confluent:
    """The client for Python of those who make librdkafka."""

    name = "confluent-kafka"
    sets_time = True

    def writer(self, bootstrap: str, how: Writing = PLAIN) -> Writer:
        """Open a producer."""
        return _Writer(bootstrap, how)

    def read(
        self,
        bootstrap: str,
        topic: str,
        count: int,
        *,
        start: int = EARLIEST,
        committed_only: bool = False,
    ) -> list[Seen]:
        """Read from partition 0, assigned by hand."""
        configs = {"enable.auto.commit": False, "isolation.level": _ISOLATION[committed_only]}
        reader = consumer(bootstrap, f"reader of {topic}", **configs)
        reader.assign([TopicPartition(topic, 0, _SPECIAL.get(start, start))])
        try:
            return poll(reader, count)
        finally:
            reader.close()

    def offset_at(self, bootstrap: str, topic: str, timestamp_ms: int) -> int:
        """Look a time up."""
        reader = consumer(bootstrap, "times")
        try:
            asked = [TopicPartition(topic, 0, timestamp_ms)]
            return int(reader.offsets_for_times(asked, timeout=SECONDS)[0].offset)
        finally:
            reader.close()

    def join(
        self,
        bootstrap: str,
        group: str,
        topic: str,
        *,
        assignor: str = "range",
        instance_id: str | None = None,
        limit: int | None = None,
    ) -> Member:
        """Become a member."""
        return _Member(bootstrap, group, topic, assignor, instance_id, limit)


def producer(bootstrap: str, **configs: Any) -> Producer:
    """Return a producer that gives up in time."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "linger.ms": 20,
            "message.timeout.ms": 15_000,
            **configs,
        }
    )


def consumer(bootstrap: str, group: str, **configs: Any) -> Consumer:
    """Return a consumer that notices changes of its group soon."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "log_level": 0,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": 100,
            "reconnect.backoff.max.ms": 500,
            "fetch.wait.max.ms": 100,
            **configs,
        }
    )


def admin(bootstrap: str) -> AdminClient:
    """Return an admin client."""
    return AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})


def send(through: Producer, topic: str, rows: Sequence[Row], partition: int = 0) -> list[int]:
    """Produce all rows; return their offsets once they are acknowledged."""
    offsets: list[int] = []
    errors: list[Any] = []

    def delivered(error: Any, message: Any) -> None:
        if error is not None:
            errors.append(error)
        else:
            offsets.append(message.offset())

    for row in rows:
        through.produce(
            topic,
            row.value,
            row.key,
            partition,
            on_delivery=delivered,
            timestamp=row.timestamp_ms or 0,
            headers=list(row.headers),
        )
    left = through.flush(SECONDS)
    if errors:
        raise KafkaException(errors[0])
    assert left == 0, f"{left} records are not delivered"
    return offsets


def poll(reader: Consumer, count: int) -> list[Seen]:
    """Return the next `count` records."""
    found = reader.consume(count, SECONDS)
    for message in found:
        if message.error():
            raise KafkaException(message.error())
    assert len(found) == count, f"{len(found)} of {count} records came"
    return [seen(message) for message in found]


def seen(message: Any) -> Seen:
    """Return a record in the words of the tests."""
    headers = tuple((name, value) for name, value in message.headers() or ())
    row = Row(message.value(), message.key(), headers, message.timestamp()[1])
    return Seen(message.partition(), message.offset(), row)


class _Writer:
    def __init__(self, bootstrap: str, how: Writing) -> None:
        configs: dict[str, Any] = {"compression.type": how.codec, "acks": how.acks}
        if how.transactional_id is not None:
            configs["transactional.id"] = how.transactional_id
            configs["transaction.timeout.ms"] = how.timeout_ms
            configs["message.timeout.ms"] = how.timeout_ms
        else:
            configs["enable.idempotence"] = how.idempotent
        self._bootstrap = bootstrap
        self._producer = producer(bootstrap, **configs)
        if how.transactional_id is not None:
            self._producer.init_transactions(SECONDS)

    def send(self, topic: str, rows: Sequence[Row], partition: int = 0) -> None:
        send(self._producer, topic, rows, partition)

    def close(self) -> None:
        pass  # it goes when nobody holds it any more

    def begin(self) -> None:
        self._producer.begin_transaction()

    def send_offset(self, group: str, topic: str, offset: int) -> None:
        reader = consumer(self._bootstrap, group)
        try:
            self._producer.send_offsets_to_transaction(
                [TopicPartition(topic, 0, offset)], reader.consumer_group_metadata(), SECONDS
            )
        finally:
            reader.close()

    def commit(self) -> None:
        self._producer.commit_transaction(SECONDS)

    def abort(self) -> None:
        self._producer.abort_transaction(SECONDS)


class _Member(ThreadMember):
    def consume(self) -> None:
        configs: dict[str, Any] = {
            "enable.auto.commit": False,
            "partition.assignment.strategy": self.assignor,
            "session.timeout.ms": 6000,
        }
        if self.instance_id is not None:
            configs["group.instance.id"] = self.instance_id
        reader = consumer(self.bootstrap, self.group, **configs)
        try:
            reader.subscribe([self.topic])
            while not self.leaving.is_set():
                message = None if self.full else reader.poll(0.05)
                self.assignment = {one.partition for one in reader.assignment()}
                if message is not None:
                    self._take(reader, message)
        finally:
            reader.close()

    def _take(self, reader: Consumer, message: Any) -> None:
        if message.error():
            raise KafkaException(message.error())
        while True:
            try:
                reader.commit(message=message, asynchronous=False)
                break
            except KafkaException as error:
                self.wait_after(error, retriable=error.args[0].code() in _PASSING)
        self.reads.append((message.partition(), message.offset()))
