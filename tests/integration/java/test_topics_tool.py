"""kafka-topics.sh against our broker: create, describe, alter, list, delete."""

from __future__ import annotations

import re

import pytest
from kafka_java import Shell

pytestmark = pytest.mark.integration


def described(shell: Shell, topic: str, more: str = "") -> dict[str, str]:
    """Return what the first line of a topic's description says of it."""
    line = shell(f"kafka-topics --describe --topic {topic} {more}").lines[0]
    return dict(word.split(": ", 1) for word in line.split("\t") if ": " in word)


def test_a_topic_is_created_as_asked(shell: Shell, topic: str) -> None:
    """Partitions, replicas and configs come back in the description, with one line a partition."""
    asked = "--partitions 2 --config retention.ms=3600000 --config cleanup.policy=compact,delete"
    said = shell(f"kafka-topics --create --topic {topic} {asked}")
    assert said.lines == [f"Created topic {topic}."]
    first = described(shell, topic)
    assert (first["PartitionCount"], first["ReplicationFactor"]) == ("2", "1")
    assert "cleanup.policy=compact,delete" in first["Configs"]
    assert "retention.ms=3600000" in first["Configs"]
    lines = shell(f"kafka-topics --describe --topic {topic}").lines[1:]
    row = r"\tTopic: (\S+)\tPartition: (\d)\tLeader: (\d)\tReplicas: (\d)\tIsr: (\d)\tElr:"
    found = [re.match(row, line) for line in lines]
    assert [match and match.group(1, 2) for match in found] == [(topic, "0"), (topic, "1")]
    assert len({match.groups()[2:] for match in found if match}) == 1


def test_a_topic_is_found_by_its_id(shell: Shell, topic: str) -> None:
    """The id in the description leads to the same topic; one that is nobody's is an error."""
    shell(f"kafka-topics --create --topic {topic}")
    first = shell(f"kafka-topics --describe --topic {topic}").lines[0]
    match = re.search(r"TopicId: (\S+)", first)
    assert match
    assert shell("kafka-topics --describe --topic-id", match[1]).lines[0] == first
    said = shell("kafka-topics --describe --topic-id AAAAAAAAAAAAAAAAAAAABw", status=1).text
    assert "does not exist as expected" in said


def test_a_topic_that_exists_is_not_created_again(shell: Shell, topic: str) -> None:
    """Creating it again is an error, and nothing at all with --if-not-exists."""
    shell(f"kafka-topics --create --topic {topic}")
    assert "exists" in shell(f"kafka-topics --create --topic {topic}", status=1).text
    assert shell(f"kafka-topics --create --topic {topic} --if-not-exists").lines == []


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("--topic bad --config nonsense=1", "nonsense"),
        ("--topic bad --config retention.ms=soon", "retention.ms"),
        ("--topic bad --replication-factor 3", "replication factor"),
        ("--topic bad --replica-assignment 7", "broker 7"),
        ("--topic bad/name", "bad/name"),
        ("--topic ..", "'..'"),
        (f"--topic {'n' * 250}", "249"),
    ],
)
def test_what_cannot_be_created_is_refused(shell: Shell, asked: str, why: str) -> None:
    """The refusal names what is wrong, and no topic is left behind."""
    before = shell("kafka-topics --list").lines
    said = shell(f"kafka-topics --create {asked}", status=1).text
    assert "Error while executing topic command" in said
    assert why in said
    assert shell("kafka-topics --list").lines == before


def test_names_that_collide_in_metrics_are_refused(shell: Shell, topic: str) -> None:
    """A dot and an underscore count as the same, as in Kafka."""
    assert "WARNING" in shell(f"kafka-topics --create --topic {topic}.a").text
    assert "collides" in shell(f"kafka-topics --create --topic {topic}_a", status=1).text


def test_partitions_grow_and_do_not_shrink(shell: Shell, topic: str) -> None:
    """More partitions are added at once; fewer, or those of no topic, are an error."""
    shell(f"kafka-topics --create --topic {topic}")
    assert shell(f"kafka-topics --alter --topic {topic} --partitions 4").lines == []
    assert described(shell, topic)["PartitionCount"] == "4"
    said = shell(f"kafka-topics --alter --topic {topic} --partitions 3", status=1).text
    assert "4 partition" in said
    said = shell("kafka-topics --alter --topic nothing --partitions 3", status=1).text
    assert "Topic 'nothing' does not exist as expected" in said
    assert described(shell, topic)["PartitionCount"] == "4"


def test_the_filters_find_no_ailing_partition(shell: Shell, topic: str) -> None:
    """Of one node with one replica each, none is under-replicated, leaderless or at risk."""
    shell(f"kafka-topics --create --topic {topic} --config retention.ms=1000000")
    for name in ("under-replicated-partitions", "unavailable-partitions"):
        assert shell(f"kafka-topics --describe --{name}").lines == []
    assert shell("kafka-topics --describe --under-min-isr-partitions").lines == []
    at_min = shell(f"kafka-topics --describe --at-min-isr-partitions --topic {topic}").text
    assert f"Topic: {topic}" in at_min
    over = shell("kafka-topics --describe --topics-with-overrides").text
    assert f"Topic: {topic}" in over
    assert "Partition: 0" not in over


def test_a_deleted_topic_is_gone(shell: Shell, topic: str) -> None:
    """It leaves the list, cannot be deleted again, and its name is free for another topic."""
    shell(f"kafka-topics --create --topic {topic}")
    first = described(shell, topic)["TopicId"]
    assert topic in shell("kafka-topics --list").lines
    assert shell(f"kafka-topics --delete --topic {topic}").lines == []
    assert topic not in shell("kafka-topics --list").lines
    said = shell(f"kafka-topics --delete --topic {topic}", status=1).text
    assert f"Topic '{topic}' does not exist as expected" in said
    shell(f"kafka-topics --create --topic {topic}")
    assert described(shell, topic)["TopicId"] != first


def test_topics_are_named_by_patterns(shell: Shell, topic: str) -> None:
    """A regular expression describes and deletes all that match, and only those."""
    for name in ("a", "b", "other"):
        shell(f"kafka-topics --create --topic {topic}-{name}")
    assert shell("kafka-topics --list --topic", f"{topic}-[ab]").lines == [
        f"{topic}-a",
        f"{topic}-b",
    ]
    shell("kafka-topics --delete --topic", f"{topic}-[ab]")
    assert shell("kafka-topics --list --topic", f"{topic}-.*").lines == [f"{topic}-other"]
