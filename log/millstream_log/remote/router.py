"""Where requests go, how one is split over brokers, and how the answers become one again.

    LEADERS       Produce Fetch ListOffsets DeleteRecords        each partition to its leader
    COORDINATOR   JoinGroup .. OffsetCommit .., EndTxn ..        the group's, the transaction's
    GROUPS        DescribeGroups DeleteGroups                    each group to its coordinator
    RESOURCES     DescribeConfigs IncrementalAlterConfigs ..     a broker's own to that broker
    EVERY         ListGroups DescribeLogDirs                     all brokers
    METADATA      Metadata                                       any, and all learn from the answer
    ANY           the rest                                       any, which passes it on if need be

Invariants: an answer has the order of its request; a part that nobody is known for goes to any
broker (None), whose answer says what is wrong.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import ErrorCode
from ..model import TopicPartition
from ..wire.enums import ResourceType
from ..wire.messages.add_offsets_to_txn import AddOffsetsToTxnRequest
from ..wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest
from ..wire.messages.alter_configs import AlterConfigsRequest
from ..wire.messages.delete_groups import DeleteGroupsRequest
from ..wire.messages.delete_records import DeleteRecordsRequest
from ..wire.messages.describe_configs import DescribeConfigsRequest
from ..wire.messages.describe_groups import DescribeGroupsRequest
from ..wire.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from ..wire.messages.end_txn import EndTxnRequest
from ..wire.messages.fetch import FetchRequest
from ..wire.messages.heartbeat import HeartbeatRequest
from ..wire.messages.incremental_alter_configs import IncrementalAlterConfigsRequest
from ..wire.messages.init_producer_id import InitProducerIdRequest
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest
from ..wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ..wire.messages.list_offsets import ListOffsetsRequest
from ..wire.messages.metadata import MetadataRequest
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_delete import OffsetDeleteRequest
from ..wire.messages.offset_fetch import OffsetFetchRequest
from ..wire.messages.produce import ProduceRequest
from ..wire.messages.sync_group import SyncGroupRequest
from ..wire.messages.txn_offset_commit import TxnOffsetCommitRequest
from ..wire.request import Request
from .brokers import CoordinatorKey

Parts = dict[int | None, Any]
"""Requests by node id; None is any broker."""


class Kind(enum.Enum):
    """Whom a request is for."""

    LEADERS = "leaders"
    COORDINATOR = "coordinator"
    GROUPS = "groups"
    RESOURCES = "resources"
    EVERY = "every"
    METADATA = "metadata"
    ANY = "any"


_OF_GROUP = (
    JoinGroupRequest,
    SyncGroupRequest,
    HeartbeatRequest,
    LeaveGroupRequest,
    OffsetCommitRequest,
    OffsetFetchRequest,
    OffsetDeleteRequest,
    TxnOffsetCommitRequest,
)
_OF_TRANSACTION = (
    InitProducerIdRequest,
    AddPartitionsToTxnRequest,
    AddOffsetsToTxnRequest,
    EndTxnRequest,
)
_KINDS: Mapping[type, Kind] = {
    ProduceRequest: Kind.LEADERS,
    FetchRequest: Kind.LEADERS,
    ListOffsetsRequest: Kind.LEADERS,
    DeleteRecordsRequest: Kind.LEADERS,
    **dict.fromkeys((*_OF_GROUP, *_OF_TRANSACTION), Kind.COORDINATOR),
    DescribeGroupsRequest: Kind.GROUPS,
    DeleteGroupsRequest: Kind.GROUPS,
    DescribeConfigsRequest: Kind.RESOURCES,
    IncrementalAlterConfigsRequest: Kind.RESOURCES,
    AlterConfigsRequest: Kind.RESOURCES,
    MetadataRequest: Kind.METADATA,
    ListGroupsRequest: Kind.EVERY,
    DescribeLogDirsRequest: Kind.EVERY,
}


def kind_of(request: Request[Any]) -> Kind:
    """Return whom a request is for."""
    kind = _KINDS.get(type(request), Kind.ANY)
    if kind is Kind.COORDINATOR and coordinator_key(request).name == "":
        return Kind.ANY  # an idempotent producer's id, or a group that no broker accepts
    return kind


def coordinator_key(request: Any) -> CoordinatorKey:
    """Return whose coordinator a request is for; the name is empty where it needs none."""
    if isinstance(request, _OF_TRANSACTION):
        return CoordinatorKey(1, request.transactional_id or "")
    return CoordinatorKey(0, request.group_id)


# -- by partition -----------------------------------------------------------------------------


def partitions_of(request: Any) -> list[TopicPartition]:
    """Return the partitions that a request names, in its order."""
    return [TopicPartition(t.name, p.index) for t in request.topics for p in t.partitions]


def keep_partitions(request: Any, wanted: Collection[TopicPartition]) -> Any:
    """Return the request for these of its partitions alone."""
    topics = []
    for topic in request.topics:
        parts = [p for p in topic.partitions if (topic.name, p.index) in wanted]
        if parts:
            topics.append(msgspec.structs.replace(topic, partitions=parts))
    return msgspec.structs.replace(request, topics=topics)


def split_partitions(request: Any, leaders: Mapping[TopicPartition, int]) -> Parts:
    """Return a request for each leader; the request itself where there is but one."""
    owned: dict[int | None, set[TopicPartition]] = {}
    for key in partitions_of(request):
        owned.setdefault(leaders.get(key), set()).add(key)
    if len(owned) <= 1:
        return {next(iter(owned), None): request}
    return {node: keep_partitions(request, keys) for node, keys in owned.items()}


def answers_of(response: Any) -> Iterator[tuple[TopicPartition, Any]]:
    """Yield the partitions of a response, each with its answer."""
    for topic in response.topics:
        for part in topic.partitions:
            yield TopicPartition(topic.name, part.index), part


def merge_partitions(
    request: Any, response: Any, topic_type: type, answers: Mapping[TopicPartition, Any]
) -> Any:
    """Return the response with these answers, in the order of the request."""
    topics = []
    for topic in request.topics:
        keys = (TopicPartition(topic.name, p.index) for p in topic.partitions)
        parts = [answers[key] for key in keys if key in answers]
        if parts:
            topics.append(topic_type(name=topic.name, partitions=parts))
    return msgspec.structs.replace(response, topics=topics)


# -- by group, resource, broker ---------------------------------------------------------------


def of_group(request: Any, group: str) -> Any:
    """Return a request that names many groups for this one alone."""
    return msgspec.structs.replace(request, groups=[group])


def split_resources(request: Any) -> Parts:
    """Return a request for each broker whose own configs are named, and one for all else."""
    owned: dict[int | None, list[Any]] = {}
    for resource in request.resources:
        owned.setdefault(_broker_of(resource), []).append(resource)
    if len(owned) <= 1:
        return {next(iter(owned), None): request}
    return {
        node: msgspec.structs.replace(request, resources=resources)
        for node, resources in owned.items()
    }


def _broker_of(resource: Any) -> int | None:
    if resource.resource_type != ResourceType.BROKER:
        return None
    try:
        return int(resource.resource_name)
    except ValueError:
        return None  # those of all brokers, or a name that is refused


def resource_key(item: Any) -> tuple[int, str]:
    """Return what a config resource, and its answer, is known by."""
    return int(item.resource_type), item.resource_name


def order_resources(answers: list[Any], resources: Iterable[Any]) -> None:
    """Put the answers for config resources in the order of the request."""
    place: dict[tuple[int, str], int] = {}
    for resource in resources:
        place.setdefault(resource_key(resource), len(place))
    answers.sort(key=lambda answer: place.get(resource_key(answer), len(place)))


def merge_list(responses: Sequence[Any], field: str) -> Any:
    """Return one response that has the items of all."""
    items = [item for response in responses for item in getattr(response, field)]
    return msgspec.structs.replace(responses[0], **{field: items})


def merge_every(responses: Mapping[int, Any]) -> Any:
    """Return one response of what every broker has said; the first error is the error of all."""
    first = min(responses)
    for response in responses.values():
        if response.error_code is not ErrorCode.NONE:
            return response
    base = responses[first]
    if isinstance(base, ListGroupsResponse):
        groups = [group for response in responses.values() for group in response.groups]
        return msgspec.structs.replace(base, groups=sorted(groups, key=lambda g: g.group_id))
    assert isinstance(base, DescribeLogDirsResponse)
    if len(responses) == 1:
        return base
    results = [  # two brokers may have directories of one name
        msgspec.structs.replace(result, log_dir=f"{node}:{result.log_dir}")
        for node, response in sorted(responses.items())
        for result in response.results
    ]
    return msgspec.structs.replace(base, results=results)


# -- errors -----------------------------------------------------------------------------------


def codes_of(response: Any) -> Iterator[ErrorCode]:
    """Yield the error codes of a coordinator's answer, wherever they stand."""
    if hasattr(response, "error_code"):
        yield response.error_code
    for name in ("topics", "results_by_topic", "results", "groups"):
        for item in getattr(response, name, ()):
            if hasattr(item, "error_code"):
                yield item.error_code
            for part in getattr(item, "partitions", ()):
                yield part.error_code
            for part in getattr(item, "results_by_partition", ()):
                yield part.partition_error_code
