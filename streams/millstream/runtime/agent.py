"""Agents: an async function over the events of a topic, in Faust's shape.

Invariants: an event is committed when the agent asks for the next one, so one that was being
worked on when the process died comes again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from millstream_log.client.consumer import Consumer
from millstream_log.client.transport import Transport
from millstream_log.model import TopicPartition

from ..event import Event
from ..expressions import ALL
from ..serde import Codec
from ..topology.node import Topic
from .intake import Intake


class Agent:
    """One agent of an app; its group is the app's name and its own."""

    def __init__(
        self,
        name: str,
        topic: Topic,
        function: Callable[[AsyncIterator[Event]], Awaitable[None]],
        codec: Codec,
    ) -> None:
        self.name = name
        self.topic = topic
        self._function = function
        self._codec = codec
        self._stopping = False

    def stop(self) -> None:
        """Ask the agent to end after the event at hand."""
        self._stopping = True

    async def run(self, app: str, transport: Transport, *, until_end: bool) -> None:
        """Call the agent's function with the events; commit as it goes."""
        consumer = Consumer(
            self.topic.name,
            log=transport,
            group_id=f"{app}-{self.name}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        async with consumer:
            assigned = list(consumer.assignment())
            ends = await consumer.end_offsets(assigned) if until_end else None
            await self._function(self._events(consumer, ends))
            await consumer.commit()

    async def _events(
        self, consumer: Consumer, ends: dict[TopicPartition, int] | None
    ) -> AsyncIterator[Event]:
        intake = Intake(self.topic, ALL, self._codec)
        topic = self.topic.name
        while not self._stopping:
            if ends is not None and all(
                [await consumer.position(partition) >= end for partition, end in ends.items()]
            ):
                return
            fetched = await consumer.getcolumns(timeout_ms=0 if ends is not None else 100)
            for partition, batches in fetched.items():
                for columns in batches:
                    chunk, bad = intake.open(columns)
                    if bad:
                        raise bad[0].error
                    for i, offset in enumerate(chunk.offsets):
                        yield Event(
                            chunk.keys[i],
                            chunk.values[i],
                            chunk.times[i],
                            tuple(chunk.headers[i]) if chunk.headers is not None else (),
                            topic,
                            partition.partition,
                            offset,
                        )
            await consumer.commit()
