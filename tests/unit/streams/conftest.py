"""What tests of the streams share: batches by hand, a task without a log, a log that lasts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

import millstream as ms
from millstream.runtime.checkpoint import Checkpoint
from millstream.runtime.launch import settings_of
from millstream.runtime.task import Task
from millstream.state.memory import MemoryStore
from millstream_log.client.producer import Producer
from millstream_log.client.transport import Transport, open_transport


class Batch(NamedTuple):
    """The columns of one fetched batch."""

    offsets: Sequence[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[tuple[tuple[str, bytes | None], ...]] | None = None


def make_batch(*records: tuple[Any, Any, int], base: int = 0) -> Batch:
    """Return a batch of (key, value, time) from offset `base`; bytes and None go as they are."""
    return Batch(
        range(base, base + len(records)),
        [time for _, _, time in records],
        [key.encode() if isinstance(key, str) else key for key, _, _ in records],
        [
            value if value is None or isinstance(value, bytes) else msgspec.msgpack.encode(value)
            for _, value, _ in records
        ],
    )


@pytest.fixture
def batch() -> Callable[..., Batch]:
    """Return the maker of batches."""
    return make_batch


@pytest.fixture
def task_of() -> Callable[..., Task]:
    """Return the maker of an app's task over partition 0 of its first subtopology."""

    def make(app: ms.App, **counts: int) -> Task:
        plan = app.plan(counts)
        store, settings = MemoryStore(), settings_of(app)
        return Task(plan, plan.subtopologies[0], 0, store, Checkpoint(), settings)

    return make


class Log:
    """A log that lasts for the test, and what tests do with it, each call on its own loop."""

    def __init__(self, url: str) -> None:
        self.url = url

    def run(self, scenario: Callable[[Transport], Awaitable[Any]]) -> Any:
        """Run `scenario(transport)` to its end."""

        async def held() -> Any:
            transport = await open_transport(self.url)
            try:
                return await scenario(transport)
            finally:
                await transport.close()

        return asyncio.run(held())

    def write(self, topic: str, *records: tuple[str | None, Any, int], partition: int = 0) -> None:
        """Append (key, value, time) records to a partition."""

        async def scenario(transport: Transport) -> None:
            async with Producer(log=transport) as producer:
                batch = make_batch(*records)
                await (
                    await producer.send_columns(
                        topic, partition, batch.timestamps, batch.keys, batch.values
                    )
                )

        self.run(scenario)

    def read(self, topic: str, partition: int = 0) -> list[tuple[Any, Any]]:
        """Return (key, value) of a partition's records, keys as text, values as they decode."""
        from millstream.runtime.reader import read_range
        from millstream.serde import deserializer
        from millstream_log.model import TopicPartition

        read_value = deserializer()

        async def scenario(transport: Transport) -> list[tuple[Any, Any]]:
            found: list[tuple[Any, Any]] = []
            async for columns in read_range(transport, TopicPartition(topic, partition), 0):
                for key, value in zip(columns.keys, columns.values, strict=True):
                    text = None if key is None else key.decode(errors="replace")
                    found.append((text, read_value(value)))
            return found

        found: list[tuple[Any, Any]] = self.run(scenario)
        return found


@pytest.fixture
def disk(tmp_path: Path) -> Log:
    """Return a log on disk."""
    return Log(f"{tmp_path / 'log'}?flush=os")


@pytest.fixture
def memory_url() -> str:
    """Return the URL of a memory log that no other test has."""
    return f"memory://{uuid.uuid4().hex}"
