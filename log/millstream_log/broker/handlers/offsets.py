"""ListOffsets (key 2) and DeleteRecords (key 21): the ends of a log, times, and cutting its head.

Invariants: an answer never points past what the asker may read; not found is (-1, -1).
"""

from __future__ import annotations

from ...errors import ErrorCode, LogError, OffsetOutOfRangeError
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


async def list_offsets(host: Host, request: ListOffsetsRequest) -> ListOffsetsResponse:
    """Answer each partition's question about time or ends."""
    committed_only = request.isolation_level == 1
    return ListOffsetsResponse(
        topics=[
            ListOffsetsTopicResponse(
                name=topic.name,
                partitions=[
                    _list_one(host, topic.name, part, committed_only) for part in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def _list_one(
    host: Host, topic: str, part: ListOffsetsPartition, committed_only: bool
) -> ListOffsetsPartitionResponse:
    try:
        partition = host.partition(topic, part.index)
        if host.read_only:
            host.refresh_partition(partition)
        offset, timestamp = _find(partition, part.timestamp, committed_only)
    except LogError as error:
        return ListOffsetsPartitionResponse(
            index=part.index, error_code=error.code, error_message=str(error)
        )
    return ListOffsetsPartitionResponse(
        index=part.index, offset=offset, timestamp=timestamp, leader_epoch=partition.leader_epoch
    )


def _find(partition: Partition, timestamp: int, committed_only: bool) -> tuple[int, int]:
    log = partition.log
    end = log.last_stable_offset if committed_only else log.high_watermark
    if timestamp == OffsetSpec.LATEST:
        return end, -1
    if timestamp == OffsetSpec.EARLIEST:
        return log.log_start_offset, -1
    if timestamp == OffsetSpec.MAX_TIMESTAMP:
        found = log.offset_of_max_timestamp()
    else:
        found = log.offset_for_time(timestamp)
    if found is None or found.offset >= end:
        return -1, -1
    return found.offset, found.timestamp


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
        partition = host.partition(topic, part.index)
        host.check_writable(f"delete records of {partition.topic_partition}")
        log = partition.log
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
    return DeleteRecordsPartitionResponse(
        index=part.index, low_watermark=log.log_start_offset, error_code=ErrorCode.NONE
    )
