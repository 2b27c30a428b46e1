"""How a member goes from what it has to what it is to have, one heartbeat at a time.

    STABLE ──▶ UNREVOKED_PARTITIONS    is told to give partitions up; keeps its epoch
                    │ no longer owns them
                    ▼
    STABLE ◀── UNRELEASED_PARTITIONS   has the epoch of the targets; others still own some of its

Invariants: a member is given only what nobody owns; what it gives up stays its own until it says
that it does not own it any more.

Source: KIP-848, as Apache Kafka 4.3 behaves.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from .consumer_records import IdPartition, Place, State, Target


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """Where a member is to go, and what stands in its way."""

    epoch: int  # of the targets
    target: Target
    topic_ids: frozenset[str]  # of the topics that it reads
    owned: frozenset[IdPartition] | None  # what it says it has; None: it has not said
    owners: Mapping[IdPartition, str]  # member ids
    changed: bool  # it reads other topics than before


def next_place(place: Place, goal: Goal) -> Place:
    """Return where a member is after a heartbeat."""
    waits = place.state is State.UNREVOKED_PARTITIONS
    if waits and _owns(goal, place.revoking):
        return _without_unread(place, goal) if goal.changed else place
    if place.state is State.STABLE and place.epoch == goal.epoch:
        return _without_unread(place, goal) if goal.changed else place
    # What it gave up at the epoch of the targets themselves leads to no further one.
    return _towards(place, min(place.epoch + waits, goal.epoch), goal)


def _towards(place: Place, epoch: int, goal: Goal) -> Place:
    target = {partition for partition in goal.target if partition[0] in goal.topic_ids}
    kept = {key: since for key, since in place.assigned.items() if key in target}
    revoking = {key: since for key, since in place.assigned.items() if key not in target}
    if revoking and _owns(goal, revoking):
        return Place(epoch, place.epoch, State.UNREVOKED_PARTITIONS, kept, revoking)
    missing = target - kept.keys()
    free = {partition for partition in missing if partition not in goal.owners}
    state = State.STABLE if free == missing else State.UNRELEASED_PARTITIONS
    return Place(goal.epoch, place.epoch, state, kept | dict.fromkeys(free, goal.epoch))


def _without_unread(place: Place, goal: Goal) -> Place:
    """Take away at once what a member does not read any more."""
    unread = {key: since for key, since in place.assigned.items() if key[0] not in goal.topic_ids}
    if not unread:
        return place
    kept = {key: since for key, since in place.assigned.items() if key not in unread}
    revoking = {**place.revoking, **unread}
    if _owns(goal, revoking):
        return Place(place.epoch, place.epoch, State.UNREVOKED_PARTITIONS, kept, revoking)
    return Place(place.epoch, place.epoch, place.state, kept, place.revoking)


def _owns(goal: Goal, partitions: Mapping[IdPartition, int]) -> bool:
    return goal.owned is None or any(partition in goal.owned for partition in partitions)
