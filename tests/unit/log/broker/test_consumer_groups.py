from __future__ import annotations

import re
import sys
from typing import Any

import pytest
from one_broker import PEER, ask, with_topics

from millstream_log.errors import ErrorCode
from millstream_log.testing import MemoryFiles
from millstream_log.wire.messages.api_versions import ApiVersionsRequest
from millstream_log.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from millstream_log.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    OwnedPartitions,
)
from millstream_log.wire.messages.create_partitions import (
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from millstream_log.wire.messages.offset_commit import (
    OffsetCommitPartition,
    OffsetCommitRequest,
    OffsetCommitTopic,
)
from millstream_log.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
)
from millstream_log.wire.messages.sync_group import SyncGroupRequest

DESCRIBE = ConsumerGroupDescribeRequest(group_ids=["g"], include_authorized_operations=True)


def beat(
    epoch: int, member: str = "a", version: int = 1, **said: Any
) -> ConsumerGroupHeartbeatRequest:
    """Return a heartbeat; one that joins says what it must."""
    if epoch == 0:
        said = {
            "rebalance_timeout_ms": 1000,
            "topic_partitions": [],
            "subscribed_topic_names": ["t"],
        } | said
    return ConsumerGroupHeartbeatRequest(
        peer=PEER, version=version, group_id="g", member_id=member, member_epoch=epoch, **said
    )


def test_a_member_is_told_its_partitions_and_operators_see_them() -> None:
    """Topics travel by their ids to members, and by name as well to operators."""
    joined, described = ask(beat(0), DESCRIBE, files=with_topics("t"))
    (part,) = joined.assignment.topic_partitions
    assert (joined.error_code, joined.member_id, joined.member_epoch) == (ErrorCode.NONE, "a", 2)
    assert (part.partitions, joined.heartbeat_interval_ms) == ([0, 1], 5000)
    (group,) = described.groups
    (member,) = group.members
    assert (group.group_state, group.group_epoch, group.assignment_epoch) == ("Stable", 2, 2)
    assert (group.assignor_name, group.authorized_operations) == ("uniform", 328)
    assert (member.client_id, member.client_host, member.member_type) == ("tester", "/127.0.0.1", 1)
    for held in (member.assignment, member.target_assignment):
        (named,) = held.topic_partitions
        assert (named.topic_id, named.topic_name, named.partitions) == (part.topic_id, "t", [0, 1])


def test_a_group_outlives_the_broker() -> None:
    """The next process goes on where the last has ended."""
    files = with_topics("t")
    ask(beat(0), files=files)
    again, described = ask(beat(2), DESCRIBE, files=files)
    assert (again.error_code, again.member_epoch, again.assignment) == (ErrorCode.NONE, 2, None)
    assert described.groups[0].group_state == "Stable"


def test_a_group_follows_its_topics() -> None:
    """Partitions that are added are shared out; a topic that is deleted is given up."""
    grows = CreatePartitionsRequest(topics=[CreatePartitionsTopic(name="t", count=3)])
    goes = DeleteTopicsRequest(version=6, topics=[DeleteTopicState(name="t")])
    _, _, grown, _, gone, described = ask(
        *(beat(0), grows, beat(2), goes, beat(3), DESCRIBE),
        files=with_topics("t"),
        group_consumer_assignment_interval_ms="0",
    )
    assert [part.partitions for part in grown.assignment.topic_partitions] == [[0, 1, 2]]
    assert (gone.member_epoch, gone.assignment.topic_partitions) == (3, [])
    assert described.groups[0].members[0].assignment.topic_partitions == []


def test_what_a_member_owns_is_taken_down() -> None:
    """A member that is to give partitions up has an epoch more when it does not own them."""
    files = with_topics("t", "u")
    config = {"group_consumer_assignment_interval_ms": "0"}
    (joined,) = ask(beat(0), files=files, **config)
    topic_id = joined.assignment.topic_partitions[0].topic_id
    owns = [OwnedPartitions(topic_id=topic_id, partitions=[0, 1])]
    first, still, done = ask(
        beat(2, subscribed_topic_names=["u"]),
        beat(2, topic_partitions=owns),
        beat(2, topic_partitions=[]),
        files=files,
        **config,
    )
    assert (first.member_epoch, first.assignment.topic_partitions) == (2, [])
    assert (still.member_epoch, still.assignment) == (2, None)
    assert (done.member_epoch, done.assignment.topic_partitions[0].partitions) == (3, [0, 1])


def test_members_of_version_0_need_no_id() -> None:
    """The first heartbeat of the older version gives one out; the newer must bring it."""
    old, new = ask(beat(0, "", version=0), beat(0, ""), files=with_topics("t"))
    assert re.fullmatch(r"[0-9a-f-]{36}", old.member_id)
    assert new.error_code is ErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (beat(0, rebalance_timeout_ms=-1), ErrorCode.INVALID_REQUEST),
        (beat(0, server_assignor="mine"), ErrorCode.UNSUPPORTED_ASSIGNOR),
        (beat(0, subscribed_topic_regex="("), ErrorCode.INVALID_REGULAR_EXPRESSION),
        (beat(0, subscribed_topic_regex="t(?=a)"), ErrorCode.INVALID_REGULAR_EXPRESSION),
        (beat(0, subscribed_topic_regex="((t{99}){99}){99}"), ErrorCode.INVALID_REGULAR_EXPRESSION),
        (beat(0, member="x" * 40_000), ErrorCode.INVALID_REQUEST),
        (beat(0, subscribed_topic_regex="x" * 40_000), ErrorCode.INVALID_REQUEST),
        (beat(4), ErrorCode.GROUP_ID_NOT_FOUND),
    ],
)
def test_a_wrong_heartbeat_is_refused(
    request_: ConsumerGroupHeartbeatRequest, code: ErrorCode
) -> None:
    """The answer has the error, its reason, and nothing else."""
    (answer,) = ask(request_, files=with_topics("t"))
    assert (answer.error_code, answer.member_id, answer.assignment) == (code, None, None)
    assert answer.error_message


def test_an_expression_is_matched_in_linear_time() -> None:
    """One that backtracks for ever elsewhere is answered, and means what it says."""
    hard = beat(0, subscribed_topic_names=[], subscribed_topic_regex="(a*)*b")
    (answer,) = ask(hard, files=with_topics("a" * 249))
    assert (answer.error_code, answer.assignment.topic_partitions) == (ErrorCode.NONE, [])


def test_expressions_need_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without RE2 the answer says what to install."""
    monkeypatch.setitem(sys.modules, "re2", None)
    (answer,) = ask(beat(0, subscribed_topic_regex="never-compiled-before"))
    assert answer.error_code is ErrorCode.INVALID_REGULAR_EXPRESSION
    assert "pip install 'millstream[kafka]'" in answer.error_message


def test_what_is_no_consumer_group_is_not_found() -> None:
    """An unknown group and an empty name are told apart."""
    request = ConsumerGroupDescribeRequest(group_ids=["h", ""])
    (answer,) = ask(request, files=MemoryFiles())
    codes = [group.error_code for group in answer.groups]
    assert codes == [ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.INVALID_GROUP_ID]


def test_committed_offsets_are_a_members_in_its_epoch() -> None:
    """From version 9 on commits and fetches heed member and epoch; older commits do not pass."""

    def commit(epoch: int, version: int = 9) -> OffsetCommitRequest:
        part = OffsetCommitPartition(index=0, committed_offset=5)
        topics = [OffsetCommitTopic(name="t", partitions=[part])]
        return OffsetCommitRequest(
            version=version, group_id="g", member_id="a", generation_id=epoch, topics=topics
        )

    def fetch(epoch: int, member: str | None = "a") -> OffsetFetchRequest:
        group = OffsetFetchRequestGroup(group_id="g", member_id=member, member_epoch=epoch)
        return OffsetFetchRequest(version=9, groups=[group])

    _, *commits = ask(beat(0), commit(2), commit(1), commit(2, 8), files=with_topics("t"))
    assert [answer.topics[0].partitions[0].error_code for answer in commits] == [
        ErrorCode.NONE,
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.UNSUPPORTED_VERSION,
    ]
    _, *fetches = ask(beat(0), fetch(2), fetch(1), fetch(-1, None), files=with_topics("t"))
    assert [answer.groups[0].error_code for answer in fetches] == [
        ErrorCode.NONE,
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.NONE,
    ]


def test_an_epoch_without_a_member_gets_no_offsets() -> None:
    """Who says an epoch and no member id is refused, as soon as there is a group to know it."""
    asked = OffsetFetchRequest(
        peer=PEER,
        version=9,
        groups=[
            OffsetFetchRequestGroup(group_id=group, member_id=None, member_epoch=0, topics=[])
            for group in ("g", "other")
        ],
    )
    _, fetched = ask(beat(0), asked, files=with_topics("t"))
    codes = [group.error_code for group in fetched.groups]
    assert codes == [ErrorCode.UNKNOWN_SERVER_ERROR, ErrorCode.NONE]


@pytest.mark.parametrize(
    ("version", "named", "code"),
    [
        (4, {}, ErrorCode.UNKNOWN_MEMBER_ID),
        (5, {}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        (5, {"protocol_type": "consumer"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        (5, {"protocol_name": "range"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        (5, {"protocol_type": "consumer", "protocol_name": "range"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_a_sync_names_its_protocol(version: int, named: dict[str, Any], code: ErrorCode) -> None:
    """From version 5 on a SyncGroup says its protocol, before anything else is looked at."""
    request = SyncGroupRequest(
        peer=PEER, version=version, group_id="g", generation_id=1, member_id="a", **named
    )
    (reply,) = ask(request, files=with_topics("t"))
    assert reply.error_code is code


def test_clients_are_told_of_the_feature() -> None:
    """`group.version` is finalized at 1, without which no client uses the protocol."""
    request = ApiVersionsRequest(version=3, client_software_name="x", client_software_version="1")
    (answer,) = ask(request)
    levels = {feature.name: feature.max_version_level for feature in answer.finalized_features}
    assert levels["group.version"] == 1
    assert answer.finalized_features_epoch >= 0
