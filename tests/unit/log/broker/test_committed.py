"""Committed offsets by topic ids: OffsetCommit 10 and OffsetFetch 10."""

from __future__ import annotations

from one_broker import ask, with_topics

from millstream_log.errors import ErrorCode
from millstream_log.testing import MemoryFiles
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest
from millstream_log.wire.messages.metadata import MetadataRequest
from millstream_log.wire.messages.offset_commit import (
    OffsetCommitPartition,
    OffsetCommitRequest,
    OffsetCommitTopic,
)
from millstream_log.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchResponse,
)

NOBODY = "0" * 31 + "1"


def ids_in(files: MemoryFiles) -> dict[str, str]:
    (answer,) = ask(MetadataRequest(topics=None), files=files)
    return {topic.name: topic.topic_id for topic in answer.topics}


def commit(topic_id: str, offset: int) -> OffsetCommitRequest:
    part = OffsetCommitPartition(index=0, committed_offset=offset)
    topic = OffsetCommitTopic(topic_id=topic_id, partitions=[part])
    return OffsetCommitRequest(version=10, group_id="g", topics=[topic])


def fetch(*topic_ids: str) -> OffsetFetchRequest:
    topics = [OffsetFetchRequestTopic(topic_id=each, partition_indexes=[0]) for each in topic_ids]
    group = OffsetFetchRequestGroup(group_id="g", topics=topics if topic_ids else None)
    return OffsetFetchRequest(version=10, groups=[group])


def rows(answer: OffsetFetchResponse) -> set[tuple[str, int, ErrorCode]]:
    return {
        (topic.topic_id, part.committed_offset, part.error_code)
        for topic in answer.groups[0].topics
        for part in topic.partitions
    }


def test_offsets_are_committed_and_fetched_by_topic_ids() -> None:
    """What is committed under an id is found under it; an unknown id is an error of its own."""
    files = with_topics("a", "b")
    ids = ids_in(files)
    *commits, some, everything = ask(
        commit(ids["a"], 7),
        commit(NOBODY, 8),
        fetch(ids["a"], ids["b"], NOBODY),
        fetch(),
        files=files,
    )
    told = [
        (topic.topic_id, part.error_code)
        for answer in commits
        for topic in answer.topics
        for part in topic.partitions
    ]
    assert told == [(ids["a"], ErrorCode.NONE), (NOBODY, ErrorCode.UNKNOWN_TOPIC_ID)]
    assert rows(some) == {
        (ids["a"], 7, ErrorCode.NONE),
        (ids["b"], -1, ErrorCode.NONE),
        (NOBODY, -1, ErrorCode.UNKNOWN_TOPIC_ID),
    }
    assert rows(everything) == {(ids["a"], 7, ErrorCode.NONE)}


def test_the_id_of_a_topic_that_is_gone_is_unknown() -> None:
    """A topic made again under the name of another does not get that one's offsets."""
    files = with_topics("a")
    old = ids_in(files)["a"]
    ask(commit(old, 7), DeleteTopicsRequest(topic_names=["a"]), files=files)
    (answer,) = ask(fetch(old), files=files)
    assert rows(answer) == {(old, -1, ErrorCode.UNKNOWN_TOPIC_ID)}
