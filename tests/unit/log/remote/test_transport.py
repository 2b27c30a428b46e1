"""The way to a log of several brokers: who is asked, what is asked again, what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from scripted_broker import HANG_UP, Cluster, Rests, ScriptedBroker

from millstream_log.errors import ClosedError, ConnectionLostError, ErrorCode
from millstream_log.remote.address import parse
from millstream_log.remote.transport import KafkaTransport, open_kafka
from millstream_log.wire.enums import ResourceType
from millstream_log.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from millstream_log.wire.messages.delete_groups import (
    DeletedGroup,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from millstream_log.wire.messages.describe_configs import (
    ConfigEntry,
    ConfigResource,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from millstream_log.wire.messages.find_coordinator import (
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)
from millstream_log.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from millstream_log.wire.messages.list_groups import (
    ListedGroup,
    ListGroupsRequest,
    ListGroupsResponse,
)
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse

BEAT = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")

Scenario = Callable[["Setting"], Awaitable[None]]


class Setting:
    """Two brokers, the way to them, and how long was rested."""

    def __init__(self, one: ScriptedBroker, two: ScriptedBroker, options: str) -> None:
        self.one, self.two = one, two
        self.cluster = Cluster(one, two)
        self.rests = Rests()
        self.transport = KafkaTransport(parse(self.cluster.url + options), sleep=self.rests)

    def coordinate(self, **node_ids: int) -> None:
        """Have both brokers say who coordinates which group."""
        for broker in (self.one, self.two):
            broker.on(FindCoordinatorRequest, lambda request: self.found(node_ids[request.key]))

    def found(self, node_id: int) -> FindCoordinatorResponse:
        """Return the answer that names this broker."""
        address = self.cluster.brokers[node_id].address
        return FindCoordinatorResponse(node_id=node_id, host=address.host, port=address.port)


def run(scenario: Scenario, options: str = "") -> None:
    """Run a scenario on two brokers."""

    async def held() -> None:
        async with ScriptedBroker(1) as one, ScriptedBroker(2) as two, asyncio.timeout(30):
            setting = Setting(one, two, options)
            try:
                await setting.transport.brokers.connect()
                await scenario(setting)
            finally:
                await setting.transport.close()

    asyncio.run(held())


def in_turn(*answers: Any) -> Callable[[Any], Any]:
    """Return what gives one answer after the other, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


# -- opening and closing ----------------------------------------------------------------------


def test_the_first_seed_that_answers_is_enough() -> None:
    """Seeds that are away are passed over."""

    async def scenario(setting: Setting) -> None:
        gone = ScriptedBroker()
        async with gone:
            url = f"kafka://{gone.address},{setting.one.address}"
        transport = await open_kafka(url)
        await transport.close()

    run(scenario)


def test_without_a_broker_opening_fails_and_names_them_all() -> None:
    """At once, and with what is wrong at each."""

    async def scenario() -> None:
        async with ScriptedBroker() as one, ScriptedBroker() as two:
            url = f"kafka://{one.address},{two.address}"
        with pytest.raises(ConnectionLostError) as raised:
            await open_kafka(url)
        for broker in (one, two):
            assert f"nothing listens at {broker.address}" in str(raised.value)

    asyncio.run(scenario())


def test_a_closed_way_says_so() -> None:
    """Twice is once, and every later request is a ClosedError."""

    async def scenario(setting: Setting) -> None:
        await setting.transport.close()
        await setting.transport.close()
        with pytest.raises(ClosedError, match="this way to kafka://"):
            await setting.transport.send(BEAT)

    run(scenario)


# -- any broker -------------------------------------------------------------------------------


def test_what_anyone_can_answer_is_asked_of_one_as_long_as_it_lasts() -> None:
    """When that one goes, a question is asked again of another, for asking does no harm."""

    async def scenario(setting: Setting) -> None:
        for _ in range(3):
            await setting.transport.send(MetadataRequest())
        assert setting.two.heard == []
        await setting.one.go_away()
        await setting.transport.send(MetadataRequest())
        assert len(setting.two.requests(MetadataRequest)) == 1

    run(scenario)


def test_a_question_is_asked_until_its_time_is_over() -> None:
    """Then the loss is raised, with what to do."""

    async def scenario(setting: Setting) -> None:
        await setting.one.go_away()
        await setting.two.go_away()
        with pytest.raises(ConnectionLostError, match="nothing listens"):
            await setting.transport.send(MetadataRequest())
        assert len(setting.rests.seconds) > 3

    run(scenario, "?request_timeout_ms=500")


def test_what_may_have_had_an_effect_is_not_sent_twice() -> None:
    """A creation whose answer is lost is an error, for it may have been done."""

    async def scenario(setting: Setting) -> None:
        setting.one.on(CreateTopicsRequest, HANG_UP)
        with pytest.raises(ConnectionLostError):
            await setting.transport.send(CreateTopicsRequest(topics=[CreatableTopic(name="t")]))
        assert len(setting.one.requests(CreateTopicsRequest)) == 1
        assert setting.two.heard == []

    run(scenario)


def test_a_created_topic_can_be_seen_when_it_is_answered() -> None:
    """The answer waits until a broker shows what the controller has made."""

    async def scenario(setting: Setting) -> None:
        setting.one.on(
            CreateTopicsRequest,
            CreateTopicsResponse(topics=[CreatableTopicResult(name="t", num_partitions=1)]),
        )
        hidden = setting.cluster.metadata

        def metadata(request: MetadataRequest) -> Any:
            if len(setting.one.requests(MetadataRequest)) == 4:
                setting.cluster.leaders["t"] = [2]
            return hidden(request)

        setting.one.on(MetadataRequest, metadata)
        await setting.transport.send(CreateTopicsRequest(topics=[CreatableTopic(name="t")]))
        assert len(setting.one.requests(MetadataRequest)) == 4
        assert setting.rests.seconds == [0.02, 0.04]

    run(scenario)


def describe(value: str) -> Callable[[DescribeConfigsRequest], DescribeConfigsResponse]:
    """Return what says that a config has this value, whichever is asked for."""

    def answer(request: DescribeConfigsRequest) -> DescribeConfigsResponse:
        results = [
            DescribeConfigsResult(
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
                configs=[ConfigEntry(name="auto.create.topics.enable", value=value)],
            )
            for resource in request.resources
        ]
        return DescribeConfigsResponse(results=results)

    return answer


@pytest.mark.parametrize("enabled", [True, False])
def test_a_topic_that_is_created_by_being_asked_for_is_waited_for(enabled: bool) -> None:
    """Kafka's first answer knows it not yet; where topics are not created, it is the last."""

    async def scenario(setting: Setting) -> None:
        setting.one.on(DescribeConfigsRequest, describe("true" if enabled else "false"))
        answer = setting.cluster.metadata

        def metadata(request: MetadataRequest) -> Any:
            if len(setting.one.requests(MetadataRequest)) == 4:
                setting.cluster.leaders["t"] = [1]
            return answer(request)

        setting.one.on(MetadataRequest, metadata)
        asked = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
        for _ in range(2):
            (topic,) = (await setting.transport.send(asked)).topics
            unknown = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            assert topic.error_code is (ErrorCode.NONE if enabled else unknown)
        assert len(setting.one.requests(DescribeConfigsRequest)) == 1
        assert bool(setting.rests.seconds) is enabled

    run(scenario)


# -- several ----------------------------------------------------------------------------------


def test_all_brokers_are_asked_for_their_groups() -> None:
    """Each has groups of its own."""

    async def scenario(setting: Setting) -> None:
        for broker, group in ((setting.one, "b"), (setting.two, "a")):
            broker.on(ListGroupsRequest, ListGroupsResponse(groups=[ListedGroup(group_id=group)]))
        response = await setting.transport.send(ListGroupsRequest())
        assert [group.group_id for group in response.groups] == ["a", "b"]

    run(scenario)


def test_a_brokers_configs_are_asked_of_itself() -> None:
    """Each tells its own, in one answer, in the order in which they were asked for."""

    async def scenario(setting: Setting) -> None:
        setting.one.on(DescribeConfigsRequest, describe("one"))
        setting.two.on(DescribeConfigsRequest, describe("two"))
        resources = [
            ConfigResource(resource_type=kind, resource_name=name)
            for kind, name in (
                (ResourceType.BROKER, "2"),
                (ResourceType.TOPIC, "t"),
                (ResourceType.BROKER, "1"),
            )
        ]
        answer = await setting.transport.send(DescribeConfigsRequest(resources=resources))
        told = [(result.resource_name, result.configs[0].value) for result in answer.results]
        assert told == [("2", "two"), ("t", "one"), ("1", "one")]

    run(scenario)


# -- coordinators -----------------------------------------------------------------------------


def test_a_group_is_asked_of_its_coordinator() -> None:
    """Who that is is asked once."""

    async def scenario(setting: Setting) -> None:
        setting.coordinate(g=2)
        setting.two.on(HeartbeatRequest, HeartbeatResponse())
        for _ in range(3):
            await setting.transport.send(BEAT)
        assert len(setting.one.requests(FindCoordinatorRequest)) == 1
        assert len(setting.two.requests(HeartbeatRequest)) == 3

    run(scenario)


def test_a_coordinator_that_has_moved_is_found_again() -> None:
    """NOT_COORDINATOR and one that still loads are no answers; both are tried again."""

    async def scenario(setting: Setting) -> None:
        setting.coordinate(g=2)
        moved = HeartbeatResponse(error_code=ErrorCode.NOT_COORDINATOR)
        loads = HeartbeatResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
        setting.two.on(HeartbeatRequest, in_turn(moved, loads, HeartbeatResponse()))
        assert (await setting.transport.send(BEAT)).error_code is ErrorCode.NONE
        assert len(setting.one.requests(FindCoordinatorRequest)) == 3

    run(scenario)


def test_a_coordinator_that_is_not_there_yet_is_waited_for() -> None:
    """The first group of a log makes the topic that coordinators keep."""

    async def scenario(setting: Setting) -> None:
        not_yet = FindCoordinatorResponse(error_code=ErrorCode.COORDINATOR_NOT_AVAILABLE)
        setting.one.on(FindCoordinatorRequest, in_turn(not_yet, not_yet, setting.found(1)))
        setting.one.on(HeartbeatRequest, HeartbeatResponse())
        await setting.transport.send(BEAT)
        assert setting.rests.seconds == [0.02, 0.04]

    run(scenario)


def test_an_error_that_stays_is_the_answer_in_the_end() -> None:
    """When the time is over, the caller is told what the broker said."""

    async def scenario(setting: Setting) -> None:
        setting.coordinate(g=1)
        code = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        setting.one.on(HeartbeatRequest, HeartbeatResponse(error_code=code))
        assert (await setting.transport.send(BEAT)).error_code is code

    run(scenario, "?request_timeout_ms=200")


def test_a_lost_coordinator_is_found_again_by_those_who_only_ask() -> None:
    """A heartbeat is the member's to send again; a question goes to the new coordinator."""

    async def scenario(setting: Setting) -> None:
        setting.coordinate(g=2)
        setting.two.on(HeartbeatRequest, HANG_UP)
        with pytest.raises(ConnectionLostError):
            await setting.transport.send(BEAT)

        def hand_over(_: OffsetFetchRequest) -> object:
            setting.coordinate(g=1)
            return HANG_UP

        setting.two.on(OffsetFetchRequest, hand_over)
        setting.one.on(OffsetFetchRequest, OffsetFetchResponse(throttle_time_ms=9))
        answer = await setting.transport.send(OffsetFetchRequest(group_id="g"))
        assert answer.throttle_time_ms == 9
        assert len(setting.two.requests(OffsetFetchRequest)) == 1

    run(scenario)


def test_groups_are_deleted_where_each_is_coordinated() -> None:
    """One request becomes two, and their answers one, in its order."""

    async def scenario(setting: Setting) -> None:
        setting.coordinate(g=2, h=1)
        for broker in (setting.one, setting.two):
            broker.on(
                DeleteGroupsRequest,
                lambda request: DeleteGroupsResponse(
                    results=[DeletedGroup(group_id=group) for group in request.groups]
                ),
            )
        response = await setting.transport.send(DeleteGroupsRequest(groups=["g", "h"]))
        assert [result.group_id for result in response.results] == ["g", "h"]
        assert [r.groups for r in setting.one.requests(DeleteGroupsRequest)] == [["h"]]
        assert [r.groups for r in setting.two.requests(DeleteGroupsRequest)] == [["g"]]

    run(scenario)
