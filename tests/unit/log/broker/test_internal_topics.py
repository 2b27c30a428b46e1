from __future__ import annotations

import asyncio

import pytest

from millstream_log.broker.broker import Broker
from millstream_log.errors import ErrorCode
from millstream_log.group.records import OffsetKey, OffsetValue, encode_key, encode_value
from millstream_log.metadata.names import INTERNAL_TOPICS, OFFSETS_TOPIC
from millstream_log.record.batch import HEADER_BYTES, seal
from millstream_log.record.builder import encode_columns
from millstream_log.record.compress import Codec
from millstream_log.testing import ManualClock, MemoryFiles
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic
from millstream_log.wire.request import Peer

CLOCK = ManualClock()


@pytest.mark.parametrize("topic", sorted(INTERNAL_TOPICS))
@pytest.mark.parametrize(
    ("client_id", "code"),
    [
        ("", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("anybody", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("__admin_client", ErrorCode.NONE),
    ],
)
def test_only_tools_append_to_topics_of_coordinators(
    topic: str, client_id: str, code: ErrorCode
) -> None:
    """What a coordinator reads when it starts can be written by itself and by Kafka's own tools."""

    async def main() -> ErrorCode:
        broker = await Broker.open("/log", files=MemoryFiles(), clock=CLOCK)
        try:
            await broker.handle(MetadataRequest(topics=[MetadataRequestTopic(name=topic)]))
            batch = encode_columns([1], [b"\xff\xff"], [b"no state of a coordinator"])
            part = ProducePartition(index=0, records=batch)
            asked = ProduceRequest(
                topics=[ProduceTopic(name=topic, partitions=[part])], peer=Peer(client_id)
            )
            return (await broker.handle(asked)).topics[0].partitions[0].error_code
        finally:
            await broker.close()

    assert asyncio.run(main()) == code


async def committed(broker: Broker, group: str) -> int:
    """Return the one offset that a group has committed."""
    asked = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group)])
    (answer,) = (await broker.handle(asked)).groups
    return answer.topics[0].partitions[0].committed_offset


def test_what_a_coordinator_cannot_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """A broker starts beside what nobody can read, and knows all the rest."""
    files = MemoryFiles()
    good = [encode_key(OffsetKey(f"g{number}", "t", 0)) for number in range(3)]
    value = encode_value(OffsetValue(7, -1, "", CLOCK.now_ms()))
    torn = encode_columns([1], [good[2]], [value], codec=Codec.GZIP)
    torn[HEADER_BYTES + 10] ^= 0xFF
    seal(torn, 0, len(torn))
    batches = [
        encode_columns([1] * 3, [good[0], good[2], good[1]], [value, b"\x00\x63", value]),
        torn,
        encode_columns([1], [b"\x00\x02\x00"], [b""]),
    ]

    async def main() -> list[int]:
        broker = await Broker.open("/log", files=files, clock=CLOCK)
        await broker.handle(MetadataRequest(topics=[MetadataRequestTopic(name=OFFSETS_TOPIC)]))
        for batch in batches:
            part = ProducePartition(index=0, records=batch, all_keyed=True)
            topics = [ProduceTopic(name=OFFSETS_TOPIC, partitions=[part])]
            asked = ProduceRequest(topics=topics, peer=Peer("__admin_client"))
            assert not (await broker.handle(asked)).topics[0].partitions[0].error_code
        await broker.close()
        broker = await Broker.open("/log", files=files, clock=CLOCK)
        try:
            return [await committed(broker, group) for group in ("g0", "g1")]
        finally:
            await broker.close()

    assert asyncio.run(main()) == [7, 7]
    said = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert [line.partition(":")[0] for line in said] == [
        f"left out what {OFFSETS_TOPIC}-0 holds at offset {offset}" for offset in (1, 3, 4)
    ]
