"""The connections to one broker: which request goes over which, and what a failure costs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from scripted_broker import HANG_UP, Gate, Rests, ScriptedBroker

from millstream_log.errors import ClosedError, ConnectionLostError
from millstream_log.remote.node import Node
from millstream_log.wire.messages.fetch import FetchRequest, FetchResponse
from millstream_log.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from millstream_log.wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from millstream_log.wire.messages.produce import ProduceRequest, ProduceResponse

BEAT = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
JOIN = JoinGroupRequest(
    group_id="g", session_timeout_ms=6000, protocol_type="consumer", protocols=[]
)
FETCH = FetchRequest(topics=[])

Scenario = Callable[[ScriptedBroker, Node, Rests], Awaitable[None]]


def run(scenario: Scenario) -> None:
    """Run a scenario on a broker and the connections to it."""

    async def held() -> None:
        async with ScriptedBroker() as broker, asyncio.timeout(30):
            broker.on(HeartbeatRequest, HeartbeatResponse())
            broker.on(ProduceRequest, ProduceResponse(topics=[]))
            broker.on(FetchRequest, FetchResponse(topics=[]))
            rests = Rests()
            node = Node(broker.address, "me", 30_000, rests)
            try:
                await scenario(broker, node, rests)
            finally:
                node.close()

    asyncio.run(held())


def test_who_waits_at_the_broker_holds_nobody_up() -> None:
    """Two members that wait for each other, and a heartbeat, go over three connections."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        gates = [Gate(), Gate()]
        coming = iter(gates)
        broker.on(JoinGroupRequest, lambda request: next(coming)(request))
        joins = [asyncio.create_task(node.send(JOIN)) for _ in gates]
        for gate in gates:
            await gate.reached.wait()
        await node.send(BEAT)
        assert broker.connections == 3
        for gate in gates:
            gate.open(JoinGroupResponse())
        await asyncio.gather(*joins)
        await node.send(FETCH)
        assert broker.connections == 3  # a connection that is free is used again

    run(scenario)


def test_produce_has_a_connection_of_its_own() -> None:
    """Requests of a kind share one."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        for _ in range(3):
            await node.send(ProduceRequest(topics=[]))
            await node.send(BEAT)
        assert broker.connections == 2

    run(scenario)


def test_what_comes_while_it_connects_leaves_in_order() -> None:
    """Ten requests of which the first had to connect arrive as they were made."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        sent = [ProduceRequest(topics=[], timeout_ms=n) for n in range(10)]
        await asyncio.gather(*(node.send(request) for request in sent))
        assert [request.timeout_ms for request in broker.requests(ProduceRequest)] == [*range(10)]
        assert broker.connections == 1

    run(scenario)


def test_what_is_called_off_takes_its_connection_along() -> None:
    """A fetch that waits is given up with its connection, and the next has another."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        gate = Gate()
        broker.on(FetchRequest, gate)
        waiting = asyncio.create_task(node.send(FETCH))
        await gate.reached.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        broker.on(FetchRequest, FetchResponse(topics=[]))
        await node.send(FETCH)
        assert broker.connections == 2

    run(scenario)


def test_a_lost_connection_is_made_again_at_the_next_use() -> None:
    """The request that was lost is an error, the one after it goes through."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        broker.on(HeartbeatRequest, HANG_UP)
        with pytest.raises(ConnectionLostError):
            await node.send(BEAT)
        broker.on(HeartbeatRequest, HeartbeatResponse())
        await node.send(BEAT)
        assert broker.connections == 2
        assert rests.seconds == []

    run(scenario)


def test_rests_grow_while_a_broker_is_away() -> None:
    """The first try is at once, the others are not, until one succeeds."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        await broker.go_away()
        for _ in range(4):
            with pytest.raises(ConnectionLostError, match="nothing listens"):
                await node.send(BEAT)
        assert rests.seconds == [0.05, 0.1, 0.2]
        await broker.listen()
        await node.send(BEAT)
        assert rests.seconds == [0.05, 0.1, 0.2, 0.4]
        await node.send(FETCH)
        assert len(rests.seconds) == 4

    run(scenario)


def test_one_failure_is_that_of_all_who_waited_for_it() -> None:
    """Nobody tries again what has failed while they stood by."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        await broker.go_away()
        found = await asyncio.gather(*(node.send(BEAT) for _ in range(5)), return_exceptions=True)
        assert {type(error) for error in found} == {ConnectionLostError}
        assert rests.seconds == []

    run(scenario)


def test_closing_ends_what_waits() -> None:
    """On every connection."""

    async def scenario(broker: ScriptedBroker, node: Node, rests: Rests) -> None:
        gates = [Gate(), Gate()]
        broker.on(FetchRequest, gates[0])
        broker.on(HeartbeatRequest, gates[1])
        waiting = [asyncio.create_task(node.send(request)) for request in (FETCH, BEAT)]
        for gate in gates:
            await gate.reached.wait()
        node.close()
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in found] == [ClosedError, ClosedError]
        with pytest.raises(ClosedError):
            await node.send(BEAT)

    run(scenario)
