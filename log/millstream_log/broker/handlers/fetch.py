"""Fetch (key 1): whole batches up to the high watermark, at once or when they come.

Invariants: the first batch of the answer comes whole even when it is larger than `max_bytes`; an
error is answered at once; a fetch that finds fewer than `min_bytes` is parked until an append
wakes it or `max_wait_ms` is over, and is then read anew.
"""

from __future__ import annotations

import asyncio

from ...errors import LogError
from ...model import TopicPartition
from ...wire.data import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchResponse,
    FetchTopicResponse,
)
from ..host import Host

REFRESH_SECONDS = 0.1
"""How often a read-only log looks at what its writer, in another process, has appended."""


async def fetch(host: Host, request: FetchRequest) -> FetchResponse:
    """Read; wait while there is too little and time is left; answer."""
    response, size, failed = _read(host, request)
    if size >= request.min_bytes or failed or request.max_wait_ms <= 0:
        return response
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.max_wait_ms / 1000
    keys = [TopicPartition(t.name, part.index) for t in request.topics for part in t.partitions]
    while (left := deadline - loop.time()) > 0:
        await host.purgatory.wait(keys, min(left, REFRESH_SECONDS) if host.read_only else left)
        response, size, failed = _read(host, request)
        if size >= request.min_bytes or failed or host.closing:
            break
    return response


def _read(host: Host, request: FetchRequest) -> tuple[FetchResponse, int, bool]:
    size, failed = 0, False
    topics = []
    for topic in request.topics:
        answers = []
        for part in topic.partitions:
            answer = _read_partition(host, topic.name, part, request, size)
            size += len(answer.records)
            failed = failed or answer.error_code != 0
            answers.append(answer)
        topics.append(
            FetchTopicResponse(name=topic.name, topic_id=topic.topic_id, partitions=answers)
        )
    return FetchResponse(topics=topics), size, failed


def _read_partition(
    host: Host, topic: str, part: FetchPartition, request: FetchRequest, size_before: int
) -> FetchPartitionResponse:
    partition = host.partitions.get((topic, part.index))
    try:
        if partition is None:
            partition = host.partition(topic, part.index)
        if host.read_only:
            host.refresh_partition(partition)
        bytes_max = min(part.max_bytes, request.max_bytes - size_before)
        records = partition.read(
            part.fetch_offset,
            max(bytes_max, 1),
            committed_only=request.isolation_level == 1,
            verify=request.verify,
        )
        if size_before and len(records) > bytes_max:
            records = b""  # only the first batch of a whole answer may exceed the bound
    except LogError as error:
        return FetchPartitionResponse(
            index=part.index,
            error_code=error.code,
            error_message=str(error),
            high_watermark=partition.log.high_watermark if partition else -1,
            log_start_offset=partition.log.log_start_offset if partition else -1,
        )
    log = partition.log
    return FetchPartitionResponse(
        index=part.index,
        high_watermark=log.high_watermark,
        last_stable_offset=log.last_stable_offset,
        log_start_offset=log.log_start_offset,
        records=records,
    )
