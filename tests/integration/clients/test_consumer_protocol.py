"""librdkafka's consumers with group.protocol=consumer: the broker says who reads what."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from foreign.client import until
from foreign.fixtures import MARKS

from millstream_log.testing import RunningBroker, broker

PARTITIONS = 4
RECORDS = 100

Join = Callable[..., Consumer]

pytestmark = MARKS


@pytest.fixture(scope="module")
def brisk() -> Iterator[RunningBroker]:
    """Return a broker whose members report often, so that groups settle soon."""
    configs = {
        "group.consumer.heartbeat.interval.ms": "100",
        "group.consumer.session.timeout.ms": "3000",
        "group.consumer.assignment.interval.ms": "0",
    }
    with broker(configs=configs) as running:
        yield running


@pytest.fixture
def topic(brisk: RunningBroker) -> str:
    """Return a topic with records in each of its partitions."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": brisk.bootstrap})
    for made in admin.create_topics([NewTopic(name, PARTITIONS)]).values():
        made.result(10)
    producer = Producer({"bootstrap.servers": brisk.bootstrap})
    for number in range(RECORDS):
        producer.produce(name, str(number), partition=number % PARTITIONS)
    assert producer.flush(10) == 0
    return name


@pytest.fixture
def join(brisk: RunningBroker, topic: str) -> Iterator[Join]:
    """Return what opens a consumer of a group that reads the topic."""
    opened: list[Consumer] = []

    def open_one(group: str, topics: list[str] | None = None, **configs: Any) -> Consumer:
        settings = {name.replace("_", "."): value for name, value in configs.items()}
        one = Consumer(
            {
                "bootstrap.servers": brisk.bootstrap,
                "group.id": group,
                "group.protocol": "consumer",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "log_level": 0,
                **settings,
            }
        )
        one.subscribe(topics or [topic])
        opened.append(one)
        return one

    yield open_one
    for one in opened:
        one.close()


def wait_until_shared(members: list[Consumer], counts: list[int]) -> list[str]:
    """Poll until each member has so many partitions; return what was read meanwhile."""
    read: list[str] = []

    def shared() -> bool:
        for member in members:
            message = member.poll(0.02)
            if message is not None and message.error() is None:
                read.append((message.value() or b"").decode())
        return [len(member.assignment()) for member in members] == counts

    until(shared, lambda: f"{[member.assignment() for member in members]}")
    return read


def test_partitions_go_from_member_to_member(join: Join) -> None:
    """One has all, two have half each, and the one that stays has all again."""
    first = join("shared")
    wait_until_shared([first], [4])
    second = join("shared")
    wait_until_shared([first, second], [2, 2])
    held = {part.partition for member in (first, second) for part in member.assignment()}
    assert held == set(range(PARTITIONS))
    first.close()
    wait_until_shared([second], [4])


def test_each_record_is_read_once(join: Join, topic: str) -> None:
    """What one has committed, another does not read again."""
    first = join("once")
    read: list[str] = []

    def poll(member: Consumer, count: int) -> bool:
        message = member.poll(0.05)
        if message is not None and message.error() is None:
            read.append((message.value() or b"").decode())
        return len(read) >= count

    until(lambda: poll(first, RECORDS // 2), lambda: f"{len(read)} read")
    first.commit(asynchronous=False)
    first.close()
    second = join("once")
    until(lambda: poll(second, RECORDS), lambda: f"{len(read)} read")
    assert sorted(map(int, read)) == list(range(RECORDS))


def test_a_pattern_finds_its_topics(join: Join, topic: str) -> None:
    """A subscription that begins with ^ is a regular expression, which the broker matches."""
    one = join("patterns", [f"^{topic[:-2]}.."])
    wait_until_shared([one], [PARTITIONS])


def test_a_static_member_keeps_its_partitions(join: Join) -> None:
    """It goes and comes back within its session, and nobody else has got them."""
    first = join("static", group_instance_id="one")
    second = join("static", group_instance_id="two")
    wait_until_shared([first, second], [2, 2])
    held = {part.partition for part in first.assignment()}
    first.close()
    again = join("static", group_instance_id="one")
    wait_until_shared([again, second], [2, 2])
    assert {part.partition for part in again.assignment()} == held


def test_an_old_members_commit_is_refused(join: Join, topic: str) -> None:
    """A consumer of the classic protocol cannot join the group, nor a stranger commit for it."""
    one = join("mixed")
    wait_until_shared([one], [4])
    stranger = join("mixed", group_protocol="classic")
    with pytest.raises(KafkaException) as refused:
        stranger.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    assert refused.value.args[0].code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError._NO_OFFSET)
