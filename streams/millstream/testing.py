"""Testing an app: the production engine on the memory log and a manual clock.

    with app.test() as t:
        t.send("clicks", {"page": "/"}, timestamp=0)
        t.advance("2m")
        assert t.read("views") == [...]

Invariants: nothing sleeps and no port is opened; everything that a call causes is done when it
returns; the driver commits after each record, so `current()` shows every update.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from millstream_log.client.producer import Producer
from millstream_log.client.transport import Transport, open_transport
from millstream_log.model import TopicPartition
from millstream_log.testing.memory import ManualClock

from .event import Event
from .runtime.intake import Intake
from .runtime.launch import agents_of, memory_store, start
from .runtime.reader import read_range
from .runtime.worker import Worker
from .serde import encode_key
from .topology.node import Topic
from .windows import Duration, duration_ms

if TYPE_CHECKING:
    from .app import App

_names = itertools.count()


class TestDriver:
    """Drives an app by hand: records in, time forward, records out."""

    __test__ = False  # pytest: this is no test class

    def __init__(self, app: App) -> None:
        self._app = app
        self._clock = ManualClock()
        self._read: dict[tuple[str, int], int] = {}

    def __enter__(self) -> TestDriver:
        self._runner = asyncio.Runner()
        try:
            self._runner.run(self._start())
        except BaseException:
            self._runner.close()
            raise
        return self

    async def _start(self) -> None:
        url = f"memory://millstream-test-{next(_names)}"
        self._transport: Transport = await open_transport(url)
        try:
            self._worker: Worker = await start(
                self._app, self._transport, self._clock, memory_store, show=False
            )
        except BaseException:
            await self._transport.close()
            raise
        self._producer = Producer(log=self._transport)
        await self._producer.start()
        self._agents = [
            (
                agent,
                asyncio.create_task(agent.run(self._app.name, self._transport, until_end=False)),
            )
            for agent in agents_of(self._app)
        ]

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._runner.run(self._stop())
        finally:
            self._runner.close()

    async def _stop(self) -> None:
        for _, running in self._agents:
            running.cancel()
        await asyncio.gather(*(running for _, running in self._agents), return_exceptions=True)
        await self._producer.stop()
        await self._worker.close()
        await self._transport.close()

    def send(
        self,
        topic: str | Topic,
        value: Any,
        *,
        key: Any = None,
        timestamp: int | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
    ) -> None:
        """Send one record and let the app take it; `timestamp` is the clock's when None.

        A value that is bytes already goes as it is.
        """
        target = self._app.topic_of(topic)
        codec = target.codec or self._app.codec
        raw = value if value is None or isinstance(value, bytes) else codec.encode(value)
        time = self._clock.now_ms() if timestamp is None else timestamp
        self._runner.run(self._send(target.name, encode_key(key), raw, time, headers))

    async def _send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        time: int,
        headers: Sequence[tuple[str, bytes | None]],
    ) -> None:
        await self._producer.send_and_wait(
            topic, value, key, timestamp_ms=time, headers=list(headers)
        )
        await self._settle()

    async def _settle(self) -> None:
        """Run rounds until one fetches nothing and the commit after it changes nothing."""
        while True:
            taken = await self._worker.round(timeout_ms=0, ends={})
            await self._worker.commit()
            if not taken and not await self._worker.has_input():
                break
        for agent, running in self._agents:
            await agent.catch_up(self._transport)
            if agent.has_ended:
                await running  # raises what the agent died of

    def advance(self, duration: Duration) -> None:
        """Move the wall clock forward; partitions that stay silent become idle."""
        self._clock.advance(duration_ms(duration))
        self._runner.run(self._settle())

    def end(self) -> None:
        """End the input, as `run(until="end")` does: final windows close."""
        self._runner.run(self._worker.run(until_end=True))

    def records(self, topic: str | Topic) -> list[Event]:
        """Return the records of a topic that were not returned before, partition by partition."""
        return self._runner.run(self._records(self._app.topic_of(topic)))

    async def _records(self, topic: Topic) -> list[Event]:
        intake = Intake(topic, None, self._app.codec, with_keys=False)
        found: list[Event] = []
        for partition in range(self._worker.partitions_of(topic.name)):
            at = (topic.name, partition)
            source = TopicPartition(*at)
            async for columns in read_range(self._transport, source, self._read.get(at, 0)):
                chunk, bad = intake.open(columns)
                if bad:
                    raise bad[0].error
                for i, offset in enumerate(chunk.offsets):
                    headers = tuple(chunk.headers[i]) if chunk.headers is not None else ()
                    key = chunk.raw_keys[i]
                    found.append(
                        Event(
                            key if key is None else key.decode(),
                            chunk.values[i],
                            chunk.times[i],
                            headers,
                            topic.name,
                            partition,
                            offset,
                        )
                    )
                self._read[at] = columns.offsets[-1] + 1
        return found

    def read(self, topic: str | Topic) -> list[Any]:
        """Return the values of a topic that were not returned before."""
        return [event.value for event in self.records(topic)]

    @property
    def stats(self) -> Mapping[str, int]:
        """Return what was counted so far: late, skipped_null, failed, records in and out."""
        total: dict[str, int] = {}
        for task in self._worker.tasks:
            for name, value in task.stats.as_dict().items():
                total[name] = total.get(name, 0) + value
        return total
