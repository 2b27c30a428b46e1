"""What must be seen of a change before it counts as done, and answers put in order.

    CreateTopics  -> Metadata until every topic is there        CreatePartitions   as many as asked
    DeleteTopics  -> Metadata until none of them is             Incremental..      the value is told

Kafka's controller answers a change before its brokers know of it. Who has created a topic wants to
write to it, and who has deleted it does not want to see it.

Invariants: nothing is waited for that was refused, or only checked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import ErrorCode
from ..wire.enums import AlterOp, ConfigSource, ResourceType
from ..wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse
from ..wire.messages.create_topics import CreateTopicsRequest, CreateTopicsResponse
from ..wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from ..wire.messages.describe_configs import (
    ConfigEntry,
    ConfigResource,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    DescribeConfigsResult,
)
from ..wire.messages.incremental_alter_configs import (
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ..wire.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
    MetadataTopic,
)
from ..wire.request import Request
from .router import resource_key

_GONE = None


class Check(NamedTuple):
    """What to ask, and whether an answer shows the change."""

    request: Request[Any]
    shows: Callable[[Any], bool]


def check_of(request: Request[Any], response: Any) -> Check | None:
    """Return how to see that a change has been made; None where there is nothing to see."""
    if getattr(request, "validate_only", False):
        return None
    if isinstance(request, IncrementalAlterConfigsRequest):
        return _configs_check(request, response)
    topics = _expected_topics(request, response)
    if not topics:
        return None

    def shows(answer: MetadataResponse) -> bool:
        found = {topic.name: topic for topic in answer.topics}
        return all(is_so(found[name]) for name, is_so in topics.items() if name in found)

    asked = [MetadataRequestTopic(name=name) for name in topics]
    return Check(MetadataRequest(topics=asked, allow_auto_topic_creation=False), shows)


def _expected_topics(
    request: Request[Any], response: Any
) -> dict[str, Callable[[MetadataTopic], bool]]:
    """Return, by topic, what its metadata must be."""
    if isinstance(response, CreateTopicsResponse) and isinstance(request, CreateTopicsRequest):
        return {
            made.name: _has_partitions(1)
            for made in response.topics
            if made.error_code is ErrorCode.NONE
        }
    if isinstance(response, DeleteTopicsResponse) and isinstance(request, DeleteTopicsRequest):
        return {
            gone.name: _is_gone
            for gone in response.topics
            if gone.error_code is ErrorCode.NONE and gone.name is not None
        }
    if isinstance(response, CreatePartitionsResponse) and isinstance(
        request, CreatePartitionsRequest
    ):
        refused = {topic.name for topic in response.topics if topic.error_code}
        return {
            topic.name: _has_partitions(topic.count)
            for topic in request.topics
            if topic.name not in refused
        }
    return {}


def _has_partitions(count: int) -> Callable[[MetadataTopic], bool]:
    return lambda topic: len(topic.partitions) >= count and _all_led(topic)


def _is_gone(topic: MetadataTopic) -> bool:
    return topic.error_code is not ErrorCode.NONE


def _all_led(topic: MetadataTopic) -> bool:
    return all(part.error_code is ErrorCode.NONE for part in topic.partitions)


def _configs_check(
    request: IncrementalAlterConfigsRequest, response: IncrementalAlterConfigsResponse
) -> Check | None:
    """Return how to see SET and DELETE; what lists gain and lose is not followed."""
    refused = {resource_key(item) for item in response.responses if item.error_code}
    wanted: dict[tuple[int, str], dict[str, str | None]] = {}
    for resource in request.resources:
        if resource_key(resource) not in refused:
            wanted[resource_key(resource)] = {
                config.name: _GONE if config.operation == AlterOp.DELETE else config.value
                for config in resource.configs
                if config.operation in (AlterOp.SET, AlterOp.DELETE)
            }
    if not wanted:
        return None

    def shows(answer: DescribeConfigsResponse) -> bool:
        return all(
            _holds(entry, wanted[resource_key(result)][entry.name], _own_source(result))
            for result in answer.results
            for entry in result.configs
            if entry.name in wanted[resource_key(result)]
        )

    resources = [
        ConfigResource(
            resource_type=ResourceType(kind), resource_name=name, configuration_keys=list(changes)
        )
        for (kind, name), changes in wanted.items()
    ]
    return Check(DescribeConfigsRequest(resources=resources), shows)


def _holds(entry: ConfigEntry, value: str | None, own_source: ConfigSource) -> bool:
    if value is _GONE:
        return entry.source != own_source
    if entry.is_sensitive:
        return True  # nobody is told
    return (entry.value or "").strip().lower() == value.strip().lower()


def _own_source(result: DescribeConfigsResult) -> ConfigSource:
    """Return where a value comes from that was set on this very resource."""
    if result.resource_type == ResourceType.TOPIC:
        return ConfigSource.TOPIC
    return (
        ConfigSource.DYNAMIC_BROKER if result.resource_name else ConfigSource.DYNAMIC_DEFAULT_BROKER
    )


# -- order ------------------------------------------------------------------------------------


def tidy(response: Any) -> None:
    """Put what brokers tell in any order in the order of names and indexes.

    And say of each config whether it is a default, which newer versions leave to its source.
    """
    if isinstance(response, MetadataResponse):
        response.topics.sort(key=lambda topic: topic.name or "")
        for topic in response.topics:
            topic.partitions.sort(key=lambda part: part.index)
    elif isinstance(response, DescribeConfigsResponse):
        for result in response.results:
            result.configs.sort(key=lambda entry: entry.name)
            for entry in result.configs:
                entry.is_default = entry.source == ConfigSource.DEFAULT
