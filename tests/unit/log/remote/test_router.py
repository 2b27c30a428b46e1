"""How a request is split over brokers, and how the answers become one."""

from __future__ import annotations

from typing import Any

import pytest

from millstream_log.errors import ErrorCode
from millstream_log.model import TopicPartition
from millstream_log.remote import router
from millstream_log.remote.brokers import CoordinatorKey
from millstream_log.remote.router import Kind
from millstream_log.wire.enums import ResourceType
from millstream_log.wire.messages.add_partitions_to_txn import (
    AddPartitionsToTxnPartitionResult,
    AddPartitionsToTxnResponse,
    AddPartitionsToTxnTopicResult,
)
from millstream_log.wire.messages.create_topics import CreateTopicsRequest
from millstream_log.wire.messages.delete_groups import (
    DeletedGroup,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)
from millstream_log.wire.messages.describe_configs import (
    ConfigResource,
    DescribeConfigsRequest,
    DescribeConfigsResult,
)
from millstream_log.wire.messages.describe_log_dirs import (
    DescribeLogDirsResponse,
    LogDirResult,
)
from millstream_log.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from millstream_log.wire.messages.heartbeat import HeartbeatRequest
from millstream_log.wire.messages.init_producer_id import InitProducerIdRequest
from millstream_log.wire.messages.list_groups import ListedGroup, ListGroupsResponse
from millstream_log.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
    ListOffsetsTopicResponse,
)
from millstream_log.wire.messages.metadata import MetadataRequest

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def asked(*partitions: TopicPartition) -> ListOffsetsRequest:
    """Return a request for the offsets of partitions, each topic once."""
    topics: dict[str, list[ListOffsetsPartition]] = {}
    for topic, index in partitions:
        part = ListOffsetsPartition(index=index, timestamp=index)
        topics.setdefault(topic, []).append(part)
    return ListOffsetsRequest(
        isolation_level=1,
        topics=[ListOffsetsTopic(name=name, partitions=parts) for name, parts in topics.items()],
    )


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (asked(A0), Kind.LEADERS),
        (HeartbeatRequest(group_id="g", generation_id=1, member_id="m"), Kind.COORDINATOR),
        (InitProducerIdRequest(transactional_id="t"), Kind.COORDINATOR),
        (InitProducerIdRequest(), Kind.ANY),
        (DeleteGroupsRequest(groups=["g"]), Kind.GROUPS),
        (DescribeConfigsRequest(resources=[]), Kind.RESOURCES),
        (MetadataRequest(), Kind.METADATA),
        (CreateTopicsRequest(topics=[]), Kind.ANY),
    ],
)
def test_every_request_is_for_somebody(request_: Any, kind: Kind) -> None:
    """A producer's id is the coordinator's to give only where a transaction is named."""
    assert router.kind_of(request_) is kind


def test_groups_and_transactions_have_coordinators_of_their_own() -> None:
    """The same name means two things."""
    beat = HeartbeatRequest(group_id="x", generation_id=1, member_id="m")
    start = InitProducerIdRequest(transactional_id="x")
    assert router.coordinator_key(beat) == CoordinatorKey(0, "x")
    assert router.coordinator_key(start) == CoordinatorKey(1, "x")


def test_one_leader_gets_the_request_as_it_is() -> None:
    """Where nothing is to be split, nothing is copied."""
    request = asked(A0, B0)
    (part,) = router.split_partitions(request, {A0: 7, B0: 7}).values()
    assert part is request


def test_a_request_for_nothing_is_answered_by_anybody() -> None:
    """Whose answer is empty too."""
    assert router.split_partitions(asked(), {A0: 7}) == {None: asked()}
    empty = DescribeConfigsRequest(resources=[])
    assert router.split_resources(empty) == {None: empty}


def test_a_request_is_split_by_leader() -> None:
    """Each leader is asked for its own, with all else as it was; the unknown go to any."""
    parts = router.split_partitions(asked(A0, A1, B0), {A0: 1, B0: 1})
    assert parts == {1: asked(A0, B0), None: asked(A1)}
    assert asked(A1).topics[0].partitions[0].timestamp == 1


def test_a_fetch_keeps_the_turn_of_its_partitions() -> None:
    """A topic that stands twice, as turns make it, stays in its places."""

    def fetch(*names: str) -> FetchRequest:
        parts = [FetchPartition(index=0, fetch_offset=1)]
        return FetchRequest(topics=[FetchTopic(name=name, partitions=parts) for name in names])

    request = fetch("a", "b", "a")
    assert router.keep_partitions(request, {A0}) == fetch("a", "a")


def test_answers_come_in_the_order_of_the_request() -> None:
    """Whoever answered first, the merged answer looks as if one broker had been asked."""
    answers = {
        key: ListOffsetsPartitionResponse(index=key.partition, offset=n)
        for n, key in enumerate([B0, A1, A0])
    }
    merged = router.merge_partitions(
        asked(A0, A1, B0),
        ListOffsetsResponse(topics=[], throttle_time_ms=3),
        ListOffsetsTopicResponse,
        answers,
    )
    assert merged.throttle_time_ms == 3
    found = [(key, part.offset) for key, part in router.answers_of(merged)]
    assert found == [(A0, 2), (A1, 1), (B0, 0)]


def test_what_has_no_answer_is_left_out() -> None:
    """A topic of which nothing came is not there."""
    merged = router.merge_partitions(
        asked(A0, A1, B0),
        ListOffsetsResponse(topics=[]),
        ListOffsetsTopicResponse,
        {A1: ListOffsetsPartitionResponse(index=1)},
    )
    assert [key for key, _ in router.answers_of(merged)] == [A1]


def test_a_brokers_own_configs_are_asked_of_that_broker() -> None:
    """Topics, and what all brokers have in common, are anyone's to tell."""
    resources = [
        ConfigResource(resource_type=kind, resource_name=name)
        for kind, name in (
            (ResourceType.TOPIC, "2"),
            (ResourceType.BROKER, "2"),
            (ResourceType.BROKER, ""),
            (ResourceType.BROKER, "two"),
        )
    ]
    parts = router.split_resources(DescribeConfigsRequest(resources=resources))
    assert {node: len(part.resources) for node, part in parts.items()} == {None: 3, 2: 1}
    answers = [
        DescribeConfigsResult(resource_type=r.resource_type, resource_name=r.resource_name)
        for r in reversed(resources)
    ]
    router.order_resources(answers, resources)
    assert [answer.resource_name for answer in answers] == ["2", "2", "", "two"]
    assert answers[0].resource_type is ResourceType.TOPIC


def test_what_was_asked_group_by_group_is_one_answer() -> None:
    """The items stand in the order in which they were asked."""
    responses = [
        DeleteGroupsResponse(results=[DeletedGroup(group_id=group)]) for group in ("g", "h")
    ]
    merged = router.merge_list(responses, "results")
    assert [result.group_id for result in merged.results] == ["g", "h"]


def test_the_groups_of_all_brokers_are_one_list() -> None:
    """Sorted by id; an error of one broker is the error of all."""
    one = ListGroupsResponse(groups=[ListedGroup(group_id="c"), ListedGroup(group_id="a")])
    two = ListGroupsResponse(groups=[ListedGroup(group_id="b")])
    merged = router.merge_every({1: one, 2: two})
    assert [group.group_id for group in merged.groups] == ["a", "b", "c"]
    bad = ListGroupsResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, groups=[])
    assert router.merge_every({1: one, 2: bad}) is bad


def test_directories_of_two_brokers_are_told_apart() -> None:
    """Of several brokers each directory bears the id of its own; of one it does not."""
    there = DescribeLogDirsResponse(results=[LogDirResult(log_dir="/data", topics=[])])
    assert router.merge_every({5: there}).results[0].log_dir == "/data"
    merged = router.merge_every({2: there, 1: there})
    assert [result.log_dir for result in merged.results] == ["1:/data", "2:/data"]


def test_errors_are_found_wherever_they_stand() -> None:
    """In the whole answer, in its items, in their partitions."""
    code = ErrorCode.NOT_COORDINATOR
    inner = AddPartitionsToTxnPartitionResult(index=0, partition_error_code=code)
    topic = AddPartitionsToTxnTopicResult(name="t", results_by_partition=[inner])
    for response in (
        ListGroupsResponse(error_code=code, groups=[]),
        DeleteGroupsResponse(results=[DeletedGroup(group_id="g", error_code=code)]),
        AddPartitionsToTxnResponse(results_by_topic=[topic]),
        ListOffsetsResponse(
            topics=[
                ListOffsetsTopicResponse(
                    name="t", partitions=[ListOffsetsPartitionResponse(index=0, error_code=code)]
                )
            ]
        ),
    ):
        assert code in set(router.codes_of(response))
