"""A consumer in its group, while members die, answers get lost and the log is read-only."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from millstream_log.broker.broker import Broker
from millstream_log.client.admin import Admin, NewTopic
from millstream_log.client.consumer import Consumer
from millstream_log.client.producer import Producer
from millstream_log.errors import (
    ConnectionLostError,
    ErrorCode,
    IllegalGenerationError,
    InvalidGroupIdError,
    PolicyViolationError,
    UnknownMemberIdError,
)
from millstream_log.model import TopicPartition
from millstream_log.testing.memory import ManualClock, MemoryFiles
from millstream_log.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from millstream_log.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from millstream_log.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from millstream_log.wire.request import Request

R = TypeVar("R")

ALL = frozenset(TopicPartition("t", n) for n in range(4))
T0 = TopicPartition("t", 0)


class Way:
    """A way to a broker on which answers get lost, or are others, as a script says."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.script: dict[type[Any], list[Any]] = {}  # answers or errors, before the broker's own
        self.asked: list[type[Any]] = []

    async def send(self, request: Request[R]) -> R:
        """Return what the script says next of such a request, else what the broker says."""
        self.asked.append(type(request))
        scripted = self.script.get(type(request))
        if scripted:
            answer = scripted.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer  # type: ignore[no-any-return]  # the script's to get right
        return await self.broker.handle(request)

    async def close(self) -> None:
        """Do nothing: the broker is the test's."""


@asynccontextmanager
async def opened(clock: ManualClock | None = None) -> AsyncIterator[Way]:
    """Open a broker in memory that has the topic t."""
    broker = await Broker.open("/log", files=MemoryFiles(), clock=clock or ManualClock())
    try:
        async with Admin(Way(broker)) as admin:
            await admin.create_topics([NewTopic("t", 4)])
        async with asyncio.timeout(20):
            yield Way(broker)
    finally:
        await broker.close()


def member(way: Way, **options: Any) -> Consumer:
    """Return a consumer of t in group g that hears of rebalances soon."""
    settings = {"auto_offset_reset": "earliest", "retry_backoff_ms": 1, **options}
    return Consumer("t", log=way, group_id="g", heartbeat_interval_ms=5, **settings)


async def until(condition: Callable[[], bool], *consumers: Consumer) -> None:
    """Let the consumers poll until the condition holds."""
    while not condition():
        for consumer in consumers:
            await consumer.getmany(timeout_ms=2)


async def pass_time(way: Way, clock: ManualClock, ms: int) -> None:
    """Move the clock, and do what is due by then."""
    clock.advance(ms)
    groups = way.broker.host.groups
    for outcome in groups.machine.tick(clock.now_ms()):
        await groups.carry_out(outcome)


def test_a_member_that_dies_is_thrown_out_after_its_session() -> None:
    """Its partitions stay its own for the session's time, and are the others' then."""

    async def scenario() -> None:
        clock = ManualClock()
        async with opened(clock) as way, member(way) as alive:
            dead = member(way, session_timeout_ms=6_000)
            await dead.start()
            await until(lambda: len(alive.assignment()) == 2, alive)
            assert dead._member is not None
            await dead._member.stop()
            await pass_time(way, clock, 5_000)
            before = way.asked.count(HeartbeatRequest)
            await until(lambda: way.asked.count(HeartbeatRequest) > before + 1, alive)
            assert len(alive.assignment()) == 2
            await pass_time(way, clock, 1_001)
            await until(lambda: alive.assignment() == ALL, alive)
            with pytest.raises(UnknownMemberIdError):
                await dead.commit({min(dead.assignment()): 1})
            await dead.stop()

    asyncio.run(scenario())


def test_a_member_that_was_thrown_out_joins_anew() -> None:
    """One that lives learns from its heartbeat that it is out, comes back, and reads on."""

    async def scenario() -> None:
        clock = ManualClock()
        async with opened(clock) as way, member(way, enable_auto_commit=False) as one:
            async with Producer(way) as producer:
                await producer.send_and_wait("t", b"x", partition=0, timestamp_ms=0)
            assert (await one.getone()).offset == 0
            await pass_time(way, clock, 10_001)
            assert (await one.getone()).offset == 0  # nobody has committed it
            with pytest.raises(IllegalGenerationError, match="t-0"):
                await one.commit()
            await one.commit()
            assert await one.committed(T0) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "script",
    [
        {JoinGroupRequest: [ConnectionLostError("gone")]},
        {SyncGroupRequest: [ConnectionLostError("gone"), ConnectionLostError("gone")]},
        {JoinGroupRequest: [JoinGroupResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)]},
        {JoinGroupRequest: [JoinGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID)]},
        {SyncGroupRequest: [SyncGroupResponse(error_code=ErrorCode.NOT_COORDINATOR)]},
        {SyncGroupRequest: [SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS)]},
    ],
)
def test_a_join_is_tried_until_it_works(script: dict[type[Any], list[Any]]) -> None:
    """Answers that are lost, and errors that pass, delay a member and do not fail it."""

    async def scenario() -> None:
        async with opened() as way:
            way.script = script
            async with member(way) as one:
                assert one.assignment() == ALL

    asyncio.run(scenario())


def test_a_join_that_cannot_work_is_raised_and_leaves_nothing_behind() -> None:
    """Start raises what the group says, and the group has no member of it."""

    async def scenario() -> None:
        async with opened() as way:
            way.script = {
                SyncGroupRequest: [SyncGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID)]
            }
            with pytest.raises(InvalidGroupIdError):
                await member(way).start()
            assert way.broker.host.groups.machine.describe("g").members == []

    asyncio.run(scenario())


def test_what_goes_wrong_in_the_background_is_raised_by_the_next_call() -> None:
    """A reader that waits hears at once that the group does not take it back; then it can go on."""

    async def scenario() -> None:
        async with opened() as way, member(way, fetch_max_wait_ms=20_000) as one:
            refused = JoinGroupResponse(error_code=ErrorCode.INVALID_GROUP_ID)
            way.script = {
                HeartbeatRequest: [HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS)],
                JoinGroupRequest: [refused],
            }
            with pytest.raises(InvalidGroupIdError):
                await one.getone()
            await until(lambda: one.assignment() == ALL, one)

    asyncio.run(scenario())


def test_a_heartbeat_that_is_lost_moves_nothing() -> None:
    """A broker that is away for a moment costs a member nothing."""

    async def scenario() -> None:
        async with opened() as way, member(way) as one:
            joins = way.asked.count(JoinGroupRequest)
            away = HeartbeatResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
            way.script = {HeartbeatRequest: [ConnectionLostError("gone"), away]}
            before = way.asked.count(HeartbeatRequest)
            await until(lambda: way.asked.count(HeartbeatRequest) > before + 3, one)
            assert (one.assignment(), way.asked.count(JoinGroupRequest)) == (ALL, joins)

    asyncio.run(scenario())


def test_stopping_while_others_are_waited_for_leaves_the_group() -> None:
    """A member that stops in the middle of joining does not hold the others up."""

    async def scenario() -> None:
        async with opened() as way, member(way) as one:
            other = Way(way.broker)
            late = member(other)
            starting = asyncio.create_task(late.start())
            await asyncio.sleep(0)
            assert other.asked[-1] is JoinGroupRequest
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
            await late.stop()
            await until(lambda: one.assignment() == ALL, one)
            assert len(way.broker.host.groups.machine.describe("g").members) == 1

    asyncio.run(scenario())


def test_a_reader_beside_the_writer_reads_all() -> None:
    """A read-only log has no members: a consumer with a group reads everything from its commits."""

    async def scenario() -> None:
        files = MemoryFiles()
        writer = Way(await Broker.open("/log", files=files))
        async with Producer(writer) as producer, Admin(writer) as admin:
            await admin.create_topics([NewTopic("t", 4)])
            for n in range(4):
                await producer.send_and_wait("t", b"x", partition=n)
        async with member(writer) as one:
            await one.getmany(timeout_ms=100)
            await one.commit({T0: 1})
        reader = Way(await Broker.open("/log", files=files, read_only=True))
        async with member(reader, enable_auto_commit=False) as beside:
            assert beside.assignment() == ALL
            assert await beside.position(T0) == 1
            with pytest.raises(PolicyViolationError):
                await beside.commit({T0: 1})
        await reader.broker.close()
        await writer.broker.close()

    asyncio.run(scenario())
