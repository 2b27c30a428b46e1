"""Round robin, by hand."""

from __future__ import annotations

from assignments import reading, shown

from millstream_log.assignor.protocol import Subscription
from millstream_log.assignor.roundrobin import assign


def test_partitions_are_dealt_in_turn() -> None:
    """The turn goes on from one topic to the next."""
    given = assign({"x": 3, "y": 3}, reading(b="x y", a="x y"))
    assert shown(given) == {"a": "x-0 x-2 y-1", "b": "x-1 y-0 y-2"}


def test_who_does_not_read_the_topic_is_passed_over() -> None:
    """The turn goes to the next who reads it, and on from there."""
    given = assign({"x": 1, "y": 2, "z": 3}, reading(a="x", b="x y", c="x y z"))
    assert shown(given) == {"a": "x-0", "b": "y-0", "c": "y-1 z-0 z-1 z-2"}


def test_static_members_come_first() -> None:
    """The circle begins with the static members, by instance id."""
    topics = frozenset({"x"})
    members = {"a": Subscription(topics), "b": Subscription(topics, group_instance_id="9")}
    assert shown(assign({"x": 3}, members)) == {"a": "x-1", "b": "x-0 x-2"}


def test_a_group_of_nobody_gets_nothing() -> None:
    """Without members there is nobody to give to."""
    assert assign({"x": 3}, {}) == {}
