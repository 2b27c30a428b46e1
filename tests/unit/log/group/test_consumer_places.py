"""How a member goes from what it has to what it is to have."""

from __future__ import annotations

from millstream_log.group.consumer_places import Goal, next_place
from millstream_log.group.consumer_records import Place, State


def test_no_member_goes_beyond_the_targets() -> None:
    """One that gives up, at the epoch of the targets, a topic and then another one stays there."""
    place = Place(5, 5, State.UNREVOKED_PARTITIONS, {("b", 0): 5, ("c", 0): 5}, {("a", 0): 5})
    goal = Goal(
        epoch=5,
        target=frozenset({("a", 0), ("b", 0), ("c", 0)}),
        topic_ids=frozenset({"c"}),
        owned=frozenset({("b", 0), ("c", 0)}),
        owners={("b", 0): "m", ("c", 0): "m"},
        changed=False,
    )
    assert next_place(place, goal) == Place(
        5, 5, State.UNREVOKED_PARTITIONS, {("c", 0): 5}, {("b", 0): 5}
    )
