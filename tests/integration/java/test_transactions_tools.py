"""kafka-transactions.sh, the message copier and Streams' reset tool, against our broker."""

from __future__ import annotations

import json

import pytest
from confluent_kafka import KafkaException, Producer
from kafka_java import Printed, Shell

pytestmark = pytest.mark.integration

SECONDS = 15.0


def transactions(shell: Shell, words: str, status: int = 0) -> list[list[str]]:
    """Return what kafka-transactions.sh prints."""
    return shell(f"kafka-transactions {words}", status=status).rows


def last_stage(said: Printed) -> dict[str, object]:
    """Return the copier's last word."""
    found: dict[str, object] = json.loads(said.lines[-1])
    return found


def with_open_transaction(shell: Shell, name: str) -> Producer:
    """Return a producer that has written to the topic, and is named as it, in a transaction."""
    where = {"bootstrap.servers": shell.broker.bootstrap, "log_level": 0}
    producer = Producer({**where, "transactional.id": name})
    producer.init_transactions(SECONDS)
    producer.begin_transaction()
    producer.produce(name, b"one")
    assert producer.flush(SECONDS) == 0
    return producer


@pytest.fixture
def made(shell: Shell, topic: str) -> str:
    """Return a topic that exists."""
    shell(f"kafka-topics --create --topic {topic}")
    return topic


def test_a_transaction_is_seen_while_it_is_open(shell: Shell, made: str) -> None:
    """It is listed, described, and held by its partition from its first offset; then it is not."""
    producer = with_open_transaction(shell, made)
    (row,) = [row for row in transactions(shell, "list") if row[0] == made]
    assert row[3] == "Ongoing"
    described = transactions(shell, f"describe --transactional-id {made}")[1]
    assert (described[2], described[4], described[-1]) == (row[2], "Ongoing", f"{made}-0")
    where = f"--topic {made} --partition 0"
    held = transactions(shell, f"describe-producers {where}")[1]
    assert (held[0], held[3], held[5]) == (row[2], "0", "0")
    producer.commit_transaction(SECONDS)
    held = transactions(shell, f"describe-producers {where}")[1]
    assert (held[0], held[5]) == (row[2], "None")
    (row,) = [row for row in transactions(shell, "list") if row[0] == made]
    assert row[3] == "CompleteCommit"


def test_a_transaction_is_ended_by_force(shell: Shell, made: str) -> None:
    """The broker aborts it with a marker and fences its producer; readers do not see it."""
    producer = with_open_transaction(shell, made)
    transactions(shell, f"forceTerminateTransaction --transactionalId {made}")
    (row,) = [row for row in transactions(shell, "list") if row[0] == made]
    assert row[3] == "Empty"
    (end,) = shell(f"kafka-get-offsets --topic {made}").lines
    assert end == f"{made}:0:2"
    words = f"--topic {made} --from-beginning --timeout-ms 1000"
    said = shell(f"kafka-console-consumer {words} --isolation-level read_committed").text
    assert "Processed a total of 0 messages" in said
    with pytest.raises(KafkaException) as fenced:
        producer.commit_transaction(SECONDS)
    assert fenced.value.args[0].fatal()


def test_a_partition_is_freed_of_what_hangs_in_it(shell: Shell, made: str) -> None:
    """An operator aborts what starts at an offset; readers no longer wait for its producer."""
    producer = with_open_transaction(shell, made)
    where = f"--topic {made} --partition 0"
    assert transactions(shell, f"abort {where} --start-offset 0") == []
    held = transactions(shell, f"describe-producers {where}")[1]
    assert held[5] == "None"
    words = f"--topic {made} --from-beginning --timeout-ms 1000"
    said = shell(f"kafka-console-consumer {words} --isolation-level read_committed").text
    assert "Processed a total of 0 messages" in said
    assert f"{made}:0:2" in shell(f"kafka-get-offsets --topic {made}").lines
    producer.purge()


def test_what_is_not_there_is_not_found(shell: Shell, made: str) -> None:
    """No transaction of that name, none that hangs, none to abort at that offset."""
    said = shell("kafka-transactions describe --transactional-id nobody", status=1).text
    assert "the ID could not be found" in said
    assert len(transactions(shell, f"find-hanging --topic {made}")) == 1
    assert len(transactions(shell, f"describe-producers --topic {made} --partition 0")) == 1
    words = f"abort --topic {made} --partition 0 --start-offset 0"
    said = shell(f"kafka-transactions {words}", status=1).text
    assert "Could not find any open transactions starting at offset 0" in said


@pytest.mark.parametrize("how", ["", "--enable-random-aborts", "--group-mode"])
def test_the_copier_copies_each_record_once(shell: Shell, made: str, group: str, how: str) -> None:
    """Read, process and write in transactions: nothing is lost, doubled or out of order."""
    words = f"--topic {made} --max-messages 50 --acks -1"
    shell(f"kafka-verifiable-producer {words}")
    shell(f"kafka-topics --create --topic {made}-copy")
    words = f"--input-topic {made} --input-partition 0 --output-topic {made}-copy"
    more = f"--transactional-id {group} --consumer-group {group} --transaction-size 7"
    said = shell(f"transactional-message-copier {words} {more} --max-messages 50 {how}")
    assert last_stage(said)["stage"] == "ShutdownComplete"
    assert last_stage(said)["remaining"] == 0
    words = f"--topic {made}-copy --from-beginning --max-messages 50 --timeout-ms 15000"
    said = shell(f"kafka-console-consumer {words} --isolation-level read_committed")
    assert said.lines[-51:-1] == [str(number) for number in range(50)]
    rows = shell(f"kafka-consumer-groups --describe --group {group}").rows
    assert rows[-1][2:6] == ["0", "50", "50", "0"]


def test_internal_topics_are_read_by_kafkas_formatters(shell: Shell, made: str, group: str) -> None:
    """Offsets, groups and transactions are kept in Kafka's own record formats."""
    shell(f"kafka-verifiable-producer --topic {made} --max-messages 3")
    words = f"--input-topic {made} --input-partition 0 --output-topic {made}-copy"
    more = f"--transactional-id {group} --consumer-group {group} --max-messages 3"
    shell(f"transactional-message-copier {words} {more} --transaction-size 2 --group-mode")

    def internal(topic: str, formatter: str) -> str:
        name = f"org.apache.kafka.tools.consumer.{formatter}"
        words = f"--topic {topic} --from-beginning --timeout-ms 1500 --formatter {name}"
        return shell(f"kafka-console-consumer {words}").text

    offsets = internal("__consumer_offsets", "OffsetsMessageFormatter")
    assert f'{{"group":"{group}","topic":"{made}","partition":0}}' in offsets
    assert '"offset":3' in offsets
    groups = internal("__consumer_offsets", "GroupMetadataMessageFormatter")
    assert f'{{"group":"{group}"}}' in groups
    states = internal("__transaction_state", "TransactionLogMessageFormatter")
    assert f'{{"transactionalId":"{group}"}}' in states


def test_the_reset_tool_takes_an_app_back(shell: Shell, made: str, group: str) -> None:
    """Committed offsets of its input topics go to the start."""
    shell(f"kafka-verifiable-producer --topic {made} --max-messages 3")
    words = f"--topic {made} --group {group} --from-beginning --max-messages 3 --timeout-ms 15000"
    shell(f"kafka-console-consumer {words}")
    words = f"--application-id {group} --input-topics {made} --force"
    shell(f"kafka-streams-application-reset {words}")
    rows = shell(f"kafka-consumer-groups --describe --group {group}").rows
    assert rows[-1][2:6] == ["0", "0", "3", "3"]
