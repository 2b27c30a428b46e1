"""Agents: an async function over the events of a topic, in Faust's shape.

Invariants: an event is committed when the agent asks for the next one, so one that was being
worked on when the process died comes again, and one that was never asked for is not lost.
"""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator, Awaitable, Callable

from millstream_log.client.consumer import Consumer
from millstream_log.client.producer import Producer
from millstream_log.client.transport import Transport
from millstream_log.model import OffsetAndMetadata, TopicPartition

from ..event import Event
from ..expressions import ALL
from ..topology.node import Policy, Topic
from .blame import dead_letter_headers
from .intake import BadRecord, Chunk, Intake
from .task import Settings

STOP_PATIENCE_S = 1.0
"""How long an agent that was asked to stop may go on with the event at hand."""
COMMIT_INTERVAL_S = 0.5
"""How often what an agent has done is committed inside a batch."""


class Agent:
    """One agent of an app; its group is the app's name and its own."""

    def __init__(
        self,
        name: str,
        topic: Topic,
        function: Callable[[AsyncIterator[Event]], Awaitable[None]],
        settings: Settings,
    ) -> None:
        self.name = name
        self.topic = topic
        self.records_in = 0
        self.failed = 0  # could not be decoded and were left out
        self._function = function
        self._codec = settings.codec
        self._policy: Policy = topic.on_decode_error or settings.on_decode_error
        self.has_ended = False
        self._moved = asyncio.Event()  # set when the agent has done something
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._done: dict[TopicPartition, int] = {}  # next offset of what was asked beyond
        self._committed: dict[TopicPartition, int] = {}

    def stop(self) -> None:
        """Ask the agent to end after the event at hand; after a second it is cancelled."""
        self._stopping = True
        if self._task is not None:
            asyncio.get_running_loop().call_later(STOP_PATIENCE_S, self._task.cancel)

    async def run(self, app: str, transport: Transport, *, until_end: bool) -> None:
        """Call the agent's function with the events; commit as it goes."""
        self._task = asyncio.current_task()
        consumer = Consumer(
            self.topic.name,
            log=transport,
            group_id=f"{app}-{self.name}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            async with consumer, Producer(log=transport) as producer:
                await self._run(consumer, producer, until_end=until_end)
        finally:
            self.has_ended = True
            self._moved.set()

    async def _run(self, consumer: Consumer, producer: Producer, *, until_end: bool) -> None:
        assigned = list(consumer.assignment())
        ends = await consumer.end_offsets(assigned) if until_end else None
        self._committed = {to: await consumer.position(to) for to in assigned}
        self._done.update(self._committed)
        self._moved.set()
        try:
            await self._function(self._events(consumer, producer, ends))
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            await self._commit(consumer)

    async def catch_up(self, transport: Transport) -> None:
        """Wait until the agent has ended, or asks for more than there is."""
        async with Consumer(log=transport) as consumer:
            while not self.has_ended:
                self._moved.clear()
                ends = await consumer.end_offsets(list(self._done))
                if ends and all(self._done[to] >= end for to, end in ends.items()):
                    return
                await self._moved.wait()

    async def _commit(self, consumer: Consumer) -> None:
        moved = {to: offset for to, offset in self._done.items() if offset != self._committed[to]}
        if moved:
            await consumer.commit({to: OffsetAndMetadata(n) for to, n in moved.items()})
            self._committed.update(moved)

    async def _events(
        self, consumer: Consumer, producer: Producer, ends: dict[TopicPartition, int] | None
    ) -> AsyncIterator[Event]:
        intake = Intake(self.topic, ALL, self._codec)
        now = asyncio.get_running_loop().time
        next_commit = now() + COMMIT_INTERVAL_S
        while not self._stopping:
            if ends is not None and all(self._done[to] >= end for to, end in ends.items()):
                return
            fetched = await consumer.getcolumns(timeout_ms=0 if ends is not None else 100)
            for at, batches in fetched.items():
                for columns in batches:
                    chunk, bad = intake.open(columns, at.partition)
                    for offset, found in _in_order(chunk, bad):
                        self.records_in += 1
                        if isinstance(found, BadRecord):
                            await self._set_aside(producer, found, at)
                        else:
                            yield self._event(chunk, found, at)
                        self._done[at] = offset + 1
                        self._moved.set()
                        if self._stopping:
                            return
                        if now() >= next_commit:
                            await self._commit(consumer)
                            next_commit = now() + COMMIT_INTERVAL_S
                    self._done[at] = chunk.next_offset
                    self._moved.set()
            await self._commit(consumer)

    def _event(self, chunk: Chunk, i: int, at: TopicPartition) -> Event:
        headers = tuple(chunk.headers[i]) if chunk.headers is not None else ()
        return Event(
            chunk.keys[i], chunk.values[i], chunk.times[i], headers, *at, chunk.offsets[i]
        )  # fmt: skip

    async def _set_aside(self, producer: Producer, bad: BadRecord, at: TopicPartition) -> None:
        if self._policy.action == "fail":
            raise bad.error
        self.failed += 1
        if self._policy.action == "dead_letter":
            await producer.send_and_wait(
                self._policy.topic,
                bad.value,
                bad.key,
                timestamp_ms=bad.timestamp,
                headers=[*bad.headers, *dead_letter_headers(bad.error, at.partition)],
            )


def _in_order(chunk: Chunk, bad: list[BadRecord]) -> list[tuple[int, int | BadRecord]]:
    """Return (offset, place in the chunk or bad record) of all records, by offset."""
    found: list[tuple[int, int | BadRecord]] = [
        (offset, i) for i, offset in enumerate(chunk.offsets)
    ]
    found += [(record.offset, record) for record in bad]
    return sorted(found, key=operator.itemgetter(0)) if bad else found
