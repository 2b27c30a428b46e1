from __future__ import annotations

import pytest

from millstream_log.errors import ErrorCode
from millstream_log.group.offsets import GroupOffsets, partition_for
from millstream_log.model import TopicPartition

A0, A1, B0 = TopicPartition("a", 0), TopicPartition("a", 1), TopicPartition("b", 0)


def replay(machine: GroupOffsets, records: list[tuple[bytes, bytes | None]]) -> None:
    """Let a machine take records into account."""
    for key, value in records:
        machine.replay(key, value)


def committed(machine: GroupOffsets, group_id: str) -> dict[TopicPartition, int]:
    """Return the offsets of a group without the rest."""
    return {key: value.offset for key, value in machine.fetch(group_id).items()}


def test_a_commit_changes_nothing_until_its_records_are_replayed() -> None:
    """State moves by replay alone, so memory is never ahead of the log."""
    machine = GroupOffsets()
    errors, records = machine.commit("g", {A0: (5, -1, "")}, 1)
    assert errors == {A0: ErrorCode.NONE}
    assert committed(machine, "g") == {}
    replay(machine, records)
    assert committed(machine, "g") == {A0: 5}
    assert machine.group_ids() == ["g"]


def test_a_reload_from_the_same_records_gives_the_same_state() -> None:
    """Replaying all records of the log into an empty machine rebuilds it."""
    machine, log = GroupOffsets(), []
    for offsets in ({A0: (1, 0, "x"), B0: (2, 0, "y")}, {A0: (3, 0, "z")}):
        _, records = machine.commit("g", offsets, 7)
        log += records
        replay(machine, records)
    again = GroupOffsets()
    replay(again, log)
    assert again.fetch("g") == machine.fetch("g")
    assert again.fetch("g")[A0].metadata == "z"


def test_metadata_that_is_too_long_is_refused_for_its_partition_alone() -> None:
    """One partition's text beyond the bound does not hold up the others."""
    errors, records = GroupOffsets().commit("g", {A0: (1, -1, "x" * 9), A1: (1, -1, None)}, 0, 8)
    assert errors == {A0: ErrorCode.OFFSET_METADATA_TOO_LARGE, A1: ErrorCode.NONE}
    assert len(records) == 1


def test_deleting_partitions_and_groups_leaves_tombstones() -> None:
    """A deletion is one tombstone for each offset, and the last one ends the group."""
    machine = GroupOffsets()
    replay(machine, machine.commit("g", {A0: (1, -1, ""), A1: (2, -1, "")}, 0)[1])
    code, records = machine.delete("g", [A0, B0])
    assert code is ErrorCode.NONE
    assert [value for _, value in records] == [None]
    replay(machine, records)
    assert committed(machine, "g") == {A1: 2}
    replay(machine, machine.delete("g")[1])
    assert "g" not in machine
    assert machine.delete("g") == (ErrorCode.GROUP_ID_NOT_FOUND, [])


def test_offsets_on_a_deleted_topic_are_forgotten_in_every_group() -> None:
    """A topic that is made again does not inherit the positions of its namesake."""
    machine = GroupOffsets()
    for group_id in ("g", "h"):
        replay(machine, machine.commit(group_id, {A0: (1, -1, ""), B0: (2, -1, "")}, 0)[1])
    replay(machine, [record for _, record in machine.delete_topics(["a"])])
    assert committed(machine, "g") == committed(machine, "h") == {B0: 2}


def test_records_of_others_are_passed_over() -> None:
    """Null keys, member metadata and tombstones of unknown groups change nothing."""
    machine = GroupOffsets()
    machine.replay(None, b"x")
    machine.replay(b"\0\2\0\1g", b"whatever")
    replay(machine, [(key, None) for key, _ in GroupOffsets().commit("x", {A0: (1, 0, "")}, 0)[1]])
    assert machine.group_ids() == []


@pytest.mark.parametrize(
    ("group_id", "partition"),
    # "test".hashCode() = 3556498, "my-group".hashCode() = -1167482262,
    # "polygenelubricants".hashCode() = -2147483648, which has no absolute value in Java.
    [("test", 3556498 % 50), ("polygenelubricants", 0), ("", 0)],
)
def test_groups_lie_where_java_puts_them(group_id: str, partition: int) -> None:
    """The partition is the absolute value of Java's hash of the id, modulo the count."""
    assert partition_for(group_id, 50) == partition


def test_a_negative_hash_is_made_positive_as_java_does() -> None:
    """Math.abs, and not a mask of the sign bit, decides for ids with a negative hash."""
    code = 0
    for character in "zzzzzzzz":
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    signed = code - (1 << 32) if code >= 1 << 31 else code
    assert signed < 0
    assert partition_for("zzzzzzzz", 50) == -signed % 50


def test_a_commit_in_a_transaction_is_pending_until_its_end() -> None:
    """What a producer commits counts once its transaction is committed, and never if aborted."""
    machine = GroupOffsets()
    replay(machine, machine.commit("g", {A0: (1, -1, "")}, 0)[1])
    for end, offset in ((False, 1), (True, 5)):
        for key, value in machine.commit("g", {A0: (5, -1, "")}, 0)[1]:
            machine.replay(key, value, producer_id=7)
        assert machine.is_pending("g", A0)
        assert machine.has_transaction("g")
        assert committed(machine, "g") == {A0: 1}
        machine.end_transaction(7, end)
        assert not machine.is_pending("g", A0)
        assert not machine.has_transaction("g")
        assert committed(machine, "g") == {A0: offset}


def test_a_pending_group_is_no_group_yet() -> None:
    """A group whose only commits are in doubt has committed nothing, and can be deleted."""
    machine = GroupOffsets()
    for key, value in machine.commit("g", {A0: (5, -1, "")}, 0)[1]:
        machine.replay(key, value, producer_id=7)
    assert machine.group_ids() == []
    assert "g" not in machine
    assert len(machine.delete_topics(["a"])) == 1
    code, records = machine.delete("g")
    assert (code, len(records)) == (ErrorCode.NONE, 1)
    replay(machine, records)
    machine.end_transaction(7, True)
    assert machine.delete("g") == (ErrorCode.GROUP_ID_NOT_FOUND, [])


@pytest.mark.parametrize("order", [(7, 8), (8, 7)])
def test_the_commit_that_stands_later_wins(order: tuple[int, int]) -> None:
    """In whatever order transactions end, the log's order decides between their commits."""
    machine = GroupOffsets()
    for producer_id, offset in ((7, 70), (8, 80)):
        for key, value in machine.commit("g", {A0: (offset, -1, "")}, 0)[1]:
            machine.replay(key, value, producer_id)
    for producer_id in order:
        machine.end_transaction(producer_id, True)
    assert committed(machine, "g") == {A0: 80}


def test_a_retention_beyond_all_time_is_for_ever() -> None:
    """What a client may say is more than the log's field holds."""
    machine = GroupOffsets()
    errors, records = machine.commit("g", {A0: (1, -1, "")}, 10**12, retention_ms=2**63 - 1)
    assert errors == {A0: ErrorCode.NONE}
    replay(machine, records)
    assert machine.fetch("g")[A0].expire_time_ms == 2**63 - 1
