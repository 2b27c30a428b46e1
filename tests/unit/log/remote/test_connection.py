"""One connection to a broker that does what it should, and to others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from scripted_broker import HANG_UP, Gate, ScriptedBroker

from millstream_log.errors import (
    BrokerError,
    ClosedError,
    ConnectionLostError,
    RequestTimedOutError,
)
from millstream_log.record.builder import encode_columns
from millstream_log.remote.address import Address
from millstream_log.remote.connection import Connection
from millstream_log.wire.frames import write_response
from millstream_log.wire.messages.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    FetchTopicResponse,
)
from millstream_log.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from millstream_log.wire.messages.list_groups import (
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)
from millstream_log.wire.messages.produce import ProduceRequest

SECONDS = 30.0
BEAT = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")

Scenario = Callable[[ScriptedBroker, Connection], Awaitable[None]]


def run(scenario: Scenario, *, prepare: Callable[[ScriptedBroker], None] | None = None) -> None:
    """Run a scenario on a connection to a scripted broker."""

    async def held() -> None:
        async with ScriptedBroker() as broker:
            if prepare is not None:
                prepare(broker)
            with closing(await Connection.open(broker.address, "me", SECONDS)) as connection:
                async with asyncio.timeout(SECONDS):
                    await scenario(broker, connection)

    asyncio.run(held())


def throttled(ms: int) -> HeartbeatResponse:
    """Return an answer that can be told from others."""
    return HeartbeatResponse(throttle_time_ms=ms)


def test_requests_leave_at_once_and_answers_come_in_order() -> None:
    """A second request does not wait for the first answer, and gets its own."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        gate = Gate()
        broker.on(HeartbeatRequest, gate)
        broker.on(ListGroupsRequest, ListGroupsResponse(groups=[ListedGroup(group_id="g")]))
        first = connection.send(BEAT, SECONDS)
        second = connection.send(ListGroupsRequest(), SECONDS)
        await gate.reached.wait()
        assert not connection.is_idle
        gate.open(throttled(7))
        assert (await second).groups[0].group_id == "g"
        assert (await first).throttle_time_ms == 7
        assert connection.is_idle
        assert {frame.client_id for _, frame in broker.heard} == {"me"}

    run(scenario)


def test_answers_may_come_byte_by_byte() -> None:
    """Where the network cuts a stream means nothing."""

    def prepare(broker: ScriptedBroker) -> None:
        broker.piecemeal = True

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, lambda _: throttled(5))
        answers = [connection.send(BEAT, SECONDS - n) for n in range(3)]
        assert [(await answer).throttle_time_ms for answer in answers] == [5, 5, 5]

    run(scenario, prepare=prepare)


def test_a_broker_that_knows_only_old_api_versions_is_asked_again() -> None:
    """Its first answer says error 35 in version 0, and the second try is of version 0."""

    def prepare(broker: ScriptedBroker) -> None:
        broker.api_versions_max = 2

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, throttled(1))
        assert (await connection.send(BEAT, SECONDS)).throttle_time_ms == 1

    run(scenario, prepare=prepare)


def test_records_outlast_the_buffer_they_came_in() -> None:
    """What was fetched is bytes of its own, without a batch that was cut."""
    batch = bytes(encode_columns([1], None, [b"v"]))

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, throttled(1))
        broker.on(
            FetchRequest,
            FetchResponse(
                topics=[
                    FetchTopicResponse(
                        name="t",
                        partitions=[FetchPartitionResponse(index=0, records=batch + batch[:-1])],
                    )
                ]
            ),
        )
        parts = [FetchPartition(index=0, fetch_offset=0)]
        request = FetchRequest(topics=[FetchTopic(name="t", partitions=parts)])
        records = (await connection.send(request, SECONDS)).topics[0].partitions[0].records
        await connection.send(BEAT, SECONDS)
        assert type(records) is bytes
        assert records == batch

    run(scenario)


def test_a_request_without_an_answer_is_done_at_once() -> None:
    """The next answer is the next request's."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(ProduceRequest, None)
        broker.on(HeartbeatRequest, throttled(3))
        unanswered = connection.send(ProduceRequest(topics=[], acks=0), SECONDS, answered=False)
        assert await unanswered is None
        assert (await connection.send(BEAT, SECONDS)).throttle_time_ms == 3

    run(scenario)


def test_an_answer_that_nobody_waits_for_any_more_is_dropped() -> None:
    """A request that was called off keeps its place in the row."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, throttled(3))
        broker.on(ListGroupsRequest, ListGroupsResponse(groups=[]))
        asyncio.ensure_future(connection.send(BEAT, SECONDS)).cancel()
        assert (await connection.send(ListGroupsRequest(), SECONDS)).groups == []

    run(scenario)


def test_a_broker_that_goes_tells_all_who_wait() -> None:
    """Each has an error of its own, and so has who comes later."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, HANG_UP)
        waiting = [connection.send(BEAT, SECONDS) for _ in range(2)]
        for answer in waiting:
            with pytest.raises(ConnectionLostError, match="has closed the connection"):
                await answer
        assert not connection.is_open
        with pytest.raises(ConnectionLostError):
            connection.send(BEAT, SECONDS)

    run(scenario)


def test_a_closed_connection_tells_all_who_wait() -> None:
    """To close is no loss: it is a ClosedError."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        gate = Gate()
        broker.on(HeartbeatRequest, gate)
        answer = connection.send(BEAT, SECONDS)
        await gate.reached.wait()
        connection.close()
        with pytest.raises(ClosedError):
            await answer

    run(scenario)


def test_an_answer_that_does_not_come_ends_the_connection() -> None:
    """The oldest request has timed out; what stands behind it is lost with the connection."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, Gate())
        late = connection.send(BEAT, 0.01)
        behind = connection.send(BEAT, SECONDS)
        with pytest.raises(RequestTimedOutError, match="did not answer Heartbeat in time"):
            await late
        with pytest.raises(ConnectionLostError):
            await behind

    run(scenario)


def test_an_api_that_the_broker_does_not_know_is_not_sent() -> None:
    """The error comes from here, and the connection goes on."""

    async def scenario(broker: ScriptedBroker, connection: Connection) -> None:
        broker.on(HeartbeatRequest, throttled(1))

        class Unknown(ListGroupsRequest):
            api = ListGroupsRequest.api._replace(key=999, name="Unknown")

        with pytest.raises(BrokerError, match="does not know Unknown"):
            connection.send(Unknown(), SECONDS)
        await connection.send(BEAT, SECONDS)

    run(scenario)


async def refused(write: Callable[[bytes], list[bytes]]) -> str:
    """Open a connection to something that answers ApiVersions so; return the error."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
        writer.writelines(write(asked))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    try:
        with pytest.raises(ConnectionLostError) as raised:
            await Connection.open(Address(host, port), "me", SECONDS)
    finally:
        server.close()
        await server.wait_closed()
    return str(raised.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a frame of 1213486160 bytes"),
        (b"\0\0\0\x02\0\0", "answer 0 in the place of 1"),
        (b"\0\0\0\x05\0\0\0\x01\0", "a response of 5 bytes is broken"),
    ],
)
def test_what_is_no_broker_is_told_as_such(data: bytes, message: str) -> None:
    """Whatever listens there, the error says that it does not speak Kafka's protocol."""
    said = asyncio.run(refused(lambda _: [data]))
    assert "does not answer as a Kafka broker" in said
    assert message in said


def test_an_answer_in_the_place_of_another_is_an_error() -> None:
    """Correlation ids are checked, as order alone would give the wrong answer to somebody."""

    def write(asked: bytes) -> list[bytes]:
        response: Any = ListGroupsResponse(groups=[])
        return write_response(ListGroupsRequest.api, 0, 99, response)

    assert "answer 99 in the place of 1" in asyncio.run(refused(write))


def test_where_nobody_listens_the_error_says_what_to_do() -> None:
    """It names the address, and the command that would listen there."""

    async def scenario() -> None:
        async with ScriptedBroker() as broker:
            address = broker.address
        for host in ("127.0.0.1", "localhost"):  # which may stand for two addresses
            with pytest.raises(ConnectionLostError) as raised:
                await Connection.open(Address(host, address.port), "me", SECONDS)
            expected = f"nothing listens at {host}:{address.port}: is `millstream serve` running?"
            assert str(raised.value) == expected

    asyncio.run(scenario())


def test_a_name_that_is_not_known_is_told() -> None:
    """The error names the host."""

    async def scenario() -> None:
        with pytest.raises(ConnectionLostError, match="no host is known by the name 'no host'"):
            await Connection.open(Address("no host", 9092), "me", SECONDS)

    asyncio.run(scenario())
