"""What must be seen of a change before it counts as done."""

from __future__ import annotations

from typing import Any

import pytest

from millstream_log.errors import ErrorCode
from millstream_log.remote.settle import Check, check_of, tidy
from millstream_log.wire.enums import AlterOp, ConfigSource, ResourceType
from millstream_log.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsResult,
    CreatePartitionsTopic,
)
from millstream_log.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from millstream_log.wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from millstream_log.wire.messages.describe_configs import (
    ConfigEntry,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from millstream_log.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from millstream_log.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResult,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from millstream_log.wire.messages.metadata import (
    MetadataPartition,
    MetadataResponse,
    MetadataTopic,
)

GONE = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def metadata(**topics: int | ErrorCode) -> MetadataResponse:
    """Return metadata of topics: their partition count, or an error."""
    return MetadataResponse(
        brokers=[],
        topics=[
            MetadataTopic(name=name, error_code=found)
            if isinstance(found, ErrorCode)
            else MetadataTopic(
                name=name, partitions=[MetadataPartition(index=n) for n in range(found)]
            )
            for name, found in topics.items()
        ],
    )


def created(**codes: ErrorCode) -> tuple[CreateTopicsRequest, CreateTopicsResponse]:
    """Return a creation of topics and what came of each."""
    return (
        CreateTopicsRequest(topics=[CreatableTopic(name=name) for name in codes]),
        CreateTopicsResponse(
            topics=[
                CreatableTopicResult(name=name, error_code=code) for name, code in codes.items()
            ]
        ),
    )


def must(check: Check | None) -> Check:
    """Return the check that there must be."""
    assert check is not None
    return check


def test_a_topic_is_there_when_its_partitions_have_leaders() -> None:
    """What was refused is not waited for, the rest is until it can be written to."""
    check = must(check_of(*created(t=ErrorCode.NONE, u=ErrorCode.TOPIC_ALREADY_EXISTS)))
    asked: Any = check.request
    assert [topic.name for topic in asked.topics] == ["t"]
    assert not asked.allow_auto_topic_creation
    assert check.shows(metadata(t=1))
    assert not check.shows(metadata(t=GONE))
    leaderless = metadata(t=1)
    leaderless.topics[0].partitions[0].error_code = ErrorCode.LEADER_NOT_AVAILABLE
    assert not check.shows(leaderless)


def test_a_topic_is_gone_when_nobody_knows_it() -> None:
    """As long as one broker shows it, the deletion goes on."""
    request = DeleteTopicsRequest()
    response = DeleteTopicsResponse(topics=[DeletableTopicResult(name="t")])
    check = must(check_of(request, response))
    assert not check.shows(metadata(t=1))
    assert check.shows(metadata(t=GONE))


def test_new_partitions_are_there_when_they_are_counted() -> None:
    """The count is the one that was asked for, or more."""
    request = CreatePartitionsRequest(
        topics=[CreatePartitionsTopic(name=name, count=3) for name in ("t", "u")]
    )
    results = [
        CreatePartitionsResult(name="t"),
        CreatePartitionsResult(name="u", error_code=ErrorCode.INVALID_PARTITIONS),
    ]
    check = must(check_of(request, CreatePartitionsResponse(topics=results)))
    assert not check.shows(metadata(t=2))
    assert check.shows(metadata(t=3))


def test_nothing_is_waited_for_that_changes_nothing() -> None:
    """A check alone, a refusal, and any other request are done when they are answered."""
    request, response = created(t=ErrorCode.NONE)
    request.validate_only = True
    assert check_of(request, response) is None
    assert check_of(*created(t=ErrorCode.TOPIC_ALREADY_EXISTS)) is None
    beat = HeartbeatRequest(group_id="g", generation_id=1, member_id="m")
    assert check_of(beat, HeartbeatResponse()) is None


def altered(*changes: AlterableConfig, code: ErrorCode = ErrorCode.NONE) -> Check | None:
    """Return the check of these changes to topic t."""
    owner: dict[str, Any] = {"resource_type": ResourceType.TOPIC, "resource_name": "t"}
    return check_of(
        IncrementalAlterConfigsRequest(
            resources=[AlterConfigsResource(configs=list(changes), **owner)]
        ),
        IncrementalAlterConfigsResponse(responses=[AlterConfigsResult(error_code=code, **owner)]),
    )


def configs(*entries: ConfigEntry) -> DescribeConfigsResponse:
    """Return the configs of topic t."""
    result = DescribeConfigsResult(
        resource_type=ResourceType.TOPIC, resource_name="t", configs=list(entries)
    )
    return DescribeConfigsResponse(results=[result])


@pytest.mark.parametrize(
    ("change", "entry", "shown"),
    [
        (("a", AlterOp.SET, "5"), ("a", "5", ConfigSource.TOPIC), True),
        (("a", AlterOp.SET, "5"), ("a", "4", ConfigSource.TOPIC), False),
        (("a", AlterOp.SET, " TRUE"), ("a", "true", ConfigSource.TOPIC), True),
        (("a", AlterOp.DELETE, None), ("a", "5", ConfigSource.TOPIC), False),
        (("a", AlterOp.DELETE, None), ("a", "7", ConfigSource.DEFAULT), True),
        (("a", AlterOp.DELETE, None), ("a", "7", ConfigSource.DYNAMIC_DEFAULT_BROKER), True),
        (("a", AlterOp.SET, "5"), ("b", "4", ConfigSource.TOPIC), True),
        (("a", AlterOp.APPEND, "5"), ("a", "4", ConfigSource.TOPIC), True),
    ],
)
def test_a_config_is_set_when_it_is_told(
    change: tuple[str, AlterOp, str | None], entry: tuple[str, str, ConfigSource], shown: bool
) -> None:
    """SET shows by its value, DELETE by its source; changes of lists are not followed."""
    name, operation, value = change
    check = must(altered(AlterableConfig(name=name, operation=operation, value=value)))
    told = ConfigEntry(name=entry[0], value=entry[1], source=entry[2])
    assert check.shows(configs(told)) is shown


def test_a_secret_is_taken_as_set() -> None:
    """Nobody is told the value, so nobody waits for it."""
    check = must(altered(AlterableConfig(name="a", value="x")))
    assert check.shows(configs(ConfigEntry(name="a", value=None, is_sensitive=True)))


def test_refused_configs_are_not_waited_for() -> None:
    """An error of the owner is the end of it."""
    assert altered(AlterableConfig(name="a", value="x"), code=ErrorCode.INVALID_CONFIG) is None


def test_what_comes_in_any_order_is_put_in_order() -> None:
    """Topics by name, partitions by index, configs by name; a default says that it is one."""
    answer = metadata(b=2, a=1)
    answer.topics[0].partitions.reverse()
    tidy(answer)
    assert [topic.name for topic in answer.topics] == ["a", "b"]
    assert [part.index for part in answer.topics[1].partitions] == [0, 1]
    told = configs(
        ConfigEntry(name="b", value="1", source=ConfigSource.TOPIC),
        ConfigEntry(name="a", value="1"),
    )
    tidy(told)
    assert [(c.name, c.is_default) for c in told.results[0].configs] == [("a", True), ("b", False)]
