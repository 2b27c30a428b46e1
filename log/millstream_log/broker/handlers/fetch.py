"""Fetch (key 1): whole batches up to the high watermark, at once or when they come.

Invariants: the first batch of the answer comes whole even when it is larger than `max_bytes`; an
error is answered at once; a fetch that finds fewer than `min_bytes` is parked until an append
wakes it or `max_wait_ms` is over, and is then read anew. Fetch sessions are declined: every
answer has session id 0.
"""

from __future__ import annotations

import asyncio

from ...errors import ErrorCode, LogError
from ...model import TopicPartition
from ...wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    FetchTopicResponse,
)
from ..host import Host
from ..partition import Partition

REFRESH_SECONDS = 0.1
"""How often a read-only log looks at what its writer, in another process, has appended."""

_FULL_EPOCHS = (-1, 0)  # outside of a session, whatever its id, and to begin one


async def fetch(host: Host, request: FetchRequest) -> FetchResponse:
    """Read; wait while there is too little and time is left; answer."""
    if request.session_epoch not in _FULL_EPOCHS:
        return FetchResponse(topics=[], error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
    response, size, failed = _read(host, request)
    if size >= request.min_bytes or failed or request.max_wait_ms <= 0:
        return response
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.max_wait_ms / 1000
    keys = [
        TopicPartition(host.topic_name(topic.name, topic.topic_id), part.index)
        for topic in request.topics
        for part in topic.partitions
    ]
    while (left := deadline - loop.time()) > 0:
        await host.purgatory.wait(keys, min(left, REFRESH_SECONDS) if host.read_only else left)
        response, size, failed = _read(host, request)
        if size >= request.min_bytes or failed or host.closing:
            break
    return response


class _Reading:
    """One pass over a request: how much may still be read, and whether something failed."""

    __slots__ = ("bytes_left", "committed_only", "failed", "size", "verify")

    def __init__(self, request: FetchRequest, bytes_max: int) -> None:
        self.bytes_left = min(request.max_bytes, bytes_max)
        self.committed_only = request.isolation_level == 1
        self.verify = request.verify
        self.size = 0
        self.failed = False


def _read(host: Host, request: FetchRequest) -> tuple[FetchResponse, int, bool]:
    bytes_max = min(host.answer_bytes_allowed(), host.config.get_int("fetch.max.bytes"))
    reading = _Reading(request, bytes_max)
    topics = [_read_topic(host, topic, reading) for topic in request.topics]
    return FetchResponse(topics=topics), reading.size, reading.failed


def _read_topic(host: Host, topic: FetchTopic, reading: _Reading) -> FetchTopicResponse:
    answers = []
    try:
        name = host.topic_name(topic.name, topic.topic_id)
    except LogError as error:
        reading.failed = True
        answers = [_failed(part, error, None) for part in topic.partitions]
        return FetchTopicResponse(name=topic.name, topic_id=topic.topic_id, partitions=answers)
    for part in topic.partitions:
        partition = host.partitions.get((name, part.index))
        try:
            if partition is None:
                partition = host.partition(name, part.index)
            if host.read_only:
                host.refresh_partition(partition)
            answers.append(_read_partition(partition, part, reading))
        except LogError as error:
            reading.failed = True
            answers.append(_failed(part, error, partition))
    return FetchTopicResponse(name=topic.name, topic_id=topic.topic_id, partitions=answers)


def _read_partition(
    partition: Partition, part: FetchPartition, reading: _Reading
) -> FetchPartitionResponse:
    if part.current_leader_epoch >= 0:
        partition.check_leader_epoch(part.current_leader_epoch)
    log = partition.log
    stable = log.last_stable_offset
    end = stable if reading.committed_only else log.high_watermark
    answer = FetchPartitionResponse(
        index=part.index,
        high_watermark=log.high_watermark,
        last_stable_offset=stable,
        log_start_offset=log.log_start_offset,
    )
    if not reading.committed_only:
        answer.aborted_transactions = None
    if part.last_fetched_epoch >= 0:
        epoch, epoch_end = log.epoch_end(part.last_fetched_epoch)
        if epoch < part.last_fetched_epoch or epoch_end < part.fetch_offset:
            answer.diverging_epoch = EpochEndOffset(epoch=epoch, end_offset=epoch_end)
            reading.failed = True  # the follower must hear of it at once
            return answer
    if part.fetch_offset == end and not reading.verify:
        return answer  # the usual case of a consumer that has caught up
    if reading.size and reading.bytes_left <= 0:
        return answer
    bytes_max = min(part.max_bytes, reading.bytes_left)
    records = log.read(part.fetch_offset, max(bytes_max, 1), end_offset=end, verify=reading.verify)
    if reading.size and len(records) > bytes_max:
        return answer  # only the first batch of a whole answer may exceed the bound
    answer.records = records
    reading.size += len(records)
    reading.bytes_left -= len(records)
    if reading.committed_only and records:
        answer.aborted_transactions = [
            AbortedTransaction(producer_id=producer_id, first_offset=first_offset)
            for producer_id, first_offset in log.aborted_transactions(part.fetch_offset, end)
        ]
    return answer


def _failed(
    part: FetchPartition, error: LogError, partition: Partition | None
) -> FetchPartitionResponse:
    """Return the answer of a partition that cannot be read."""
    return FetchPartitionResponse(
        index=part.index,
        error_code=error.code,
        error_message=str(error),
        high_watermark=partition.log.high_watermark if partition else -1,
        log_start_offset=partition.log.log_start_offset if partition else -1,
    )
