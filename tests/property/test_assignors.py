"""Assignors over random groups: what must always hold, and what kafka-python makes of them."""

from __future__ import annotations

import random
import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from assignments import (
    Assignments,
    Group,
    changed,
    check_even,
    check_whole,
    fresh_group,
    holding,
    kept,
    squares,
)
from hypothesis import given
from hypothesis import strategies as st

from millstream_log.assignor.assignors import ASSIGNORS, assignor_named
from millstream_log.assignor.members import subscribed_partitions
from millstream_log.assignor.protocol import (
    Assignment,
    Subscription,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    encode_subscription,
)
from millstream_log.errors import ProtocolError
from millstream_log.model import TopicPartition

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads its schemas the old way
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
    from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
    from kafka.coordinator.assignors.sticky.user_data import StickyAssignorUserData
    from kafka.protocol.consumer.metadata import (
        ConsumerProtocolAssignment,
        ConsumerProtocolSubscription,
    )

PEERS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
}
STICKY = ["sticky", "cooperative-sticky"]
ROUNDS_MAX = 4

chances = st.randoms(use_true_random=False)
names = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
partitions = st.lists(
    st.builds(TopicPartition, names, st.integers(0, 2**31 - 1)), unique=True, max_size=8
).map(lambda some: tuple(sorted(some)))
subscriptions = st.builds(
    Subscription,
    st.frozensets(names, max_size=5),
    st.none() | st.binary(max_size=20),
    partitions,
    st.integers(-1, 2**31 - 1),
    st.none() | names,
    st.none(),
)


def theirs(name: str, group: Group, held: Assignments | None = None) -> Assignments:
    """Return what kafka-python's assignor gives, sorted."""
    counts = group.partitions_per_topic
    cluster = SimpleNamespace(
        topics=lambda: set(counts),
        partitions_for_topic=lambda topic: set(range(counts[topic])) if topic in counts else None,
    )
    members = []
    # it takes static members for one run of its list, so they must stand together
    for member, mine in sorted(
        group.members.items(), key=lambda item: not item[1].group_instance_id
    ):
        metadata = SimpleNamespace(topics=sorted(mine.topics), user_data=memory(held, member))
        members.append(
            SimpleNamespace(
                member_id=member, group_instance_id=mine.group_instance_id, metadata=metadata
            )
        )
    given = PEERS[name]().assign(cluster, members)
    return {
        member: sorted(TopicPartition(*partition) for partition in assignment.partitions())
        for member, assignment in given.items()
    }


def memory(held: Assignments | None, member: str) -> Any:
    """Return kafka-python's form of sticky user data."""
    if not held or not held.get(member):
        return b""
    by_topic: dict[str, list[int]] = {}
    for topic, number in held[member]:
        by_topic.setdefault(topic, []).append(number)
    return StickyAssignorUserData(previous_assignment=list(by_topic.items()), generation=1)


def spread(given: Assignments) -> int:
    """Return by how many partitions the fullest member surpasses the emptiest."""
    counts = [len(partitions) for partitions in given.values()]
    return max(counts) - min(counts)


def until_settled(name: str, group: Group, held: Assignments) -> Assignments:
    """Return the assignment after as many rounds as it takes until nobody gives anything up."""
    for generation in range(1, ROUNDS_MAX):
        after = assignor_named(name).assign(*holding(name, group, held, generation))
        if after == held:
            return after
        held = after
    raise AssertionError(f"{name} has not settled after {ROUNDS_MAX} rounds")


@pytest.mark.parametrize("name", ASSIGNORS)
@given(chance=chances, alike=st.booleans())
def test_every_partition_has_one_reader(name: str, chance: random.Random, alike: bool) -> None:
    """A fresh group reads all of its topics, each partition once, and nothing else."""
    group = fresh_group(chance, alike=alike)
    check_whole(group, assignor_named(name).assign(*group))


@given(chance=chances, alike=st.booleans())
def test_range_gives_what_kafka_python_gives(chance: random.Random, alike: bool) -> None:
    """Range leaves nothing to choose."""
    group = fresh_group(chance, alike=alike)
    assert assignor_named("range").assign(*group) == theirs("range", group)


@given(chance=chances)
def test_round_robin_gives_what_kafka_python_gives(chance: random.Random) -> None:
    """Nor does round robin, of which kafka-python 3.0 fails where subscriptions differ."""
    group = fresh_group(chance, alike=True)
    assert assignor_named("roundrobin").assign(*group) == theirs("roundrobin", group)


@pytest.mark.parametrize("name", ASSIGNORS)
@given(chance=chances)
def test_the_order_of_members_decides_nothing(name: str, chance: random.Random) -> None:
    """Equal groups have equal assignments, in whatever order members and topics are listed."""
    group = fresh_group(chance, alike=False)
    assign = assignor_named(name).assign
    held = assign(*group)
    again = holding(name, changed(chance, group), held)
    backwards = Group(
        dict(reversed(again.partitions_per_topic.items())), dict(reversed(again.members.items()))
    )
    assert list(assign(*backwards).items()) == list(assign(*again).items())


@given(chance=chances, alike=st.booleans())
def test_sticky_is_as_even_as_can_be(chance: random.Random, alike: bool) -> None:
    """After any change no single move makes it more even, and kafka-python's is not more even."""
    group = fresh_group(chance, alike=alike)
    assign = assignor_named("sticky").assign
    held = assign(*group)
    check_even(group, held)
    assert spread(held) <= spread(theirs("sticky", group))
    group = changed(chance, group)
    after = assign(*holding("sticky", group, held))
    check_whole(group, after)
    check_even(group, after)
    peer = theirs("sticky", group, held)
    assert squares(after) <= squares(peer)
    if squares(after) == squares(peer):
        assert kept(held, after) >= kept(held, peer)


@pytest.mark.parametrize("name", STICKY)
@given(chance=chances, alike=st.booleans())
def test_without_a_change_nothing_moves(name: str, chance: random.Random, alike: bool) -> None:
    """Who joins again with what it had gets what it had."""
    group = fresh_group(chance, alike=alike)
    for _ in range(2):
        held = until_settled(name, group, assignor_named(name).assign(*group))
        assert assignor_named(name).assign(*holding(name, group, held, 9)) == held
        group = changed(chance, group)


@pytest.mark.parametrize("name", STICKY)
@given(chance=chances, data=st.data())
def test_who_leaves_moves_nobody_else(
    name: str, chance: random.Random, data: st.DataObject
) -> None:
    """Where all read the same, the others keep all they had."""
    group = fresh_group(chance, alike=True)
    held = assignor_named(name).assign(*group)
    gone = data.draw(st.sampled_from(sorted(group.members)))
    members = {member: mine for member, mine in group.members.items() if member != gone}
    after = assignor_named(name).assign(*holding(name, group._replace(members=members), held))
    assert all(set(held[member]) <= set(after[member]) for member in members)


@pytest.mark.parametrize("name", STICKY)
@given(chance=chances)
def test_who_comes_moves_only_its_share(name: str, chance: random.Random) -> None:
    """Where all read the same, the others lose to the newcomer alone, and gain nothing."""
    group = fresh_group(chance, alike=True)
    held = assignor_named(name).assign(*group)
    like = next(iter(group.members.values()))
    members = group.members | {"new": Subscription(like.topics)}
    group = group._replace(members=members)
    after = until_settled(name, group, assignor_named(name).assign(*holding(name, group, held)))
    assert len(after["new"]) == len(subscribed_partitions(*group)) // len(members)
    assert all(set(after[member]) <= set(held[member]) for member in members if member != "new")


@given(chance=chances, alike=st.booleans())
def test_cooperative_gives_nothing_that_another_holds(chance: random.Random, alike: bool) -> None:
    """In a chain of changes no partition has a second reader; the last round is as sticky's."""
    name = "cooperative-sticky"
    group = fresh_group(chance, alike=alike)
    held: Assignments = assignor_named(name).assign(*group)
    for generation in range(1, 6):
        if chance.random() < 0.6:
            group = changed(chance, group)
        after = assignor_named(name).assign(*holding(name, group, held, generation))
        readers = {
            partition: member for member in group.members for partition in held.get(member, ())
        }
        for member, mine in after.items():
            assert all(readers.get(partition, member) == member for partition in mine)
        taken = {
            partition
            for member in group.members
            for partition in {*held.get(member, ())} - {*after[member]}
        }
        live = {*subscribed_partitions(*group)}
        check_whole(group, after, withheld=len(taken & live))
        held = after
    held = until_settled(name, group, held)
    check_whole(group, held)
    check_even(group, held)


@pytest.mark.parametrize("name", STICKY)
@given(chance=chances, alike=st.booleans())
def test_contradictory_claims_do_no_harm(name: str, chance: random.Random, alike: bool) -> None:
    """Whatever members claim of whatever generation, one reader at most gets each partition."""
    group = fresh_group(chance, alike=alike)
    all_of_it = subscribed_partitions(*group)
    for member in group.members:
        claimed = chance.sample(all_of_it, chance.randint(0, len(all_of_it)))
        claiming = holding(name, group, {member: claimed}, chance.randint(-1, 3))
        group.members[member] = claiming.members[member]
    after = assignor_named(name).assign(*group)
    given_out = sum(map(len, after.values()))
    if name == "sticky":
        check_whole(group, after)
        check_even(group, after)
    check_whole(group, after, withheld=len(all_of_it) - given_out)


@given(subscription=subscriptions, version=st.integers(0, 3))
def test_kafka_python_reads_our_subscription(subscription: Subscription, version: int) -> None:
    """It decodes what we write, writes the same again, and we read that."""
    data = encode_subscription(subscription, version)
    again = ConsumerProtocolSubscription.decode(data).encode()
    assert again == data
    read = decode_subscription(again)
    assert encode_subscription(read, version) == data
    if version == 3:
        assert read == subscription


@given(assignment=st.builds(Assignment, partitions, st.none() | st.binary(max_size=20)))
def test_kafka_python_reads_our_assignment(assignment: Assignment) -> None:
    """It decodes what we write, writes the same again, and we read that."""
    data = encode_assignment(assignment)
    assert ConsumerProtocolAssignment.decode(data).encode() == data
    assert decode_assignment(data) == assignment


@given(data=st.binary(max_size=60) | subscriptions.map(encode_subscription), chance=chances)
def test_garbage_is_an_error_by_name(data: bytes, chance: random.Random) -> None:
    """Random and damaged bytes are read, or refused with ProtocolError."""
    damaged = bytearray(data)
    for _ in range(chance.randint(0, 3)):
        if damaged:
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
    for decode in (decode_subscription, decode_assignment):
        try:
            decode(bytes(damaged))
        except ProtocolError:
            continue
