"""Cooperative sticky: the sticky plan in two rounds, so that what stays put is never stopped.

    round 1   a owns x-0 x-1, b joins      a: x-0    b: nothing, x-1 is withheld
    between   a revokes x-1 and joins again
    round 2   x-1 is owned by nobody       a: x-0    b: x-1

Members keep reading while they join, and say in their subscription what they still hold. Racks
are not looked at.

Invariants: no partition is given to a member while another claims it, unless the member is its
settled owner and the other claim stems from a missed rebalance.

Source: KIP-429 and Kafka's CooperativeStickyAssignor. Stricter in one point: a partition that
two members of one generation claim is withheld from both, whatever their subscriptions.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import ProtocolError
from .claims import settle
from .members import GroupAssignment
from .protocol import GENERATION_UNKNOWN, Claim, Subscription, decode_cooperative_user_data
from .sticky import place


def assign(
    partitions_per_topic: Mapping[str, int], members: Mapping[str, Subscription]
) -> GroupAssignment:
    """Share the partitions out as sticky does, less those that another member must revoke first."""
    claims = {member: _claim(subscription) for member, subscription in members.items()}
    ownership = settle(partitions_per_topic, members, claims)
    plan = place(partitions_per_topic, members, ownership)
    claimed = {partition for claim in claims.values() for partition in claim.partitions}
    return {
        member: [
            partition
            for partition in given
            if partition not in claimed or ownership.owners.get(partition) == member
        ]
        for member, given in plan.items()
    }


def _claim(subscription: Subscription) -> Claim:
    generation = subscription.generation_id
    if generation == GENERATION_UNKNOWN and subscription.user_data:
        try:
            generation = decode_cooperative_user_data(subscription.user_data)
        except ProtocolError:
            # one member's broken memory costs moves; it must not cost the group its rebalance
            generation = GENERATION_UNKNOWN
    return Claim(subscription.owned_partitions, generation)
