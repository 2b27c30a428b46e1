"""Who is to have what: the assignors of consumer groups, which run on the server.

    uniform   as even as the subscriptions allow, and moving little
    range     each topic cut into runs, cut alike where topics have equally many partitions

Source: KIP-848; what they do, the assignors of classic groups do too.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..assignor.claims import Ownership
from ..assignor.protocol import Subscription
from ..assignor.range import assign as assign_ranges
from ..assignor.sticky import place
from ..model import TopicPartition
from .consumer_records import Target
from .consumer_topics import Topics

UNIFORM = "uniform"
RANGE = "range"
ASSIGNORS = (UNIFORM, RANGE)


def make_targets(
    assignor: str,
    topics: Topics,
    members: Mapping[str, Subscription],
    before: Mapping[str, Target],
) -> dict[str, Target]:
    """Return what each member is to have; `before` is what it was to have."""
    counts = {name: fact.partitions for name, fact in topics.facts.items()}
    if assignor == RANGE:
        found = assign_ranges(counts, members)
    else:
        owners = {
            TopicPartition(topics.names[topic_id], number): member
            for member in sorted(before)
            if member in members
            for topic_id, number in before[member]
            if topics.names.get(topic_id) in members[member].topics
        }
        found = place(counts, members, Ownership(owners, {}))
    return {
        member: frozenset((topics.facts[key.topic].topic_id, key.partition) for key in given)
        for member, given in found.items()
    }
