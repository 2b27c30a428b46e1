"""WriteTxnMarkers: what a partition holds open is ended without its coordinator."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from one_broker import CLOCK, with_topics

from millstream_log.broker.broker import Broker
from millstream_log.errors import ErrorCode
from millstream_log.record.builder import encode_columns
from millstream_log.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

OPEN = encode_columns(
    [0], [b"k"], [b"v"], producer_id=77, producer_epoch=3, base_sequence=0, is_transactional=True
)


def marker(epoch: int, *indexes: int, commit: bool = False) -> WritableTxnMarker:
    return WritableTxnMarker(
        producer_id=77,
        producer_epoch=epoch,
        transaction_result=commit,
        topics=[WritableTxnMarkerTopic(name="in", partition_indexes=list(indexes))],
        coordinator_epoch=0,
    )


@pytest.mark.parametrize("flush", ["ack", "os"])
def test_markers_end_what_is_open_in_the_partitions_they_name(flush: Literal["ack", "os"]) -> None:
    """Each partition has an answer of its own; a marker of an older epoch changes nothing."""
    files = with_topics("in")

    async def main() -> None:
        broker = await Broker.open("/log", files=files, clock=CLOCK, flush=flush)
        try:
            logs = [broker.host.partition("in", index).log for index in (0, 1)]
            for log in logs:
                log.append(bytearray(OPEN), now_ms=0)
                await broker.host.flusher.wait(broker.host.partition(*log.topic_partition))
            assert [log.last_stable_offset for log in logs] == [0, 0]
            asked = [marker(2, 0), marker(3, 1, 9, 0), marker(4, 0, commit=True)]
            answer = await broker.handle(WriteTxnMarkersRequest(markers=asked))
            told = [
                [(part.index, part.error_code) for part in topic.partitions]
                for each in answer.markers
                for topic in each.topics
            ]
            assert told == [
                [(0, ErrorCode.INVALID_PRODUCER_EPOCH)],
                [(1, 0), (9, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), (0, 0)],
                [(0, 0)],
            ]
            assert [(log.last_stable_offset, log.log_end_offset) for log in logs] == [
                (3, 3),
                (2, 2),
            ]
        finally:
            await broker.close()

    asyncio.run(main())
