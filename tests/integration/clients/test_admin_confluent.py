"""The admin client of librdkafka."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
from confluent_kafka import (
    ConsumerGroupState,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourcePatternType,
    ResourceType,
)
from foreign import confluent
from foreign.client import SECONDS, Row, until_read, write
from foreign.fixtures import MARKS, MakeTopic

from millstream_log.testing import RunningBroker

pytestmark = MARKS

SPEC: Any = OffsetSpec  # its methods have no types


@pytest.fixture
def admin(served: RunningBroker) -> AdminClient:
    """Return an admin client."""
    return confluent.admin(served.bootstrap)


def only(answers: dict[Any, Future[Any]]) -> Any:
    """Return the one answer there is."""
    (answer,) = answers.values()
    return answer.result(SECONDS)


def code_of(ask: Callable[..., dict[Any, Future[Any]]], *given: Any) -> Any:
    """Return the error code that a request is answered with."""
    with pytest.raises(KafkaException) as caught:
        only(ask(*given))
    return caught.value.args[0].code()


def named() -> str:
    """Return a name that is new."""
    return f"topic-{uuid.uuid4().hex[:8]}"


def test_topics_are_created_and_deleted(admin: AdminClient) -> None:
    """A topic is there with its partitions, cannot be created again, and goes."""
    name = named()
    only(admin.create_topics([NewTopic(name, 3, 1)]))
    assert code_of(admin.create_topics, [NewTopic(name, 1, 1)]) == (KafkaError.TOPIC_ALREADY_EXISTS)
    assert len(admin.list_topics(timeout=SECONDS).topics[name].partitions) == 3
    only(admin.delete_topics([name]))
    assert name not in admin.list_topics(timeout=SECONDS).topics
    assert code_of(admin.delete_topics, [name]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_bad_topics_are_refused(admin: AdminClient) -> None:
    """A bad name, too many replicas and a bad config have each their own code."""
    asked = [
        (NewTopic("no/slash", 1, 1), KafkaError.TOPIC_EXCEPTION),
        (NewTopic(named(), 1, 2), KafkaError.INVALID_REPLICATION_FACTOR),
        (NewTopic(named(), 0, 1), KafkaError.INVALID_PARTITIONS),
        (NewTopic(named(), 1, 1, config={"retention.ms": "soon"}), KafkaError.INVALID_CONFIG),
        (NewTopic(named(), 1, 1, config={"no.such": "1"}), KafkaError.INVALID_CONFIG),
    ]
    for topic, code in asked:
        assert code_of(admin.create_topics, [topic]) == code, topic


def test_validation_changes_nothing(admin: AdminClient) -> None:
    """A topic that is only validated is not there afterwards."""
    name = named()
    only(admin.create_topics([NewTopic(name, 1, 1)], validate_only=True))
    assert name not in admin.list_topics(timeout=SECONDS).topics


def test_a_topic_is_described(admin: AdminClient, make_topic: MakeTopic) -> None:
    """The description names id, partitions, leader and replicas; an unknown topic has an error."""
    name = make_topic(2)
    found = only(admin.describe_topics(TopicCollection([name])))
    assert found.name == name
    assert not found.is_internal
    assert [(one.id, one.leader.id, len(one.isr)) for one in found.partitions] == [
        (0, 0, 1),
        (1, 0, 1),
    ]
    unknown = TopicCollection([named()])
    assert code_of(admin.describe_topics, unknown) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_partitions_are_added(admin: AdminClient, make_topic: MakeTopic) -> None:
    """A topic may grow, not shrink nor stay."""
    name = make_topic(2)
    only(admin.create_partitions([NewPartitions(name, 5)]))
    assert len(admin.list_topics(timeout=SECONDS).topics[name].partitions) == 5
    for count in (5, 3):
        asked = [NewPartitions(name, count)]
        code = code_of(admin.create_partitions, asked)
        assert code == KafkaError.INVALID_PARTITIONS


def test_configs_of_a_topic_are_changed(admin: AdminClient, make_topic: MakeTopic) -> None:
    """Set, append, subtract and delete do to a topic's configs what they say."""
    name = make_topic(retention_ms="1000")

    def change(config: str, value: str | None, kind: AlterConfigOpType) -> None:
        entry = ConfigEntry(config, value, incremental_operation=kind)
        resource = ConfigResource("topic", name, incremental_configs=[entry])
        only(admin.incremental_alter_configs([resource]))

    def value(config: str) -> str:
        found = only(admin.describe_configs([ConfigResource("topic", name)]))
        return str(found[config].value)

    assert value("retention.ms") == "1000"
    change("retention.ms", "2000", AlterConfigOpType.SET)
    change("cleanup.policy", "compact", AlterConfigOpType.APPEND)
    assert (value("retention.ms"), value("cleanup.policy")) == ("2000", "delete,compact")
    change("cleanup.policy", "delete", AlterConfigOpType.SUBTRACT)
    change("retention.ms", None, AlterConfigOpType.DELETE)
    assert (value("retention.ms"), value("cleanup.policy")) == ("604800000", "compact")


@pytest.mark.filterwarnings("ignore:alter_configs has been deprecated")
def test_alter_configs_sets_all_of_them(admin: AdminClient, make_topic: MakeTopic) -> None:
    """The old way of changing configs puts what it names, and resets the others."""
    name = make_topic(retention_ms="1000", segment_bytes="2000000")
    resource = ConfigResource("topic", name, set_config={"retention.ms": "3000"})
    only(admin.alter_configs([resource]))
    found = only(admin.describe_configs([ConfigResource("topic", name)]))
    assert found["retention.ms"].value == "3000"
    assert found["segment.bytes"].value == str(1 << 30)
    assert found["segment.bytes"].is_default


def test_configs_of_the_broker_are_described(admin: AdminClient) -> None:
    """The broker tells its configs with their sources."""
    found = only(admin.describe_configs([ConfigResource("broker", "0")]))
    assert found["num.partitions"].value == "1"
    assert found["log.retention.ms"].is_read_only in (True, False)
    assert len(found) > 200


def test_bad_configs_are_refused(admin: AdminClient, make_topic: MakeTopic) -> None:
    """An unknown topic, an unknown config and a bad value have each their own code."""

    def asked(topic: str, config: str, value: str) -> list[ConfigResource]:
        entry = ConfigEntry(config, value, incremental_operation=AlterConfigOpType.SET)
        return [ConfigResource("topic", topic, incremental_configs=[entry])]

    name = make_topic()
    for resources, code in (
        (asked(named(), "retention.ms", "1"), KafkaError.UNKNOWN_TOPIC_OR_PART),
        (asked(name, "no.such", "1"), KafkaError.INVALID_CONFIG),
        (asked(name, "retention.ms", "soon"), KafkaError.INVALID_CONFIG),
    ):
        assert code_of(admin.incremental_alter_configs, resources) == code


def test_records_are_deleted(
    admin: AdminClient, served: RunningBroker, make_topic: MakeTopic
) -> None:
    """Records before an offset go; the log starts there for everybody."""
    name = make_topic()
    client = confluent.Confluent()
    write(client, served.bootstrap, name, [Row(b"%d" % number) for number in range(10)])
    assert only(admin.delete_records([TopicPartition(name, 0, 4)])).low_watermark == 4
    assert client.read(served.bootstrap, name, 1)[0].offset == 4
    beyond = [TopicPartition(name, 0, 11)]
    assert code_of(admin.delete_records, beyond) == KafkaError.OFFSET_OUT_OF_RANGE


def test_offsets_are_listed(
    admin: AdminClient, served: RunningBroker, make_topic: MakeTopic
) -> None:
    """Earliest, latest, the time of the latest record and a time are answered."""
    name = make_topic()
    rows = [Row(b"v", timestamp_ms=time) for time in (100, 300, 200)]
    write(confluent.Confluent(), served.bootstrap, name, rows)

    def offset(spec: OffsetSpec) -> tuple[int, int]:
        found = only(admin.list_offsets({TopicPartition(name, 0): spec}))
        return found.offset, found.timestamp

    assert offset(SPEC.earliest())[0] == 0
    assert offset(SPEC.latest())[0] == 3
    assert offset(SPEC.max_timestamp()) == (1, 300)
    assert offset(SPEC.for_timestamp(150)) == (1, 300)


@pytest.fixture
def group(served: RunningBroker, make_topic: MakeTopic) -> Iterator[tuple[str, str, Any]]:
    """Return a group, its topic and its one member, which has committed offset 3."""
    name, topic = f"group-{uuid.uuid4().hex[:8]}", make_topic()
    write(confluent.Confluent(), served.bootstrap, topic, [Row(b"v")] * 5)
    member = confluent.Confluent().join(served.bootstrap, name, topic, limit=3)
    until_read(member, 3)
    yield name, topic, member
    member.leave()


def test_groups_are_listed_and_described(admin: AdminClient, group: tuple[str, str, Any]) -> None:
    """A group tells its state, its protocol and who has what; when all have left it is empty."""
    name, topic, member = group
    listed = admin.list_consumer_groups().result(SECONDS).valid
    assert next(one for one in listed if one.group_id == name).state == ConsumerGroupState.STABLE
    empty = admin.list_consumer_groups(states={ConsumerGroupState.EMPTY}).result(SECONDS).valid
    assert name not in {one.group_id for one in empty}

    found = only(admin.describe_consumer_groups([name]))
    assert (found.state, found.partition_assignor) == (ConsumerGroupState.STABLE, "range")
    (described,) = found.members
    assert described.host == "/127.0.0.1"
    assert [(one.topic, one.partition) for one in described.assignment.topic_partitions] == [
        (topic, 0)
    ]
    member.leave()
    assert only(admin.describe_consumer_groups([name])).state == ConsumerGroupState.EMPTY


def test_a_group_is_deleted_when_it_is_empty(
    admin: AdminClient, group: tuple[str, str, Any]
) -> None:
    """A group with members stays; an empty one goes, and is then unknown."""
    name, _, member = group
    asked = [name]
    assert code_of(admin.delete_consumer_groups, asked) == KafkaError.NON_EMPTY_GROUP
    member.leave()
    only(admin.delete_consumer_groups(asked))
    assert code_of(admin.delete_consumer_groups, asked) == KafkaError.GROUP_ID_NOT_FOUND


def test_offsets_of_a_group_are_listed_and_moved(
    admin: AdminClient, group: tuple[str, str, Any]
) -> None:
    """Committed offsets are told, and may be moved while the group is empty."""
    name, topic, member = group

    def committed() -> int:
        found = only(admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(name)]))
        return int(found.topic_partitions[0].offset)

    moved = [ConsumerGroupTopicPartitions(name, [TopicPartition(topic, 0, 1)])]
    assert committed() == 3
    refused = only(admin.alter_consumer_group_offsets(moved)).topic_partitions[0]
    assert refused.error.code() == KafkaError.UNKNOWN_MEMBER_ID
    member.leave()
    only(admin.alter_consumer_group_offsets(moved))
    assert committed() == 1


def test_the_cluster_is_described(admin: AdminClient, served: RunningBroker) -> None:
    """One node, which is the controller, at the address that was reached."""
    found = admin.describe_cluster(include_authorized_operations=True).result(SECONDS)
    assert found.cluster_id
    assert found.controller.id == 0
    assert [f"{node.host}:{node.port}" for node in found.nodes] == [served.bootstrap]


def test_without_an_authorizer_there_are_no_acls(admin: AdminClient) -> None:
    """Rules are neither made nor deleted: security is disabled."""
    subject = (ResourceType.TOPIC, "t", ResourcePatternType.LITERAL, "User:a", "*")
    binding = AclBinding(*subject, AclOperation.READ, AclPermissionType.ALLOW)
    wanted = AclBindingFilter(*subject, AclOperation.READ, AclPermissionType.ALLOW)
    disabled = KafkaError.SECURITY_DISABLED
    assert code_of(admin.create_acls, [binding]) == disabled
    assert code_of(admin.delete_acls, [wanted]) == disabled
    assert admin.describe_acls(wanted).result(SECONDS) == []  # it drops the error of this one
