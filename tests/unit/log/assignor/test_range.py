"""Range, by hand."""

from __future__ import annotations

from assignments import reading, shown

from millstream_log.assignor.protocol import Subscription
from millstream_log.assignor.range import assign


def test_each_topic_is_cut_into_runs() -> None:
    """The first members get one partition more where a topic does not divide."""
    given = assign({"x": 7, "y": 3}, reading(c="x y", a="x y", b="x y"))
    assert shown(given) == {"a": "x-0 x-1 x-2 y-0", "b": "x-3 x-4 y-1", "c": "x-5 x-6 y-2"}


def test_only_subscribers_share_a_topic() -> None:
    """A topic is cut among those who read it, and one that nobody reads stays out."""
    given = assign({"x": 2, "y": 2, "z": 2}, reading(a="x", b="x y"))
    assert shown(given) == {"a": "x-0", "b": "x-1 y-0 y-1"}


def test_a_topic_that_does_not_exist_gives_nothing() -> None:
    """Who reads only what does not exist has an empty assignment."""
    assert shown(assign({}, reading(a="x"))) == {"a": ""}


def test_static_members_come_first() -> None:
    """The order is by instance id, and does not change with the member id."""
    topics = frozenset({"x"})
    members = {
        "a": Subscription(topics),
        "c": Subscription(topics, group_instance_id="1"),
        "b": Subscription(topics, group_instance_id="2"),
    }
    assert shown(assign({"x": 4}, members)) == {"a": "x-3", "b": "x-2", "c": "x-0 x-1"}
