"""Random consumer groups, and what is true of a good assignment whoever made it.

A group is `partitions_per_topic` and `members`; `chance` decides all of it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from millstream_log.assignor.assignors import assignor_named
from millstream_log.assignor.members import subscribed_partitions
from millstream_log.assignor.protocol import Claim, Subscription
from millstream_log.model import TopicPartition

Assignments = Mapping[str, Sequence[TopicPartition]]


class Group(NamedTuple):
    """What an assignor is asked about."""

    partitions_per_topic: dict[str, int]
    members: dict[str, Subscription]


def fresh_group(chance: random.Random, *, alike: bool, members_max: int = 12) -> Group:
    """Return a group whose members hold nothing yet; some are static, some topics do not exist."""
    counts = {f"topic-{number}": chance.randint(1, 12) for number in range(chance.randint(1, 6))}
    topics = [*counts, "absent"] if chance.random() < 0.1 else [*counts]
    some = frozenset(chance.sample(topics, chance.randint(1, len(topics))))
    members = {}
    for number in range(chance.randint(1, members_max)):
        mine = some if alike else frozenset(chance.sample(topics, chance.randint(1, len(topics))))
        instance = f"i{chance.randrange(1000)}-{number}" if chance.random() < 0.4 else None
        member = f"m{chance.randrange(1000)}-{number}"
        members[member] = Subscription(mine, group_instance_id=instance)
    return Group(counts, members)


def holding(name: str, group: Group, held: Assignments, generation: int = 1) -> Group:
    """Return the group as its members join again under this assignor, holding what they held."""
    user_data = assignor_named(name).user_data
    members = {}
    for member, subscription in group.members.items():
        claim = Claim(tuple(held.get(member, ())), generation if member in held else -1)
        members[member] = subscription._replace(
            user_data=user_data(claim),
            owned_partitions=claim.partitions,
            generation_id=claim.generation,
        )
    return Group(group.partitions_per_topic, members)


def changed(chance: random.Random, group: Group) -> Group:
    """Return the group after a member came, went or reads other topics, or a topic grew."""
    counts, members = dict(group.partitions_per_topic), dict(group.members)
    change = chance.choice(["join", "leave", "grow", "resubscribe"])
    if change == "leave" and len(members) > 1:
        del members[chance.choice(sorted(members))]
    elif change == "grow":
        counts[chance.choice(sorted(counts))] += chance.randint(1, 4)
    elif change == "resubscribe":
        member = chance.choice(sorted(members))
        topics = frozenset(chance.sample(sorted(counts), chance.randint(1, len(counts))))
        members[member] = members[member]._replace(topics=topics)
    else:
        like = members[chance.choice(sorted(members))]
        members[f"m{chance.randrange(1000)}-new"] = Subscription(like.topics)
    return Group(counts, members)


def named(text: str) -> tuple[TopicPartition, ...]:
    """Return the partitions of `x-0 x-1`."""
    pairs = (word.rpartition("-") for word in text.split())
    return tuple(TopicPartition(topic, int(number)) for topic, _, number in pairs)


def shown(given: Assignments) -> dict[str, str]:
    """Return what each member was given, as `x-0 x-1`."""
    return {member: " ".join(map(str, partitions)) for member, partitions in given.items()}


def reading(**topics: str) -> dict[str, Subscription]:
    """Return members by name and the topics each reads, as `x y`."""
    return {member: Subscription(frozenset(names.split())) for member, names in topics.items()}


def check_whole(group: Group, given: Assignments, withheld: int = 0) -> None:
    """Every partition that somebody reads has gone to one who reads it, all but `withheld`."""
    assert set(given) == set(group.members)
    for member, partitions in given.items():
        assert {partition.topic for partition in partitions} <= group.members[member].topics
    wanted = subscribed_partitions(*group)
    times = Counter(partition for partitions in given.values() for partition in partitions)
    assert set(times) <= set(wanted)
    assert set(times.values()) <= {1}
    assert len(times) == len(wanted) - withheld


def check_even(group: Group, given: Assignments) -> None:
    """No partition can move to a subscriber that holds at least two fewer than its owner."""
    counts = {member: len(partitions) for member, partitions in given.items()}
    for owner, partitions in given.items():
        for topic in {partition.topic for partition in partitions}:
            for member, subscription in group.members.items():
                if topic in subscription.topics:
                    assert counts[owner] <= counts[member] + 1, (owner, member, topic)


def squares(given: Assignments) -> int:
    """Return the sum of the squares of the counts: the smaller, the more even."""
    return sum(len(partitions) ** 2 for partitions in given.values())


def kept(before: Assignments, after: Assignments) -> int:
    """Return how many partitions have stayed with their owners."""
    return sum(len({*before.get(member, ())} & {*given}) for member, given in after.items())
