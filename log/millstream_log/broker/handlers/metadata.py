"""Metadata (key 3): this node, and the topics with who leads their partitions.

Invariants: a topic created because it was asked for is in the same answer with its leader, or
old clients would ask in a loop.
"""

from __future__ import annotations

from ...errors import InvalidRequestError, LogError, UnknownTopicOrPartitionError
from ...metadata.image import TopicImage
from ...metadata.names import INTERNAL_TOPICS, check_name
from ...wire.messages.metadata import (
    OPERATIONS_UNKNOWN,
    MetadataBroker,
    MetadataPartition,
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataTopic,
)
from ..host import Host
from ..turns import Turns
from .bounds import check_names
from .operations import CLUSTER_OPERATIONS, TOPIC_OPERATIONS

_IDS_FROM = 12  # versions 10 and 11 have the field, and no broker answers to it


async def metadata(host: Host, request: MetadataRequest) -> MetadataResponse:
    """Describe the topics asked for, or all; create those that are missing when allowed."""
    if host.read_only:
        host.refresh_topics()
    node, peer = host.image.node_id, request.peer
    turns = Turns(host)
    return MetadataResponse(
        topics=[await _describe(host, request, topic, turns) for topic in _wanted(host, request)],
        brokers=[MetadataBroker(node_id=node, host=peer.broker_host, port=peer.broker_port)],
        cluster_id=host.image.cluster_id,
        controller_id=node,
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS
            if request.include_cluster_authorized_operations
            else OPERATIONS_UNKNOWN
        ),
    )


def _wanted(host: Host, request: MetadataRequest) -> list[MetadataRequestTopic]:
    """Return what is asked for, each once; where some go by id, those that do not are left out."""
    wanted = request.topics
    if wanted is None or (request.version == 0 and not wanted):
        return [MetadataRequestTopic(name=name) for name in sorted(host.image.topics)]
    if request.version >= _IDS_FROM and any(topic.topic_id for topic in wanted):
        wanted = [topic for topic in wanted if topic.topic_id]
        return list({topic.topic_id: topic for topic in wanted}.values())
    return list({topic.name: topic for topic in wanted}.values())


async def _describe(
    host: Host, request: MetadataRequest, wanted: MetadataRequestTopic, turns: Turns
) -> MetadataTopic:
    by_id = request.version >= _IDS_FROM and wanted.topic_id != ""
    answer = MetadataTopic(
        name=None if by_id else wanted.name or "",
        topic_id=wanted.topic_id,
        is_internal=wanted.name in INTERNAL_TOPICS,
    )
    if request.include_topic_authorized_operations:
        answer.topic_authorized_operations = TOPIC_OPERATIONS
    try:
        if request.topics is not None:
            check_names(host, request.topics)
        name = answer.name = _name(host, request, wanted)
        topic = host.image.topics.get(name)
        if topic is None:
            if not request.allow_auto_topic_creation:
                raise UnknownTopicOrPartitionError(f"no topic {check_name(name)!r}")
            topic = await _auto_create(host, name, turns)
    except LogError as error:
        answer.error_code = error.code
        answer.error_message = str(error)
        return answer
    node = [host.image.node_id]
    answer.topic_id = topic.topic_id
    answer.is_internal = name in INTERNAL_TOPICS
    answer.partitions = [
        MetadataPartition(
            index=index,
            leader_id=node[0],
            leader_epoch=host.leader_epoch(name, index),
            replicas=node,
            isr=node,
        )
        for index in range(topic.partitions)
    ]
    return answer


async def _auto_create(host: Host, name: str, turns: Turns) -> TopicImage:
    """Create a topic, unless another request did while this one waited for it."""
    async with host.changing:
        found = host.image.topics.get(name)
        return await turns.take(host.auto_create(name)) if found is None else found


def _name(host: Host, request: MetadataRequest, wanted: MetadataRequestTopic) -> str:
    """Return the name of a topic that is asked for by its name or by its id."""
    if request.version >= _IDS_FROM and wanted.topic_id:
        return host.topic_name("", wanted.topic_id)
    if wanted.topic_id or wanted.name is None:
        raise InvalidRequestError(
            f"version {request.version} asks for topics by name, not {wanted.topic_id!r}"
        )
    return wanted.name
