"""ListOffsets (key 2) and DeleteRecords (key 21): the ends of a log, times, and cutting its head.

Invariants: an answer never points past what the asker may read; not found is (-1, -1).
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import NamedTuple

from ...errors import (
    BrokerError,
    ErrorCode,
    InvalidRequestError,
    InvalidTopicError,
    LogError,
    OffsetOutOfRangeError,
    PolicyViolationError,
)
from ...metadata.names import INTERNAL_TOPICS
from ...storage.log_reader import storage_errors
from ...wire.enums import OffsetSpec
from ...wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsPartitionResponse,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResponse,
)
from ...wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from ..host import Host
from ..partition import Partition
from ..turns import Turns

_SPEC_FROM: dict[int, int] = {
    OffsetSpec.LATEST: 0,
    OffsetSpec.EARLIEST: 0,
    OffsetSpec.MAX_TIMESTAMP: 7,
    OffsetSpec.EARLIEST_LOCAL: 8,
    OffsetSpec.LATEST_TIERED: 9,
    OffsetSpec.EARLIEST_PENDING_UPLOAD: 11,
}
"""The version from which on a spec may be asked for."""


class _Found(NamedTuple):
    offset: int = -1
    timestamp: int = -1
    leader_epoch: int = -1


async def list_offsets(host: Host, request: ListOffsetsRequest) -> ListOffsetsResponse:
    """Answer each partition's question about time or ends."""
    times = Counter(
        (topic.name, part.index) for topic in request.topics for part in topic.partitions
    )
    turns = Turns(host)
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=await turns.each(
                    {part.index: part for part in topic.partitions}.values(),
                    partial(_list_one, host, request, times, topic.name),
                ),
            )
            for topic in request.topics
        ]
    )


def _list_one(
    host: Host,
    request: ListOffsetsRequest,
    times: Counter[tuple[str, int]],
    topic: str,
    part: ListOffsetsPartition,
) -> ListOffsetsPartitionResponse:
    try:
        if (count := times[topic, part.index]) > 1:
            raise InvalidRequestError(f"{topic}-{part.index} stands {count} times in one request")
        partition = host.partition(topic, part.index)
        if host.read_only:
            host.refresh_partition(partition)
        if part.current_leader_epoch >= 0:
            partition.check_leader_epoch(part.current_leader_epoch)
        committed_only = request.isolation_level == 1
        if request.version == 0:
            with storage_errors("search", partition.log.directory):
                offsets = _offsets_before(partition, part)
            return ListOffsetsPartitionResponse(index=part.index, old_style_offsets=offsets)
        found = _find(partition, part.timestamp, request.version, committed_only)
    except LogError as error:
        return ListOffsetsPartitionResponse(
            index=part.index, error_code=error.code, error_message=str(error)
        )
    return ListOffsetsPartitionResponse(
        index=part.index,
        offset=found.offset,
        timestamp=found.timestamp,
        leader_epoch=found.leader_epoch,
    )


def _find(partition: Partition, timestamp: int, version: int, committed_only: bool) -> _Found:
    if timestamp < 0 and version < _SPEC_FROM.get(timestamp, version + 1):
        raise BrokerError(
            f"{partition.topic_partition}: version {version} knows no offset {timestamp}",
            ErrorCode.UNSUPPORTED_VERSION,
        )
    log = partition.log
    end = log.last_stable_offset if committed_only else log.high_watermark
    if timestamp == OffsetSpec.LATEST:
        return _Found(end, leader_epoch=partition.leader_epoch)
    if timestamp in (OffsetSpec.EARLIEST, OffsetSpec.EARLIEST_LOCAL):
        start = log.log_start_offset
        epoch = log.epochs.at(start) if start < log.log_end_offset else partition.leader_epoch
        return _Found(start, leader_epoch=epoch)
    if timestamp in (OffsetSpec.LATEST_TIERED, OffsetSpec.EARLIEST_PENDING_UPLOAD):
        return _Found()  # nothing is tiered
    if timestamp == OffsetSpec.MAX_TIMESTAMP:
        found = log.offset_of_max_timestamp()
    else:
        found = log.offset_for_time(timestamp)
    if found is None or found.offset >= end:
        return _Found()
    return _Found(found.offset, found.timestamp, log.epochs.at(found.offset))


def _offsets_before(partition: Partition, part: ListOffsetsPartition) -> list[int]:
    """Return where segments begin whose records are that old, and the end, newest first.

    So version 0 asks, whose clients knew no offsets of times.
    """
    log = partition.log
    if part.timestamp == OffsetSpec.EARLIEST:
        found = [log.log_start_offset]
    else:
        found = [log.high_watermark] if part.timestamp == OffsetSpec.LATEST else []
        found += [
            max(segment.base_offset, log.log_start_offset)
            for segment in reversed(log.segments)
            if part.timestamp == OffsetSpec.LATEST
            or (segment.size and segment.largest_timestamp() <= part.timestamp)
        ]
    found = [offset for offset in dict.fromkeys(found) if offset <= log.high_watermark]
    return found[: max(part.max_num_offsets, 0)]


async def delete_records(host: Host, request: DeleteRecordsRequest) -> DeleteRecordsResponse:
    """Raise log start offsets."""
    return DeleteRecordsResponse(
        topics=[
            DeleteRecordsTopicResponse(
                name=topic.name,
                partitions=[_delete_one(host, topic.name, part) for part in topic.partitions],
            )
            for topic in request.topics
        ]
    )


def _delete_one(
    host: Host, topic: str, part: DeleteRecordsPartition
) -> DeleteRecordsPartitionResponse:
    try:
        if topic in INTERNAL_TOPICS:
            raise InvalidTopicError(f"records of {topic} are the coordinators' own")
        partition = host.partition(topic, part.index)
        host.check_writable(f"delete records of {partition.topic_partition}")
        log = partition.log
        if log.config.compacts and not log.config.deletes:
            raise PolicyViolationError(f"topic {topic!r} is compacted, and deletes nothing else")
        before = log.high_watermark if part.offset == -1 else part.offset
        if not 0 <= before <= log.high_watermark:
            raise OffsetOutOfRangeError(
                f"delete {partition.topic_partition} before offset {before}, "
                f"high watermark {log.high_watermark}"
            )
        log.delete_records(before)
    except LogError as error:
        return DeleteRecordsPartitionResponse(
            index=part.index, error_code=error.code, error_message=str(error)
        )
    return DeleteRecordsPartitionResponse(index=part.index, low_watermark=log.log_start_offset)
