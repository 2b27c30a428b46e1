from __future__ import annotations

import asyncio

import pytest

from millstream_log.broker.broker import Broker
from millstream_log.errors import ErrorCode
from millstream_log.metadata.names import INTERNAL_TOPICS
from millstream_log.record.builder import encode_columns
from millstream_log.testing import ManualClock, MemoryFiles
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic
from millstream_log.wire.request import Peer


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
        broker = await Broker.open("/log", files=MemoryFiles(), clock=ManualClock())
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
