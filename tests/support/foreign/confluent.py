"""confluent-kafka, which is librdkafka."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from .client import EARLIEST, LATEST, SECONDS, Member, Row, Seen, ThreadMember

_SPECIAL = {EARLIEST: OFFSET_BEGINNING, LATEST: OFFSET_END}


class Confluent:
    """The client for Python of those who make librdkafka."""

    name = "confluent-kafka"
    codecs: tuple[str, ...] = ("none", "gzip", "snappy", "lz4", "zstd")
    sets_time = True

    def write(
        self, bootstrap: str, topic: str, rows: Sequence[Row], *, codec: str = "none", acks: int = 1
    ) -> None:
        """Write to partition 0."""
        send(producer(bootstrap, acks=acks, **{"compression.type": codec}), topic, rows)

    def read(self, bootstrap: str, topic: str, count: int, *, start: int = EARLIEST) -> list[Seen]:
        """Read from partition 0, assigned by hand."""
        reader = consumer(bootstrap, f"reader of {topic}", **{"enable.auto.commit": False})
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
        {"bootstrap.servers": bootstrap, "linger.ms": 20, "message.timeout.ms": 15_000, **configs}
    )


def consumer(bootstrap: str, group: str, **configs: Any) -> Consumer:
    """Return a consumer that notices changes of its group soon."""
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "auto.offset.reset": "earliest",
            "heartbeat.interval.ms": 100,
            "fetch.wait.max.ms": 100,
            **configs,
        }
    )


def admin(bootstrap: str) -> AdminClient:
    """Return an admin client."""
    return AdminClient({"bootstrap.servers": bootstrap})


def send(through: Producer, topic: str, rows: Sequence[Row], partition: int = 0) -> list[int]:
    """Produce all rows; return their offsets once they are acknowledged."""
    offsets: list[int] = []

    def delivered(error: Any, message: Message) -> None:
        if error is not None:
            raise KafkaException(error)
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


def seen(message: Message) -> Seen:
    """Return a record in the words of the tests."""
    headers = tuple((name, value) for name, value in message.headers() or ())
    row = Row(message.value(), message.key(), headers, message.timestamp()[1])
    return Seen(message.partition(), message.offset(), row)


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

    def _take(self, reader: Consumer, message: Message) -> None:
        if message.error():
            raise KafkaException(message.error())
        reader.commit(message, asynchronous=False)
        self.reads.append((message.partition(), message.offset()))
