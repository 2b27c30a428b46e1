from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

import millstream as ms
from millstream import F
from millstream.runtime.checkpoint import CHECKPOINT_KEY, MARK_KEY, decode_checkpoint, decode_mark
from millstream.runtime.launch import memory_store, start
from millstream.runtime.reader import read_range
from millstream.runtime.worker import Worker
from millstream_log.client.producer import Producer
from millstream_log.client.transport import Transport, open_transport
from millstream_log.errors import ClosedError
from millstream_log.model import TopicPartition
from millstream_log.testing import ManualClock
from millstream_log.wire.messages.offset_commit import OffsetCommitRequest
from millstream_log.wire.messages.produce import ProduceRequest


class Watched:
    """A way to the log that writes down what is written, and may refuse it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.written: list[str] = []
        self.refuses = ""  # part of a topic's name, or "offsets"

    async def send(self, request: Any) -> Any:
        if isinstance(request, OffsetCommitRequest):
            self._note("offsets")
        elif isinstance(request, ProduceRequest):
            for name in sorted({topic.name for topic in request.topics}):
                self._note(name)
        return await self._inner.send(request)

    def _note(self, what: str) -> None:
        if self.refuses and self.refuses in what:
            raise ClosedError("the process dies here")
        self.written.append(what)

    async def close(self) -> None:
        """Leave the log open."""


def app_of(partitions: int = 2, **options: Any) -> ms.App:
    """Return an app whose events cross a repartition topic."""
    app = ms.App("w", log="memory://w", partitions=partitions, **options)

    @app.stream("in")
    def flow(events: Any) -> None:
        events.group_by(F.page).agg(n=ms.count(), ids=ms.sum(F.id)).to("out")

    return app


def on_log(scenario: Callable[[Transport], Awaitable[None]]) -> None:
    """Run a scenario on a memory log of its own."""

    async def held() -> None:
        transport = await open_transport(f"memory://{uuid.uuid4().hex}")
        try:
            await scenario(transport)
        finally:
            await transport.close()

    asyncio.run(held())


async def begin(app: ms.App, transport: Any, clock: ManualClock | None = None) -> Worker:
    return await start(app, transport, clock or ManualClock(), memory_store, show=False)


async def drain(worker: Worker) -> None:
    """Run rounds until nothing is left to take, without a commit."""
    while await worker.round(timeout_ms=0, ends={}) or await worker.has_input():
        pass


async def drain_and_commit(worker: Worker) -> None:
    """Take all there is and commit it."""
    await drain(worker)
    await worker.commit()


async def write(transport: Transport, *records: tuple[int, str, int, int]) -> None:
    """Write (id, page, time, partition) to `in`."""
    async with Producer(log=transport) as producer:
        for number, page, time, partition in records:
            raw = msgspec.msgpack.encode({"id": number, "page": page})
            await producer.send_and_wait("in", raw, partition=partition, timestamp_ms=time)


async def read(transport: Transport, topic: str, partitions: int = 2) -> list[Any]:
    """Return (key, value) of all records, partition by partition."""
    return [
        pair
        for partition in range(partitions)
        async for columns in read_range(transport, TopicPartition(topic, partition), 0)
        for pair in zip(columns.keys, columns.values, strict=True)
    ]


def test_a_commit_is_outputs_then_checkpoint_then_offsets() -> None:
    """What a commit sends is in the log before its checkpoint, and that before the offsets."""

    async def scenario(transport: Transport) -> None:
        watched = Watched(transport)
        worker = await begin(app_of(), watched)
        await write(transport, (1, "/", 10, 0))
        await drain(worker)
        await worker.commit()
        await worker.close()
        first = {name: watched.written.index(name) for name in watched.written}
        assert first["w-flow-page-repartition"] < first["out"]
        assert first["out"] < min(first["w-in-changelog"], first["w-flow-page-changelog"])
        assert watched.written[-1] == "offsets"

    on_log(scenario)


def test_a_commit_ends_its_changelog_batch_with_the_checkpoint() -> None:
    """State and positions are one batch: the changes, and as the last record the checkpoint."""

    async def scenario(transport: Transport) -> None:
        worker = await begin(app_of(1), transport)
        await write(transport, (1, "/a", 10, 0), (2, "/b", 20, 0))
        await drain(worker)
        await worker.commit()
        await worker.close()
        changelog = TopicPartition("w-in-changelog", 0)
        batches = [columns async for columns in read_range(transport, changelog, 0)]
        assert [len(columns.keys) for columns in batches] == [3]
        assert batches[0].keys[-1] == CHECKPOINT_KEY
        checkpoint = decode_checkpoint(batches[0].values[-1])
        assert checkpoint.positions == {"in/0": 2}
        assert checkpoint.times == {"in/0": 20}

    on_log(scenario)


@pytest.mark.parametrize("dies_at", ["out", "in-changelog", "page-changelog", "offsets"])
def test_nothing_is_sent_twice_into_a_repartition_topic(dies_at: str) -> None:
    """Dead between outputs and checkpoint, the app sends only what it had not sent before."""

    async def scenario(transport: Transport) -> None:
        watched = Watched(transport)
        worker = await begin(app_of(), watched)
        await write(transport, (1, "/a", 10, 0), (2, "/b", 20, 1), (3, "/a", 30, 0))
        await worker.round(timeout_ms=0, ends={})
        watched.refuses = dies_at
        with pytest.raises(ClosedError):
            await drain_and_commit(worker)
        await write(transport, (4, "/a", 40, 1), (5, "/b", 50, 0))
        again = await begin(app_of(), transport)
        await drain(again)
        await again.commit()
        await again.close()
        crossed = await read(transport, "w-flow-page-repartition")
        ids = [msgspec.msgpack.decode(value)["id"] for key, value in crossed if key != MARK_KEY]
        assert sorted(ids) == [1, 2, 3, 4, 5]
        rows = {key: msgspec.msgpack.decode(value) for key, value in await read(transport, "out")}
        assert rows == {
            b"/a": {"page": "/a", "n": 3, "ids": 8}, b"/b": {"page": "/b", "n": 2, "ids": 7},
        }  # fmt: skip

    on_log(scenario)


def test_a_batch_for_a_repartition_topic_ends_with_its_senders() -> None:
    """Each batch in a repartition topic ends with a mark of every task that has events in it."""

    async def scenario(transport: Transport) -> None:
        worker = await begin(app_of(), transport)
        await write(transport, (1, "/a", 10, 0), (2, "/a", 20, 1))
        await drain(worker)
        await worker.close()
        crossed = await read(transport, "w-flow-page-repartition")
        marks = [decode_mark(value) for key, value in crossed if key == MARK_KEY]
        assert [(mark.task, mark.positions) for mark in marks] == [
            ("in/0", {"in/0": 1}), ("in/1", {"in/1": 1}),
        ]  # fmt: skip
        assert [key == MARK_KEY for key, _ in crossed] == [False, False, True, True]

    on_log(scenario)


def test_tasks_go_forward_together() -> None:
    """What several tasks send to one partition stands there in time order."""

    async def scenario(transport: Transport) -> None:
        worker = await begin(app_of(), transport)
        await write(transport, *((n, "/a", n * 10, n % 2) for n in range(8)))
        await drain(worker)
        await worker.close()
        crossed = await read(transport, "w-flow-page-repartition")
        ids = [msgspec.msgpack.decode(value)["id"] for key, value in crossed if key != MARK_KEY]
        assert ids == list(range(8))

    on_log(scenario)


def test_what_is_done_with_is_deleted_from_repartition_topics() -> None:
    """After a run to the end, what has crossed a repartition topic takes no room any more."""

    async def scenario(transport: Transport) -> None:
        worker = await begin(app_of(), transport)
        await write(transport, (1, "/a", 10, 0), (2, "/b", 20, 1))
        await worker.run(until_end=True)
        await worker.close()
        assert await read(transport, "w-flow-page-repartition") == []
        again = await begin(app_of(), transport)
        await write(transport, (3, "/a", 30, 0))
        await again.run(until_end=True)
        await again.close()
        rows = {key: msgspec.msgpack.decode(value) for key, value in await read(transport, "out")}
        assert rows[b"/a"]["n"] == 2

    on_log(scenario)


def test_a_result_without_a_key_stays_in_its_tasks_partition() -> None:
    """Events without a key go to the partition of their task's number, so their order is kept."""
    app = ms.App("w", log="memory://w", partitions=3)
    app.stream("in")(lambda events: events.to("out") and None)

    async def scenario(transport: Transport) -> None:
        worker = await begin(app, transport)
        await write(transport, *((n, "/", n, n % 3) for n in range(6)))
        await drain(worker)
        await worker.close()
        for partition in range(3):
            found = [
                msgspec.msgpack.decode(value)["id"]
                async for columns in read_range(transport, TopicPartition("out", partition), 0)
                for value in columns.values
            ]
            assert found == [partition, partition + 3]

    on_log(scenario)


def test_a_worker_that_cannot_start_leaves_nothing_open() -> None:
    """When one task cannot be restored, the stores and clients that were opened are closed."""
    closed: list[str] = []

    def changed() -> ms.App:
        app = ms.App("w", log="memory://w")
        app.stream("in")(lambda s: s.group_by(F.page).agg(name="flow-n", n=ms.max(F.id)) and None)
        return app

    def first() -> ms.App:
        app = ms.App("w", log="memory://w")
        app.stream("in")(lambda s: s.group_by(F.page).agg(name="flow-n", n=ms.count()) and None)
        return app

    def make_store(subtopology: Any, partition: int) -> Any:
        store = memory_store(subtopology, partition)
        store.close = lambda: closed.append(subtopology.name)  # type: ignore[method-assign]
        return store

    async def scenario(transport: Transport) -> None:
        worker = await begin(first(), transport)
        await write(transport, (1, "/", 1, 0))
        await worker.run(until_end=True)
        await worker.close()
        with pytest.raises(ms.StateStoreError):
            await start(changed(), transport, ManualClock(), make_store, show=False)
        assert closed == ["in"]

    on_log(scenario)
