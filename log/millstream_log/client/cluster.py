"""What a client knows of topics: partition counts, asked for when needed and when old."""

from __future__ import annotations

import asyncio

from ..errors import ErrorCode, LogError, error_for
from ..model import TopicPartition
from ..wire.topics import MetadataRequest, MetadataTopic
from .transport import Transport


class ClusterView:
    """The partitions of topics; `partitions` holds good until `good_until` on the loop's clock."""

    def __init__(self, transport: Transport, max_age_ms: int) -> None:
        self._transport = transport
        self._max_age = max_age_ms / 1000
        self.partitions: dict[str, tuple[TopicPartition, ...]] = {}
        self.good_until = 0.0

    def known(self, topic: str) -> int:
        """Return a topic's partition count as last heard, 0 for a topic not heard of."""
        return len(self.partitions.get(topic, ()))

    async def require(self, topic: str, *, may_create: bool = True) -> tuple[TopicPartition, ...]:
        """Ask for a topic; return its partitions, or raise why there are none."""
        found = (await self.ask([topic], may_create=may_create))[0]
        if found.error_code:
            raise error_of(found)
        return self.partitions[topic]

    async def ask(
        self, topics: list[str] | None, *, may_create: bool = False
    ) -> list[MetadataTopic]:
        """Return what the broker says of `topics` (None: of all), and remember the counts."""
        response = await self._transport.send(
            MetadataRequest(topics=topics, allow_auto_topic_creation=may_create)
        )
        now = asyncio.get_running_loop().time()
        if now > self.good_until:
            self.partitions.clear()
            self.good_until = now + self._max_age
        for topic in response.topics:
            if topic.error_code is ErrorCode.NONE:
                self.partitions[topic.name] = tuple(
                    TopicPartition(topic.name, index) for index in range(len(topic.partitions))
                )
            else:
                self.partitions.pop(topic.name, None)
        return response.topics

    def forget(self, topic: str) -> None:
        """Ask again for a topic the next time it is needed."""
        self.partitions.pop(topic, None)


def error_of(topic: MetadataTopic) -> LogError:
    """Return the error that a topic's answer carries."""
    return error_for(topic.error_code, topic.error_message or f"topic {topic.name!r}")
