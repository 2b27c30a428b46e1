"""Range: each topic is cut into one run of partitions for each of its subscribers.

    7 partitions, 3 members     a: 0 1 2    b: 3 4    c: 5 6

Topics of the same count are cut alike, so that equal keys of two topics meet at one member. Racks
are not looked at.

Source: Kafka's RangeAssignor.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..model import TopicPartition
from .members import GroupAssignment, subscribers
from .protocol import Subscription


def assign(
    partitions_per_topic: Mapping[str, int], members: Mapping[str, Subscription]
) -> GroupAssignment:
    """Give each member its run of each topic; the first members get one more where it is uneven."""
    assignment: GroupAssignment = {member: [] for member in sorted(members)}
    for topic, readers in subscribers(members).items():
        quota, extra = divmod(partitions_per_topic.get(topic, 0), len(readers))
        start = 0
        for position, member in enumerate(readers):
            end = start + quota + (position < extra)
            assignment[member] += [TopicPartition(topic, number) for number in range(start, end)]
            start = end
    return assignment
