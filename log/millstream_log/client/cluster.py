"""What a client knows of topics: partition counts, asked for when needed and when old."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from ..errors import ErrorCode, LogError, error_for
from ..model import TopicPartition
from ..wire.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataTopic
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
        found = (await self.ask([topic], may_create=may_create))[topic]
        if found.error_code:
            raise error_of(found)
        return self.partitions[topic]

    async def ask(
        self, topics: list[str] | None, *, may_create: bool = False
    ) -> dict[str, MetadataTopic]:
        """Return what the broker says of `topics` (None: of all), and remember the counts."""
        found = await ask_metadata(self._transport, topics, may_create=may_create)
        now = asyncio.get_running_loop().time()
        if now > self.good_until:
            self.partitions.clear()
            self.good_until = now + self._max_age
        for name, topic in found.items():
            if topic.error_code is ErrorCode.NONE:
                self.partitions[name] = tuple(
                    TopicPartition(name, index) for index in range(len(topic.partitions))
                )
            else:
                self.partitions.pop(name, None)
        return found

    def forget(self, topic: str) -> None:
        """Ask again for a topic the next time it is needed."""
        self.partitions.pop(topic, None)


async def ask_metadata(
    transport: Transport, topics: Iterable[str] | None, *, may_create: bool
) -> dict[str, MetadataTopic]:
    """Return what the broker says of `topics` (None: of all), by name."""
    response = await transport.send(
        MetadataRequest(
            topics=None if topics is None else [MetadataRequestTopic(name=name) for name in topics],
            allow_auto_topic_creation=may_create,
        )
    )
    return {topic.name: topic for topic in response.topics if topic.name is not None}


def error_of(topic: MetadataTopic) -> LogError:
    """Return the error that a topic's answer carries."""
    return error_for(topic.error_code, topic.error_message or f"topic {topic.name!r}")
