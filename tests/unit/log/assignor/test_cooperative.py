"""Cooperative sticky: what moves is withheld until it has been revoked."""

from __future__ import annotations

import pytest
from assignments import Group, holding, named, reading, shown

from millstream_log.assignor.cooperative import assign
from millstream_log.assignor.protocol import Subscription

NAME = "cooperative-sticky"


def again(group: Group, **held: str) -> dict[str, str]:
    """Assign to members that hold something, and show it."""
    before = {member: named(text) for member, text in held.items()}
    return shown(assign(*holding(NAME, group, before)))


def test_a_partition_moves_in_two_rounds() -> None:
    """It is first taken from its owner, and given when nobody claims it any more."""
    group = Group({"x": 4}, reading(a="x", b="x"))
    assert again(group, a="x-0 x-1 x-2 x-3") == {"a": "x-0 x-1", "b": ""}
    assert again(group, a="x-0 x-1", b="") == {"a": "x-0 x-1", "b": "x-2 x-3"}


def test_what_is_free_is_given_at_once() -> None:
    """A new partition waits for nobody."""
    group = Group({"x": 4}, reading(a="x", b="x"))
    assert again(group, a="x-0 x-1", b="x-2") == {"a": "x-0 x-1", "b": "x-2 x-3"}


def test_what_is_read_no_longer_is_withheld_too() -> None:
    """A member that still holds a topic it has left gives it up before another gets it."""
    group = Group({"x": 1, "y": 1}, reading(a="y", b="x"))
    assert again(group, a="x-0") == {"a": "y-0", "b": ""}


@pytest.mark.parametrize("third", ["x", "x y"])
def test_what_two_claim_is_given_to_neither(third: str) -> None:
    """Two owners of one generation both revoke, before anybody reads the partition again."""
    group = Group({"x": 3}, reading(a="x", b="x", c=third))
    given = again(group, a="x-0 x-1", b="x-1 x-2")
    assert "x-1" not in " ".join(given.values())


def test_a_late_claim_takes_nothing() -> None:
    """Who missed a rebalance does not keep the present owner from its partition."""
    group = Group({"x": 2}, reading(a="x", b="x"))
    members = {
        "a": holding(NAME, group, {"a": named("x-0")}, generation=5).members["a"],
        "b": holding(NAME, group, {"b": named("x-0 x-1")}, generation=4).members["b"],
    }
    assert shown(assign(group.partitions_per_topic, members)) == {"a": "x-0", "b": "x-1"}


def test_an_old_subscription_has_its_generation_in_the_user_data() -> None:
    """Before v2 the generation came there; what cannot be read is as old as can be."""
    topics = frozenset({"x"})
    members = {
        "a": Subscription(topics, b"\0\0\0\5", named("x-0")),
        "b": Subscription(topics, b"\0\0\0\4", named("x-0")),
        "c": Subscription(topics, b"\0", named("x-0")),
        "d": Subscription(topics, None, named("x-0")),
    }
    assert shown(assign({"x": 1}, members)) == {"a": "x-0", "b": "", "c": "", "d": ""}
