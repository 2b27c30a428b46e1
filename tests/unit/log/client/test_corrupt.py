from __future__ import annotations

import asyncio
import glob
import os
from pathlib import Path

import pytest

from millstream_log import Admin, Consumer, NewTopic, Producer, TopicPartition
from millstream_log.errors import CorruptRecordError

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def damage(folder: Path) -> str:
    """Flip one byte of the second batch of partition 0; return the file."""
    (path,) = glob.glob(os.path.join(folder, "t-0", "*.log"))
    data = bytearray(Path(path).read_bytes())
    data[data.index(b"value 1")] ^= 1
    Path(path).write_bytes(data)
    return path


async def fill(url: str) -> None:
    """Write three batches to each of two partitions."""
    async with Admin(url) as admin, Producer(url) as producer:
        await admin.create_topics([NewTopic("t", 2)])
        for n in range(3):
            for partition in (0, 1):
                await producer.send_and_wait("t", b"value %d" % n, partition=partition)


@pytest.mark.parametrize("road", ["getmany", "getcolumns"])
def test_a_bad_batch_is_named_and_the_rest_goes_on(tmp_path: Path, road: str) -> None:
    """Records before it and other partitions are handed out; the error names file and offset."""
    asyncio.run(fill(str(tmp_path)))
    path = damage(tmp_path)

    async def read() -> None:
        async with Consumer("t", log=str(tmp_path), auto_offset_reset="earliest") as consumer:
            found = await getattr(consumer, road)()
            assert set(found) == {T0, T1}
            assert (await consumer.position(T0), await consumer.position(T1)) == (1, 3)
            for _ in range(2):
                with pytest.raises(CorruptRecordError) as caught:
                    await getattr(consumer, road)()
                assert path in str(caught.value)
                assert "offset 1" in str(caught.value)
                assert "position" in str(caught.value)
            consumer.seek(T0, 2)
            assert set(await getattr(consumer, road)()) == {T0}

    asyncio.run(read())


def test_a_bad_partition_does_not_hide_behind_busy_ones(tmp_path: Path) -> None:
    """While other partitions have records in every call, the error is still raised."""
    asyncio.run(fill(str(tmp_path)))
    damage(tmp_path)

    async def read() -> None:
        async with (
            Producer(str(tmp_path)) as producer,
            Consumer("t", log=str(tmp_path), auto_offset_reset="earliest") as consumer,
        ):
            raised = 0
            for _ in range(6):
                await producer.send_and_wait("t", b"v", partition=1)
                try:
                    await consumer.getmany()
                except CorruptRecordError:
                    raised += 1
            assert raised >= 2
            assert await consumer.position(T1) >= 5

    asyncio.run(read())
