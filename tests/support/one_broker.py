"""A broker over files in memory that is asked one request after the other."""

from __future__ import annotations

import asyncio
from typing import Any

from millstream_log.broker.broker import Broker
from millstream_log.errors import ErrorCode
from millstream_log.testing import ManualClock, MemoryFiles
from millstream_log.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from millstream_log.wire.request import Peer, Request

PEER = Peer("tester", "127.0.0.1", "localhost", 9092)
CLOCK = ManualClock()


def ask(*requests: Request[Any], files: MemoryFiles | None = None, **configs: str) -> list[Any]:
    """Return the answers of a broker that is opened, asked, and closed; _ in configs is a dot."""

    async def main() -> list[Any]:
        settings = {name.replace("_", "."): value for name, value in configs.items()}
        broker = await Broker.open(
            "/log", files=files or MemoryFiles(), clock=CLOCK, flush="os", configs=settings
        )
        try:
            async with asyncio.timeout(10):
                return [await broker.handle(request) for request in requests]
        finally:
            await broker.close()

    return asyncio.run(main())


def with_topics(*names: str, partitions: int = 2, **configs: str) -> MemoryFiles:
    """Return files in which these topics were created; _ in configs is a dot."""
    files = MemoryFiles()
    settings = [
        CreatableTopicConfig(name=name.replace("_", "."), value=value)
        for name, value in configs.items()
    ]
    (answer,) = ask(
        CreateTopicsRequest(
            topics=[
                CreatableTopic(name=name, num_partitions=partitions, configs=settings)
                for name in names
            ]
        ),
        files=files,
    )
    assert all(topic.error_code is ErrorCode.NONE for topic in answer.topics), answer
    return files
