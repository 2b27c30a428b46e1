"""What every assignor asks about a group: who comes first, who reads what, what there is to read.

Invariants: static members stand before the others and are sorted by their instance id, so that
a restart, which brings a new member id, changes nothing.

Source: KIP-345 for static members.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model import TopicPartition
from .protocol import Subscription

GroupAssignment = dict[str, list[TopicPartition]]
"""What each member is given, by member id, in order; a member that gets nothing has a list."""


def static_first(members: Mapping[str, Subscription]) -> list[str]:
    """Return the member ids: static members by instance id, then the others by member id."""

    def place(member: str) -> tuple[bool, str, str]:
        instance = members[member].group_instance_id
        return instance is None, instance or "", member

    return sorted(members, key=place)


def subscribers(members: Mapping[str, Subscription]) -> dict[str, list[str]]:
    """Return the member ids of each topic, static members first."""
    found: dict[str, list[str]] = {}
    for member in static_first(members):
        for topic in members[member].topics:
            found.setdefault(topic, []).append(member)
    return dict(sorted(found.items()))


def subscribed_partitions(
    partitions_per_topic: Mapping[str, int], members: Mapping[str, Subscription]
) -> list[TopicPartition]:
    """Return all partitions of the topics that exist and that somebody reads, sorted."""
    topics = frozenset[str]().union(*(subscription.topics for subscription in members.values()))
    return [
        TopicPartition(topic, partition)
        for topic in sorted(topics)
        for partition in range(partitions_per_topic.get(topic, 0))
    ]
