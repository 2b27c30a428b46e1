from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from millstream_log.broker.broker import Broker
from millstream_log.errors import ClosedError, ErrorCode
from millstream_log.model import TopicPartition
from millstream_log.record.builder import encode_columns
from millstream_log.testing import ManualClock, MemoryFiles
from millstream_log.wire.enums import OffsetSpec
from millstream_log.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from millstream_log.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from millstream_log.wire.messages.describe_groups import (
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from millstream_log.wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
)
from millstream_log.wire.messages.find_coordinator import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from millstream_log.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
)
from millstream_log.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

PARTITIONS = 20
NAMES = [f"g{number}" for number in range(PARTITIONS)]
CREATE = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=PARTITIONS)])
DELETE = DeleteTopicsRequest(topics=[DeleteTopicState(name="t")], version=6)
GROW = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=2 * PARTITIONS)])
SEE = MetadataRequest(topics=None)


class Busy(ManualClock):
    """A clock by which every step takes longer than a turn."""

    def monotonic(self) -> float:
        """Move on at every look."""
        self.advance(10)
        return super().monotonic()


def run(files: MemoryFiles, scenario: Callable[[Broker], Awaitable[None]]) -> None:
    """Run a scenario on a broker by a clock that makes all work long."""

    async def main() -> None:
        broker = await Broker.open("/log", files=files, clock=Busy(), flush="os")
        try:
            async with asyncio.timeout(10):
                await scenario(broker)
        finally:
            await broker.close()

    asyncio.run(main())


async def seen(broker: Broker) -> int:
    """Return how many partitions the topic is said to have."""
    topics = (await broker.handle(SEE)).topics
    return sum(len(topic.partitions) for topic in topics if topic.name == "t")


def test_others_have_their_turn_and_see_all_partitions_or_none() -> None:
    """While a topic is made, grown and deleted, requests are answered, by what is whole."""

    async def scenario(broker: Broker) -> None:
        changes: list[tuple[Any, int, int]] = [
            (CREATE, 0, PARTITIONS),
            (GROW, PARTITIONS, 2 * PARTITIONS),
            (DELETE, 2 * PARTITIONS, 0),
        ]
        for request, before, after in changes:
            change = asyncio.create_task(broker.handle(request))
            counts = []
            while not change.done():
                counts.append(await seen(broker))
                hosted = sum(key[0] == "t" for key in broker.host.partitions)
                assert hosted == counts[-1]
                await asyncio.sleep(0)
            assert change.result().topics[0].error_code is ErrorCode.NONE
            assert len(counts) >= PARTITIONS
            assert set(counts) <= {before, after}
            assert await seen(broker) == after

    run(MemoryFiles(), scenario)


def test_changes_of_topics_wait_for_each_other() -> None:
    """Of two creations one is refused, Metadata gets what was made, a deletion comes after."""
    ask = MetadataRequest(topics=[MetadataRequestTopic(name="t")], allow_auto_topic_creation=True)

    async def scenario(broker: Broker) -> None:
        requests: list[Any] = [CREATE, CREATE, ask, DELETE]
        first, second, asked, deleted = await asyncio.gather(*map(broker.handle, requests))
        assert first.topics[0].error_code is ErrorCode.NONE
        assert second.topics[0].error_code is ErrorCode.TOPIC_ALREADY_EXISTS
        assert len(asked.topics[0].partitions) == PARTITIONS
        assert deleted.topics[0].error_code is ErrorCode.NONE
        assert await seen(broker) == 0

    run(MemoryFiles(), scenario)


@pytest.mark.parametrize("request_", [CREATE, DELETE], ids=["create", "delete"])
def test_an_asker_that_goes_away_leaves_no_half(request_: Any) -> None:
    """A change that was begun is ended when nobody waits for it any more."""

    async def scenario(broker: Broker) -> None:
        if request_ is DELETE:
            await broker.handle(CREATE)
        task = asyncio.ensure_future(broker.handle(request_))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        count = PARTITIONS if request_ is CREATE else 0
        assert await seen(broker) == len(broker.host.log_dir.partitions) == count

    run(MemoryFiles(), scenario)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ends", ["close", "crash"])
@pytest.mark.parametrize("request_", [CREATE, DELETE], ids=["create", "delete"])
def test_what_an_end_in_the_middle_leaves_is_not_taken_for_the_next_topic(
    request_: Any, ends: str, seed: int
) -> None:
    """An end between two steps leaves no topic, and the one that is made next is empty."""
    files = MemoryFiles(seed=seed)

    async def begin() -> None:
        broker = await Broker.open("/log", files=files, clock=Busy(), flush="os")
        if request_ is DELETE:
            await broker.handle(CREATE)
            log = broker.host.log_dir.partitions[TopicPartition("t", PARTITIONS - 1)]
            log.append(encode_columns([0], [None], [b"old"]), now_ms=0)
            log.flush()
        task = asyncio.ensure_future(broker.handle(request_))
        for _ in range(3):
            await asyncio.sleep(0)
        if ends == "close":
            await broker.close()
            assert (await task).topics[0].error_code is not ErrorCode.NONE
        else:
            files.crash()
            broker.host.closing = True
            await asyncio.wait([task])

    async def again(broker: Broker) -> None:
        assert await seen(broker) == 0
        assert (await broker.handle(CREATE)).topics[0].error_code is ErrorCode.NONE
        logs = broker.host.log_dir.partitions
        assert [logs[TopicPartition("t", i)].log_end_offset for i in range(PARTITIONS)] == [0] * 20

    asyncio.run(begin())
    run(files, again)


@pytest.mark.parametrize("seed", range(5))
def test_a_topic_that_was_answered_outlives_a_crash(seed: int) -> None:
    """Once CreateTopics is answered, all its partitions are there, and their flushed records."""
    files = MemoryFiles(seed=seed)

    async def begin() -> None:
        broker = await Broker.open("/log", files=files, clock=Busy(), flush="os")
        await broker.handle(CREATE)
        for log in broker.host.log_dir.partitions.values():
            log.append(encode_columns([0], [None], [b"kept"]), now_ms=0)
            log.flush()
        files.crash()

    async def again(broker: Broker) -> None:
        assert await seen(broker) == PARTITIONS
        assert {log.log_end_offset for log in broker.host.log_dir.partitions.values()} == {1}

    asyncio.run(begin())
    run(files, again)


ASK: list[Any] = [
    DescribeGroupsRequest(groups=NAMES),
    FindCoordinatorRequest(keys=NAMES),
    OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=name) for name in NAMES]),
    DescribeProducersRequest(
        topics=[DescribeProducersTopic(name="t", partition_indexes=list(range(PARTITIONS)))]
    ),
    ListOffsetsRequest(
        topics=[
            ListOffsetsTopic(
                name="t",
                partitions=[
                    ListOffsetsPartition(index=index, timestamp=OffsetSpec.LATEST)
                    for index in range(PARTITIONS)
                ],
            )
        ]
    ),
    OffsetForLeaderEpochRequest(
        topics=[
            OffsetForLeaderTopic(
                topic="t",
                partitions=[
                    OffsetForLeaderPartition(partition=index, leader_epoch=0)
                    for index in range(PARTITIONS)
                ],
            )
        ]
    ),
]


def answered(response: Any) -> list[Any]:
    """Return what an answer names, in its order."""
    if isinstance(response, DescribeGroupsResponse | OffsetFetchResponse):
        return [group.group_id for group in response.groups]
    if isinstance(response, FindCoordinatorResponse):
        return [found.key for found in response.coordinators]
    if isinstance(response, OffsetForLeaderEpochResponse):
        return [part.partition for part in response.topics[0].partitions]
    return [part.index for part in response.topics[0].partitions]


@pytest.mark.parametrize("request_", ASK, ids=lambda request: request.api.name)
def test_others_have_their_turn_beside_a_request_that_asks_much(request_: Any) -> None:
    """Other requests are answered between what one asks for; its answer keeps the order."""

    async def scenario(broker: Broker) -> None:
        await broker.handle(CREATE)
        asked = asyncio.create_task(broker.handle(request_))
        others = 0
        while not asked.done():
            await broker.handle(SEE)
            others += 1
            await asyncio.sleep(0)
        assert others >= PARTITIONS
        expected = NAMES if answered(asked.result())[0] == NAMES[0] else list(range(PARTITIONS))
        assert answered(asked.result()) == expected

    run(MemoryFiles(), scenario)


def test_a_topic_that_goes_amid_a_request_is_unknown_from_there_on() -> None:
    """What was answered before a deletion stays, and the rest has the error of no topic."""

    async def scenario(broker: Broker) -> None:
        await broker.handle(CREATE)
        asked = asyncio.create_task(broker.handle(ASK[4]))
        for _ in range(3):
            await asyncio.sleep(0)
        await broker.handle(DELETE)
        codes = [part.error_code for part in (await asked).topics[0].partitions]
        known = codes.count(ErrorCode.NONE)
        assert 0 < known < PARTITIONS
        assert set(codes[known:]) == {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}

    run(MemoryFiles(), scenario)


def test_a_request_that_asks_much_ends_when_the_broker_closes() -> None:
    """No further step is taken on a log that is closed."""

    async def scenario(broker: Broker) -> None:
        asked = asyncio.create_task(broker.handle(ASK[0]))
        await asyncio.sleep(0)
        broker.host.closing = True
        with pytest.raises(ClosedError):
            await asked
        broker.host.closing = False

    run(MemoryFiles(), scenario)
