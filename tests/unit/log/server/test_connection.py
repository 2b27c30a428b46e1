from __future__ import annotations

import asyncio
import logging
import struct
from typing import Any

import pytest
from hostile import crowded_sync_group
from socket_pairs import VERSIONS, answer, fetched, frame, run, served, turns

from millstream_log.errors import ErrorCode, InvalidRequestError
from millstream_log.wire.frames import read_response, write_request
from millstream_log.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from millstream_log.wire.messages.fetch import (
    FetchRequest,
)
from millstream_log.wire.messages.find_coordinator import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from millstream_log.wire.messages.produce import (
    ProducePartitionResponse,
    ProduceRequest,
    ProduceResponse,
    ProduceTopicResponse,
)
from millstream_log.wire.messages.sync_group import (
    SyncGroupAssignment,
    SyncGroupRequest,
    SyncGroupResponse,
)

FETCH = FetchRequest(topics=[])


# -- order


def test_answers_come_in_order_of_requests() -> None:
    """An early request that waits holds back the answers of later ones, done as they are."""

    async def main() -> None:
        ready = asyncio.get_running_loop().create_future()
        begun = []

        async def handle(request: Any) -> Any:
            begun.append(type(request))
            if isinstance(request, FetchRequest):
                await ready
                return fetched(3)
            return ApiVersionsResponse(api_keys=[])

        async with served(handle) as running:
            client = running.client()
            client.send(frame(FETCH, 1), frame(VERSIONS, 2), frame(VERSIONS, 3))
            await turns()
            assert begun == [FetchRequest, ApiVersionsRequest, ApiVersionsRequest]
            assert client.connection.unsent_bytes > 0

            ready.set_result(None)

            assert await client.correlations(3) == [1, 2, 3]

    run(main)


def test_a_request_may_come_in_pieces() -> None:
    """A request that comes byte by byte is answered like any other."""

    async def main() -> None:
        async with served(answer) as running:
            client = running.client()
            for byte in frame(VERSIONS, 1):
                client.send(bytes([byte]))
                await turns(3)
            assert await client.correlations(1) == [1]

    run(main)


def test_connections_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends many requests at once does not hold up a connection with a single one."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        spent = 0.0
        real = loop.time
        monkeypatch.setattr(loop, "time", lambda: real() + spent)
        order = []

        async def handle(request: Any) -> Any:
            nonlocal spent
            spent += 0.01
            order.append(request.peer.client_id)
            return ApiVersionsResponse(api_keys=[])

        async with served(handle) as running:
            greedy, modest = running.client(), running.client()
            many = [b"".join(write_request(VERSIONS, 3, n, "greedy")) for n in range(10)]
            greedy.send(*many)
            modest.send(b"".join(write_request(VERSIONS, 3, 7, "modest")))
            assert await modest.correlations(1) == [7]
            assert await greedy.correlations(10) == list(range(10))
        assert order.index("modest") <= 2

    run(main)


def test_what_came_before_a_broken_frame_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    """Requests that are read together with a broken one begin, in their order."""
    taken = []

    async def handle(request: Any) -> Any:
        taken.append(request.timeout_ms)
        return ProduceResponse(topics=[])

    async def main() -> None:
        async with served(handle) as running:
            client = running.client()
            produces = [frame(ProduceRequest(timeout_ms=n, topics=[]), n) for n in range(20)]
            client.send(*produces, b"\0\0\0\1\0")
            assert await client.correlations(20) == list(range(20))
            assert await client.receive() is None

    run(main)
    assert taken == list(range(20))
    assert "a frame of 1 bytes is broken" in caplog.text


# -- acks=0


@pytest.mark.parametrize("code", [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION])
def test_acks_0_has_no_answer(code: ErrorCode, caplog: pytest.LogCaptureFixture) -> None:
    """A Produce with acks=0 is never answered; an error in it ends the connection there."""
    begun, behind = [], ProduceRequest(topics=[])

    async def handle(request: Any) -> Any:
        begun.append(request.acks)
        part = ProducePartitionResponse(index=5, error_code=code)
        return ProduceResponse(topics=[ProduceTopicResponse(name="t", partitions=[part])])

    async def main() -> None:
        async with served(handle) as running:
            client = running.client()
            client.send(frame(ProduceRequest(acks=0, topics=[]), 1), frame(behind, 2))
            if code:
                assert await client.receive() is None
                assert begun == [0]
            else:
                assert await client.correlations(1) == [2]

    run(main)
    assert caplog.messages == (
        ["closing the connection of there: Produce with acks=0: 't' 5: UNKNOWN_TOPIC_OR_PARTITION"]
        if code
        else []
    )


# -- what is not spoken here


def test_unknown_version_of_api_versions_is_answered_in_version_0() -> None:
    """A client of the future learns what this broker speaks, on the same connection."""

    async def main() -> None:
        async with served(answer) as running:
            client = running.client()
            client.send(struct.pack(">ihhi", 13, 18, 99, 4) + b"\0\1c\xff\xff")
            response = await client.receive()
            assert response is not None
            correlation, message = read_response(response, ApiVersionsRequest.api, 0)
            assert (correlation, message.error_code) == (4, ErrorCode.UNSUPPORTED_VERSION)
            assert await client.is_served()

    run(main)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (struct.pack(">ihhi", 8, 999, 0, 1), "API key 999 is not one of ours"),
        (struct.pack(">ihhi", 8, -1, 0, 1), "API key -1 is not one of ours"),
        (struct.pack(">ihhi", 8, 1, 99, 1), "Fetch version 99, ours are "),
        (struct.pack(">ihhi", 8, 1, -1, 1), "Fetch version -1, ours are "),
        (struct.pack(">i", -1), "a frame of -1 bytes, allowed are 0 to 1000"),
        (struct.pack(">i", 1001), "a frame of 1001 bytes, allowed are 0 to 1000"),
        (struct.pack(">i", 0), "a frame of 0 bytes"),
        (struct.pack(">ihhih", 10, 3, 1, 1, 500), "500 bytes at byte "),
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of 1195725856 bytes"),
    ],
)
def test_a_malformed_frame_closes_its_own_connection_only(
    sent: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A frame that nobody can read closes its connection with one line; others do not notice."""

    async def main() -> None:
        async with served(answer, socket_request_max_bytes=1000) as running:
            client, other = running.client(), running.client()
            client.send(frame(VERSIONS, 1), sent)
            assert await client.correlations(1) == [1]
            assert await client.receive() is None
            assert await other.is_served()

    run(main)
    (line,) = caplog.messages
    assert line.startswith(f"closing the connection of there: {reason}")


@pytest.mark.parametrize("is_bulk", [False, True])
def test_large_requests_are_for_bulk(is_bulk: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Records and assignments may be large; a request of names alone may not."""

    async def handle(_: Any) -> Any:
        return FindCoordinatorResponse() if not is_bulk else SyncGroupResponse(assignment=b"")

    async def main() -> None:
        async with served(handle, socket_request_plain_max_bytes=1000) as running:
            client = running.client()
            if is_bulk:
                parts = [SyncGroupAssignment(member_id="m", assignment=bytes(2000))]
                client.send(
                    frame(
                        SyncGroupRequest(
                            group_id="g", generation_id=1, member_id="m", assignments=parts
                        ),
                        1,
                    )
                )
                assert await client.correlations(1) == [1]
            else:
                client.send(frame(FindCoordinatorRequest(keys=["k" * 2000]), 1))
                assert await client.receive() is None

    run(main)
    assert [line.startswith("closing") for line in caplog.messages] == ([] if is_bulk else [True])


@pytest.mark.parametrize("version", [2, 3])
def test_a_text_that_is_too_long_is_cut_in_every_version(version: int) -> None:
    """No client would take the whole of it, however its length is written."""

    async def handle(_: Any) -> Any:
        return FindCoordinatorResponse(error_message="m" * 40_000)

    async def main() -> None:
        async with served(handle) as running:
            client = running.client()
            client.send(frame(FindCoordinatorRequest(key="k"), 1, version))
            raw = await client.receive()
            assert raw is not None
            found = read_response(memoryview(raw), FindCoordinatorRequest.api, version)[1]
            assert found.error_message == "m" * 32_767

    run(main)


@pytest.mark.parametrize(("count", "is_allowed"), [(40, True), (41, False)])
def test_a_crowd_of_tiny_items_closes_with_one_line(
    count: int, is_allowed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A large frame may have so many items of all arrays, and not one more."""

    async def handle(_: Any) -> Any:
        return SyncGroupResponse(assignment=b"")

    async def main() -> None:
        async with served(handle, socket_request_items_max=40) as running:
            client = running.client()
            client.send(crowded_sync_group(count))
            if is_allowed:
                assert await client.correlations(1) == [1]
            else:
                assert await client.receive() is None

    run(main)
    said = "closing the connection of there: more than 40 items of arrays and tagged fields in a"
    assert [line.startswith(said) for line in caplog.messages] == ([] if is_allowed else [True])


def test_an_error_that_no_answer_can_hold_closes_with_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A request that the broker refuses as a whole closes its connection; it is no traceback."""

    async def refuse(_: Any) -> Any:
        raise InvalidRequestError("not this one")

    async def main() -> None:
        async with served(refuse) as running:
            client = running.client()
            client.send(frame(VERSIONS, 1))
            assert await client.receive() is None

    run(main)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.message.endswith("ApiVersions version 4: not this one")


@pytest.mark.parametrize("waits", [False, True])
def test_a_fault_of_ours_closes_and_leaves_its_traceback(
    waits: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody meant, now or after a wait, costs its connection and is told whole."""

    async def fail(_: Any) -> Any:
        if waits:
            await asyncio.sleep(0)
        raise ZeroDivisionError("ours")

    async def main() -> None:
        async with served(fail) as running:
            client = running.client()
            client.send(frame(VERSIONS, 1))
            assert await client.receive() is None

    run(main)
    first, second = caplog.records
    assert first.exc_info
    assert first.message == "ApiVersions of there failed"
    assert second.message.endswith("ApiVersions version 4: ours")


def test_the_log_shows_a_reason_in_one_line_and_not_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A reason that quotes what the peer has sent can neither fill the log nor forge its lines."""

    async def refuse(_: Any) -> Any:
        raise InvalidRequestError("no\n2026 INFO all is well\x1b[2J" + "x" * 100_000)

    async def main() -> None:
        async with served(refuse) as running:
            client = running.client()
            client.send(frame(VERSIONS, 1))
            assert await client.receive() is None

    run(main)
    (line,) = caplog.messages
    assert r"no\n2026 INFO all is well\x1b[2Jxxx" in line
    assert len(line) < 600


def test_a_message_that_is_too_long_is_cut() -> None:
    """An answer whose error message passes what its length field can say comes all the same."""
    name = "é" * 16_383

    async def handle(_: Any) -> Any:
        return FindCoordinatorResponse(error_message=f"no {name}", host="h", node_id=1, port=2)

    async def main() -> None:
        async with served(handle) as running:
            client = running.client()
            client.send(frame(FindCoordinatorRequest(), 1, version=1))
            response = await client.receive()
            assert response is not None
            _, message = read_response(response, FindCoordinatorRequest.api, 1)
            assert message.error_message == f"no {name[:-1]}"
            assert (message.host, message.port) == ("h", 2)

    run(main)


# -- muting


def test_too_many_requests_mute_until_some_are_answered() -> None:
    """No more requests begin than the bound allows; the others follow by themselves."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waiting: list[asyncio.Future[None]] = []

        async def handle(_: Any) -> Any:
            waiting.append(loop.create_future())
            await waiting[-1]
            return ApiVersionsResponse(api_keys=[])

        async with served(handle, connection_requests_max=3) as running:
            client = running.client()
            client.send(*[frame(VERSIONS, number) for number in range(7)])
            await turns()
            assert len(waiting) == 3
            assert not client.connection.is_stalled  # the broker is what is waited for
            for number in range(7):
                waiting[number].set_result(None)
                assert await client.correlations(1) == [number]
                await turns()
                assert len(waiting) == min(number + 4, 7)

    run(main)


def test_a_peer_that_does_not_read_is_muted() -> None:
    """Unread answers keep further requests waiting; once they are read, all the others come."""
    begun = []

    async def handle(request: Any) -> Any:
        begun.append(request)
        return fetched(4_000_000)

    async def main() -> None:
        async with served(handle, connection_unsent_bytes_max=1_000_000) as running:
            client = running.client()
            client.send(*[frame(FETCH, number) for number in range(4)])
            await turns()
            assert len(begun) == 1
            assert client.connection.is_stalled
            assert await client.correlations(4) == [0, 1, 2, 3]
            assert client.connection.unsent_bytes == 0
            assert len(begun) == 4

    run(main)


def test_unread_answers_leave_less_for_new_ones() -> None:
    """Answers may be as large as a share of what is left, and no byte more when nothing is."""

    async def handle(_: Any) -> Any:
        return fetched(1_000_000)

    async def main() -> None:
        async with served(handle, queued_max_response_bytes=4_000_000) as running:
            allowed = running.host.answer_bytes_allowed
            assert allowed() == 1_000_000
            clients = [running.client() for _ in range(3)]
            for client in clients:
                before = allowed()
                client.send(frame(FETCH, 1))
                await turns()
                assert allowed() < before
            for client in clients:
                client.connection.close("")
            assert allowed() == 1_000_000

    run(main)


# -- bounds of all together


def test_unfinished_requests_of_the_most_silent_go_first(caplog: pytest.LogCaptureFixture) -> None:
    """Over the bound of unfinished requests those go that have been silent for longest."""

    async def main() -> None:
        async with served(answer, queued_max_request_bytes=160_000) as running:
            clients = [running.client() for _ in range(3)]
            idle = running.client()
            for client in [*clients, idle]:
                assert await client.is_served()
            for age, client in enumerate(clients):
                client.connection.last_active -= 10 - age
            idle.connection.last_active -= 20
            for client in [clients[1], clients[0], clients[2]]:
                silent_since = client.connection.last_active
                client.send(struct.pack(">i", 1_000_000) + bytes(30_000))
                await turns()
                assert client.connection.received_bytes >= 30_000
                client.connection.last_active = silent_since
            clients[2].send(bytes(60_000))
            assert await clients[0].receive() is None
            assert not clients[2].connection.is_closed
            assert await idle.is_served()

    run(main)
    assert "unfinished requests hold" in caplog.messages[0]


def test_unread_answers_of_the_most_silent_go_first(caplog: pytest.LogCaptureFixture) -> None:
    """Over the bound of unread answers those go that have been silent for longest."""

    async def handle(request: Any) -> Any:
        return (
            fetched(2_000_000)
            if isinstance(request, FetchRequest)
            else ApiVersionsResponse(api_keys=[])
        )

    async def main() -> None:
        async with served(handle, queued_max_response_bytes=5_000_000) as running:
            clients = [running.client() for _ in range(3)]
            for age, client in enumerate(clients):
                client.send(frame(FETCH, 1))
                await turns()
                client.connection.last_active -= 10 - age
            assert [client.connection.is_closed for client in clients] == [True, False, False]
            assert await running.client().is_served()

    run(main)
    (line,) = caplog.messages
    assert "unread answers hold" in line


# -- sweeping


@pytest.mark.parametrize(
    ("sent", "silent_seconds", "ends"),
    [
        ([], 29, False),
        ([], 31, True),
        ([b"\0\0\0"], 31, True),
        ([frame(VERSIONS, 1)], 31, False),
        ([frame(VERSIONS, 1)], 601, True),
        ([frame(VERSIONS, 1), b"\0"], 31, True),
        ([frame(FETCH, 1)], 31, True),
    ],
    ids=[
        "new",
        "never speaks",
        "never finishes",
        "is served",
        "is idle",
        "stops inside a request",
        "does not read",
    ],
)
def test_sweep_ends_what_is_stalled_or_idle(
    sent: list[bytes], silent_seconds: int, ends: bool
) -> None:
    """Silence ends a connection: soon when the peer owes something, late when it does not."""

    async def handle(request: Any) -> Any:
        return (
            fetched(4_000_000)
            if isinstance(request, FetchRequest)
            else ApiVersionsResponse(api_keys=[])
        )

    async def main() -> None:
        async with served(handle) as running:
            client = running.client()
            client.send(*sent)
            await turns()
            client.connection.last_active -= silent_seconds
            running.listener.sweep()
            assert client.connection.is_closed == ends

    run(main)


def test_single_bytes_buy_no_time_before_the_first_request() -> None:
    """Who sends a byte now and then, and no whole request, is ended like one who sends nothing."""

    async def main() -> None:
        async with served(answer) as running:
            client = running.client()
            client.connection.last_active -= 31
            client.send(b"\0")
            await turns()
            running.listener.sweep()
            assert client.connection.is_closed

    run(main)


# -- the end


def test_closing_cancels_fetches_that_wait_and_no_others() -> None:
    """A fetch for a client that has gone is given up; what others may depend on runs to its end."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        waits = {kind: loop.create_future() for kind in (FetchRequest, FindCoordinatorRequest)}
        ended = []

        async def handle(request: Any) -> Any:
            try:
                await waits[type(request)]
            finally:
                ended.append(type(request))
            return FindCoordinatorResponse()

        async with served(handle) as running:
            client = running.client()
            client.send(frame(FETCH, 1), frame(FindCoordinatorRequest(), 2))
            await turns()
            client.connection.close("")
            client.connection.close("twice is once")
            await turns()
            assert ended == [FetchRequest]
            waits[FindCoordinatorRequest].set_result(None)
            await turns()
            assert ended == [FetchRequest, FindCoordinatorRequest]

    run(main)
