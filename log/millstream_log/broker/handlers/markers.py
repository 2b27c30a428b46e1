"""WriteTxnMarkers (key 27): an operator ends what a producer has left open in some partitions.

Invariants: a marker goes into the partitions it names, whatever the coordinator knows of the
transaction: this is how one is ended that no coordinator will.
"""

from __future__ import annotations

from functools import partial

from ...errors import LogError
from ...model import TopicPartition
from ...transaction.replies import Markers
from ...wire.messages.write_txn_markers import (
    WritableTxnMarkerPartitionResult,
    WritableTxnMarkerResult,
    WritableTxnMarkerTopicResult,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from ..host import Host
from ..partition import Partition
from ..turns import Turns

_Waits = list[tuple[Partition, WritableTxnMarkerPartitionResult]]


async def write_txn_markers(host: Host, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse:
    """Append markers to partitions; they are on the disk when the policy asks for it."""
    turns = Turns(host)
    waits: _Waits = []
    answers = []
    for marker in request.markers:
        keys = [
            TopicPartition(topic.name, index)
            for topic in marker.topics
            for index in topic.partition_indexes
        ]
        markers = Markers(
            transactional_id="",
            producer_id=marker.producer_id,
            producer_epoch=marker.producer_epoch,
            coordinator_epoch=marker.coordinator_epoch,
            commit=marker.transaction_result,
            partitions=tuple(keys),
        )
        rows = iter(await turns.each(keys, partial(_write, host, markers, waits)))
        answers.append(
            WritableTxnMarkerResult(
                producer_id=marker.producer_id,
                topics=[
                    WritableTxnMarkerTopicResult(
                        name=topic.name, partitions=[next(rows) for _ in topic.partition_indexes]
                    )
                    for topic in marker.topics
                ],
            )
        )
    if host.flusher.must_wait:
        for partition, answer in waits:
            try:
                await host.flusher.wait(partition)
            except LogError as error:
                answer.error_code = error.code
    return WriteTxnMarkersResponse(markers=answers)


def _write(
    host: Host, markers: Markers, waits: _Waits, key: TopicPartition
) -> WritableTxnMarkerPartitionResult:
    answer = WritableTxnMarkerPartitionResult(index=key.partition)
    try:
        host.check_writable(f"end a transaction in {key}")
        partition = host.partition(*key)
        host.transactions.write_marker(partition, markers)
    except LogError as error:
        answer.error_code = error.code
    else:
        waits.append((partition, answer))
    return answer
