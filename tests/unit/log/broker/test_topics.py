from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from one_broker import PEER, ask, with_topics

from millstream_log.broker.broker import Broker
from millstream_log.errors import ErrorCode, StorageError
from millstream_log.metadata.names import OFFSETS_TOPIC
from millstream_log.model import TopicPartition
from millstream_log.record.builder import encode_columns
from millstream_log.testing import MemoryFiles
from millstream_log.wire.enums import ConfigSource
from millstream_log.wire.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from millstream_log.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from millstream_log.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from millstream_log.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
)
from millstream_log.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from millstream_log.wire.messages.metadata import (
    OPERATIONS_UNKNOWN,
    MetadataRequest,
    MetadataRequestTopic,
)
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic

NONE, INVALID = ErrorCode.NONE, ErrorCode.INVALID_REQUEST
UNKNOWN, UNKNOWN_ID = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID
BAD_NAME, BAD_REPLICAS = ErrorCode.INVALID_TOPIC_EXCEPTION, ErrorCode.INVALID_REPLICA_ASSIGNMENT
NO_ID = "ab" * 16


def metadata(*names: str, ids: tuple[str, ...] = (), **rest: Any) -> MetadataRequest:
    """Return a request for topics by name and by id, which creates none."""
    topics = [MetadataRequestTopic(name=name) for name in names]
    topics += [MetadataRequestTopic(topic_id=topic_id) for topic_id in ids]
    return MetadataRequest(topics=topics, **{"allow_auto_topic_creation": False, **rest})


def topic_id(files: MemoryFiles, name: str) -> str:
    """Return the id of a topic."""
    (answer,) = ask(metadata(name), files=files)
    found: str = answer.topics[0].topic_id
    return found


# -- metadata


def test_metadata_says_who_leads_at_the_address_that_was_reached() -> None:
    """Every partition is led and held by this node, which is the controller."""
    (answer,) = ask(metadata("t", peer=PEER), files=with_topics("t"))
    (broker,) = answer.brokers
    assert (broker.node_id, broker.host, broker.port, broker.rack) == (0, "localhost", 9092, None)
    (topic,) = answer.topics
    assert [
        (
            part.index,
            part.leader_id,
            part.leader_epoch,
            part.replicas,
            part.isr,
            part.offline_replicas,
        )
        for part in topic.partitions
    ] == [(index, 0, 0, [0], [0], []) for index in range(2)]
    assert (answer.controller_id, len(topic.topic_id)) == (0, 32)
    assert re.fullmatch(r"[0-9A-Za-z_][0-9A-Za-z_-]{21}", answer.cluster_id)


def test_none_and_all_are_told_apart_in_each_version() -> None:
    """An empty list is all topics in version 0 and none from 1 on, where null is all."""
    answers = ask(
        MetadataRequest(version=0, topics=[]),
        MetadataRequest(version=1, topics=[]),
        MetadataRequest(version=1, topics=None),
        files=with_topics("t", "u"),
    )
    assert [[topic.name for topic in answer.topics] for answer in answers] == [
        ["t", "u"],
        [],
        ["t", "u"],
    ]


def test_topics_go_by_their_ids_from_version_12_on() -> None:
    """Where some go by id the names are left out; an unknown id has no name; 10 and 11 refuse."""
    files = with_topics("t", "u")
    known = topic_id(files, "t")
    mixed, unknown, old = ask(
        metadata("u", ids=(known, known)),
        metadata(ids=(NO_ID,)),
        metadata(ids=(known,), version=11),
        files=files,
    )
    assert [(topic.name, topic.error_code) for topic in mixed.topics] == [("t", NONE)]
    assert [(t.name, t.topic_id, t.error_code) for t in unknown.topics] == [
        (None, NO_ID, UNKNOWN_ID)
    ]
    assert [(topic.name, topic.error_code) for topic in old.topics] == [("", INVALID)]


def test_operations_are_told_when_they_are_asked_for() -> None:
    """All of them, without an authorizer, and of topics that are not there too."""
    plain, asked = ask(
        metadata("t"),
        metadata(
            "t",
            "gone",
            include_topic_authorized_operations=True,
            include_cluster_authorized_operations=True,
        ),
        files=with_topics("t"),
    )
    assert plain.topics[0].topic_authorized_operations == OPERATIONS_UNKNOWN
    assert plain.cluster_authorized_operations == OPERATIONS_UNKNOWN
    assert [topic.topic_authorized_operations for topic in asked.topics] == [3576, 3576]
    assert asked.cluster_authorized_operations == 8096


@pytest.mark.parametrize(
    ("name", "code", "is_internal"),
    [
        ("new", NONE, False),
        (OFFSETS_TOPIC, NONE, True),
        ("no such", BAD_NAME, False),
        ("", BAD_NAME, False),
        ("t_1", BAD_NAME, False),
        ("__cluster_metadata", UNKNOWN, False),
    ],
)
def test_asking_creates_what_may_be_created(name: str, code: ErrorCode, is_internal: bool) -> None:
    """A new topic comes with its leader in the same answer; a name that cannot be does not."""
    (answer,) = ask(metadata(name, allow_auto_topic_creation=True), files=with_topics("t.1"))
    (topic,) = answer.topics
    assert (topic.error_code, topic.is_internal) == (code, is_internal)
    assert [part.leader_id for part in topic.partitions] == ([] if code else [0])


# -- creating


def create(name: str = "n", partitions: int = 1, replicas: int = 1, **rest: Any) -> CreatableTopic:
    """Return a topic to create."""
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=replicas, **rest)


def assigned(
    *parts: tuple[int, list[int]], partitions: int = -1, replicas: int = -1
) -> CreatableTopic:
    """Return a topic to create on these brokers."""
    assignments = [
        CreatableReplicaAssignment(partition_index=index, broker_ids=brokers)
        for index, brokers in parts
    ]
    return create("n", partitions, replicas, assignments=assignments)


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        (create(), NONE),
        (create(partitions=-1, replicas=-1), NONE),
        (create(partitions=0), ErrorCode.INVALID_PARTITIONS),
        (create(partitions=-2), ErrorCode.INVALID_PARTITIONS),
        (create(partitions=10_001), ErrorCode.INVALID_PARTITIONS),
        (create(replicas=0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (create(replicas=3), ErrorCode.INVALID_REPLICATION_FACTOR),
        (create("t", replicas=3), ErrorCode.TOPIC_ALREADY_EXISTS),
        (create("no such"), BAD_NAME),
        (create("t.1"), NONE),
        (create("t.x"), BAD_NAME),
        (create("__cluster_metadata"), INVALID),
        (create(OFFSETS_TOPIC), NONE),
        (assigned((0, [0]), (1, [0])), NONE),
        (assigned((1, [0]), (0, [0])), NONE),
        (assigned((0, [0]), (2, [0])), BAD_REPLICAS),
        (assigned((0, [0]), (0, [0])), BAD_REPLICAS),
        (assigned((0, [5])), BAD_REPLICAS),
        (assigned((0, [])), BAD_REPLICAS),
        (assigned((0, [0, 0])), BAD_REPLICAS),
        (assigned((0, [0]), partitions=1), INVALID),
        (assigned((0, [0]), replicas=1), INVALID),
    ],
)
def test_topics_are_created_as_far_as_one_node_can(topic: CreatableTopic, code: ErrorCode) -> None:
    """Counts, replicas, names and assignments are checked with Kafka's codes."""
    (answer,) = ask(CreateTopicsRequest(topics=[topic]), files=with_topics("t", "t_x"))
    (result,) = answer.topics
    assert result.error_code is code
    assert result.num_partitions == (-1 if code else len(topic.assignments) or 1)


def test_a_topic_is_told_with_its_configs_and_created_once() -> None:
    """The answer echoes all configs; checking alone creates nothing; a null is no value."""

    def request(value: str | None, **rest: Any) -> CreateTopicsRequest:
        configs = [CreatableTopicConfig(name="retention.ms", value=value)]
        return CreateTopicsRequest(topics=[create(configs=configs)], **rest)

    checked, null, created, again = ask(
        request("5", validate_only=True), request(None), request("5"), request("5")
    )
    for answer in (checked, created):
        (result,) = answer.topics
        found = {entry.name: (entry.value, entry.source) for entry in result.configs}
        assert found["retention.ms"] == ("5", ConfigSource.TOPIC)
        assert (result.error_code, len(found), result.replication_factor) == (NONE, 33, 1)
    assert null.topics[0].error_code is ErrorCode.INVALID_CONFIG
    assert again.topics[0].error_code is ErrorCode.TOPIC_ALREADY_EXISTS


def test_a_name_stands_in_a_request_once() -> None:
    """Who stands there twice is refused in one line, and the others are served."""
    files = with_topics("t", "u")
    created, grown, deleted = ask(
        CreateTopicsRequest(topics=[create("a"), create("a"), create("b")]),
        CreatePartitionsRequest(
            topics=[CreatePartitionsTopic(name=name, count=3) for name in ("t", "t", "u")]
        ),
        DeleteTopicsRequest(version=5, topic_names=["t", "t", "u"]),
        files=files,
    )
    assert [(t.name, t.error_code) for t in created.topics] == [("a", INVALID), ("b", NONE)]
    assert [(t.name, t.error_code) for t in grown.topics] == [("t", INVALID), ("u", NONE)]
    assert [(t.name, t.error_code) for t in deleted.topics] == [("t", INVALID), ("u", NONE)]


def test_bounds_hold_for_all_topics_together() -> None:
    """max.partitions counts every partition; max.request.topics every name of a request."""
    files = with_topics("t", partitions=3)
    grow = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=5)])
    policy = ErrorCode.POLICY_VIOLATION
    created, grown, asked = ask(
        CreateTopicsRequest(topics=[create("a", 2)]),
        grow,
        metadata("b", allow_auto_topic_creation=True),
        files=files,
        max_partitions="4",
    )
    assert [created.topics[0].error_code, grown.topics[0].error_code] == [policy, policy]
    assert asked.topics[0].error_code is NONE
    created, deleted, asked = ask(
        CreateTopicsRequest(topics=[create("a"), create("c")]),
        DeleteTopicsRequest(topics=[DeleteTopicState(name="t"), DeleteTopicState(name="b")]),
        metadata("x", "y", allow_auto_topic_creation=True),
        files=files,
        max_request_topics="1",
    )
    for answer in (created, deleted, asked):
        assert [topic.error_code for topic in answer.topics] == [policy, policy]


# -- deleting


def test_topics_are_deleted_by_name_or_by_id() -> None:
    """One of the two, known, and each topic once."""
    files = with_topics("a", "b", "c")
    (answer,) = ask(
        DeleteTopicsRequest(
            topics=[
                DeleteTopicState(name="a"),
                DeleteTopicState(topic_id=topic_id(files, "b")),
                DeleteTopicState(topic_id=NO_ID),
                DeleteTopicState(name="gone"),
                DeleteTopicState(name="c", topic_id=topic_id(files, "c")),
                DeleteTopicState(),
                DeleteTopicState(),
            ]
        ),
        files=files,
    )
    assert [(topic.name, topic.error_code) for topic in answer.topics] == [
        ("a", NONE),
        ("b", NONE),
        (None, UNKNOWN_ID),
        ("gone", UNKNOWN),
        ("c", INVALID),
        (None, INVALID),
        (None, INVALID),
    ]
    both = [DeleteTopicState(name="c"), DeleteTopicState(topic_id=topic_id(files, "c"))]
    (answer,) = ask(DeleteTopicsRequest(topics=both), files=files)
    assert [topic.error_code for topic in answer.topics] == [INVALID]


@pytest.mark.parametrize(
    ("version", "code"), [(2, INVALID), (3, ErrorCode.TOPIC_DELETION_DISABLED)]
)
def test_deleting_can_be_forbidden(version: int, code: ErrorCode) -> None:
    """delete.topic.enable=false keeps all topics."""
    (answer,) = ask(
        DeleteTopicsRequest(version=version, topic_names=["t"]),
        files=with_topics("t"),
        delete_topic_enable="false",
    )
    assert answer.topics[0].error_code is code


# -- growing


@pytest.mark.parametrize(
    ("name", "count", "brokers", "code"),
    [
        ("t", 3, None, NONE),
        ("t", 3, [[0]], NONE),
        ("t", 2, None, ErrorCode.INVALID_PARTITIONS),
        ("t", 1, None, ErrorCode.INVALID_PARTITIONS),
        ("t", -1, [[0]], ErrorCode.INVALID_PARTITIONS),
        ("t", 10_001, None, ErrorCode.INVALID_PARTITIONS),
        ("t", 3, [], BAD_REPLICAS),
        ("t", 3, [[0], [0]], BAD_REPLICAS),
        ("t", 3, [[5]], BAD_REPLICAS),
        ("t", 3, [[]], BAD_REPLICAS),
        ("gone", 3, None, UNKNOWN),
    ],
)
def test_partitions_are_added_on_this_node(
    name: str, count: int, brokers: list[list[int]] | None, code: ErrorCode
) -> None:
    """Only more of them, and only here; checking alone adds none."""
    assignments = None
    if brokers is not None:
        assignments = [CreatePartitionsAssignment(broker_ids=ids) for ids in brokers]
    topics = [CreatePartitionsTopic(name=name, count=count, assignments=assignments)]
    files = with_topics("t")
    checked, before, grown, after = ask(
        CreatePartitionsRequest(topics=topics, validate_only=True),
        metadata("t"),
        CreatePartitionsRequest(topics=topics),
        metadata("t"),
        files=files,
    )
    assert [checked.topics[0].error_code, grown.topics[0].error_code] == [code, code]
    assert len(before.topics[0].partitions) == 2
    assert len(after.topics[0].partitions) == (2 if code else 3)


# -- offsets and records


def produced(policy: str = "delete") -> MemoryFiles:
    """Return files with the records of times 10, 30, 20 in t-0, nothing in t-1."""
    files = with_topics("t", cleanup_policy=policy)
    batch = encode_columns([10, 30, 20], [b"k"] * 3, [b"x"] * 3)
    parts = [ProducePartition(index=0, records=batch)]
    ask(ProduceRequest(topics=[ProduceTopic(name="t", partitions=parts)]), files=files)
    return files


def offset(index: int, timestamp: int, version: int = 11, **rest: Any) -> ListOffsetsRequest:
    """Return a question about one partition of topic t."""
    part = ListOffsetsPartition(index=index, timestamp=timestamp, **rest)
    return ListOffsetsRequest(
        version=version, topics=[ListOffsetsTopic(name="t", partitions=[part])]
    )


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (offset(0, -1), (NONE, 3, -1, 0)),
        (offset(0, -2), (NONE, 0, -1, 0)),
        (offset(0, -3), (NONE, 1, 30, 0)),
        (offset(0, -4), (NONE, 0, -1, 0)),
        (offset(0, -5), (NONE, -1, -1, -1)),
        (offset(0, -6), (NONE, -1, -1, -1)),
        (offset(0, -7), (ErrorCode.UNSUPPORTED_VERSION, -1, -1, -1)),
        (offset(0, -3, 6), (ErrorCode.UNSUPPORTED_VERSION, -1, -1, -1)),
        (offset(0, -4, 7), (ErrorCode.UNSUPPORTED_VERSION, -1, -1, -1)),
        (offset(0, -5, 8), (ErrorCode.UNSUPPORTED_VERSION, -1, -1, -1)),
        (offset(0, -6, 10), (ErrorCode.UNSUPPORTED_VERSION, -1, -1, -1)),
        (offset(0, 11), (NONE, 1, 30, 0)),
        (offset(0, 31), (NONE, -1, -1, -1)),
        (offset(1, -1), (NONE, 0, -1, 0)),
        (offset(1, -2), (NONE, 0, -1, 0)),
        (offset(1, -3), (NONE, -1, -1, -1)),
        (offset(9, -1), (UNKNOWN, -1, -1, -1)),
        (offset(0, -1, current_leader_epoch=0), (NONE, 3, -1, 0)),
        (offset(0, -1, current_leader_epoch=1), (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1, -1)),
    ],
)
def test_offsets_are_found_by_time_and_at_the_ends(
    request_: ListOffsetsRequest, expected: tuple[ErrorCode, int, int, int]
) -> None:
    """Each version knows its own ends; what is not found is (-1, -1) without an epoch."""
    (answer,) = ask(request_, files=produced())
    (part,) = answer.topics[0].partitions
    assert (part.error_code, part.offset, part.timestamp, part.leader_epoch) == expected


def test_a_partition_asked_for_twice_is_refused_once() -> None:
    """As in Kafka, a partition stands in a request once."""
    request = offset(0, -1)
    request.topics[0].partitions *= 2
    (answer,) = ask(request, files=produced())
    assert [part.error_code for part in answer.topics[0].partitions] == [INVALID]


def test_version_0_is_told_where_segments_begin() -> None:
    """Newest first, from the end on, as many as asked for; by time those that are old enough."""
    files = with_topics("t", segment_bytes="100")
    for time in (10, 20, 30):
        batch = encode_columns([time], None, [b"x" * 80])
        parts = [ProducePartition(index=0, records=batch)]
        ask(ProduceRequest(topics=[ProduceTopic(name="t", partitions=parts)]), files=files)
    for timestamp, count, expected in [
        (-1, 9, [3, 2, 1, 0]),
        (-1, 2, [3, 2]),
        (-2, 9, [0]),
        (25, 9, [1, 0]),
        (5, 9, []),
        (-1, -1, []),
    ]:
        (answer,) = ask(offset(0, timestamp, 0, max_num_offsets=count), files=files)
        assert answer.topics[0].partitions[0].old_style_offsets == expected


@pytest.mark.parametrize(
    ("policy", "name", "before", "code"),
    [
        ("delete", "t", 2, NONE),
        ("delete", "t", -1, NONE),
        ("delete", "t", 4, ErrorCode.OFFSET_OUT_OF_RANGE),
        ("delete", "t", -2, ErrorCode.OFFSET_OUT_OF_RANGE),
        ("compact", "t", 0, ErrorCode.POLICY_VIOLATION),
        ("compact,delete", "t", 2, NONE),
        ("", "t", 2, NONE),
        ("delete", "gone", 0, UNKNOWN),
        ("delete", OFFSETS_TOPIC, 0, BAD_NAME),
    ],
)
def test_records_are_deleted_where_the_policy_lets_them_go(
    policy: str, name: str, before: int, code: ErrorCode
) -> None:
    """Not of internal topics, not of topics that are compacted alone, not above the end."""
    parts = [DeleteRecordsPartition(index=0, offset=before)]
    (answer,) = ask(
        DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=name, partitions=parts)]),
        files=produced(policy),
    )
    (part,) = answer.topics[0].partitions
    expected = -1 if code else before if before >= 0 else 3
    assert (part.error_code, part.low_watermark) == (code, expected)


def test_log_dirs_tell_what_is_there_and_leave_out_what_is_not() -> None:
    """Partitions that are unknown, or asked for twice, do no harm."""
    wanted = [
        DescribableLogDirTopic(name="t", partitions=[0, 0, 9]),
        DescribableLogDirTopic(name="t", partitions=[1]),
        DescribableLogDirTopic(name="gone", partitions=[0]),
    ]
    some, nothing = ask(
        DescribeLogDirsRequest(topics=wanted), DescribeLogDirsRequest(topics=[]), files=produced()
    )
    (directory,) = some.results
    assert (directory.log_dir, directory.error_code, some.error_code) == ("/log", NONE, NONE)
    assert [(t.name, [part.index for part in t.partitions]) for t in directory.topics] == [
        ("t", [0]),
        ("t", [1]),
    ]
    assert nothing.results[0].topics == []


def test_a_partition_that_cannot_be_opened_is_told_with_its_error() -> None:
    """Its topic is described and configured all the same; where it is needed its error stands."""
    files = with_topics("t")

    async def main() -> None:
        broker = await Broker.open("/log", files=files, flush="os")
        host = broker.host
        del host.partitions["t", 0]
        host.log_dir.failed[TopicPartition("t", 0)] = StorageError("no such disk")
        described = await broker.handle(DescribeLogDirsRequest())
        assert [part.index for part in described.results[0].topics[0].partitions] == [1]
        listed = await broker.handle(offset(0, -1))
        assert listed.topics[0].partitions[0].error_code is ErrorCode.KAFKA_STORAGE_ERROR
        host.configure_topic("t", {"retention.ms": "5"})
        assert host.partition("t", 1).log.config.retention_ms == 5
        await broker.close()

    asyncio.run(main())
