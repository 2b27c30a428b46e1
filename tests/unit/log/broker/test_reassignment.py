from __future__ import annotations

from one_broker import ask, with_topics

from millstream_log.errors import ErrorCode
from millstream_log.wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from millstream_log.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from millstream_log.wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    TopicPartitions,
)
from millstream_log.wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
)

NOT_NEEDED = ErrorCode.ELECTION_NOT_NEEDED
UNKNOWN = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def codes(answer: ElectLeadersResponse) -> list[list[ErrorCode]]:
    """Return the errors of an election, topic by topic."""
    return [
        [part.error_code for part in topic.partition_result]
        for topic in answer.replica_election_results
    ]


def test_nobody_has_to_be_elected() -> None:
    """Every partition has its leader; of all of them there is nothing to say."""
    topics = [
        TopicPartitions(topic="t", partitions=[0, 9]),
        TopicPartitions(topic="u", partitions=[0]),
    ]
    everything, some, unclean, wrong, old = ask(
        ElectLeadersRequest(topic_partitions=None),
        ElectLeadersRequest(topic_partitions=topics),
        ElectLeadersRequest(topic_partitions=topics, election_type=1),
        ElectLeadersRequest(topic_partitions=topics, election_type=7),
        ElectLeadersRequest(topic_partitions=topics, election_type=7, version=0),
        files=with_topics("t"),
    )
    assert codes(everything) == [[]]
    assert codes(some) == codes(unclean) == codes(old) == [[NOT_NEEDED, UNKNOWN], [UNKNOWN]]
    invalid = ErrorCode.INVALID_REQUEST
    assert (wrong.error_code, codes(wrong)) == (invalid, [[invalid, invalid], [invalid]])


def test_a_partition_is_where_it_is_and_can_be_nowhere_else() -> None:
    """Replicas that are this node change nothing; others, none, and cancelling are refused."""

    def part(index: int, *replicas: int) -> ReassignablePartition:
        return ReassignablePartition(partition_index=index, replicas=list(replicas))

    wanted = [
        part(0, 0),
        part(0, 0, 0),
        part(0, 0, 5),
        part(1),
        part(9, 0),
        ReassignablePartition(partition_index=1, replicas=None),
    ]
    altered, listed = ask(
        AlterPartitionReassignmentsRequest(
            topics=[
                ReassignableTopic(name="t", partitions=wanted),
                ReassignableTopic(name="u", partitions=wanted[:1]),
            ]
        ),
        ListPartitionReassignmentsRequest(),
        files=with_topics("t"),
    )
    known, unknown = altered.responses
    assert [answer.error_code for answer in known.partitions] == [
        ErrorCode.NONE,
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        ErrorCode.INVALID_REPLICA_ASSIGNMENT,
        UNKNOWN,
        ErrorCode.NO_REASSIGNMENT_IN_PROGRESS,
    ]
    assert [answer.error_code for answer in unknown.partitions] == [UNKNOWN]
    assert (listed.error_code, listed.topics) == (ErrorCode.NONE, [])


def test_a_replica_stays_in_the_one_directory() -> None:
    """To move it where it lies is no error; a directory that is not the log's is unknown."""

    def topic(name: str, *indexes: int) -> AlterReplicaLogDirTopic:
        return AlterReplicaLogDirTopic(name=name, partitions=list(indexes))

    (answer,) = ask(
        AlterReplicaLogDirsRequest(
            dirs=[
                AlterReplicaLogDir(path="/log", topics=[topic("t", 0, 9), topic("u", 0)]),
                AlterReplicaLogDir(path="/other", topics=[topic("t", 1)]),
            ]
        ),
        files=with_topics("t"),
    )
    assert {
        (topic.topic_name, part.partition_index): part.error_code
        for topic in answer.results
        for part in topic.partitions
    } == {
        ("t", 0): ErrorCode.NONE,
        ("t", 9): UNKNOWN,
        ("u", 0): UNKNOWN,
        ("t", 1): ErrorCode.LOG_DIR_NOT_FOUND,
    }
    assert [topic.topic_name for topic in answer.results] == ["t", "u"]
