"""Metadata, CreateTopics, DeleteTopics, CreatePartitions, DescribeLogDirs (keys 3, 19, 20, 37, 35).

Invariants: a topic created because it was asked for is in the same answer with its leader, or
old clients would ask in a loop.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import (
    BrokerError,
    ErrorCode,
    InvalidReplicaAssignmentError,
    InvalidReplicationFactorError,
    InvalidRequestError,
    LogError,
)
from ...metadata.image import TopicImage
from ...metadata.names import INTERNAL_TOPICS
from ...wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsResult,
    CreatePartitionsTopic,
)
from ...wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreatedTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ...wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from ...wire.messages.describe_log_dirs import (
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    LogDirPartition,
    LogDirResult,
    LogDirTopic,
)
from ...wire.messages.metadata import (
    MetadataBroker,
    MetadataPartition,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataTopic,
)
from ..host import Host
from ..partition import Partition


async def metadata(host: Host, request: MetadataRequest) -> MetadataResponse:
    """Describe the topics asked for, or all; create those that are missing when allowed."""
    if host.read_only:
        host.refresh_topics()
    wanted = request.topics
    if wanted is None or (request.version == 0 and not wanted):
        wanted = [MetadataRequestTopic(name=name) for name in sorted(host.image.topics)]
    return MetadataResponse(
        topics=[_describe(host, topic, request.allow_auto_topic_creation) for topic in wanted],
        brokers=[
            MetadataBroker(
                node_id=host.image.node_id,
                host=request.peer.broker_host,
                port=request.peer.broker_port,
            )
        ],
        cluster_id=host.image.cluster_id,
        controller_id=host.image.node_id,
    )


def _describe(host: Host, wanted: MetadataRequestTopic, may_create: bool) -> MetadataTopic:
    try:
        name = _name(host, wanted.name, wanted.topic_id)
        known = host.image.topics.get(name)
        topic = known or (host.auto_create(name) if may_create else host.topic(name))
    except LogError as error:
        return MetadataTopic(
            name=wanted.name,
            topic_id=wanted.topic_id,
            error_code=error.code,
            error_message=str(error),
        )
    node = host.image.node_id
    return MetadataTopic(
        name=name,
        topic_id=topic.topic_id,
        is_internal=name in INTERNAL_TOPICS,
        partitions=[
            MetadataPartition(
                index=index, leader_id=node, leader_epoch=0, replicas=[node], isr=[node]
            )
            for index in range(topic.partitions)
        ],
    )


def _name(host: Host, name: str | None, topic_id: str) -> str:
    """Return the name of a topic that is asked for by name, or else by its id."""
    if name is not None:
        return name
    topic = host.image.by_id(topic_id)
    if topic is None:
        raise BrokerError(f"no topic has the id {topic_id!r}", ErrorCode.UNKNOWN_TOPIC_ID)
    return topic.name


async def create_topics(host: Host, request: CreateTopicsRequest) -> CreateTopicsResponse:
    """Create each topic by itself: one failure does not hold up the others."""
    return CreateTopicsResponse(
        topics=[_create(host, topic, request.validate_only) for topic in request.topics]
    )


def _create(host: Host, wanted: CreatableTopic, validate_only: bool) -> CreatableTopicResult:
    try:
        _check_replicas(host, wanted)
        partitions = len(wanted.assignments) or wanted.num_partitions
        configs = {config.name: config.value for config in wanted.configs}
        topic = host.create_topic(wanted.name, partitions, configs, validate_only=validate_only)
    except LogError as error:
        return CreatableTopicResult(
            name=wanted.name, error_code=error.code, error_message=str(error)
        )
    return _created(host, topic)


def _created(host: Host, topic: TopicImage) -> CreatableTopicResult:
    return CreatableTopicResult(
        name=topic.name,
        topic_id=topic.topic_id,
        num_partitions=topic.partitions,
        replication_factor=1,
        configs=[
            CreatedTopicConfig(
                name=entry.name,
                value=entry.value,
                read_only=entry.read_only,
                source=entry.source,
                is_sensitive=entry.is_sensitive,
            )
            for entry in host.config.describe_topic(topic.configs)
        ],
    )


def _check_replicas(host: Host, wanted: CreatableTopic) -> None:
    if wanted.assignments:
        if wanted.num_partitions != -1 or wanted.replication_factor != -1:
            raise InvalidRequestError(
                f"topic {wanted.name!r}: give an assignment, or partitions and replicas, not both"
            )
        here = [host.image.node_id]
        indexes = sorted(part.partition_index for part in wanted.assignments)
        if indexes != list(range(len(indexes))) or any(
            part.broker_ids != here for part in wanted.assignments
        ):
            raise InvalidReplicaAssignmentError(
                f"topic {wanted.name!r}: partitions 0 to n - 1 must each be assigned to {here}"
            )
    elif wanted.replication_factor not in (-1, 1):
        raise InvalidReplicationFactorError(
            f"topic {wanted.name!r}: replication factor {wanted.replication_factor}, "
            "must be 1 on a single node"
        )


async def delete_topics(host: Host, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    """Delete each topic by itself."""
    named = [DeleteTopicState(name=name) for name in request.topic_names]
    return DeleteTopicsResponse(topics=[_delete(host, topic) for topic in request.topics + named])


def _delete(host: Host, wanted: DeleteTopicState) -> DeletableTopicResult:
    try:
        topic = host.delete_topic(_name(host, wanted.name, wanted.topic_id))
    except LogError as error:
        return DeletableTopicResult(
            name=wanted.name,
            topic_id=wanted.topic_id,
            error_code=error.code,
            error_message=str(error),
        )
    return DeletableTopicResult(name=topic.name, topic_id=topic.topic_id)


async def create_partitions(
    host: Host, request: CreatePartitionsRequest
) -> CreatePartitionsResponse:
    """Add partitions to each topic by itself."""
    return CreatePartitionsResponse(
        topics=[_grow(host, topic, request.validate_only) for topic in request.topics]
    )


def _grow(host: Host, topic: CreatePartitionsTopic, validate_only: bool) -> CreatePartitionsResult:
    try:
        host.grow_topic(topic.name, topic.count, validate_only=validate_only)
    except LogError as error:
        return CreatePartitionsResult(
            name=topic.name, error_code=error.code, error_message=str(error)
        )
    return CreatePartitionsResult(name=topic.name)


async def describe_log_dirs(host: Host, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse:
    """Say how large each partition is on the disk."""
    wanted: list[tuple[str, Iterable[int]]]
    if request.topics is None:
        wanted = [
            (name, range(topic.partitions)) for name, topic in sorted(host.image.topics.items())
        ]
    else:
        wanted = [(topic.name, topic.partitions) for topic in request.topics]
    topics = []
    for name, indexes in wanted:
        here = [
            host.partitions[name, index] for index in indexes if (name, index) in host.partitions
        ]
        if here:
            topics.append(
                LogDirTopic(name=name, partitions=[_measure(host, part) for part in here])
            )
    return DescribeLogDirsResponse(results=[LogDirResult(log_dir=host.path, topics=topics)])


def _measure(host: Host, partition: Partition) -> LogDirPartition:
    if host.read_only:
        host.refresh_partition(partition)
    return LogDirPartition(
        index=partition.topic_partition.partition, size_bytes=partition.log.size_bytes
    )
