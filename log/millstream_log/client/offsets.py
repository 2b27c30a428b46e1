"""Questions about offsets that consumer and admin both ask: ends, times, commits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import ErrorCode, error_for
from ..model import OffsetAndMetadata, OffsetAndTimestamp, TopicPartition
from ..wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from ..wire.messages.offset_commit import (
    OffsetCommitPartition,
    OffsetCommitRequest,
    OffsetCommitTopic,
)
from ..wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from .transport import Transport


class Committer(NamedTuple):
    """Who commits: a member in its generation, or anybody, for a group that has no members."""

    generation: int = -1
    member_id: str = ""
    group_instance_id: str | None = None


ANYBODY = Committer()


async def list_offsets(
    transport: Transport, wanted: Mapping[TopicPartition, int], isolation_level: int = 0
) -> dict[TopicPartition, OffsetAndTimestamp]:
    """Ask each partition for a time in ms or an OffsetSpec; (-1, -1) is not found. Raises."""
    topics: dict[str, list[ListOffsetsPartition]] = {}
    for (topic, index), timestamp in wanted.items():
        topics.setdefault(topic, []).append(
            ListOffsetsPartition(index=index, timestamp=int(timestamp))
        )
    request = ListOffsetsRequest(
        topics=[ListOffsetsTopic(name=name, partitions=parts) for name, parts in topics.items()],
        isolation_level=isolation_level,
    )
    found: dict[TopicPartition, OffsetAndTimestamp] = {}
    for topic_answer in (await transport.send(request)).topics:
        for part in topic_answer.partitions:
            key = TopicPartition(topic_answer.name, part.index)
            if part.error_code is not ErrorCode.NONE:
                raise error_for(part.error_code, part.error_message or f"offsets of {key}")
            found[key] = OffsetAndTimestamp(part.offset, part.timestamp)
    return found


async def fetch_committed(
    transport: Transport, group_id: str, partitions: Iterable[TopicPartition] | None
) -> dict[TopicPartition, OffsetAndMetadata]:
    """Return what a group has committed; partitions without a commit are left out. Raises."""
    topics: list[OffsetFetchRequestTopic] | None = None
    if partitions is not None:
        indexes: dict[str, list[int]] = {}
        for topic, index in partitions:
            indexes.setdefault(topic, []).append(index)
        topics = [
            OffsetFetchRequestTopic(name=name, partition_indexes=parts)
            for name, parts in indexes.items()
        ]
    response = await transport.send(OffsetFetchRequest(group_id=group_id, topics=topics))
    if response.error_code is not ErrorCode.NONE:
        raise error_for(response.error_code, response.error_message or f"group {group_id!r}")
    return {
        TopicPartition(topic_answer.name, part.index): OffsetAndMetadata(
            part.committed_offset, part.metadata or ""
        )
        for topic_answer in response.topics
        for part in topic_answer.partitions
        if part.committed_offset >= 0
    }


async def commit_offsets(
    transport: Transport,
    group_id: str,
    offsets: Mapping[TopicPartition, OffsetAndMetadata],
    committer: Committer = ANYBODY,
) -> None:
    """Commit for a group. Raises the first partition's error."""
    topics: dict[str, list[OffsetCommitPartition]] = {}
    for (topic, index), (offset, metadata) in offsets.items():
        topics.setdefault(topic, []).append(
            OffsetCommitPartition(index=index, committed_offset=offset, committed_metadata=metadata)
        )
    response = await transport.send(
        OffsetCommitRequest(
            group_id=group_id,
            generation_id=committer.generation,
            member_id=committer.member_id,
            group_instance_id=committer.group_instance_id,
            topics=[
                OffsetCommitTopic(name=name, partitions=parts) for name, parts in topics.items()
            ],
        )
    )
    for topic_answer in response.topics:
        for part in topic_answer.partitions:
            if part.error_code is not ErrorCode.NONE:
                message = response.error_message or (
                    f"commit of {topic_answer.name}-{part.index} for group {group_id!r}"
                )
                raise error_for(part.error_code, message)
