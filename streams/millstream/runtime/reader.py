"""Reading a range of one partition from start to end, batch by batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from millstream_log.client.consumer import Consumer
from millstream_log.client.transport import Transport
from millstream_log.model import TopicPartition


async def read_range(
    transport: Transport, partition: TopicPartition, start: int, end: int | None = None
) -> AsyncIterator[Any]:
    """Yield the batches (columns) of a partition from offset `start` to `end`.

    `end` is the log end when it is None. A start below the log start is the log start.
    """
    consumer = Consumer(log=transport, group_id=None, auto_offset_reset="earliest")
    async with consumer:
        consumer.assign([partition])
        first = (await consumer.beginning_offsets([partition]))[partition]
        last = (await consumer.end_offsets([partition]))[partition]
        stop = last if end is None else min(end, last)
        consumer.seek(partition, max(start, first))
        while await consumer.position(partition) < stop:
            batches = (await consumer.getcolumns(timeout_ms=0)).get(partition, ())
            for columns in batches:
                if columns.offsets and columns.offsets[0] < stop:
                    yield columns
