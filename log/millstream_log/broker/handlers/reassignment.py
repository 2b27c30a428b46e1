"""Elections and replicas (keys 43, 45, 46, 34), where one node leads and holds everything.

Invariants: nothing here changes anything; what would change nothing is no error, what cannot be is
refused.

Source: the answers of Apache Kafka 4.3 on one node.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import (
    BrokerError,
    ErrorCode,
    InvalidReplicaAssignmentError,
    InvalidRequestError,
    LogError,
)
from ...wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopicResponse,
)
from ...wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from ...wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from ...wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from ..host import Host

_ELECTION_TYPE_FROM = 1
_PREFERRED, _UNCLEAN = 0, 1


async def elect_leaders(host: Host, request: ElectLeadersRequest) -> ElectLeadersResponse:
    """Say of each partition that it has its leader; of all of them, nothing is to be done."""
    topics = request.topic_partitions
    if topics is None:
        return ElectLeadersResponse(
            replica_election_results=[
                ReplicaElectionResult(topic=name, partition_result=[])
                for name in sorted(host.image.topics)
            ]
        )
    kind = request.election_type if request.version >= _ELECTION_TYPE_FROM else _PREFERRED
    known = kind in (_PREFERRED, _UNCLEAN)
    return ElectLeadersResponse(
        error_code=ErrorCode.NONE if known else ErrorCode.INVALID_REQUEST,
        replica_election_results=[
            ReplicaElectionResult(
                topic=topic.topic,
                partition_result=[
                    _elect(host, topic.topic, index, kind) for index in topic.partitions
                ],
            )
            for topic in topics
        ],
    )


def _elect(host: Host, topic: str, index: int, kind: int) -> PartitionResult:
    try:
        if kind not in (_PREFERRED, _UNCLEAN):
            raise InvalidRequestError(f"election type {kind} is not known")
        host.partition(topic, index)
    except LogError as error:
        return PartitionResult(partition_id=index, error_code=error.code, error_message=str(error))
    return PartitionResult(
        partition_id=index,
        error_code=ErrorCode.ELECTION_NOT_NEEDED,
        error_message=f"{topic}-{index} has its leader",
    )


async def alter_partition_reassignments(
    host: Host, request: AlterPartitionReassignmentsRequest
) -> AlterPartitionReassignmentsResponse:
    """Accept that a partition is on this node, and refuse all else."""
    return AlterPartitionReassignmentsResponse(
        allow_replication_factor_change=request.allow_replication_factor_change,
        responses=[
            ReassignableTopicResponse(
                name=topic.name,
                partitions=[_reassign(host, topic.name, part) for part in topic.partitions],
            )
            for topic in request.topics
        ],
    )


def _reassign(host: Host, topic: str, part: ReassignablePartition) -> ReassignablePartitionResponse:
    index = part.partition_index
    try:
        host.partition(topic, index)
        if part.replicas is None:
            raise BrokerError(
                f"{topic}-{index} is not on its way anywhere",
                ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
            )
        check_replicas(host, part.replicas)
    except LogError as error:
        return ReassignablePartitionResponse(
            partition_index=index, error_code=error.code, error_message=str(error)
        )
    return ReassignablePartitionResponse(partition_index=index)


def check_replicas(host: Host, replicas: Sequence[int]) -> None:
    """Raise InvalidReplicaAssignmentError unless `replicas` is this node, once."""
    node = host.image.node_id
    others = [broker for broker in replicas if broker != node]
    if others:
        raise InvalidReplicaAssignmentError(f"there is no broker {others[0]}, only {node}")
    if len(replicas) != 1:
        raise InvalidReplicaAssignmentError(
            f"broker {node} stands {len(replicas)} times among the replicas, must be once"
        )


async def list_partition_reassignments(
    host: Host, request: ListPartitionReassignmentsRequest
) -> ListPartitionReassignmentsResponse:
    """List none: no partition ever moves."""
    return ListPartitionReassignmentsResponse(topics=[])


async def alter_replica_log_dirs(
    host: Host, request: AlterReplicaLogDirsRequest
) -> AlterReplicaLogDirsResponse:
    """Accept that a partition stays in the one directory there is."""
    topics: dict[str, list[AlterReplicaLogDirPartitionResult]] = {}
    for directory in request.dirs:
        for topic in directory.topics:
            topics.setdefault(topic.name, []).extend(
                AlterReplicaLogDirPartitionResult(
                    partition_index=index,
                    error_code=_move(host, topic.name, index, directory.path),
                )
                for index in topic.partitions
            )
    return AlterReplicaLogDirsResponse(
        results=[
            AlterReplicaLogDirTopicResult(topic_name=name, partitions=partitions)
            for name, partitions in topics.items()
        ]
    )


def _move(host: Host, topic: str, index: int, path: str) -> ErrorCode:
    if path != host.log_dirs:
        return ErrorCode.LOG_DIR_NOT_FOUND
    try:
        host.partition(topic, index)
    except LogError as error:
        return error.code
    return ErrorCode.NONE
