"""What producers are promised: acks, order, bounds, one copy of each record."""

from __future__ import annotations

import uuid

import aiokafka.errors
import kafka.errors
import pytest
from confluent_kafka import KafkaError, KafkaException
from foreign import confluent, disk, kafka_python, kafkajs
from foreign.client import Client, Row, Writing, write
from foreign.fixtures import MARKS, MakeTopic

from millstream_log.testing import RunningBroker, broker

TOO_LARGE = Row(b"x" * 2000)

pytestmark = MARKS


@pytest.mark.parametrize("acks", [0, 1, -1])
def test_records_come_with_any_acks(
    served: RunningBroker, make_topic: MakeTopic, client: Client, acks: int
) -> None:
    """A record that nobody acknowledges is written like the others."""
    topic = make_topic()
    rows = [Row(b"%d" % number) for number in range(5)]
    write(client, served.bootstrap, topic, rows, Writing(acks=acks))

    found = client.read(served.bootstrap, topic, 5)
    assert [one.row.value for one in found] == [row.value for row in rows]


@pytest.mark.parametrize("idempotent", [False, True])
def test_order_is_kept(
    served: RunningBroker, make_topic: MakeTopic, client: Client, idempotent: bool
) -> None:
    """Records that leave in many batches, several in flight, lie in the order they were sent."""
    topic = make_topic()
    rows = [Row(b"%06d" % number * 30) for number in range(3000)]
    write(client, served.bootstrap, topic, rows, Writing(idempotent=idempotent))

    found = confluent.Confluent().read(served.bootstrap, topic, len(rows))
    assert [one.row.value for one in found] == [row.value for row in rows]
    assert [one.offset for one in found] == list(range(len(rows)))


def test_many_small_requests_in_flight_keep_order(
    served: RunningBroker, make_topic: MakeTopic
) -> None:
    """Five requests at a time of a record each, idempotent: no gap, no twin, no disorder."""
    topic = make_topic()
    writer = confluent.producer(
        served.bootstrap,
        **{"linger.ms": 0, "batch.num.messages": 1, "enable.idempotence": True},
    )
    offsets = confluent.send(writer, topic, [Row(b"%d" % number) for number in range(500)])
    assert offsets == list(range(500))


def test_a_topic_is_created_for_its_first_record(served: RunningBroker, client: Client) -> None:
    """Writing to a topic that is not there makes it."""
    topic = f"auto-{uuid.uuid4().hex[:8]}"
    write(client, served.bootstrap, topic, [Row(b"first")])
    assert client.read(served.bootstrap, topic, 1)[0].row.value == b"first"


def refused_too_large(client: Client, bootstrap: str, topic: str) -> bool:
    """Tell whether a batch was refused for its size, and in the client's words for that."""
    try:
        write(client, bootstrap, topic, [TOO_LARGE])
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE)
    except (kafka.errors.MessageSizeTooLargeError, aiokafka.errors.MessageSizeTooLargeError):
        return True
    except kafkajs.KafkajsError as error:
        return error.kind == "MESSAGE_TOO_LARGE"
    except AssertionError as error:
        return "Message size too large" in str(error)
    return False


def test_a_record_that_is_too_large_is_refused(
    served: RunningBroker, make_topic: MakeTopic, client: Client
) -> None:
    """The producer hears that its batch exceeds max.message.bytes; smaller ones are taken."""
    topic = make_topic(max_message_bytes="1000")
    write(client, served.bootstrap, topic, [Row(b"small")])
    assert refused_too_large(client, served.bootstrap, topic)
    write(client, served.bootstrap, topic, [Row(b"small again")])

    found = client.read(served.bootstrap, topic, 2)
    assert [one.row.value for one in found] == [b"small", b"small again"]


def test_a_record_larger_than_a_fetch_is_read(
    served: RunningBroker, make_topic: MakeTopic, client: Client
) -> None:
    """A batch of more than a fetch's bound still comes, alone."""
    topic = make_topic(max_message_bytes="5000000")
    writer = confluent.producer(served.bootstrap, **{"message.max.bytes": 5_000_000})
    confluent.send(writer, topic, [Row(b"x" * 3_000_000), Row(b"after")])
    found = client.read(served.bootstrap, topic, 2)
    assert [len(one.row.value or b"") for one in found] == [3_000_000, 5]


def test_keys_are_wanted_on_a_compacted_topic(served: RunningBroker, make_topic: MakeTopic) -> None:
    """A record without a key is refused by a compacted topic, as an invalid record."""
    topic = make_topic(cleanup_policy="compact")
    with pytest.raises(KafkaException) as caught:
        write(confluent.Confluent(), served.bootstrap, topic, [Row(b"no key")])
    assert caught.value.args[0].code() == KafkaError.INVALID_RECORD


def test_an_unknown_topic_stays_unknown_where_none_are_created(node: kafkajs.Kafkajs) -> None:
    """Without auto-creation each client is told that there is no such topic, or gives up."""
    with broker(configs={"auto.create.topics.enable": "false"}) as served:
        hasty = confluent.producer(served.bootstrap, **{"topic.metadata.propagation.max.ms": 100})
        with pytest.raises(KafkaException) as caught:
            confluent.send(hasty, "nowhere", [Row(b"lost")])
        assert caught.value.args[0].code() in (
            KafkaError._UNKNOWN_TOPIC,
            KafkaError.UNKNOWN_TOPIC_OR_PART,
        )
        hasty_js = node.make(served.bootstrap, "producer", retry={"retries": 1})
        lost = {"topic": "nowhere", "messages": [{"value": "lost"}]}
        with pytest.raises(kafkajs.KafkajsError, match="does not host this topic"):
            node.call(hasty_js, "send", lost)
        impatient = kafka_python.producer(served.bootstrap, max_block_ms=500)
        with pytest.raises(kafka.errors.KafkaTimeoutError):
            kafka_python.send(impatient, "nowhere", [Row(b"lost")])
        impatient.close(1)
        assert confluent.admin(served.bootstrap).list_topics(timeout=5).topics == {}


def test_an_idempotent_producer_has_an_id(
    served: RunningBroker, make_topic: MakeTopic, client: Client
) -> None:
    """Batches of idempotent producers carry a producer id each, and sequences from 0."""
    topic = make_topic()
    for _ in range(2):
        write(client, served.bootstrap, topic, [Row(b"a"), Row(b"b")], Writing(idempotent=True))

    first, second = disk.batches(served, topic)
    assert first.producer_id != second.producer_id
    assert min(first.producer_id, second.producer_id) >= 0
    assert first.base_sequence == second.base_sequence == 0
