from __future__ import annotations

import pytest
from one_broker import ask, with_topics

from millstream_log.errors import ErrorCode
from millstream_log.record.builder import encode_columns
from millstream_log.testing import MemoryFiles
from millstream_log.wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersTopic,
    ProducerState,
)
from millstream_log.wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from millstream_log.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from millstream_log.wire.messages.produce import ProducePartition, ProduceRequest, ProduceTopic

UNKNOWN = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def page(
    *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None
) -> DescribeTopicPartitionsRequest:
    """Return a request for one page."""
    return DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=Cursor(topic_name=cursor[0], partition_index=cursor[1]) if cursor else None,
    )


def test_pages_follow_each_other_to_the_end() -> None:
    """Whatever the limit, the pages together are all partitions of all topics, in order."""
    files = with_topics("b", "a", partitions=3)
    for limit in (0, 1, 2, 3, 4, 100):
        seen: list[tuple[str, int]] = []
        cursor: tuple[str, int] | None = None
        for _ in range(7):
            (answer,) = ask(page(limit=limit, cursor=cursor), files=files)
            indexes = [
                (t.name, part.partition_index) for t in answer.topics for part in t.partitions
            ]
            assert len(indexes) <= max(limit, 1)
            seen += indexes
            if answer.next_cursor is None:
                break
            cursor = (answer.next_cursor.topic_name, answer.next_cursor.partition_index)
        assert seen == [(name, index) for name in "ab" for index in range(3)]


def test_a_page_is_bounded_by_the_broker_too() -> None:
    """max.request.partition.size.limit holds where the client asks for more."""
    files = with_topics("t", partitions=3)
    (answer,) = ask(page("t"), files=files, max_request_partition_size_limit="2")
    assert len(answer.topics[0].partitions) == 2
    assert answer.next_cursor == Cursor(topic_name="t", partition_index=2)


def test_topics_are_described_once_with_their_errors() -> None:
    """Unknown and impossible names stand among the others, each name once, sorted."""
    (answer,) = ask(page("t", "t", "no such", "gone"), files=with_topics("t", partitions=1))
    assert [(topic.name, topic.error_code) for topic in answer.topics] == [
        ("gone", UNKNOWN),
        ("no such", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("t", ErrorCode.NONE),
    ]
    topic = answer.topics[2]
    (part,) = topic.partitions
    assert (part.leader_id, part.leader_epoch, part.replica_nodes, part.isr_nodes) == (
        0,
        0,
        [0],
        [0],
    )
    assert (part.eligible_leader_replicas, part.last_known_elr) == ([], [])
    assert (topic.topic_authorized_operations, len(topic.topic_id)) == (3576, 32)


@pytest.mark.parametrize("cursor", [("a", -1), ("ab", 0), ("z", 0)])
def test_a_cursor_that_points_nowhere_is_refused(cursor: tuple[str, int]) -> None:
    """A cursor names a topic that is asked for, and a partition."""
    (answer,) = ask(page("a", "b", cursor=cursor), files=with_topics("a", "b"))
    assert [topic.error_code for topic in answer.topics] == [ErrorCode.INVALID_REQUEST] * 2


def test_a_cursor_may_point_behind_what_is_there() -> None:
    """A topic or a partition that has gone since the last page is passed over."""
    files = with_topics("a", "c", partitions=1)
    of_all, behind = ask(page(cursor=("b", 5)), page("a", "c", cursor=("a", 9)), files=files)
    assert [topic.name for topic in of_all.topics] == ["c"]
    assert [(topic.name, len(topic.partitions)) for topic in behind.topics] == [("a", 0), ("c", 1)]


def produced() -> MemoryFiles:
    """Return files with three records of producer 7 in t-0."""
    files = with_topics("t")
    batch = encode_columns(
        [1, 2, 3], None, [b"x"] * 3, producer_id=7, producer_epoch=0, base_sequence=0
    )
    parts = [ProducePartition(index=0, records=batch)]
    ask(ProduceRequest(topics=[ProduceTopic(name="t", partitions=parts)]), files=files)
    return files


@pytest.mark.parametrize(
    ("index", "current", "asked", "expected"),
    [
        (0, -1, 0, (ErrorCode.NONE, 0, 3)),
        (0, 0, 0, (ErrorCode.NONE, 0, 3)),
        (0, 1, 0, (ErrorCode.UNKNOWN_LEADER_EPOCH, -1, -1)),
        (0, -1, 5, (ErrorCode.NONE, -1, -1)),
        (0, -1, -1, (ErrorCode.NONE, -1, -1)),
        (1, -1, 0, (ErrorCode.NONE, 0, 0)),
        (9, -1, 0, (UNKNOWN, -1, -1)),
    ],
)
def test_epochs_end_where_the_next_begins(
    index: int, current: int, asked: int, expected: tuple[ErrorCode, int, int]
) -> None:
    """The present epoch ends with the log, also before its first record; others are unknown."""
    part = OffsetForLeaderPartition(
        partition=index, current_leader_epoch=current, leader_epoch=asked
    )
    (answer,) = ask(
        OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic="t", partitions=[part])]),
        files=produced(),
    )
    (found,) = answer.topics[0].partitions
    assert (found.error_code, found.leader_epoch, found.end_offset) == expected


def test_partitions_tell_the_producers_they_remember() -> None:
    """Id, epoch, last sequence and time; none where nobody wrote; errors for what is not here."""
    (answer,) = ask(
        DescribeProducersRequest(
            topics=[
                DescribeProducersTopic(name="t", partition_indexes=[0, 1, 9]),
                DescribeProducersTopic(name="no such", partition_indexes=[0]),
            ]
        ),
        files=produced(),
    )
    written, empty, unknown = answer.topics[0].partitions
    assert written.active_producers == [
        ProducerState(producer_id=7, producer_epoch=0, last_sequence=2, last_timestamp=3)
    ]
    assert (empty.error_code, empty.active_producers) == (ErrorCode.NONE, [])
    assert unknown.error_code is UNKNOWN
    assert answer.topics[1].partitions[0].error_code is ErrorCode.INVALID_TOPIC_EXCEPTION
