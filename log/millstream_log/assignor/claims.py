"""Who may keep a partition, when members say what they hold and some have missed a rebalance.

    a, generation 4   x-0 x-1            x-0  a: nobody else claims it
    b, generation 5   x-1 x-2            x-1  b: its generation is newer; a is the previous owner
    c, generation 5   x-2                x-2  nobody: b and c cannot both be right

Invariants: a partition has one owner at most; an owner reads the topic, and the partition exists.

Source: KIP-341, KIP-792, as Kafka's AbstractStickyAssignor settles them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..model import TopicPartition
from .protocol import GENERATION_UNKNOWN, Claim, Subscription


class Ownership(NamedTuple):
    """What the members' claims amount to."""

    owners: dict[TopicPartition, str]
    previous: dict[TopicPartition, str]  # who claims it from before the newest generation


def settle(
    partitions_per_topic: Mapping[str, int],
    members: Mapping[str, Subscription],
    claims: Mapping[str, Claim],
) -> Ownership:
    """Return who owns what: the one claimant of the newest generation, where there is just one."""
    newest = max((claim.generation for claim in claims.values()), default=GENERATION_UNKNOWN)
    current: dict[TopicPartition, list[str]] = {}
    older: dict[TopicPartition, list[str]] = {}
    for member, claim in sorted(claims.items(), key=lambda item: (-item[1].generation, item[0])):
        for partition in dict.fromkeys(claim.partitions):
            if not 0 <= partition.partition < partitions_per_topic.get(partition.topic, 0):
                continue
            rivals = current.setdefault(partition, [])
            if not rivals or claims[rivals[0]].generation == claim.generation:
                rivals.append(member)
            if claim.generation < newest:
                older.setdefault(partition, []).append(member)
    sole = {partition: rivals for partition, rivals in current.items() if len(rivals) == 1}
    return Ownership(_readers(sole, members), _readers(older, members))


def _readers(
    claimants: dict[TopicPartition, list[str]], members: Mapping[str, Subscription]
) -> dict[TopicPartition, str]:
    return {
        partition: names[0]
        for partition, names in claimants.items()
        if partition.topic in members[names[0]].topics
    }
