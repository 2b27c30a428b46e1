"""Who may keep what several claim."""

from __future__ import annotations

from assignments import named, reading

from millstream_log.assignor.claims import settle
from millstream_log.assignor.protocol import Claim
from millstream_log.model import TopicPartition


def by_name(owners: dict[TopicPartition, str]) -> dict[str, str]:
    """Return owners by the partition's name."""
    return {str(partition): owner for partition, owner in owners.items()}


def test_the_newest_generation_wins() -> None:
    """Whoever missed a rebalance is the previous owner; two of one generation lose both."""
    claims = {
        "a": Claim(named("x-0 x-1"), 4),
        "b": Claim(named("x-1 x-2"), 5),
        "c": Claim(named("x-2"), 5),
    }
    ownership = settle({"x": 3}, reading(a="x", b="x", c="x"), claims)
    assert by_name(ownership.owners) == {"x-0": "a", "x-1": "b"}
    assert by_name(ownership.previous) == {"x-0": "a", "x-1": "a"}


def test_what_is_not_there_is_owned_by_nobody() -> None:
    """A partition or topic that has gone, or that the claimant no longer reads, is not owned."""
    claims = {"a": Claim(named("x-3 x--1 y-0 z-0 x-2"), 4)}
    ownership = settle({"x": 3, "z": 1}, reading(a="x y"), claims)
    assert by_name(ownership.owners) == {"x-2": "a"}
    assert ownership.previous == {}


def test_who_reads_it_no_longer_leaves_it_to_nobody() -> None:
    """An older claim does not win because the newest claimant reads other topics now."""
    claims = {"a": Claim(named("x-0"), 5), "b": Claim(named("x-0"), 4)}
    ownership = settle({"x": 1, "y": 1}, reading(a="y", b="x"), claims)
    assert ownership.owners == {}
    assert by_name(ownership.previous) == {"x-0": "b"}


def test_to_claim_twice_is_to_claim() -> None:
    """A member that names a partition twice does not contradict itself."""
    ownership = settle({"x": 1}, reading(a="x"), {"a": Claim(named("x-0 x-0"), 1)})
    assert by_name(ownership.owners) == {"x-0": "a"}
