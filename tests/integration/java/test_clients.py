"""Kafka's Java clients against our broker: what tests/support/java/*Checks.java saw.

Every expectation here was met by Apache Kafka 4.3.1 too, but for those of the calls that our broker
does not offer (the consumer group protocol, WriteTxnMarkers).
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from kafka_java import OPTIONS, compiled

from millstream_log.testing import RunningBroker

CLASSES = ("RecordChecks", "TransactionChecks", "GroupChecks", "ConsumerGroupChecks", "AdminChecks")
RUN_SECONDS = 100

Seen = dict[str, list[str]]  # by the name of the check, the lines it printed

pytestmark = pytest.mark.integration

RECORDS = {
    "codecs": ["none 500", "gzip 500", "snappy 500", "lz4 500", "zstd 500"],
    "nulls": ["true true []", "false false [null, 0, 1]"],
    "idempotent": ["1000 1000"],
    "acks": ["0 false", "0 a", "1 true", "1 a", "all true", "all a"],
    "tooLarge": [
        "2 MB RecordTooLargeException",
        "6 MB RecordTooLargeException",
        "1 kB no error",
        "1",
    ],
    "offsetsForTimes": [
        "0 0 at 1000",
        "1000 0 at 1000",
        "1011 2 at 1020",
        "1500 10 at 2000",
        "2045 15 at 2050",
        "3090 29 at 3090",
        "3091 null",
        "0 30",
    ],
    "positions": ["b,c,a 1 OptionalLong[2]", "none OffsetOutOfRangeException"],
    "madeByUse": ["1", "a", "0", "true false"],
    "partitions": ["200 true 4"],
}
TRANSACTIONS = {
    "commitAndAbort": ["a,b,d", "a,b,c,d", "7"],
    "lastStableOffset": ["1 3 before", "4 before,inside,after"],
    "fencing": [
        "send InvalidProducerEpochException",
        "commit InvalidProducerEpochException",
        "kept",
    ],
    "timeout": ["2", "commit InvalidTxnStateException", "[]"],
    "offsetsInTransaction": ["{}", "2 note y"],
    "offsetsOfStrangers": [
        "unknown member CommitFailedException",
        "old generation CommitFailedException",
        "no member no error",
        "member no error",
        "{0=1}",
    ],
    "many": ["90 100"],
}
GROUPS = {
    "assignors": [
        f"{name} settled,settled,settled,settled"
        for name in (
            "RangeAssignor",
            "RoundRobinAssignor",
            "StickyAssignor",
            "CooperativeStickyAssignor",
        )
    ],
    "cooperativeKeeps": ["settled", "settled", "[[2, 3]]"],
    "rebalanceWhileReading": ["2000 0 {0=500, 1=500, 2=500, 3=500}"],
    "staticMembers": [
        "settled",
        "settled",
        "true true",
        "settled",
        "double FencedInstanceIdException",
        "settled",
        "remove UnknownMemberIdException",
    ],
    "sessionTimeout": ["settled", "settled", "commit CommitFailedException"],
    "commits": ["7 noté Optional[0] null", "too long OffsetMetadataTooLarge", "7", "{0=7}"],
    "pattern": ["settled", "settled"],
}
CONSUMER_GROUPS = {
    "changes": [
        "settled Classic",
        "settled Consumer",
        "settled Consumer",
        "settled Consumer",
        "settled Classic",
    ],
    "described": [
        "settled",
        "Stable Consumer range 2 2",
        "me 2 true 2 2",
        "[Consumer]",
        "delete GroupNotEmptyException",
        "gone GroupIdNotFoundException",
    ],
    "pattern": ["settled", "broken InvalidRegularExpression"],
    "shares": ["settled", "settled", "mine", "settled"],
    "staticMembers": [
        "settled",
        "double UnreleasedInstanceIdException",
        "settled",
        "settled",
        "true true",
    ],
}
ADMIN = {
    "cluster": ["1 true true false", "true"],
    "topics": [
        "1 3 true",
        "2 3 true",
        "5 3 true",
        "2000 3 true",
        "true",
        "unknown UnknownTopicOrPartitionException",
        "true",
    ],
    "creation": [
        "1 1 1234 33",
        "again TopicExistsException",
        "false",
        "replicas InvalidReplicationFactorException",
        "partitions InvalidPartitionsException",
        "name InvalidTopicException",
        "config InvalidConfigurationException",
        "5",
        "fewer InvalidPartitionsException",
        "of none UnknownTopicOrPartitionException",
        "gone UnknownTopicOrPartitionException",
    ],
    "configs": [
        "APPEND delete,compact DYNAMIC_TOPIC_CONFIG",
        "SUBTRACT delete DYNAMIC_TOPIC_CONFIG",
        "SET compact DYNAMIC_TOPIC_CONFIG",
        "DELETE delete DEFAULT_CONFIG",
        "append InvalidConfigurationException",
        "none UnknownTopicOrPartitionException",
        "LONG true false false",
    ],
    "offsets": [
        "-1",
        "earliest 0 -1 Optional[0]",
        "late -1 -1 Optional.empty",
        "latest 3 -1 Optional[0]",
        "local 0 -1 Optional[0]",
        "max 1 3000 Optional[0]",
        "tiered -1 -1 Optional.empty",
        "time 1 3000 Optional[0]",
        "2 2",
        "beyond OffsetOutOfRangeException",
    ],
    "logDirs": ["1 null true true 0"],
    "transactions": [
        "Ongoing Ongoing true true",
        "true 0 0",
        "1 0",
        "abort no error",
        "true true",
        "commit ProducerFencedException",
        "[]",
        "unknown TransactionalIdNotFoundException",
    ],
    "leaders": [
        "PREFERRED ElectionNotNeededException",
        "UNCLEAN ElectionNotNeededException",
        "{}",
        "same no error",
        "other InvalidReplicaAssignmentException",
        "cancel NoReassignmentInProgressException",
    ],
    "security": [
        "acls SecurityDisabledException",
        "delete acls SecurityDisabledException",
        "quotas {}",
        "users {}",
        "user ResourceNotFoundException",
    ],
    "groups": [
        "Stable Classic range false me Optional[self] /127.0.0.1 2",
        "consumer",
        "delete GroupNotEmptyException",
        "delete offsets GroupSubscribedToTopicException",
        "alter offsets UnknownMemberIdException",
        "{0=5}",
        "[Optional[Empty] Optional[Classic] consumer]",
        "gone GroupIdNotFoundException",
        "unknown GroupIdNotFoundException",
    ],
}


@pytest.fixture(scope="module")
def seen_by(
    kafka_dir: Path, served: RunningBroker, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Seen]:
    """Return what runs a class of checks, once, and gives what each of them saw."""
    path = compiled(kafka_dir, tmp_path_factory.mktemp("checks"), "Checks", *CLASSES)
    known: dict[str, Seen] = {}

    def run(name: str) -> Seen:
        if name not in known:
            known[name] = {}
            command = ["java", *OPTIONS, "-cp", path, "Checks", served.bootstrap, name]
            known[name] = sections(said_by(command))
        return known[name]

    return run


def said_by(command: list[str]) -> str:
    """Return what a command prints; when it takes too long, what it has printed."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=RUN_SECONDS)
        return done.stdout.decode()
    except subprocess.TimeoutExpired as late:
        return (late.stdout or b"").decode() + f"!! killed after {RUN_SECONDS} s\n"


def sections(said: str) -> Seen:
    """Return the lines under each name."""
    found: Seen = {}
    for line in said.splitlines():
        if line.startswith("== "):
            found[line[3:]] = []
        elif found:
            list(found.values())[-1].append(line)
    return found


@pytest.mark.parametrize("check", RECORDS)
def test_records(seen_by: Callable[[str], Seen], check: str) -> None:
    """Producers and consumers see what they see with Apache Kafka."""
    assert seen_by("RecordChecks").get(check) == RECORDS[check]


@pytest.mark.parametrize("check", TRANSACTIONS)
def test_transactions(seen_by: Callable[[str], Seen], check: str) -> None:
    """What is committed is seen, what is aborted is not, and who is late is fenced."""
    assert seen_by("TransactionChecks").get(check) == TRANSACTIONS[check]


@pytest.mark.parametrize("check", GROUPS)
def test_groups(seen_by: Callable[[str], Seen], check: str) -> None:
    """Groups share, rebalance, keep and fence as with Apache Kafka."""
    assert seen_by("GroupChecks").get(check) == GROUPS[check]


@pytest.mark.parametrize("check", CONSUMER_GROUPS)
def test_consumer_groups(seen_by: Callable[[str], Seen], check: str) -> None:
    """Groups that the broker assigns share, keep and refuse as with Apache Kafka."""
    assert seen_by("ConsumerGroupChecks").get(check) == CONSUMER_GROUPS[check]


@pytest.mark.parametrize("check", ADMIN)
def test_admin(seen_by: Callable[[str], Seen], check: str) -> None:
    """The admin client is told what Apache Kafka would tell it, down to the error."""
    assert seen_by("AdminChecks").get(check) == ADMIN[check]
