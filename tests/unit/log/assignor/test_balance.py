"""Sharing out between members that read different topics."""

from __future__ import annotations

from assignments import named, reading, shown

from millstream_log.assignor.balance import balance
from millstream_log.assignor.claims import Ownership
from millstream_log.model import TopicPartition


def owned(**held: str) -> dict[TopicPartition, str]:
    """Return owners by partition, from what each member holds."""
    return {partition: member for member, text in held.items() for partition in named(text)}


def test_the_rarest_topic_is_given_first() -> None:
    """Who alone reads a topic gets it before others share what all of them read."""
    members = reading(a="x y", b="x")
    given = balance(named("x-0 x-1 y-0 y-1"), members, Ownership({}, {}))
    assert shown(given) == {"a": "y-0 y-1", "b": "x-0 x-1"}


def test_a_partition_that_moved_goes_home_before_another_leaves() -> None:
    """x-1 moves to a while c holds most, and when c has given y away x-1 and not x-0 goes to c."""
    members = reading(a="x", b="y", c="x y z")
    owners = owned(a="x-0", c="x-1 y-0 y-1 z-0 z-1")
    given = balance(
        named("x-0 x-1 x-2 x-3 y-0 y-1 z-0 z-1"), members, Ownership(owners, previous={})
    )
    assert {member: set(partitions) for member, partitions in given.items()} == {
        "a": {*named("x-0 x-2 x-3")},
        "b": {*named("y-0 y-1")},
        "c": {*named("x-1 z-0 z-1")},
    }


def test_new_partitions_move_before_old_ones() -> None:
    """What nobody has read yet can be moved at no cost."""
    members = reading(a="x y", b="x", c="y")
    owners = owned(a="x-0 x-1", b="x-2 x-3")
    given = balance(named("x-0 x-1 x-2 x-3 y-0 y-1"), members, Ownership(owners, {}))
    assert shown(given) == {"a": "x-0 x-1", "b": "x-2 x-3", "c": "y-0 y-1"}


def test_the_previous_owner_comes_before_who_holds_least() -> None:
    """Of those that hold at least two fewer, the one that had the partition before gets it."""
    members = reading(a="x", b="x", c="x y")
    owners = owned(a="x-0 x-1 x-2 x-3")
    previous = owned(c="x-0")
    given = balance(named("x-0 x-1 x-2 x-3 y-0"), members, Ownership(owners, previous))
    assert shown(given) == {"a": "x-2 x-3", "b": "x-1", "c": "x-0 y-0"}
