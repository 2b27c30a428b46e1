"""Produce (key 0): append one batch to each partition, patched in place, never opened.

Invariants: everything up to the append runs straight; only `flush="ack"` makes it wait, and then
once for all partitions of the request.
"""

from __future__ import annotations

from ...errors import LogError
from ...wire.data import (
    ProducePartition,
    ProducePartitionResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceTopicResponse,
)
from ..host import Host
from ..partition import Partition

_Appended = list[tuple[Partition, ProducePartitionResponse]]


async def produce(host: Host, request: ProduceRequest) -> ProduceResponse:
    """Append, wait as the flush policy says, answer."""
    now_ms = host.clock.now_ms()
    waits: _Appended | None = [] if request.acks and host.flusher.must_wait else None
    topics = []
    for topic in request.topics:
        answers = [_append(host, topic.name, part, now_ms, waits) for part in topic.partitions]
        topics.append(
            ProduceTopicResponse(name=topic.name, topic_id=topic.topic_id, partitions=answers)
        )
    if waits:
        await _wait(host, waits)
    return ProduceResponse(topics=topics)


def _append(
    host: Host, topic: str, part: ProducePartition, now_ms: int, waits: _Appended | None
) -> ProducePartitionResponse:
    try:
        partition = host.partitions.get((topic, part.index)) or host.partition(topic, part.index)
        if host.read_only:
            host.check_writable(f"append to {partition.topic_partition}")
        # Only a compacted topic needs keys, and a producer that knows of them need not be doubted.
        check_keys = not part.all_keyed and partition.log.config.compacts
        result = partition.append(part.records, now_ms, check_keys=check_keys)
    except LogError as error:
        return ProducePartitionResponse(
            index=part.index, error_code=error.code, error_message=str(error)
        )
    answer = ProducePartitionResponse(
        index=part.index,
        base_offset=result.base_offset,
        log_append_time_ms=result.log_append_time_ms,
        log_start_offset=result.log_start_offset,
    )
    if waits is not None:
        waits.append((partition, answer))
    return answer


async def _wait(host: Host, waits: _Appended) -> None:
    futures = [host.flusher.wait(partition) for partition, _ in waits]
    for future, (_, answer) in zip(futures, waits, strict=True):
        try:
            await future
        except LogError as error:
            answer.error_code = error.code
            answer.error_message = str(error)
            answer.base_offset = -1
