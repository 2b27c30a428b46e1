"""The admin client of kafka-python, which speaks the newest versions of the requests."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import kafka.errors
import pytest
from foreign.client import Row, Writing, until_read, write
from foreign.confluent import Confluent
from foreign.fixtures import MARKS, MakeTopic
from foreign.kafka_python import KafkaPython
from kafka import KafkaAdminClient, OffsetAndMetadata, TopicPartition
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePattern,
    ResourceType,
)

from millstream_log.testing import RunningBroker

pytestmark = MARKS


@pytest.fixture
def admin(served: RunningBroker) -> Iterator[Any]:
    """Return an admin client."""
    client = KafkaAdminClient(bootstrap_servers=served.bootstrap)
    yield client
    client.close()


def value(admin: Any, topic: str, config: str) -> str:
    """Return the value of a topic's config."""
    asked = ConfigResource(ConfigResourceType.TOPIC, topic, configs={config: None})
    found = admin.describe_configs([asked], config_filter="all")["topic"][topic][config]
    return str(found["value"])


def test_topics_come_grow_and_go(admin: Any) -> None:
    """A topic is created, described, given partitions and deleted; each only where it can be."""
    name = f"topic-{uuid.uuid4().hex[:8]}"
    created = admin.create_topics([NewTopic(name, 3, 1)])["topics"][0]
    assert (created["num_partitions"], created["replication_factor"]) == (3, 1)
    with pytest.raises(kafka.errors.TopicAlreadyExistsError):
        admin.create_topics([NewTopic(name, 3, 1)])
    described = admin.describe_topics([name])[0]
    assert described["topic_id"] == created["topic_id"]
    assert [one["leader_id"] for one in described["partitions"]] == [0, 0, 0]
    admin.create_partitions({name: NewPartitions(5)})
    with pytest.raises(kafka.errors.InvalidPartitionsError):
        admin.create_partitions({name: NewPartitions(2)})
    found = admin.describe_topic_partitions([name])["topics"][0]
    assert [one["partition_index"] for one in found["partitions"]] == list(range(5))
    admin.delete_topics([name])
    assert name not in admin.list_topics()
    with pytest.raises(kafka.errors.UnknownTopicOrPartitionError):
        admin.delete_topics([name])


def test_configs_are_set_and_reset(admin: Any, make_topic: MakeTopic) -> None:
    """A config that was set has its value; reset, it has its default."""
    name = make_topic()
    topic = ConfigResourceType.TOPIC
    admin.alter_configs([ConfigResource(topic, name, configs={"retention.ms": "5"})])
    assert value(admin, name, "retention.ms") == "5"
    admin.reset_configs([ConfigResource(topic, name, configs=["retention.ms"])])
    assert value(admin, name, "retention.ms") == "604800000"


def test_records_are_deleted(admin: Any, served: RunningBroker, make_topic: MakeTopic) -> None:
    """What lies before an offset is gone, and listing offsets says so."""
    name = make_topic()
    write(KafkaPython(), served.bootstrap, name, [Row(b"v")] * 5)
    partition = TopicPartition(name, 0)
    assert admin.delete_records({partition: 2})[partition]["low_watermark"] == 2
    for spec, offset in ((OffsetSpec.EARLIEST, 2), (OffsetSpec.LATEST, 5)):
        assert admin.list_partition_offsets({partition: spec})[partition].offset == offset


def test_a_group_is_described_moved_and_deleted(
    admin: Any, served: RunningBroker, make_topic: MakeTopic
) -> None:
    """While it has members a group can only be looked at; then its offsets move, and it goes."""
    topic, group = make_topic(), f"group-{uuid.uuid4().hex[:8]}"
    partition = TopicPartition(topic, 0)
    write(KafkaPython(), served.bootstrap, topic, [Row(b"v")] * 5)
    member = KafkaPython().join(served.bootstrap, group, topic, limit=3)
    until_read(member, 3)

    listed = next(one for one in admin.list_groups() if one["group_id"] == group)
    assert (listed["group_state"], listed["group_type"]) == ("Stable", "classic")
    described = admin.describe_groups([group])[group]
    assert described["members"][0]["member_assignment"]["assigned_partitions"] == [
        {"topic": topic, "partitions": [0]}
    ]
    moved = {partition: OffsetAndMetadata(1, "why", -1)}
    refused = admin.alter_group_offsets(group, moved)[partition]
    assert refused is kafka.errors.UnknownMemberIdError
    assert admin.delete_groups([group]) == {group: "NonEmptyGroupError"}
    member.leave()

    assert admin.describe_groups([group])[group]["group_state"] == "Empty"
    admin.alter_group_offsets(group, moved)
    found = admin.list_group_offsets(group)[group][partition]
    assert (found.offset, found.metadata) == (1, "why")
    admin.delete_group_offsets(group, [partition])
    assert partition not in admin.list_group_offsets(group)[group]
    assert admin.delete_groups([group]) == {group: "OK"}
    assert admin.delete_groups([group]) == {group: "GroupIdNotFoundError"}


def test_the_cluster_is_described(admin: Any, served: RunningBroker) -> None:
    """One node, one log directory, nothing to elect or to move."""
    found = admin.describe_cluster()
    assert [f"{one['host']}:{one['port']}" for one in found["brokers"]] == [served.bootstrap]
    assert found["controller_id"] == 0
    directories = admin.describe_log_dirs()[0]["log_dirs"]
    assert [one["log_dir"] for one in directories] == [served.path]
    assert admin.list_partition_reassignments() == {}


def test_an_open_transaction_is_seen(
    admin: Any, served: RunningBroker, make_topic: MakeTopic
) -> None:
    """A transaction, its partitions and its producer are described, and its id is listed."""
    topic, name = make_topic(), uuid.uuid4().hex
    writer = Confluent().writer(served.bootstrap, Writing(transactional_id=name))
    writer.begin()
    writer.send(topic, [Row(b"v")])

    described = admin.describe_transactions([name])[name]
    assert described.state.value == "Ongoing"
    assert described.topic_partitions == {TopicPartition(topic, 0)}
    (active,) = admin.describe_producers([TopicPartition(topic, 0)])[
        TopicPartition(topic, 0)
    ].active_producers
    assert active.producer_id == described.producer_id
    assert active.current_transaction_start_offset == 0
    listed = [one for found in admin.list_transactions().values() for one in found]
    assert name in {one.transactional_id for one in listed}
    writer.commit()


def test_without_an_authorizer_there_are_no_acls(admin: Any) -> None:
    """Security is disabled, each of the three calls says."""
    subject = ("User:a", "*", ACLOperation.READ, ACLPermissionType.ALLOW)
    pattern = ResourcePattern(ResourceType.TOPIC, "t")
    disabled = kafka.errors.SecurityDisabledError
    with pytest.raises(disabled):
        admin.describe_acls(ACLFilter(*subject, pattern))
    assert admin.create_acls([ACL(*subject, pattern)])["failed"][0] is disabled
    assert admin.delete_acls([ACLFilter(*subject, pattern)])[0][2] is disabled
