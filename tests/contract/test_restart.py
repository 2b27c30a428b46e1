"""What clients of a broker on TCP promise besides: a restart ends none of them."""

from __future__ import annotations

import asyncio

import pytest

from millstream_log import Admin, Consumer, NewTopic, Producer
from millstream_log.testing.broker import RunningBroker, broker

ROUNDS = 2
RECORDS = 20  # before each restart


async def restarted(running: RunningBroker, *, cleanly: bool) -> None:
    """End the broker and start it again, while clients go on."""
    await asyncio.to_thread(running.stop if cleanly else running.kill)
    await asyncio.to_thread(running.start)


@pytest.mark.slow
@pytest.mark.parametrize("cleanly", [True, False])
def test_clients_outlast_a_broker_that_comes_back(cleanly: bool) -> None:
    """Whatever was acknowledged before, during and after is read, without a word of the user."""

    async def scenario(running: RunningBroker) -> None:
        url = f"kafka://{running.bootstrap}"
        async with Admin(url) as admin:
            await admin.create_topics([NewTopic("t", 2)])
        sent: set[int] = set()
        seen: set[int] = set()
        enough = asyncio.Event()

        async def produce(producer: Producer) -> None:
            for n in range(RECORDS * (ROUNDS + 1)):
                await producer.send_and_wait("t", b"%d" % n)
                sent.add(n)
                if len(sent) % RECORDS == 0 and len(sent) // RECORDS <= ROUNDS:
                    enough.set()
                    await asyncio.sleep(0.01)  # let the restart come in between

        async def consume(consumer: Consumer, writing: asyncio.Task[None]) -> None:
            while not writing.done() or seen < sent:
                for records in (await consumer.getmany(timeout_ms=100)).values():
                    seen.update(int(record.value) for record in records)

        async with (
            Producer(url) as producer,
            Consumer("t", log=url, group_id="g", auto_offset_reset="earliest") as consumer,
        ):
            writing = asyncio.create_task(produce(producer))
            reading = asyncio.create_task(consume(consumer, writing))
            for _ in range(ROUNDS):
                await enough.wait()
                enough.clear()
                await restarted(running, cleanly=cleanly)
            await asyncio.gather(writing, reading)
        assert seen == sent == set(range(RECORDS * (ROUNDS + 1)))

    async def held(running: RunningBroker) -> None:
        async with asyncio.timeout(60):
            await scenario(running)

    with broker() as running:
        asyncio.run(held(running))
