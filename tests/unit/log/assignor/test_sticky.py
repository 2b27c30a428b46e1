"""Sticky, where all members read the same topics and where they do not."""

from __future__ import annotations

from assignments import Group, holding, named, reading, shown

from millstream_log.assignor.protocol import Subscription
from millstream_log.assignor.sticky import assign


def again(counts: dict[str, int], members: dict[str, Subscription], **held: str) -> dict[str, str]:
    """Assign to members that hold something, and show it."""
    before = {member: named(text) for member, text in held.items()}
    return shown(assign(*holding("sticky", Group(counts, members), before)))


def test_a_fresh_group_is_dealt_in_turn() -> None:
    """Without a past the members take turns up to the quota, and the first get one more."""
    given = assign({"x": 3, "y": 2}, reading(a="x y", b="x y", c="x y"))
    assert shown(given) == {"a": "x-0 y-0", "b": "x-1 y-1", "c": "x-2"}


def test_the_partitions_of_who_left_are_shared() -> None:
    """The others keep theirs."""
    members = reading(a="x", c="x")
    assert again({"x": 6}, members, a="x-0 x-3", b="x-1 x-4", c="x-2 x-5") == {
        "a": "x-0 x-1 x-3",
        "c": "x-2 x-4 x-5",
    }


def test_who_comes_gets_what_is_above_the_quota() -> None:
    """Only what the newcomer gets is taken, from the highest numbers."""
    members = reading(a="x", b="x", c="x")
    assert again({"x": 6}, members, a="x-0 x-2 x-4", b="x-1 x-3 x-5") == {
        "a": "x-0 x-2",
        "b": "x-1 x-3",
        "c": "x-4 x-5",
    }


def test_one_more_goes_to_whom_it_already_belongs() -> None:
    """Where it does not divide, who has one more keeps it."""
    assert again({"x": 3}, reading(a="x", b="x"), a="x-0", b="x-1 x-2") == {
        "a": "x-0",
        "b": "x-1 x-2",
    }


def test_more_members_than_partitions() -> None:
    """Some get one and the others none."""
    assert shown(assign({"x": 1}, reading(a="x", b="x"))) == {"a": "x-0", "b": ""}


def test_a_group_of_nobody_gets_nothing() -> None:
    """Without members there is nobody to give to."""
    assert assign({"x": 3}, {}) == {}


def test_broken_user_data_is_no_user_data() -> None:
    """A member whose memory cannot be read starts anew."""
    members = {"a": Subscription(frozenset({"x"}), b"\0\0\0\7")}
    assert shown(assign({"x": 1}, members)) == {"a": "x-0"}


def test_different_subscriptions_are_made_even() -> None:
    """Who reads one topic gets more of it than who reads two."""
    given = assign({"x": 2, "y": 4}, reading(a="x", b="x y", c="y"))
    assert shown(given) == {"a": "x-0 x-1", "b": "y-1 y-3", "c": "y-0 y-2"}


def test_a_topic_left_behind_goes_to_who_reads_it() -> None:
    """A member that reads a topic no longer loses its partitions and takes no others."""
    members = reading(a="y", b="x y")
    assert again({"x": 2, "y": 2}, members, a="x-0 y-0", b="x-1 y-1") == {
        "a": "y-0 y-1",
        "b": "x-0 x-1",
    }


def test_who_comes_with_another_subscription_takes_little() -> None:
    """It takes no more than makes the members even."""
    members = reading(a="x", b="x", c="x y")
    assert again({"x": 6, "y": 1}, members, a="x-0 x-2 x-4", b="x-1 x-3 x-5") == {
        "a": "x-2 x-4",
        "b": "x-1 x-3 x-5",
        "c": "x-0 y-0",
    }


def test_an_older_owner_gets_its_partition_back() -> None:
    """Of several that hold fewer, the one that had the partition before comes first."""
    group = Group({"x": 4, "y": 1}, reading(a="x", b="x", c="x y"))
    newer = holding("sticky", group, {"a": named("x-0 x-1 x-2 x-3")}, generation=5)
    older = holding("sticky", group, {"c": named("x-0 x-1")}, generation=4)
    members = newer.members | {"c": older.members["c"]}
    given = shown(assign(group.partitions_per_topic, members))
    assert given == {"a": "x-2 x-3", "b": "x-1", "c": "x-0 y-0"}
