"""CreateTopics, DeleteTopics, CreatePartitions (keys 19, 20, 37).

Invariants: each topic fares by itself, so that one failure does not hold up the others; one that
stands in a request twice is refused, and is one line of the answer; a request that names many
or asks for many partitions gives way to others, and no two change topics at the same moment.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence

from ...errors import (
    BrokerError,
    ErrorCode,
    InvalidConfigError,
    InvalidReplicaAssignmentError,
    InvalidReplicationFactorError,
    InvalidRequestError,
    LogError,
    UnknownTopicIdError,
)
from ...metadata.image import TopicImage
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
from ..host import Host
from ..turns import Turns
from .bounds import check_names
from .reassignment import check_replicas

_DEFAULT = -1
_DELETION_DISABLED_FROM = 3

# -- creating


async def create_topics(host: Host, request: CreateTopicsRequest) -> CreateTopicsResponse:
    """Create topics, or say what would be created."""
    times = Counter(topic.name for topic in request.topics)
    once = {topic.name: topic for topic in request.topics}
    turns = Turns(host)
    topics = []
    for name, topic in once.items():
        async with host.changing:
            topics.append(await _create(host, request, topic, times[name], turns))
        await turns.give_way()
    return CreateTopicsResponse(topics=topics)


async def _create(
    host: Host, request: CreateTopicsRequest, wanted: CreatableTopic, times: int, turns: Turns
) -> CreatableTopicResult:
    try:
        check_names(host, request.topics)
        _check_once(wanted.name, times)
        host.check_new_topic(wanted.name)
        partitions = _partitions(host, wanted)
        configs = {config.name: _text(config.name, config.value) for config in wanted.configs}
        topic = await turns.take(
            host.create_topic(wanted.name, partitions, configs, validate_only=request.validate_only)
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


def _partitions(host: Host, wanted: CreatableTopic) -> int:
    """Return how many partitions are asked for, once all that is asked for can be had."""
    if not wanted.assignments:
        if wanted.replication_factor not in (_DEFAULT, 1):
            raise InvalidReplicationFactorError(
                f"topic {wanted.name!r}: replication factor {wanted.replication_factor}, "
                "must be 1: there is 1 broker"
            )
        return wanted.num_partitions
    if wanted.num_partitions != _DEFAULT or wanted.replication_factor != _DEFAULT:
        raise InvalidRequestError(
            f"topic {wanted.name!r}: give an assignment, or partitions and replicas, not both"
        )
    indexes = sorted(part.partition_index for part in wanted.assignments)
    if indexes != list(range(len(indexes))):
        raise InvalidReplicaAssignmentError(
            f"topic {wanted.name!r}: assignments of partitions {indexes[:10]}, must be 0 to n - 1"
        )
    for part in wanted.assignments:
        check_replicas(host, part.broker_ids)
    return len(indexes)


def _text(name: str, value: str | None) -> str:
    if value is None:
        raise InvalidConfigError(f"config {name}: null is no value")
    return value


def _check_once(name: str, times: int) -> None:
    if times > 1:
        raise InvalidRequestError(f"topic {name!r} stands {times} times in one request")


# -- deleting


async def delete_topics(host: Host, request: DeleteTopicsRequest) -> DeleteTopicsResponse:
    """Delete topics by name or by id."""
    named = [DeleteTopicState(name=name) for name in request.topic_names]
    wanted = request.topics + named
    topics = [_known(host, topic) for topic in wanted]
    times = Counter(topics)
    answered: set[tuple[str | None, str]] = set()
    turns = Turns(host)
    results = []
    for asked, topic in zip(wanted, topics, strict=True):
        if topic not in answered or not any(topic):
            answered.add(topic)
            async with host.changing:
                results.append(await _delete(host, request, asked, times[topic], turns))
            await turns.give_way()
    return DeleteTopicsResponse(topics=results)


def _known(host: Host, wanted: DeleteTopicState) -> tuple[str | None, str]:
    """Return name and id of a topic as far as they can be known, so that two askings are equal."""
    if wanted.name is None and wanted.topic_id:
        with contextlib.suppress(UnknownTopicIdError):
            return host.topic_name("", wanted.topic_id), ""
    return wanted.name, wanted.topic_id


async def _delete(
    host: Host, request: DeleteTopicsRequest, wanted: DeleteTopicState, times: int, turns: Turns
) -> DeletableTopicResult:
    try:
        check_names(host, request.topics)
        check_names(host, request.topic_names)
        _check_deletion(host, request.version)
        if (wanted.name is None) is not bool(wanted.topic_id):
            raise InvalidRequestError("give either the name of a topic or its id")
        _check_once(wanted.name or wanted.topic_id, times)
        name = host.topic_name(wanted.name or "", wanted.topic_id)
        topic = await turns.take(host.delete_topic(name))
    except LogError as error:
        return DeletableTopicResult(
            name=wanted.name,
            topic_id=wanted.topic_id,
            error_code=error.code,
            error_message=str(error),
        )
    return DeletableTopicResult(name=topic.name, topic_id=topic.topic_id)


def _check_deletion(host: Host, version: int) -> None:
    if not host.config.get("delete.topic.enable"):
        raise BrokerError(
            "config delete.topic.enable forbids it",
            ErrorCode.TOPIC_DELETION_DISABLED
            if version >= _DELETION_DISABLED_FROM
            else ErrorCode.INVALID_REQUEST,
        )


# -- growing


async def create_partitions(
    host: Host, request: CreatePartitionsRequest
) -> CreatePartitionsResponse:
    """Add partitions to topics, or say whether that could be done."""
    times = Counter(topic.name for topic in request.topics)
    once = {topic.name: topic for topic in request.topics}
    turns = Turns(host)
    topics = []
    for name, topic in once.items():
        async with host.changing:
            topics.append(await _grow(host, request, topic, times[name], turns))
        await turns.give_way()
    return CreatePartitionsResponse(topics=topics)


async def _grow(
    host: Host,
    request: CreatePartitionsRequest,
    wanted: CreatePartitionsTopic,
    times: int,
    turns: Turns,
) -> CreatePartitionsResult:
    try:
        check_names(host, request.topics)
        _check_once(wanted.name, times)
        added = wanted.count - host.topic(wanted.name).partitions
        if added > 0 and wanted.assignments is not None:
            _check_assignments(host, [part.broker_ids for part in wanted.assignments], added)
        await turns.take(
            host.grow_topic(wanted.name, wanted.count, validate_only=request.validate_only)
        )
    except LogError as error:
        return CreatePartitionsResult(
            name=wanted.name, error_code=error.code, error_message=str(error)
        )
    return CreatePartitionsResult(name=wanted.name)


def _check_assignments(host: Host, assignments: Sequence[Sequence[int]], added: int) -> None:
    if len(assignments) != added:
        raise InvalidReplicaAssignmentError(
            f"{added} partitions to add, and assignments for {len(assignments)}"
        )
    for replicas in assignments:
        check_replicas(host, replicas)
