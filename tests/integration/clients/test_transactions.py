"""Transactions of four clients, in the eyes of all five."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from foreign import confluent, kcat
from foreign.client import SECONDS, Client, Row, Writer, Writing, until, write
from foreign.fixtures import CLIENTS, MARKS, GetClient, MakeTopic

from millstream_log.testing import RunningBroker

NEVER = -1001

pytestmark = MARKS


Transactional = Callable[..., Writer]  # client, transactional id, time-out in seconds


@pytest.fixture(params=[name for name in CLIENTS if name != "kcat"])
def author(request: pytest.FixtureRequest, get_client: GetClient) -> Client:
    """Return each client that can begin, commit and abort."""
    return get_client(request.param)


@pytest.fixture
def transactional(served: RunningBroker) -> Iterator[Transactional]:
    """Return what opens a producer with a transactional id; it is closed after the test."""
    opened = []

    def make(client: Client, name: str = "", seconds: int = 10) -> Writer:
        how = Writing(transactional_id=name or uuid.uuid4().hex, timeout_ms=seconds * 1000)
        writer = client.writer(served.bootstrap, how)
        opened.append(writer)
        return writer

    yield make
    for writer in opened:
        with contextlib.suppress(Exception):  # a fenced one may refuse even that
            writer.close()


def rows(*values: bytes) -> list[Row]:
    """Return a row for each value."""
    return [Row(value) for value in values]


def values(client: Client, served: RunningBroker, topic: str, count: int, **how: bool) -> list[str]:
    """Return the values that a client reads."""
    found = client.read(served.bootstrap, topic, count, **how)
    return [(one.row.value or b"").decode() for one in found]


def committed_offset(served: RunningBroker, group: str, topic: str) -> int:
    """Return what a group has committed for partition 0."""
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
    admin = confluent.admin(served.bootstrap)
    found = admin.list_consumer_group_offsets([asked])[group].result(SECONDS)
    assert found.topic_partitions is not None
    return int(found.topic_partitions[0].offset)


def test_aborted_records_are_for_those_who_want_them(
    served: RunningBroker,
    make_topic: MakeTopic,
    get_client: GetClient,
    author: Client,
    transactional: Transactional,
) -> None:
    """Who reads committed records sees no aborted ones; who reads all sees them in their place."""
    topic = make_topic()
    writer = transactional(author)
    for number, end in enumerate([writer.commit, writer.abort, writer.commit, writer.abort]):
        writer.begin()
        writer.send(topic, rows(b"%d a" % number, b"%d b" % number))
        end()
    write(confluent.Confluent(), served.bootstrap, topic, rows(b"end"))

    committed = ["0 a", "0 b", "2 a", "2 b", "end"]
    everything = [f"{number} {letter}" for number in range(4) for letter in "ab"] + ["end"]
    for reader in map(get_client, CLIENTS):
        assert values(reader, served, topic, 5, committed_only=True) == committed, reader.name
        assert values(reader, served, topic, 9) == everything, reader.name


def test_an_open_transaction_holds_back_those_who_read_committed(
    served: RunningBroker, make_topic: MakeTopic, author: Client, transactional: Transactional
) -> None:
    """Records after the first of an open transaction are not to be had until it has ended."""
    topic = make_topic()
    writer = transactional(author)
    writer.begin()
    writer.send(topic, rows(b"in it"))
    write(confluent.Confluent(), served.bootstrap, topic, rows(b"beside it"))
    isolation = {"isolation.level": "read_committed", "enable.auto.commit": False}
    reader = confluent.consumer(served.bootstrap, "patient", **isolation)
    reader.assign([TopicPartition(topic, 0, 0)])
    assert reader.poll(0.5) is None
    writer.commit()
    found = confluent.poll(reader, 2)
    reader.close()
    assert [one.row.value for one in found] == [b"in it", b"beside it"]


def test_a_transaction_spans_partitions_and_topics(
    served: RunningBroker, make_topic: MakeTopic, author: Client, transactional: Transactional
) -> None:
    """All partitions of a transaction are committed with it, or aborted with it."""
    one, other = make_topic(3), make_topic()
    writer = transactional(author)
    for value, end in ((b"no", writer.abort), (b"yes", writer.commit)):
        writer.begin()
        for partition in range(3):
            writer.send(one, rows(value), partition)
        writer.send(other, rows(value))
        end()

    isolation = {"isolation.level": "read_committed", "enable.auto.commit": False}
    reader = confluent.consumer(served.bootstrap, "wide", **isolation)
    reader.assign(
        [*(TopicPartition(one, index, 0) for index in range(3)), TopicPartition(other, 0, 0)]
    )
    found = confluent.poll(reader, 4)
    reader.close()
    assert {read.row.value for read in found} == {b"yes"}


def test_offsets_are_committed_with_the_transaction(
    served: RunningBroker, make_topic: MakeTopic, author: Client, transactional: Transactional
) -> None:
    """An offset sent in a transaction counts when it commits, and never when it aborts."""
    topic, group = make_topic(), uuid.uuid4().hex
    write(confluent.Confluent(), served.bootstrap, topic, rows(*[b"read"] * 9))
    writer = transactional(author)
    for offset, end, counts in (
        (3, writer.abort, NEVER),
        (5, writer.commit, 5),
        (7, writer.abort, 5),
    ):
        writer.begin()
        writer.send(topic, rows(b"made of it"))
        writer.send_offset(group, topic, offset)
        end()
        assert committed_offset(served, group, topic) == counts


def test_a_zombie_is_fenced(
    served: RunningBroker,
    make_topic: MakeTopic,
    get_client: GetClient,
    author: Client,
    transactional: Transactional,
) -> None:
    """A second producer with the same id aborts the first one's work and shuts it out."""
    topic, name = make_topic(), uuid.uuid4().hex
    zombie = transactional(author, name)
    zombie.begin()
    zombie.send(topic, rows(b"lost"))
    heir = transactional(author, name)
    heir.begin()  # where kafkajs asks for its producer id
    with pytest.raises(Exception, match=r"(?i)fenc|epoch|newer|same transactional"):
        zombie.send(topic, rows(b"too late"))
    heir.send(topic, rows(b"kept"))
    heir.commit()
    for reader in map(get_client, CLIENTS):
        assert values(reader, served, topic, 1, committed_only=True) == ["kept"], reader.name


def test_a_forgotten_transaction_is_aborted(
    served: RunningBroker, make_topic: MakeTopic, author: Client, transactional: Transactional
) -> None:
    """The broker aborts what its producer leaves open longer than its time-out."""
    topic = make_topic()
    writer = transactional(author, seconds=1)
    writer.begin()
    writer.send(topic, rows(b"forgotten"))
    write(confluent.Confluent(), served.bootstrap, topic, rows(b"beside it"))
    found = confluent.Confluent().read(served.bootstrap, topic, 1, committed_only=True)
    assert [one.row.value for one in found] == [b"beside it"]
    with pytest.raises(Exception):  # noqa: B017 - each has a name of its own for it
        writer.commit()


def test_transactions_survive_the_broker(
    served: RunningBroker, make_topic: MakeTopic, author: Client, transactional: Transactional
) -> None:
    """A transaction that is open while the broker restarts can be committed after it."""
    topic = make_topic()
    writer = transactional(author)
    for end in (served.stop, served.kill):
        writer.begin()
        writer.send(topic, rows(b"before"))
        end()
        served.start()
        writer.send(topic, rows(b"after"))
        writer.commit()
    assert values(author, served, topic, 4, committed_only=True) == ["before", "after"] * 2


def test_kcat_writes_one_transaction(
    served: RunningBroker, make_topic: MakeTopic, cat: kcat.Kcat, get_client: GetClient
) -> None:
    """What kcat reads from its standard input is one committed transaction."""
    topic = make_topic()
    write(cat, served.bootstrap, topic, rows(b"a", b"b"), Writing(transactional_id="kcat"))
    for reader in map(get_client, CLIENTS):
        assert values(reader, served, topic, 2, committed_only=True) == ["a", "b"], reader.name


def test_an_old_member_may_not_commit_in_a_transaction(
    served: RunningBroker, make_topic: MakeTopic
) -> None:
    """Offsets sent with the metadata of a generation that is over are refused (KIP-447)."""
    topic, group = make_topic(), uuid.uuid4().hex
    early = confluent.consumer(served.bootstrap, group)
    early.subscribe([topic])
    until(lambda: early.poll(0.02) or early.assignment(), "the member has its partition")
    metadata = early.consumer_group_metadata()
    early.close()
    producer = confluent.producer(served.bootstrap, **{"transactional.id": uuid.uuid4().hex})
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    with pytest.raises(KafkaException) as caught:
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, 1)], metadata, SECONDS)
    error = caught.value.args[0]
    assert error.code() in (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)
    assert error.txn_requires_abort()
    producer.abort_transaction(SECONDS)
