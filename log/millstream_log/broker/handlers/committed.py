"""OffsetCommit, OffsetFetch, OffsetDelete (keys 8, 9, 47): how far a group has come.

Invariants: an unknown committed offset is -1 with no error; a commit for a partition that does
not exist is refused, the others of the same request are taken; from version 10 on topics go by
their ids, and the machine below hears of names alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...errors import ErrorCode, LogError
from ...group.replies import CommitReply, DeleteOffsetsReply, FetchedOffset
from ...group.requests import Commit, CommitRequest
from ...model import TopicPartition
from ...wire.messages.offset_commit import (
    OffsetCommitPartitionResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitTopic,
    OffsetCommitTopicResponse,
)
from ...wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteTopic,
)
from ...wire.messages.offset_fetch import (
    OffsetFetchGroup,
    OffsetFetchPartition,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
    OffsetFetchTopic,
)
from ...wire.messages.txn_offset_commit import TxnOffsetCommitTopic
from ...wire.schema import VERSION_MAX
from ..host import Host
from ..turns import Turns
from .bounds import check_names
from .group_ids import check_group_id

_UNKNOWN_GROUP_NAMED_FROM = 9
_IDS_FROM = 10

CommitTopics = Sequence[OffsetCommitTopic] | Sequence[TxnOffsetCommitTopic]
"""What is committed, outside of a transaction or in one."""


async def offset_commit(host: Host, request: OffsetCommitRequest) -> OffsetCommitResponse:
    """Append the offsets of a group to `__consumer_offsets`."""
    names = host.topic_names()
    for topic in request.topics:
        topic.name = topic.name or names.get(topic.topic_id, "")
    asked, errors = asked_commits(host, request.topics)
    if request.version >= _IDS_FROM:
        errors |= {key: ErrorCode.UNKNOWN_TOPIC_ID for key in errors if not key.topic}
    message = None
    try:
        check_group_id(request.group_id)
        host.check_writable(f"commit for group {request.group_id!r}")
        errors |= await _commit(host, request, asked)
    except LogError as error:
        errors |= dict.fromkeys(asked, error.code)
        message = str(error)
    answers = commit_answers(request.topics, errors)
    for topic, answer in zip(request.topics, answers, strict=True):
        answer.topic_id = topic.topic_id
    return OffsetCommitResponse(error_message=message, topics=answers)


def asked_commits(
    host: Host, topics: CommitTopics
) -> tuple[dict[TopicPartition, Commit], CommitReply]:
    """Return what is to be committed, and the errors of partitions that do not exist."""
    asked: dict[TopicPartition, Commit] = {}
    errors: CommitReply = {}
    for topic in topics:
        for part in topic.partitions:
            key = TopicPartition(topic.name, part.index)
            if key in host.partitions:
                asked[key] = (
                    part.committed_offset,
                    part.committed_leader_epoch,
                    part.committed_metadata,
                )
            else:
                errors[key] = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    return asked, errors


def commit_answers(
    topics: CommitTopics | Sequence[OffsetDeleteTopic], errors: Mapping[TopicPartition, ErrorCode]
) -> list[OffsetCommitTopicResponse]:
    """Return what came of each partition, in the request's order."""
    return [
        OffsetCommitTopicResponse(
            name=topic.name,
            partitions=[
                OffsetCommitPartitionResponse(
                    index=part.index, error_code=errors[TopicPartition(topic.name, part.index)]
                )
                for part in topic.partitions
            ],
        )
        for topic in topics
    ]


async def _commit(
    host: Host, request: OffsetCommitRequest, offsets: dict[TopicPartition, Commit]
) -> CommitReply:
    groups = host.groups
    asked = CommitRequest(
        group_id=request.group_id,
        generation=request.generation_id,
        member_id=request.member_id,
        group_instance_id=request.group_instance_id,
        offsets=offsets,
        retention_ms=request.retention_time_ms,
        version=request.version,
    )
    unknown = (
        ErrorCode.GROUP_ID_NOT_FOUND
        if request.version >= _UNKNOWN_GROUP_NAMED_FROM
        else ErrorCode.ILLEGAL_GENERATION
    )
    reply: CommitReply = await groups.call(
        lambda ticket, now_ms: groups.machine.commit(asked, ticket, now_ms, unknown)
    )
    return reply


async def offset_fetch(host: Host, request: OffsetFetchRequest) -> OffsetFetchResponse:
    """Return what one group has committed, or each of several."""
    check_names(host, request.groups)
    host.groups.refresh()
    stable = request.require_stable
    if request.groups:
        by_id = request.version != VERSION_MAX and request.version >= _IDS_FROM
        fetch = _fetch_group_by_ids if by_id else _fetch_group
        return OffsetFetchResponse(
            groups=await Turns(host).each(request.groups, lambda asked: fetch(host, asked, stable))
        )
    asked = OffsetFetchRequestGroup(group_id=request.group_id, topics=request.topics)
    group = _fetch_group(host, asked, stable)
    return OffsetFetchResponse(
        topics=group.topics, error_code=group.error_code, error_message=group.error_message
    )


def _fetch_group(host: Host, asked: OffsetFetchRequestGroup, stable: bool) -> OffsetFetchGroup:
    try:
        check_group_id(asked.group_id)
    except LogError as error:
        return OffsetFetchGroup(
            group_id=asked.group_id, topics=[], error_code=error.code, error_message=str(error)
        )
    code = host.groups.machine.consumers.fetch_error(
        asked.group_id, asked.member_id, asked.member_epoch
    )
    if code:
        message = f"member {asked.member_id!r} in epoch {asked.member_epoch}: {code.name}"
        return OffsetFetchGroup(
            group_id=asked.group_id, topics=[], error_code=code, error_message=message
        )
    wanted = None
    if asked.topics is not None:
        wanted = [
            TopicPartition(topic.name, index)
            for topic in asked.topics
            for index in topic.partition_indexes
        ]
    topics: dict[str, list[OffsetFetchPartition]] = {}
    found = host.groups.machine.fetch_offsets(asked.group_id, wanted, stable)
    for key, offset in found.items():
        topics.setdefault(key.topic, []).append(_fetched(key.partition, offset))
    return OffsetFetchGroup(
        group_id=asked.group_id,
        topics=[OffsetFetchTopic(name=name, partitions=parts) for name, parts in topics.items()],
    )


def _fetch_group_by_ids(
    host: Host, asked: OffsetFetchRequestGroup, stable: bool
) -> OffsetFetchGroup:
    """Do so for a client that knows topics by their ids: what has none it is not told of."""
    names, unknown = host.topic_names(), []
    for topic in asked.topics or ():
        topic.name = names.get(topic.topic_id, "")
        if not topic.name:
            unknown.append(topic)
    if asked.topics is not None:
        asked.topics = [topic for topic in asked.topics if topic.name]
    group = _fetch_group(host, asked, stable)
    topics = []
    for found in group.topics:
        image = host.image.topics.get(found.name)
        if image is not None:
            found.topic_id = image.topic_id
            topics.append(found)
    if not group.error_code:
        topics += map(_unknown, unknown)
    group.topics = topics
    return group


def _unknown(topic: OffsetFetchRequestTopic) -> OffsetFetchTopic:
    code = ErrorCode.UNKNOWN_TOPIC_ID
    parts = [OffsetFetchPartition(index=at, error_code=code) for at in topic.partition_indexes]
    return OffsetFetchTopic(topic_id=topic.topic_id, partitions=parts)


def _fetched(index: int, found: FetchedOffset) -> OffsetFetchPartition:
    return OffsetFetchPartition(
        index=index,
        committed_offset=found.offset,
        committed_leader_epoch=found.leader_epoch,
        metadata=found.metadata,
        error_code=found.error,
    )


async def offset_delete(host: Host, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    """Forget what a group committed for some partitions."""
    keys = [
        TopicPartition(topic.name, part.index)
        for topic in request.topics
        for part in topic.partitions
    ]
    groups = host.groups
    try:
        host.check_writable(f"delete offsets of group {request.group_id!r}")
        reply: DeleteOffsetsReply = await groups.call(
            lambda ticket, _: groups.machine.delete_offsets(request.group_id, keys, ticket)
        )
    except LogError as error:
        return OffsetDeleteResponse(topics=[], error_code=error.code, error_message=str(error))
    if reply.error:
        message = f"group {request.group_id!r}: {reply.error.name}"
        return OffsetDeleteResponse(topics=[], error_code=reply.error, error_message=message)
    return OffsetDeleteResponse(topics=commit_answers(request.topics, reply.partitions))
