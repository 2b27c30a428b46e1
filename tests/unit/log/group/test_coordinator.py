"""What the scenarios in tests/scenario/groups leave out: whole replies, and the shell's side."""

from __future__ import annotations

from typing import Any

import pytest

from millstream_log.errors import ErrorCode
from millstream_log.group.config import GroupConfig
from millstream_log.group.coordinator import GroupCoordinator
from millstream_log.group.replies import (
    DescribedMember,
    GroupOutcome,
    JoinedMember,
    JoinReply,
    ListedGroup,
    SyncReply,
    append_error,
)
from millstream_log.group.requests import CommitRequest, JoinRequest, SyncRequest
from millstream_log.model import TopicPartition

T0, T1 = TopicPartition("t", 0), TopicPartition("t", 1)


def join(group: str = "g", member: str = "", new: str = "m", **more: Any) -> JoinRequest:
    """Return a JoinGroup as of version 3."""
    return JoinRequest(
        group_id=group,
        member_id=member,
        new_member_id=new,
        protocols=(("range", b"\0\0\0\0\0\1\0\1t"), ("sticky", b"?")),
        session_timeout_ms=10_000,
        rebalance_timeout_ms=60_000,
        client_id="client",
        client_host=more.pop("client_host", "/host"),
        require_member_id=False,
        **more,
    )


def done(machine: GroupCoordinator, outcome: GroupOutcome) -> list[Any]:
    """Replay what an outcome appends, and what is due by then; return the replies."""
    replies = []
    for ended in (outcome, *machine.tick(0)):
        for key, value in ended.records:
            machine.replay(key, value)
        replies += [reply for _, reply in ended.replies]
    return replies


def stable(machine: GroupCoordinator, group: str = "g") -> None:
    """Make a group with one member `m`, stable in generation 1."""
    done(machine, machine.join(join(group), 1, 0))
    request = SyncRequest(
        group_id=group, generation=1, member_id="m", assignments=(("m", b"part"),)
    )
    done(machine, machine.sync(request, 2, 0))


def test_the_leader_learns_what_the_members_said() -> None:
    """A leader's reply has each member with its metadata of the protocol that was chosen."""
    machine = GroupCoordinator()
    (reply,) = done(machine, machine.join(join(group_instance_id="i"), 1, 0))
    assert reply == JoinReply(
        member_id="m",
        generation=1,
        protocol_type="consumer",
        protocol_name="range",
        leader="m",
        members=[JoinedMember("m", "i", b"\0\0\0\0\0\1\0\1t")],
    )


def test_members_that_join_together_share_the_first_generation() -> None:
    """Without a delay too a new group is complete by a timer, and not by the first who joins."""
    machine = GroupCoordinator()
    assert machine.join(join(), 1, 0).replies == []
    assert machine.join(join(new="n"), 2, 0).replies == []
    (begun,) = machine.tick(0)
    assert [ticket for ticket, _ in begun.replies] == [1, 2]
    leader, follower = (reply for _, reply in begun.replies)
    assert isinstance(leader, JoinReply)
    assert isinstance(follower, JoinReply)
    assert (leader.generation, follower.generation) == (1, 1)
    assert [member.member_id for member in leader.members] == ["m", "n"]


def test_a_part_comes_with_the_protocol_it_was_made_by() -> None:
    """From version 5 a SyncGroup's answer says type and name, for the client to check."""
    machine = GroupCoordinator()
    stable(machine)
    request = SyncRequest(group_id="g", generation=1, member_id="m")
    assert done(machine, machine.sync(request, 3, 0)) == [
        SyncReply(protocol_type="consumer", protocol_name="range", assignment=b"part")
    ]


@pytest.mark.parametrize(("kind", "name"), [("connect", "range"), ("consumer", "sticky")])
def test_a_sync_by_another_protocol_is_refused(kind: str, name: str) -> None:
    """A member that names another type or protocol than the group's has gone astray."""
    machine = GroupCoordinator()
    done(machine, machine.join(join(), 1, 0))
    request = SyncRequest(
        group_id="g", generation=1, member_id="m", protocol_type=kind, protocol_name=name
    )
    (reply,) = done(machine, machine.sync(request, 2, 0))
    assert reply.error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_an_operator_sees_all_of_a_stable_group() -> None:
    """A description has the protocol and what members said, once the group is stable."""
    machine = GroupCoordinator()
    stable(machine)
    found = machine.describe("g")
    assert (found.state, found.protocol_type, found.protocol) == ("Stable", "consumer", "range")
    member = DescribedMember("m", None, "client", "/host", b"\0\0\0\0\0\1\0\1t", b"part")
    assert found.members == [member]
    done(machine, machine.join(join(new="n"), 3, 0))
    found = machine.describe("g")
    assert (found.state, found.protocol) == ("PreparingRebalance", "")
    assert [row.metadata for row in found.members] == [b"", b""]


def test_a_group_that_is_not_there_is_dead() -> None:
    """An unknown group is described as Dead, with the error that version 6 brought."""
    found = GroupCoordinator().describe("g")
    assert (found.error, found.state) == (ErrorCode.GROUP_ID_NOT_FOUND, "Dead")


def test_groups_are_listed_by_id() -> None:
    """The list is in order, whatever the order they came in."""
    machine = GroupCoordinator()
    for group in ("b", "a"):
        stable(machine, group)
    assert machine.list_groups() == [
        ListedGroup("a", "consumer", "Stable"),
        ListedGroup("b", "consumer", "Stable"),
    ]


def test_an_outcome_names_the_group_its_records_belong_to() -> None:
    """The shell finds the partition of `__consumer_offsets` by the outcome's group id."""
    machine = GroupCoordinator()
    for group in ("b", "a"):
        out = machine.commit(CommitRequest(group_id=group, offsets={T0: (5, -1, None)}), 1, 0)
        done(machine, out)
        assert (out.group_id, out.producer) == (group, None)
    outcomes = machine.delete_topics(["t"])
    assert [(out.group_id, len(out.records)) for out in outcomes] == [("b", 1), ("a", 1)]


def test_a_commit_in_a_transaction_names_its_producer() -> None:
    """The batch of a TxnOffsetCommit is the producer's; one that appends nothing is nobody's."""
    machine = GroupCoordinator(GroupConfig(metadata_bytes_max=3))
    request = CommitRequest(group_id="g", offsets={T0: (5, -1, "")})
    assert machine.commit_in_transaction(request, 7, 2, 1, 0).producer == (7, 2)
    request = CommitRequest(group_id="g", offsets={T0: (5, -1, "long")})
    out = machine.commit_in_transaction(request, 7, 2, 1, 0)
    assert (out.producer, out.records) == (None, [])
    assert out.replies == [(1, {T0: ErrorCode.OFFSET_METADATA_TOO_LARGE})]


def test_a_failed_commit_keeps_the_errors_of_its_own() -> None:
    """What was refused stays refused; what was to be appended gets the append's error."""
    machine = GroupCoordinator(GroupConfig(metadata_bytes_max=3))
    request = CommitRequest(group_id="g", offsets={T0: (5, -1, "long"), T1: (6, -1, "")})
    out = machine.commit(request, 1, 0)
    assert out.on_failure
    assert out.on_failure(ErrorCode.NOT_LEADER_OR_FOLLOWER).replies == [
        (1, {T0: ErrorCode.OFFSET_METADATA_TOO_LARGE, T1: ErrorCode.NOT_COORDINATOR})
    ]


def test_version_9_of_a_commit_says_that_the_group_is_not_there() -> None:
    """A member's commit to an unknown group is told so in the words of its version."""
    request = CommitRequest(group_id="g", generation=1, member_id="m", offsets={T0: (5, -1, "")})
    for error in (ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.ILLEGAL_GENERATION):
        out = GroupCoordinator().commit(request, 1, 0, unknown_group=error)
        assert out.replies == [(1, {T0: error})]


def test_offsets_come_back_whole() -> None:
    """Leader epoch and metadata round-trip, and all of a group's offsets come sorted."""
    machine = GroupCoordinator()
    offsets = {T1: (6, 3, "note"), T0: (5, -1, None)}
    done(machine, machine.commit(CommitRequest(group_id="g", offsets=offsets), 1, 0))
    found = machine.fetch_offsets("g")
    assert list(found.items()) == [
        (T0, (5, -1, "", ErrorCode.NONE)),
        (T1, (6, 3, "note", ErrorCode.NONE)),
    ]


def test_a_coordinator_that_has_not_loaded_has_no_deadline() -> None:
    """Following a log, as a reader does, brings about nothing; leading it does."""
    machine = GroupCoordinator(GroupConfig(retention_check_interval_ms=600))
    writer = GroupCoordinator()
    done(writer, writer.join(join(), 1, 0))
    request = SyncRequest(group_id="g", generation=1, member_id="m", assignments=())
    for key, value in writer.sync(request, 2, 0).records:
        machine.replay(key, value)
    assert machine.deadline_ms() is None
    assert machine.tick(10**9) == []
    machine.after_load(100)
    assert machine.deadline_ms() == 700
    machine.tick(700)
    assert machine.deadline_ms() == 1300


def test_too_many_loaded_members_are_asked_to_join_again() -> None:
    """When `group.max.size` was lowered, the members get a chance to commit before some must go."""
    writer, machine = GroupCoordinator(), GroupCoordinator(GroupConfig(size_max=1))
    done(writer, writer.join(join(), 1, 0))
    done(writer, writer.join(join(new="n"), 2, 0))
    done(writer, writer.join(join(member="m"), 3, 0))
    out = writer.sync(SyncRequest(group_id="g", generation=2, member_id="m"), 4, 0)
    for key, value in out.records:
        machine.replay(key, value)
    assert machine.after_load(0) == []
    assert machine.describe("g").state == "PreparingRebalance"


def test_members_of_the_process_that_died_are_gone_at_once() -> None:
    """Who starts again after a crash does not wait for the session of its dead self."""
    writer, machine = GroupCoordinator(), GroupCoordinator()
    done(writer, writer.join(join(client_host="/"), 1, 0))
    out = writer.sync(SyncRequest(group_id="g", generation=1, member_id="m"), 2, 0)
    for key, value in out.records:
        machine.replay(key, value)
    for outcome in machine.after_load(0):
        done(machine, outcome)
    assert machine.describe("g").state == "Empty"


def test_a_sync_that_fails_late_changes_nothing_more() -> None:
    """When the group has moved on before the append failed, only the waiting are told."""
    machine = GroupCoordinator()
    done(machine, machine.join(join(), 1, 0))
    out = machine.sync(SyncRequest(group_id="g", generation=1, member_id="m"), 2, 0)
    done(machine, machine.leave("g", [("m", None)], 3, 0))
    assert out.on_failure
    failed = out.on_failure(ErrorCode.KAFKA_STORAGE_ERROR)
    assert failed.replies == [(2, SyncReply(error=ErrorCode.NOT_COORDINATOR))]
    assert machine.describe("g").state == "Empty"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.RECORD_LIST_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
        (ErrorCode.POLICY_VIOLATION, ErrorCode.POLICY_VIOLATION),
    ],
)
def test_an_append_that_fails_is_told_as_kafka_tells_it(code: ErrorCode, told: ErrorCode) -> None:
    """A client looks for the coordinator anew, tries again or gives up: the error says which."""
    assert append_error(code) is told


def test_records_of_others_are_passed_over() -> None:
    """A null key and a key of a version that is not ours change nothing."""
    machine = GroupCoordinator()
    machine.replay(None, b"x")
    machine.replay(b"\0\x0b\0\1g", b"x")
    machine.replay(b"\0\4\0\1g", b"x")
    machine.replay(b"\0\3\0\1g", None)
    machine.replay(b"\0\2\0\1g", None)
    assert machine.list_groups() == []
