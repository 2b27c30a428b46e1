"""FindCoordinator, OffsetCommit, OffsetFetch, OffsetDelete, ListGroups, DeleteGroups.

Invariants: an unknown committed offset is -1 with no error; a commit for a partition that does
not exist is refused, the others of the same request are taken.

Source: keys 10, 8, 9, 47, 16 and 42. Membership (11 to 14) gets a file of its own.
"""

from __future__ import annotations

from ...errors import ErrorCode, InvalidGroupIdError, LogError
from ...model import TopicPartition
from ...wire.groups import (
    Coordinator,
    DeletedGroup,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
    OffsetCommitPartitionResponse,
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitTopicResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetFetchPartition,
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchTopic,
)
from ..host import Host

GROUP_ID_BYTES_MAX = 32_767  # what its length field on the wire and in the log can say


async def find_coordinator(host: Host, request: FindCoordinatorRequest) -> FindCoordinatorResponse:
    """Name this node: there is no other."""
    return FindCoordinatorResponse(
        coordinators=[Coordinator(key=key, node_id=host.image.node_id) for key in request.keys]
    )


async def offset_commit(host: Host, request: OffsetCommitRequest) -> OffsetCommitResponse:
    """Append the offsets of a group to `__consumer_offsets`."""
    asked: dict[TopicPartition, tuple[int, int, str | None]] = {}
    errors: dict[TopicPartition, ErrorCode] = {}
    for topic in request.topics:
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
    message = None
    try:
        _check_group_id(request.group_id)
        host.check_writable(f"commit for group {request.group_id!r}")
        taken, records = host.coordinator.offsets.commit(
            request.group_id,
            asked,
            host.clock.now_ms(),
            host.config.get_int("offset.metadata.max.bytes"),
        )
        errors |= taken
        await host.coordinator.append(request.group_id, records)
    except LogError as error:
        errors |= dict.fromkeys(asked, error.code)
        message = str(error)
    return OffsetCommitResponse(
        error_message=message,
        topics=[
            OffsetCommitTopicResponse(
                name=topic.name,
                partitions=[
                    OffsetCommitPartitionResponse(
                        index=part.index, error_code=errors[TopicPartition(topic.name, part.index)]
                    )
                    for part in topic.partitions
                ],
            )
            for topic in request.topics
        ],
    )


async def offset_fetch(host: Host, request: OffsetFetchRequest) -> OffsetFetchResponse:
    """Return what a group has committed."""
    try:
        _check_group_id(request.group_id)
    except InvalidGroupIdError as error:
        return OffsetFetchResponse(topics=[], error_code=error.code, error_message=str(error))
    host.coordinator.refresh()
    held = host.coordinator.offsets.fetch(request.group_id)
    wanted = request.topics
    if wanted is None:
        wanted = {}
        for key in sorted(held):
            wanted.setdefault(key.topic, []).append(key.partition)
    topics = []
    for name, indexes in wanted.items():
        parts = []
        for index in indexes:
            value = held.get(TopicPartition(name, index))
            parts.append(
                OffsetFetchPartition(index=index)
                if value is None
                else OffsetFetchPartition(
                    index=index,
                    committed_offset=value.offset,
                    committed_leader_epoch=value.leader_epoch,
                    metadata=value.metadata,
                )
            )
        topics.append(OffsetFetchTopic(name=name, partitions=parts))
    return OffsetFetchResponse(topics=topics)


async def offset_delete(host: Host, request: OffsetDeleteRequest) -> OffsetDeleteResponse:
    """Forget what a group committed for some partitions."""
    keys = [TopicPartition(name, i) for name, indexes in request.topics.items() for i in indexes]
    try:
        host.check_writable(f"delete offsets of group {request.group_id!r}")
        code, records = host.coordinator.offsets.delete(request.group_id, keys)
        await host.coordinator.append(request.group_id, records)
    except LogError as error:
        return OffsetDeleteResponse(topics=[], error_code=error.code, error_message=str(error))
    return OffsetDeleteResponse(
        error_code=code,
        error_message=f"no group {request.group_id!r}" if code else None,
        topics=[
            OffsetCommitTopicResponse(
                name=name,
                partitions=[OffsetCommitPartitionResponse(index=index) for index in indexes],
            )
            for name, indexes in request.topics.items()
        ],
    )


async def list_groups(host: Host, request: ListGroupsRequest) -> ListGroupsResponse:
    """List the groups that have committed something."""
    host.coordinator.refresh()
    if request.states_filter and "empty" not in [s.lower() for s in request.states_filter]:
        return ListGroupsResponse(groups=[])
    if request.types_filter and "classic" not in [t.lower() for t in request.types_filter]:
        return ListGroupsResponse(groups=[])
    return ListGroupsResponse(
        groups=[ListedGroup(group_id=group_id) for group_id in host.coordinator.offsets.group_ids()]
    )


async def delete_groups(host: Host, request: DeleteGroupsRequest) -> DeleteGroupsResponse:
    """Forget whole groups, each by itself."""
    results = []
    for group_id in request.groups:
        try:
            host.check_writable(f"delete group {group_id!r}")
            code, records = host.coordinator.offsets.delete(group_id)
            await host.coordinator.append(group_id, records)
        except LogError as error:
            results.append(
                DeletedGroup(group_id=group_id, error_code=error.code, error_message=str(error))
            )
            continue
        message = f"no group {group_id!r}" if code else None
        results.append(DeletedGroup(group_id=group_id, error_code=code, error_message=message))
    return DeleteGroupsResponse(results=results)


def _check_group_id(group_id: object) -> None:
    if not isinstance(group_id, str) or not group_id:
        raise InvalidGroupIdError(f"group id {group_id!r} is empty or not text")
    size = len(group_id.encode())
    if size > GROUP_ID_BYTES_MAX:
        raise InvalidGroupIdError(f"group id has {size} bytes, at most {GROUP_ID_BYTES_MAX}")
