"""Requests that name partitions, while leaders move and go away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted_broker import HANG_UP, Cluster, Gate, Rests, ScriptedBroker

from millstream_log.errors import ConnectionLostError, ErrorCode
from millstream_log.model import TopicPartition
from millstream_log.record.builder import encode_columns
from millstream_log.remote.address import parse
from millstream_log.remote.router import answers_of
from millstream_log.remote.transport import KafkaTransport
from millstream_log.wire.messages.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    FetchTopicResponse,
)
from millstream_log.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from millstream_log.wire.messages.metadata import MetadataRequest
from millstream_log.wire.messages.produce import (
    ProducePartition,
    ProducePartitionResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceTopic,
    ProduceTopicResponse,
)

BATCH = bytes(encode_columns([1], None, [b"v"]))
MOVED = ErrorCode.NOT_LEADER_OR_FOLLOWER

Scenario = Callable[[ScriptedBroker, ScriptedBroker, Cluster, KafkaTransport], Awaitable[None]]


def run(scenario: Scenario, options: str = "") -> None:
    """Run a scenario on two brokers, of which each leads one partition of topic t."""

    async def held() -> None:
        async with ScriptedBroker(1) as one, ScriptedBroker(2) as two, asyncio.timeout(30):
            cluster = Cluster(one, two)
            cluster.leaders["t"] = [1, 2]
            transport = KafkaTransport(parse(cluster.url + options), sleep=Rests())
            try:
                await transport.brokers.connect()
                await scenario(one, two, cluster, transport)
            finally:
                await transport.close()

    asyncio.run(held())


def offsets(*indexes: int) -> ListOffsetsRequest:
    """Return a request for the offsets of partitions of t."""
    parts = [ListOffsetsPartition(index=index, timestamp=-1) for index in indexes]
    return ListOffsetsRequest(topics=[ListOffsetsTopic(name="t", partitions=parts)])


def at(offset: int, code: ErrorCode = ErrorCode.NONE) -> Callable[[Any], ListOffsetsResponse]:
    """Return what gives every partition this offset."""

    def answer(request: ListOffsetsRequest) -> ListOffsetsResponse:
        return ListOffsetsResponse(
            topics=[
                ListOffsetsTopicResponse(
                    name=topic.name,
                    partitions=[
                        ListOffsetsPartitionResponse(index=p.index, offset=offset, error_code=code)
                        for p in topic.partitions
                    ],
                )
                for topic in request.topics
            ]
        )

    return answer


def fetch(*indexes: int, max_wait_ms: int = 0) -> FetchRequest:
    """Return a fetch of partitions of t."""
    parts = [FetchPartition(index=index, fetch_offset=0) for index in indexes]
    return FetchRequest(topics=[FetchTopic(name="t", partitions=parts)], max_wait_ms=max_wait_ms)


def fetched(index: int, records: bytes = BATCH, code: ErrorCode = ErrorCode.NONE) -> FetchResponse:
    """Return what a partition of t holds."""
    part = FetchPartitionResponse(index=index, records=records, error_code=code)
    return FetchResponse(topics=[FetchTopicResponse(name="t", partitions=[part])])


def produce(*indexes: int, acks: int = -1, timeout_ms: int = 1) -> ProduceRequest:
    """Return batches for partitions of t."""
    parts = [ProducePartition(index=index, records=bytearray(BATCH)) for index in indexes]
    topics = [ProduceTopic(name="t", partitions=parts)]
    return ProduceRequest(topics=topics, acks=acks, timeout_ms=timeout_ms)


def taken(request: ProduceRequest) -> ProduceResponse:
    """Return that all batches were appended."""
    return ProduceResponse(
        topics=[
            ProduceTopicResponse(
                name=topic.name,
                partitions=[
                    ProducePartitionResponse(index=p.index, base_offset=0) for p in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )


def codes(response: Any) -> dict[int, ErrorCode]:
    """Return the errors of the partitions of t."""
    return {key.partition: answer.error_code for key, answer in answers_of(response)}


# -- ListOffsets, as all that only asks -------------------------------------------------------


def test_every_leader_is_asked_for_its_own() -> None:
    """The answers are put together in the order of the request."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ListOffsetsRequest, at(10))
        two.on(ListOffsetsRequest, at(20))
        found = [
            (key.partition, answer.offset)
            for key, answer in answers_of(await transport.send(offsets(1, 0)))
        ]
        assert found == [(1, 20), (0, 10)]
        assert len(one.requests(MetadataRequest)) == 2  # who is there; who leads t

    run(scenario)


def test_a_partition_that_has_moved_is_asked_for_again() -> None:
    """That one alone, of its new leader."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ListOffsetsRequest, at(10))

        def move(request: ListOffsetsRequest) -> ListOffsetsResponse:
            cluster.leaders["t"] = [1, 1]
            return at(-1, MOVED)(request)

        two.on(ListOffsetsRequest, move)
        answer = await transport.send(offsets(0, 1))
        assert codes(answer) == {0: ErrorCode.NONE, 1: ErrorCode.NONE}
        asked = [
            [p.index for p in r.topics[0].partitions] for r in one.requests(ListOffsetsRequest)
        ]
        assert asked == [[0], [1]]

    run(scenario)


def test_a_leader_that_is_gone_is_waited_for_in_vain() -> None:
    """While metadata names it there is nobody else to ask, and in the end that is raised."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ListOffsetsRequest, at(10))
        await two.go_away()
        with pytest.raises(ConnectionLostError, match="nothing listens"):
            await transport.send(offsets(0, 1))
        assert len(one.requests(ListOffsetsRequest)) == 1

    run(scenario, "?request_timeout_ms=300")


def test_an_error_that_stays_is_told_when_the_time_is_over() -> None:
    """A partition that nobody leads says so itself."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        cluster.leaders["t"] = [1, -1]
        one.on(ListOffsetsRequest, at(-1, MOVED))
        assert codes(await transport.send(offsets(0, 1))) == {0: MOVED, 1: MOVED}

    run(scenario, "?request_timeout_ms=300")


def test_a_topic_that_nobody_knows_is_asked_of_anybody() -> None:
    """Whose answer is the error that a leader would give."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        del cluster.leaders["t"]
        code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        one.on(ListOffsetsRequest, at(-1, code))
        assert codes(await transport.send(offsets(0))) == {0: code}
        assert len(one.requests(ListOffsetsRequest)) == 1

    run(scenario)


# -- Fetch ------------------------------------------------------------------------------------


def test_the_first_leader_that_has_something_ends_a_wait() -> None:
    """The other one's wait is called off; nothing is lost, for it is asked again later."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        gate = Gate()
        one.on(FetchRequest, gate)
        two.on(FetchRequest, fetched(1))
        found = await transport.send(fetch(0, 1, max_wait_ms=30_000))
        assert [(key, p.records) for key, p in answers_of(found)] == [
            (TopicPartition("t", 1), BATCH)
        ]

    run(scenario)


def test_a_wait_in_which_nothing_comes_is_the_wait_of_all() -> None:
    """Every leader says that it has nothing."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(FetchRequest, fetched(0, b""))
        two.on(FetchRequest, fetched(1, b""))
        for wait in (0, 1):
            found = await transport.send(fetch(0, 1, max_wait_ms=wait))
            assert codes(found) == {0: ErrorCode.NONE, 1: ErrorCode.NONE}

    run(scenario)


@pytest.mark.parametrize("answer", [fetched(1, b"", MOVED), HANG_UP])
def test_a_partition_that_has_moved_holds_nobody_up(answer: Any) -> None:
    """It is left out of the answer, and its leader is asked for before the next."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(FetchRequest, lambda r: fetched(r.topics[0].partitions[0].index))
        two.on(FetchRequest, answer)
        assert codes(await transport.send(fetch(0, 1))) == {0: ErrorCode.NONE}
        cluster.leaders["t"] = [2, 1]
        assert codes(await transport.send(fetch(1))) == {1: ErrorCode.NONE}

    run(scenario)


def test_a_fetch_outlasts_a_broker_that_comes_back() -> None:
    """Nothing was read, so nothing is lost by asking again."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(FetchRequest, fetched(0))
        two.on(FetchRequest, fetched(1))
        assert codes(await transport.send(fetch(1))) == {1: ErrorCode.NONE}
        await two.go_away()
        again = asyncio.create_task(transport.send(fetch(1)))
        await asyncio.sleep(0)
        await two.listen()
        assert codes(await again) == {1: ErrorCode.NONE}

    run(scenario)


# -- Produce ----------------------------------------------------------------------------------


async def know(transport: KafkaTransport) -> None:
    """Ask for the metadata, as every producer does first."""
    await transport.send(MetadataRequest())


def test_batches_go_to_their_leaders() -> None:
    """And their answers come as one."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ProduceRequest, taken)
        two.on(ProduceRequest, taken)
        await know(transport)
        answer = await transport.send(produce(1, 0))
        assert [key.partition for key, _ in answers_of(answer)] == [1, 0]
        assert codes(await transport.send(produce(0))) == {0: ErrorCode.NONE}

    run(scenario)


def test_requests_for_one_and_for_many_leaders_keep_their_order() -> None:
    """What was handed over first arrives first, at each of them."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ProduceRequest, taken)
        two.on(ProduceRequest, taken)
        await know(transport)
        requests = [produce(*((0, 1) if n % 2 else (0,)), timeout_ms=n) for n in range(10)]
        await asyncio.gather(*(transport.send(request) for request in requests))
        assert [r.timeout_ms for r in one.requests(ProduceRequest)] == [*range(10)]
        assert [r.timeout_ms for r in two.requests(ProduceRequest)] == [1, 3, 5, 7, 9]

    run(scenario)


def test_a_lost_leader_is_told_batch_by_batch() -> None:
    """Those of the other leader are in the log, and must not be sent again."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ProduceRequest, taken)
        two.on(ProduceRequest, HANG_UP)
        await know(transport)
        answer = await transport.send(produce(0, 1))
        assert codes(answer) == {0: ErrorCode.NONE, 1: ErrorCode.NETWORK_EXCEPTION}
        assert "closed the connection" in (answer.topics[0].partitions[1].error_message or "")
        assert len(two.requests(ProduceRequest)) == 1

    run(scenario)


def test_a_partition_without_a_leader_is_told_at_once() -> None:
    """To wait for metadata would let later batches overtake; the sender asks, and sends again."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ProduceRequest, taken)
        cluster.leaders["t"] = [1, -1]
        await know(transport)
        answer = await transport.send(produce(0, 1))
        assert codes(answer) == {0: ErrorCode.NONE, 1: ErrorCode.LEADER_NOT_AVAILABLE}

    run(scenario)


def test_without_acks_a_batch_is_sent_and_forgotten() -> None:
    """No broker answers it, and no offset is known."""

    async def scenario(
        one: ScriptedBroker, two: ScriptedBroker, cluster: Cluster, transport: KafkaTransport
    ) -> None:
        one.on(ProduceRequest, taken)
        await know(transport)
        (part,) = (await transport.send(produce(0, acks=0))).topics[0].partitions
        assert (part.error_code, part.base_offset) == (ErrorCode.NONE, -1)
        assert codes(await transport.send(produce(0))) == {0: ErrorCode.NONE}
        assert len(one.requests(ProduceRequest)) == 2

    run(scenario)
