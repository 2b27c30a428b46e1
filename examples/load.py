"""Bring the rows of a file into a topic, each exactly once, however often it is interrupted.

The topic itself is the record of what was brought in: a row's partition follows from its key,
so the first n rows of a partition are those that are there already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from millstream_log import Admin, Consumer, NewTopic, Producer, TopicPartition
from millstream_log.client.partitioner import partition_for_key
from millstream_log.progress import Progress

Row = tuple[int, bytes, bytes]
"""Timestamp in ms, key, value."""

ROWS_AT_ONCE = 2_000


def load(log: str, topic: str, rows: Iterable[Row], total: int, partitions: int) -> int:
    """Bring `rows` into `topic`, which is made when it is not there; return how many were new."""
    return asyncio.run(_load(log, topic, rows, total, partitions))


async def _load(log: str, topic: str, rows: Iterable[Row], total: int, partitions: int) -> int:
    async with Admin(log=log) as admin:
        if topic not in await admin.list_topics():
            # The data is years old: it must not fall to the usual week of retention.
            new = NewTopic(topic, partitions, 1, topic_configs={"retention.ms": "-1"})
            await admin.create_topics([new])
        partitions = (await admin.describe_topics([topic]))[0].partitions
        places = [TopicPartition(topic, n) for n in range(partitions)]
    async with Consumer(log=log) as consumer:
        present = await consumer.end_offsets(places)
    fresh = 0
    async with Producer(log=log) as producer:
        waiting: dict[TopicPartition, list[Row]] = {place: [] for place in places}
        with Progress(f"loading {topic}", total, "rows") as bar:
            for row in rows:
                place = places[partition_for_key(row[1], partitions)]
                if present[place] > 0:
                    present[place] -= 1
                    continue
                fresh += 1
                waiting[place].append(row)
                if len(waiting[place]) >= ROWS_AT_ONCE:
                    await _send(producer, place, waiting[place])
                    bar.advance(ROWS_AT_ONCE)
            for place, rest in waiting.items():
                await _send(producer, place, rest)
        await producer.flush()
    return fresh


async def _send(producer: Producer, place: TopicPartition, rows: list[Row]) -> None:
    if rows:
        times, keys, values = map(list, zip(*rows, strict=True))
        await producer.send_columns(place.topic, place.partition, times, keys, values)
        rows.clear()
