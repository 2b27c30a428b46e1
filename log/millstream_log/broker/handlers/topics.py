"""Metadata, CreateTopics, DeleteTopics, CreatePartitions, DescribeLogDirs (keys 3, 19, 20, 37, 35).

Invariants: a topic created because it was asked for is in the same answer with its leader, or
old clients would ask in a loop.
"""

from __future__ import annotations

from ...errors import (
    InvalidReplicaAssignmentError,
    InvalidReplicationFactorError,
    InvalidRequestError,
    LogError,
)
from ...metadata.image import TopicImage
from ...metadata.names import INTERNAL_TOPICS
from ...wire.topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsResult,
    CreatePartitionsTopic,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    LogDirPartition,
    LogDirResult,
    LogDirTopic,
    MetadataBroker,
    MetadataPartition,
    MetadataRequest,
    MetadataResponse,
    MetadataTopic,
)
from ..host import Host


async def metadata(host: Host, request: MetadataRequest) -> MetadataResponse:
    """Describe the topics asked for, or all; create those that are missing when allowed."""
    if host.read_only:
        host.refresh_topics()
    names = sorted(host.image.topics) if request.topics is None else request.topics
    return MetadataResponse(
        topics=[_describe(host, name, request.allow_auto_topic_creation) for name in names],
        brokers=[MetadataBroker(node_id=host.image.node_id, host="", port=0)],
        cluster_id=host.image.cluster_id,
        controller_id=host.image.node_id,
    )


def _describe(host: Host, name: str, may_create: bool) -> MetadataTopic:
    try:
        known = host.image.topics.get(name)
        topic = known or (host.auto_create(name) if may_create else host.topic(name))
    except LogError as error:
        return MetadataTopic(name=name, error_code=error.code, error_message=str(error))
    node = host.image.node_id
    return MetadataTopic(
        name=name,
        topic_id=topic.topic_id,
        is_internal=name in INTERNAL_TOPICS,
        partitions=[
            MetadataPartition(index=index, leader_id=node, replicas=[node], isr=[node])
            for index in range(topic.partitions)
        ],
    )


async def create_topics(host: Host, request: CreateTopicsRequest) -> CreateTopicsResponse:
    """Create each topic by itself: one failure does not hold up the others."""
    return CreateTopicsResponse(
        topics=[_create(host, topic, request.validate_only) for topic in request.topics]
    )


def _create(host: Host, wanted: CreatableTopic, validate_only: bool) -> CreatableTopicResult:
    try:
        _check_replicas(host, wanted)
        partitions = len(wanted.assignments) or wanted.num_partitions
        topic = host.create_topic(
            wanted.name, partitions, wanted.configs, validate_only=validate_only
        )
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
        configs=host.config.describe_topic(topic.configs),
    )


def _check_replicas(host: Host, wanted: CreatableTopic) -> None:
    if wanted.assignments:
        if wanted.num_partitions != -1 or wanted.replication_factor != -1:
            raise InvalidRequestError(
                f"topic {wanted.name!r}: give an assignment, or partitions and replicas, not both"
            )
        here = [host.image.node_id]
        if sorted(wanted.assignments) != list(range(len(wanted.assignments))) or any(
            replicas != here for replicas in wanted.assignments.values()
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
    results = []
    for name in request.topics:
        try:
            topic_id = host.delete_topic(name).topic_id
            results.append(DeletableTopicResult(name=name, topic_id=topic_id))
        except LogError as error:
            results.append(
                DeletableTopicResult(name=name, error_code=error.code, error_message=str(error))
            )
    return DeleteTopicsResponse(topics=results)


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
    names = sorted(host.image.topics) if request.topics is None else request.topics
    topics = []
    for name in names:
        parts = []
        for index in range(host.image.topics[name].partitions if name in host.image.topics else 0):
            partition = host.partition(name, index)
            if host.read_only:
                host.refresh_partition(partition)
            parts.append(LogDirPartition(index=index, size_bytes=partition.log.size_bytes))
        topics.append(LogDirTopic(name=name, partitions=parts))
    return DescribeLogDirsResponse(results=[LogDirResult(log_dir=host.path, topics=topics)])
