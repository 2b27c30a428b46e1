"""Round robin: all partitions of all topics are dealt out to the members in turn.

    x has 2 partitions, y has 3, 2 members     a: x-0 y-0 y-2    b: x-1 y-1

A member that does not read the topic is passed over. Racks are not looked at.

Source: Kafka's RoundRobinAssignor.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from .members import GroupAssignment, static_first, subscribed_partitions, subscribers
from .protocol import Subscription


def assign(
    partitions_per_topic: Mapping[str, int], members: Mapping[str, Subscription]
) -> GroupAssignment:
    """Deal the partitions out, each to the next member in turn that reads its topic."""
    assignment: GroupAssignment = {member: [] for member in sorted(members)}
    circle = static_first(members)
    seats = {member: seat for seat, member in enumerate(circle)}
    readers = {
        topic: [seats[member] for member in names] for topic, names in subscribers(members).items()
    }
    turn = 0
    for partition in subscribed_partitions(partitions_per_topic, members):
        seats_of_topic = readers[partition.topic]
        seat = seats_of_topic[bisect_left(seats_of_topic, turn) % len(seats_of_topic)]
        assignment[circle[seat]].append(partition)
        turn = (seat + 1) % len(circle)
    return assignment
