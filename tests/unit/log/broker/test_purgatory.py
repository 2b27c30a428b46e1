from __future__ import annotations

import asyncio

import pytest

from millstream_log.broker.purgatory import Purgatory
from millstream_log.model import TopicPartition

A, B, C = (TopicPartition("t", n) for n in range(3))


def test_a_waiter_is_woken_by_any_of_its_partitions() -> None:
    """An append to one of the partitions that a fetch waits for ends the wait at once."""

    async def main() -> None:
        purgatory = Purgatory()
        waits = [asyncio.create_task(purgatory.wait(keys, 60)) for keys in ((A, B), (B,), (C,))]
        await asyncio.sleep(0)
        purgatory.notify(B)
        assert await waits[0]
        assert await waits[1]
        assert not waits[2].done()
        purgatory.wake_all()
        assert await waits[2]
        assert not purgatory

    asyncio.run(main())


def test_a_waiter_leaves_at_its_deadline() -> None:
    """When nothing comes the wait ends by itself and says so."""

    async def main() -> None:
        purgatory = Purgatory()
        assert not await purgatory.wait([A], 0)
        assert not purgatory

    asyncio.run(main())


def test_a_cancelled_waiter_leaves_nothing_behind() -> None:
    """A client that goes away does not stay in the purgatory."""

    async def main() -> None:
        purgatory = Purgatory()
        wait = asyncio.create_task(purgatory.wait([A, B], 60))
        await asyncio.sleep(0)
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert not purgatory
        purgatory.notify(A)

    asyncio.run(main())
