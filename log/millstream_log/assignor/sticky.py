"""Sticky: as even as the subscriptions allow, and of all such plans one that moves little.

    all members read the same topics     every member gets its quota: n // m, or one more
    subscriptions differ                 see balance.py

A member remembers what it had, and says so in its user data when it joins. Racks are not
looked at.

Source: KIP-54 and Kafka's AbstractStickyAssignor.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from operator import attrgetter

from ..errors import ProtocolError
from ..model import TopicPartition
from .balance import balance
from .claims import Ownership, settle
from .members import GroupAssignment, subscribed_partitions
from .protocol import Claim, Subscription, decode_sticky_user_data


def assign(
    partitions_per_topic: Mapping[str, int], members: Mapping[str, Subscription]
) -> GroupAssignment:
    """Share the partitions out evenly; members keep what their user data says they had."""
    claims = {member: _claim(subscription) for member, subscription in members.items()}
    ownership = settle(partitions_per_topic, members, claims)
    return place(partitions_per_topic, members, ownership)


def place(
    partitions_per_topic: Mapping[str, int],
    members: Mapping[str, Subscription],
    ownership: Ownership,
) -> GroupAssignment:
    """Share the partitions out evenly, and leave with their owners what may stay there."""
    partitions = subscribed_partitions(partitions_per_topic, members)
    if len({subscription.topics for subscription in members.values()}) > 1:
        assignment = balance(partitions, members, ownership)
    else:
        assignment = _fill_quotas(partitions, sorted(members), ownership.owners)
    return {member: sorted(given) for member, given in assignment.items()}


def _claim(subscription: Subscription) -> Claim:
    if not subscription.user_data:
        return Claim()
    try:
        return decode_sticky_user_data(subscription.user_data)
    except ProtocolError:
        # one member's broken memory costs moves; it must not cost the group its rebalance
        return Claim()


def _fill_quotas(
    partitions: Sequence[TopicPartition], members: Sequence[str], owners: dict[TopicPartition, str]
) -> GroupAssignment:
    if not members:
        return {}
    quota, extra = divmod(len(partitions), len(members))
    assignment = _keep(members, owners, quota, extra)
    kept = {partition for given in assignment.values() for partition in given}
    below = deque(member for member in members if len(assignment[member]) < quota)
    at_quota = deque(member for member in members if len(assignment[member]) == quota)
    for partition in partitions:
        if partition in kept:
            continue
        member = (below or at_quota).popleft()
        given = assignment[member]
        given.append(partition)
        if len(given) < quota:
            below.append(member)
        elif len(given) == quota:
            at_quota.append(member)
    return assignment


def _keep(
    members: Sequence[str], owners: dict[TopicPartition, str], quota: int, extra: int
) -> GroupAssignment:
    """Leave each member its own partitions up to the quota, and the first `extra` one more."""
    owned: GroupAssignment = {member: [] for member in members}
    for partition, member in owners.items():
        owned[member].append(partition)
    for member, given in owned.items():
        given.sort(key=attrgetter("partition", "topic"))
        above = extra > 0 and len(given) > quota
        extra -= above
        del given[quota + above :]
        owned[member] = given
    return owned
