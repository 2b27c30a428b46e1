"""Crashes at any write: after them, state and repartition topics are as if there had been none.

The log is in memory and lasts; the app's process dies at a chosen write, before or after the log
has taken it, and is started anew with empty stores.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
from collections.abc import Sequence
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import millstream as ms
from millstream import F
from millstream.runtime.checkpoint import MARK_KEY
from millstream.runtime.launch import memory_store, start
from millstream.runtime.reader import read_range
from millstream_log.client.producer import Producer
from millstream_log.client.transport import Transport, open_transport
from millstream_log.errors import ClosedError
from millstream_log.model import TopicPartition
from millstream_log.testing import ManualClock
from millstream_log.wire.messages.offset_commit import OffsetCommitRequest
from millstream_log.wire.messages.produce import ProduceRequest
from millstream_log.wire.request import Request

PARTITIONS = 3
WINDOW = ms.tumbling(50)
_names = itertools.count()

Event = tuple[int, str, str, int]
"""Id, user, page, event time."""


class Click(ms.Record):
    id: int
    user: str
    page: str


class Dying:
    """A way to the log that dies at its n-th write, before or after the log has taken it."""

    def __init__(self, inner: Transport, dies_at: int, *, after: bool) -> None:
        self._inner = inner
        self._left = dies_at
        self._after = after
        self.is_dead = False

    async def send(self, request: Request[Any]) -> Any:
        if self.is_dead:
            raise ClosedError("the process has died")
        if isinstance(request, ProduceRequest | OffsetCommitRequest):
            self._left -= 1
            if self._left == 0:
                self.is_dead = True
                if self._after:
                    await self._inner.send(request)
                raise ClosedError("the process dies here")
        return await self._inner.send(request)

    async def close(self) -> None:
        """Leave the log open: it outlives the process."""


def app_of() -> ms.App:
    """Return an app with updates, final rows, and final rows that cross a topic."""
    app = ms.App("crash", log="memory://crash", partitions=PARTITIONS)

    @app.stream(app.topic("in", value=Click))
    def flow(clicks: Any) -> None:
        clicks.group_by(F.page).agg(n=ms.count(), ids=ms.sum(F.id)).to("totals")
        users = clicks.group_by(F.user).window(WINDOW, grace=1000).agg(hits=ms.count())
        users.final().group_by(F.hits).agg(users=ms.count()).to("sizes")

    return app


async def life(
    inner: Transport, dies_at: int, after: bool, rounds: int, *, until_end: bool
) -> bool:
    """Run the app for one life; return whether it came to its end alive."""
    transport = Dying(inner, dies_at, after=after)
    worker = None
    try:
        worker = await start(app_of(), transport, ManualClock(), memory_store, show=False)
        for i in range(rounds):
            await worker.round(timeout_ms=0, ends={})
            if i % 2:
                await worker.commit()
        if until_end:
            await worker.run(until_end=True)
    except Exception:
        if not transport.is_dead:
            raise
    if worker is not None and not transport.is_dead:
        await worker.close()
    elif worker is not None:
        for client in worker._clients:
            try:
                await client.stop()
            except ClosedError:
                pass  # it had something to say, and nobody to say it to
    return not transport.is_dead


async def write(transport: Transport, events: Sequence[Event]) -> None:
    async with Producer(log=transport) as producer:
        for number, user, page, time in events:
            raw = msgspec.msgpack.encode(Click(number, user, page))
            await producer.send_and_wait(
                "in", raw, user.encode(), partition=number % PARTITIONS, timestamp_ms=time
            )


async def read(transport: Transport, topic: str) -> list[tuple[bytes | None, Any]]:
    """Return key and value of a topic's events, marks left out."""
    found = []
    for partition in range(PARTITIONS):
        async for columns in read_range(transport, TopicPartition(topic, partition), 0):
            for key, value in zip(columns.keys, columns.values, strict=True):
                if key != MARK_KEY:
                    found.append((key, msgspec.msgpack.decode(value)))
    return found


async def story(parts: list[list[Event]], lives: list[tuple[int, bool, int]]) -> dict[str, Any]:
    """Write the parts, a life of the app after each; then let it live to the end."""
    transport = await open_transport(f"memory://crashes-{next(_names)}")
    try:
        await life(transport, -1, False, 0, until_end=False)  # makes the topics
        crossing = collections.Counter[int]()
        for part, one in itertools.zip_longest(parts, lives):
            await write(transport, part or [])
            if one:
                await life(transport, *one, until_end=False)
        # What crossed by now is looked at before the last life deletes what is done with.
        assert await life(transport, -1, False, 4, until_end=False)
        for topic in ("crash-flow-page-repartition", "crash-flow-user-repartition"):
            crossing.update(value["id"] for _, value in await read(transport, topic))
        assert await life(transport, -1, False, 0, until_end=True)
        return {
            "crossing": crossing,
            "totals": dict(await read(transport, "totals")),
            "sizes": dict(await read(transport, "sizes")),
        }
    finally:
        await transport.close()


def expected(events: Sequence[Event]) -> dict[str, Any]:
    """Return what a life without a crash ends with."""
    totals: dict[bytes, Any] = {}
    hits = collections.Counter((user, time // 50) for _, user, _, time in events)
    for number, _, page, _ in events:
        row = totals.setdefault(page.encode(), {"page": page, "n": 0, "ids": 0})
        row["n"] += 1
        row["ids"] += number
    sizes = collections.Counter(hits.values())
    return {
        "crossing": collections.Counter({number: 2 for number, *_ in events}),
        "totals": totals,
        "sizes": {str(n).encode(): {"hits": n, "users": users} for n, users in sizes.items()},
    }


PART = st.lists(
    st.tuples(st.sampled_from("xyz"), st.sampled_from(["/a", "/b"]), st.integers(0, 200)),
    max_size=8,
)
LIFE = st.tuples(st.integers(1, 25), st.booleans(), st.integers(1, 6))


@given(st.lists(PART, min_size=1, max_size=4), st.lists(LIFE, min_size=1, max_size=5))
@settings(max_examples=40)
def test_a_crash_at_any_write_changes_no_answer(parts: Any, lives: Any) -> None:
    """Whatever write a life ends at, each event crosses a repartition once and counts once."""
    numbers = itertools.count(1)
    numbered = [[(next(numbers), *event) for event in part] for part in parts]
    found = asyncio.run(story(numbered, lives))
    assert found == expected([event for part in numbered for event in part])
