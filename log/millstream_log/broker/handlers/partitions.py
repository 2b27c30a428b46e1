"""DescribeTopicPartitions, OffsetForLeaderEpoch, DescribeProducers (keys 75, 23, 61).

Invariants: a page holds at least one partition, so that paging comes to an end; the cursor of a
page names the first partition of the next one.

Source: KIP-966 for pages, KIP-101 and KIP-320 for epochs, KIP-664 for producers.
"""

from __future__ import annotations

from functools import partial

from ...errors import InvalidRequestError, LogError
from ...metadata.names import INTERNAL_TOPICS, check_name
from ...storage.producers import ProducerDescription
from ...wire.messages.describe_producers import (
    DescribeProducersPartitionResponse,
    DescribeProducersRequest,
    DescribeProducersResponse,
    DescribeProducersTopicResponse,
    ProducerState,
)
from ...wire.messages.describe_topic_partitions import (
    Cursor,
    DescribedPartition,
    DescribedTopic,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
)
from ...wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderPartitionResponse,
    OffsetForLeaderTopicResponse,
)
from ..host import Host
from ..turns import Turns
from .operations import TOPIC_OPERATIONS


async def describe_topic_partitions(
    host: Host, request: DescribeTopicPartitionsRequest
) -> DescribeTopicPartitionsResponse:
    """Describe topics by name, a page at a time; no names are all topics."""
    if host.read_only:
        host.refresh_topics()
    try:
        names = _names_from(host, request)
    except LogError as error:
        return DescribeTopicPartitionsResponse(
            topics=[DescribedTopic(error_code=error.code, name=t.name) for t in request.topics]
        )
    first = request.cursor or Cursor(topic_name="", partition_index=0)
    left = max(1, min(request.response_partition_limit, _limit(host)))
    topics: list[DescribedTopic] = []
    for name in names:
        if not left:
            return _page(topics, name, 0)
        start = first.partition_index if name == first.topic_name else 0
        topic = _described(host, name, start, left)
        topics.append(topic)
        left -= len(topic.partitions)
        known = host.image.topics.get(name)
        if known is not None and start + len(topic.partitions) < known.partitions:
            return _page(topics, name, start + len(topic.partitions))
    return DescribeTopicPartitionsResponse(topics=topics)


def _limit(host: Host) -> int:
    return host.config.get_int("max.request.partition.size.limit")


def _names_from(host: Host, request: DescribeTopicPartitionsRequest) -> list[str]:
    """Return the names from the cursor on, sorted."""
    cursor = request.cursor
    wanted = {topic.name for topic in request.topics}
    if cursor is None:
        return sorted(wanted or host.image.topics)
    if cursor.partition_index < 0:
        raise InvalidRequestError(f"cursor at partition {cursor.partition_index}")
    if wanted and cursor.topic_name not in wanted:
        raise InvalidRequestError(f"cursor at topic {cursor.topic_name!r}, which is not asked for")
    return sorted(name for name in wanted or host.image.topics if name >= cursor.topic_name)


def _page(topics: list[DescribedTopic], name: str, index: int) -> DescribeTopicPartitionsResponse:
    return DescribeTopicPartitionsResponse(
        topics=topics, next_cursor=Cursor(topic_name=name, partition_index=index)
    )


def _described(host: Host, name: str, start: int, count_max: int) -> DescribedTopic:
    """Describe at most `count_max` partitions of a topic, from `start` on."""
    answer = DescribedTopic(
        name=name,
        is_internal=name in INTERNAL_TOPICS,
        topic_authorized_operations=TOPIC_OPERATIONS,
    )
    try:
        topic = host.topic(check_name(name))
    except LogError as error:
        answer.error_code = error.code
        return answer
    node = [host.image.node_id]
    answer.topic_id = topic.topic_id
    answer.partitions = [
        DescribedPartition(
            partition_index=index,
            leader_id=node[0],
            leader_epoch=host.leader_epoch(name, index),
            replica_nodes=node,
            isr_nodes=node,
            eligible_leader_replicas=[],
            last_known_elr=[],
        )
        for index in range(start, min(start + count_max, topic.partitions))
    ]
    return answer


async def offset_for_leader_epoch(
    host: Host, request: OffsetForLeaderEpochRequest
) -> OffsetForLeaderEpochResponse:
    """Say where leader epochs end."""
    turns = Turns(host)
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResponse(
                topic=topic.topic,
                partitions=await turns.each(
                    topic.partitions, partial(_epoch_end, host, topic.topic)
                ),
            )
            for topic in request.topics
        ]
    )


def _epoch_end(
    host: Host, topic: str, part: OffsetForLeaderPartition
) -> OffsetForLeaderPartitionResponse:
    try:
        partition = host.partition(topic, part.partition)
        if part.current_leader_epoch >= 0:
            partition.check_leader_epoch(part.current_leader_epoch)
        log = partition.log
        if part.leader_epoch == partition.leader_epoch:  # known even before its first record
            epoch, end = part.leader_epoch, log.log_end_offset
        else:
            epoch, end = log.epoch_end(part.leader_epoch)
    except LogError as error:
        return OffsetForLeaderPartitionResponse(partition=part.partition, error_code=error.code)
    return OffsetForLeaderPartitionResponse(
        partition=part.partition, leader_epoch=epoch, end_offset=end
    )


async def describe_producers(
    host: Host, request: DescribeProducersRequest
) -> DescribeProducersResponse:
    """Tell which producers partitions remember."""
    turns = Turns(host)
    return DescribeProducersResponse(
        topics=[
            DescribeProducersTopicResponse(
                name=topic.name,
                partitions=await turns.each(
                    topic.partition_indexes, partial(_producers, host, topic.name)
                ),
            )
            for topic in request.topics
        ]
    )


def _producers(host: Host, topic: str, index: int) -> DescribeProducersPartitionResponse:
    try:
        partition = host.partition(check_name(topic), index)
        if host.read_only:
            host.refresh_partition(partition)
        found = partition.log.describe_producers()
    except LogError as error:
        return DescribeProducersPartitionResponse(
            index=index, error_code=error.code, error_message=str(error)
        )
    return DescribeProducersPartitionResponse(
        index=index, active_producers=[_state(producer) for producer in found]
    )


def _state(producer: ProducerDescription) -> ProducerState:
    return ProducerState(
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        last_sequence=producer.last_sequence,
        last_timestamp=producer.last_timestamp,
        coordinator_epoch=producer.coordinator_epoch,
        current_txn_start_offset=producer.txn_first_offset,
    )
