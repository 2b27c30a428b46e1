"""What a consumer promises, whatever log is behind it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from millstream_log import (
    Admin,
    Consumer,
    NewTopic,
    OffsetAndMetadata,
    OffsetAndTimestamp,
    Producer,
    Record,
    TopicPartition,
)
from millstream_log.errors import (
    ClosedError,
    InvalidConfigError,
    InvalidGroupIdError,
    InvalidRequestError,
    OffsetOutOfRangeError,
)

if TYPE_CHECKING:
    from body import Body

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


async def fill(url: str, count: int, *, partitions: int = 1, topic: str = "t") -> None:
    """Write records 0 .. count - 1 in turn over the partitions; time 10 * n."""
    async with Admin(url) as admin, Producer(url) as producer:
        if topic not in await admin.list_topics():
            await admin.create_topics([NewTopic(topic, partitions)])
        for n in range(count):
            await producer.send(topic, b"%d" % n, partition=n % partitions, timestamp_ms=10 * n)


def numbers(found: dict[TopicPartition, list[Record]]) -> list[int]:
    """Return the numbers that the records hold."""
    return [int(record.value) for records in found.values() for record in records]


def test_getmany_hands_out_all_partitions_and_moves_on(body: Body) -> None:
    """What was handed out once does not come again, and the positions stand behind it."""

    async def scenario(url: str) -> None:
        await fill(url, 10, partitions=2)
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            found = await consumer.getmany(timeout_ms=1000)
            assert {key: numbers({key: records}) for key, records in found.items()} == {
                T0: [0, 2, 4, 6, 8],
                T1: [1, 3, 5, 7, 9],
            }
            assert await consumer.position(T0) == 5
            assert await consumer.getmany() == {}
            assert consumer.highwater(T0) == 5
            assert (consumer.last_poll_timestamp(T0) or 0) > 1_600_000_000_000

    body.run(scenario)


def test_max_records_bounds_a_call_and_nothing_is_lost(body: Body) -> None:
    """Records beyond the bound come with the next calls, in order."""

    async def scenario(url: str) -> None:
        await fill(url, 10)
        async with Consumer(
            "t", log=url, auto_offset_reset="earliest", max_poll_records=4
        ) as consumer:
            calls = [numbers(await consumer.getmany(timeout_ms=100)) for _ in range(3)]
            assert calls == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
            consumer.seek(T0, 0)
            assert numbers(await consumer.getmany(max_records=2)) == [0, 1]
            assert await consumer.position(T0) == 2
            assert (await consumer.getone()).offset == 2
            assert await consumer.position(T0) == 3

    body.run(scenario)


def test_getone_waits_for_a_record(body: Body) -> None:
    """A consumer that waits is woken by the append, well before its time is over."""

    async def scenario(url: str) -> None:
        async with (
            Producer(url) as producer,
            Consumer("t", log=url, fetch_max_wait_ms=20_000) as consumer,
        ):
            waiting = asyncio.create_task(consumer.getone())
            for _ in range(5):
                await asyncio.sleep(0)
            assert not waiting.done()
            await producer.send_and_wait("t", b"now")
            assert (await waiting).value == b"now"

    body.run(scenario)


def test_a_consumer_is_an_async_iterator(body: Body) -> None:
    """`async for` hands out one record after the other and goes on when more come."""

    async def scenario(url: str) -> None:
        await fill(url, 3)
        got = []
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            async for record in consumer:
                got.append(int(record.value))
                if len(got) == 3:
                    await fill(url, 1)
                if len(got) == 4:
                    break
        assert got == [0, 1, 2, 0]

    body.run(scenario)


def test_latest_means_from_now_on(body: Body) -> None:
    """A new consumer without a commit sees what comes after its start, and nothing before."""

    async def scenario(url: str) -> None:
        await fill(url, 3)
        async with Consumer("t", log=url) as consumer, Producer(url) as producer:
            await producer.send_and_wait("t", b"77")
            assert numbers(await consumer.getmany(timeout_ms=1000)) == [77]

    body.run(scenario)


def test_a_waiting_getmany_returns_when_its_time_is_over(body: Body) -> None:
    """Nothing to read is an empty answer after timeout_ms, not a wait for fetch_max_wait_ms."""

    async def scenario(url: str) -> None:
        async with Consumer("t", log=url, fetch_max_wait_ms=20_000) as consumer:
            assert await consumer.getmany(timeout_ms=20) == {}
            assert await consumer.getmany() == {}

    body.run(scenario)


def test_a_commit_outlives_the_consumer(body: Body) -> None:
    """A later consumer of the group goes on where the group has committed."""

    async def scenario(url: str) -> None:
        await fill(url, 10)
        for expected in ([0, 1, 2], [3, 4, 5]):
            async with Consumer(
                "t",
                log=url,
                group_id="g",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            ) as consumer:
                assert numbers(await consumer.getmany(max_records=3)) == expected
                await consumer.commit()
                assert await consumer.committed(T0) == expected[-1] + 1
                await consumer.getmany(max_records=2)  # read, and not committed

    body.run(scenario)


def test_a_commit_outlives_the_process(body: Body) -> None:
    """After the log was closed and opened again, the group's position is there."""
    if not body.durable:
        pytest.skip("a log in memory ends with its process")

    async def first(url: str) -> None:
        await fill(url, 5)
        async with Consumer("t", log=url, group_id="g", auto_offset_reset="earliest") as consumer:
            await consumer.getmany(max_records=2)

    async def second(url: str) -> None:
        async with Consumer("t", log=url, group_id="g") as consumer:
            assert await consumer.committed(T0) == 2
            assert numbers(await consumer.getmany()) == [2, 3, 4]

    body.run(first)
    body.run(second)


def test_auto_commit_never_runs_ahead_of_what_was_handed_out(body: Body) -> None:
    """The commit of a call covers the calls before it; stopping covers all."""

    async def scenario(url: str) -> None:
        await fill(url, 6)
        async with Consumer(
            "t", log=url, group_id="g", auto_offset_reset="earliest", auto_commit_interval_ms=0
        ) as consumer:
            await consumer.getmany(max_records=2)
            await consumer.getmany(max_records=2)
            async with Admin(url) as admin:
                offsets = await admin.list_consumer_group_offsets("g")
                assert offsets[T0].offset == 2
        async with Admin(url) as admin:
            assert (await admin.list_consumer_group_offsets("g"))[T0].offset == 4

    body.run(scenario)


def test_offsets_can_be_committed_by_hand_with_a_text(body: Body) -> None:
    """A commit of given offsets keeps their metadata and moves no position."""

    async def scenario(url: str) -> None:
        await fill(url, 6)
        async with Consumer(
            "t", log=url, group_id="g", auto_offset_reset="earliest", enable_auto_commit=False
        ) as consumer:
            await consumer.commit({T0: OffsetAndMetadata(4, "half way")})
            assert await consumer.position(T0) == 0
            assert await consumer.seek_to_committed() == {T0: 4}
            assert await consumer.position(T0) == 4
        async with Admin(url) as admin:
            offsets = await admin.list_consumer_group_offsets("g")
            assert offsets == {T0: OffsetAndMetadata(4, "half way")}

    body.run(scenario)


def test_committing_needs_a_group(body: Body) -> None:
    """Without a group_id nothing can be committed, and the error says why."""

    async def scenario(url: str) -> None:
        await fill(url, 1)
        async with Consumer("t", log=url) as consumer:
            with pytest.raises(InvalidGroupIdError):
                await consumer.commit()
            with pytest.raises(InvalidGroupIdError):
                await consumer.committed(T0)

    body.run(scenario)


def test_seek_goes_back_and_to_the_ends(body: Body) -> None:
    """After a seek the next record is the one sought, whatever was buffered."""

    async def scenario(url: str) -> None:
        await fill(url, 10)
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            await consumer.getmany(max_records=3)
            consumer.seek(T0, 7)
            assert numbers(await consumer.getmany()) == [7, 8, 9]
            await consumer.seek_to_beginning()
            assert (await consumer.getone()).offset == 0
            await consumer.seek_to_end(T0)
            assert await consumer.position(T0) == 10
            assert await consumer.getmany() == {}
            with pytest.raises(InvalidConfigError):
                consumer.seek(T0, -1)

    body.run(scenario)


def test_a_seek_wakes_a_reader_that_waits(body: Body) -> None:
    """A reader parked at the end goes on at once where another task has sought."""

    async def scenario(url: str) -> None:
        await fill(url, 2)
        async with Consumer("t", log=url, fetch_max_wait_ms=20_000) as consumer:
            waiting = asyncio.create_task(consumer.getone())
            for _ in range(5):
                await asyncio.sleep(0)
            consumer.seek(T0, 1)
            assert (await waiting).offset == 1

    body.run(scenario)


def test_offsets_are_found_by_time(body: Body) -> None:
    """The first record at or after a time is named exactly; beyond the last there is none."""

    async def scenario(url: str) -> None:
        await fill(url, 10)
        async with Consumer("t", log=url) as consumer:
            for time_ms, expected in (
                (0, OffsetAndTimestamp(0, 0)),
                (35, OffsetAndTimestamp(4, 40)),
                (90, OffsetAndTimestamp(9, 90)),
                (91, None),
            ):
                assert await consumer.offsets_for_times({T0: time_ms}) == {T0: expected}

    body.run(scenario)


def test_ends_are_told(body: Body) -> None:
    """beginning_offsets and end_offsets follow deletes and appends."""

    async def scenario(url: str) -> None:
        await fill(url, 10)
        async with Consumer("t", log=url) as consumer, Admin(url) as admin:
            assert await consumer.beginning_offsets([T0]) == {T0: 0}
            assert await consumer.end_offsets([T0]) == {T0: 10}
            assert await admin.delete_records({T0: 4}) == {T0: 4}
            assert await consumer.beginning_offsets([T0]) == {T0: 4}

    body.run(scenario)


def test_a_position_that_is_gone_is_reset_as_was_said(body: Body) -> None:
    """Below the log start, "earliest" goes to the start and "none" is an error."""

    async def scenario(url: str) -> None:
        await fill(url, 10)
        async with Admin(url) as admin:
            await admin.delete_records({T0: 6})
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            consumer.seek(T0, 2)
            assert numbers(await consumer.getmany(timeout_ms=1000)) == [6, 7, 8, 9]
        async with Consumer(log=url, auto_offset_reset="none") as consumer:
            consumer.assign([T0])
            consumer.seek(T0, 2)
            with pytest.raises(OffsetOutOfRangeError, match="2"):
                await consumer.getmany()
            consumer.seek(T0, 9)
            assert numbers(await consumer.getmany()) == [9]

    body.run(scenario)


def test_a_paused_partition_rests_and_keeps_its_place(body: Body) -> None:
    """Nothing of a paused partition is handed out, also not what was buffered."""

    async def scenario(url: str) -> None:
        await fill(url, 10, partitions=2)
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            await consumer.getmany(T0, max_records=1)
            consumer.pause(T0)
            assert consumer.paused() == {T0}
            assert numbers(await consumer.getmany(timeout_ms=100)) == [1, 3, 5, 7, 9]
            assert await consumer.getmany(timeout_ms=10) == {}
            consumer.resume(T0)
            assert numbers(await consumer.getmany()) == [2, 4, 6, 8]

    body.run(scenario)


def test_named_partitions_alone_are_read(body: Body) -> None:
    """Getmany and getone of some partitions leave the others where they are."""

    async def scenario(url: str) -> None:
        await fill(url, 6, partitions=2)
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            assert numbers(await consumer.getmany(T1)) == [1, 3, 5]
            assert int((await consumer.getone(T0)).value) == 0
            with pytest.raises(InvalidRequestError, match="not assigned"):
                await consumer.getmany(TopicPartition("t", 9))

    body.run(scenario)


def test_partitions_can_be_assigned_by_hand(body: Body) -> None:
    """Assign reads exactly what it names; one of assign and subscribe at a time."""

    async def scenario(url: str) -> None:
        await fill(url, 6, partitions=2)
        async with Consumer(log=url, auto_offset_reset="earliest") as consumer:
            consumer.assign([T1])
            assert consumer.assignment() == {T1}
            assert numbers(await consumer.getmany()) == [1, 3, 5]
            with pytest.raises(InvalidRequestError):
                consumer.subscribe(["t"])
            consumer.unsubscribe()
            assert consumer.assignment() == frozenset()
            consumer.subscribe(["t"])
            await consumer.getmany()
            assert consumer.assignment() == {T0, T1}
            assert consumer.subscription() == {"t"}

    body.run(scenario)


def test_a_pattern_follows_new_topics(body: Body) -> None:
    """A subscription by pattern takes in matching topics that appear later, no internal ones."""

    async def scenario(url: str) -> None:
        await fill(url, 1, topic="a-1")
        await fill(url, 1, topic="b-1")
        async with Consumer(
            log=url, auto_offset_reset="earliest", metadata_max_age_ms=0, group_id="g"
        ) as consumer:
            consumer.subscribe(pattern="a-.*|__.*")
            assert (await consumer.getone()).topic == "a-1"
            await consumer.commit()  # __consumer_offsets is there now
            await fill(url, 1, topic="a-2")
            assert (await consumer.getone()).topic == "a-2"
            assert consumer.subscription() == {"a-1", "a-2"}
            assert await consumer.topics() == {"a-1", "a-2", "b-1"}

    body.run(scenario)


def test_new_partitions_are_read(body: Body) -> None:
    """Partitions that are added to a subscribed topic are read from their start."""

    async def scenario(url: str) -> None:
        await fill(url, 1)
        async with (
            Consumer("t", log=url, auto_offset_reset="earliest", metadata_max_age_ms=0) as consumer,
            Admin(url) as admin,
            Producer(url) as producer,
        ):
            await consumer.getone()
            await admin.create_partitions({"t": 2})
            await producer.send_and_wait("t", b"5", partition=1)
            assert (await consumer.getone()).partition == 1
            assert consumer.partitions_for_topic("t") == {0, 1}
            assert consumer.partitions_for_topic("unknown") is None

    body.run(scenario)


def test_columns_are_whole_batches_cut_to_the_position(body: Body) -> None:
    """Getcolumns gives the same records as getmany, and starts at the position."""

    async def scenario(url: str) -> None:
        await fill(url, 20)
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            consumer.seek(T0, 5)
            found = await consumer.getcolumns(timeout_ms=1000)
            values = [value for columns in found[T0] for value in columns.values]
            assert values == [b"%d" % n for n in range(5, 20)]
            assert [t for c in found[T0] for t in c.timestamps] == [10 * n for n in range(5, 20)]
            assert await consumer.position(T0) == 20
            assert await consumer.getcolumns() == {}

    body.run(scenario)


def test_columns_go_on_where_getmany_stopped(body: Body) -> None:
    """The two roads share one position, also in the middle of a batch."""

    async def scenario(url: str) -> None:
        await fill(url, 20)
        async with Consumer("t", log=url, auto_offset_reset="earliest") as consumer:
            assert numbers(await consumer.getmany(max_records=3)) == [0, 1, 2]
            found = await consumer.getcolumns(keys=False)
            offsets = [offset for columns in found[T0] for offset in columns.offsets]
            assert offsets == list(range(3, 20))

    body.run(scenario)


def test_a_deserializer_that_fails_stops_at_its_record(body: Body) -> None:
    """The records before it are handed out, then its error is raised until it is passed over."""

    async def scenario(url: str) -> None:
        async with Producer(url, linger_ms=5) as producer:
            for value in (b"1", b"2", b"no json", b"4"):
                await producer.send("t", value)
        async with Consumer(
            "t", log=url, auto_offset_reset="earliest", value_deserializer=json.loads
        ) as consumer:
            assert [r.value for r in (await consumer.getmany())[T0]] == [1, 2]
            for _ in range(2):
                with pytest.raises(json.JSONDecodeError):
                    await consumer.getmany()
            assert await consumer.position(T0) == 2
            consumer.seek(T0, 3)
            assert (await consumer.getone()).value == 4

    body.run(scenario)


def test_a_large_record_passes_small_fetch_bounds(body: Body) -> None:
    """A batch above every bound of the consumer still comes, so that it can go on."""

    async def scenario(url: str) -> None:
        async with Producer(url) as producer:
            for size in (10, 100_000, 10):
                await producer.send_and_wait("t", b"x" * size)
        async with Consumer(
            "t",
            log=url,
            auto_offset_reset="earliest",
            fetch_max_bytes=1000,
            max_partition_fetch_bytes=1000,
        ) as consumer:
            assert [len((await consumer.getone()).value) for _ in range(3)] == [10, 100_000, 10]

    body.run(scenario)


def test_stopping_ends_a_reader_that_waits(body: Body) -> None:
    """A getone that waits when the consumer stops is a ClosedError, and `async for` just ends."""

    async def scenario(url: str) -> None:
        for reader in ("getone", "iterate"):
            consumer = Consumer("t", log=url, fetch_max_wait_ms=20_000)
            await consumer.start()

            async def iterate(consumer: Consumer = consumer) -> None:
                async for _ in consumer:
                    pass

            work = consumer.getone() if reader == "getone" else iterate()
            waiting = asyncio.create_task(work)
            for _ in range(5):
                await asyncio.sleep(0)
            await consumer.stop()
            if reader == "getone":
                with pytest.raises(ClosedError):
                    await waiting
            else:
                await waiting

    body.run(scenario)


def test_wrong_options_are_refused(body: Body) -> None:
    """An option outside its values is an InvalidConfigError that lists them."""
    with pytest.raises(InvalidConfigError, match="earliest"):
        Consumer("t", log=body.url, auto_offset_reset="first")
    with pytest.raises(InvalidConfigError, match="read_committed"):
        Consumer("t", log=body.url, isolation_level="serializable")
