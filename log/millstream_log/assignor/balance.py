"""Share partitions out between members that read different topics.

    1  what is owned stays, what is free goes to the subscriber that holds least, rarest topic first
    2  free partitions move on, as long as that makes two members more even
    3  then any partition does

A move takes from a member that holds at least two more than the one it gives to, so that the sum
of squares of the counts falls with every move and the moving ends.

Invariants: in the end no single move makes the assignment more even. Of one topic, a partition
goes from a to b only when none that came from b is there to go home instead.

Source: the general case of Kafka's AbstractStickyAssignor, with heaps in the place of scans.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heappop, heappush

from ..model import TopicPartition
from .claims import Ownership
from .members import GroupAssignment
from .protocol import Subscription


def balance(
    partitions: Sequence[TopicPartition],
    members: Mapping[str, Subscription],
    ownership: Ownership,
) -> GroupAssignment:
    """Return an assignment that no single move makes more even; owners keep what they may."""
    readers = Counter(topic for member in members.values() for topic in member.topics)
    rarest_first = sorted(partitions, key=lambda partition: (readers[partition.topic], partition))
    free = [partition for partition in rarest_first if partition not in ownership.owners]
    balancing = _Balancing(members, ownership)
    balancing.fill(free)
    balancing.even_out(free)
    balancing.even_out(rarest_first)
    assignment: GroupAssignment = {member: [] for member in sorted(members)}
    for partition, member in balancing.owners.items():
        assignment[member].append(partition)
    return assignment


class _Balancing:
    """An assignment on its way to being even."""

    def __init__(self, members: Mapping[str, Subscription], ownership: Ownership) -> None:
        self.owners = dict(ownership.owners)
        self._previous = ownership.previous
        self._loads = _Loads(members)
        self._homes: dict[TopicPartition, str] = {}  # who had each before the first move
        # what has moved, by topic, home and present owner
        self._away: defaultdict[tuple[str, str, str], set[TopicPartition]] = defaultdict(set)
        for member in self.owners.values():
            self._loads.add(member, 1)

    def fill(self, free: Iterable[TopicPartition]) -> None:
        """Give every free partition to the subscriber that holds least; it is at home there."""
        for partition in free:
            member = self._loads.least(partition.topic)
            self.owners[partition] = member
            self._loads.add(member, 1)
        self._homes = dict(self.owners)

    def even_out(self, partitions: Sequence[TopicPartition]) -> None:
        """Move partitions to members that hold at least two fewer, until none can be moved."""
        moved = True
        while moved:
            moved = False
            for partition in partitions:
                member = self._better(partition)
                if member is not None:
                    self._move(partition, member)
                    moved = True

    def _better(self, partition: TopicPartition) -> str | None:
        counts = self._loads.counts
        bound = counts[self.owners[partition]] - 1
        previous = self._previous.get(partition)
        if previous is not None and counts[previous] < bound:
            return previous
        least = self._loads.least(partition.topic)
        return least if counts[least] < bound else None

    def _move(self, partition: TopicPartition, to: str) -> None:
        owner = self.owners[partition]
        homeward = self._away[partition.topic, to, owner]
        if homeward:
            partition = min(homeward)
        home = self._homes[partition]
        self._away[partition.topic, home, owner].discard(partition)
        if to != home:
            self._away[partition.topic, home, to].add(partition)
        self.owners[partition] = to
        self._loads.add(owner, -1)
        self._loads.add(to, 1)


class _Loads:
    """How many partitions each member holds, and who of a topic's subscribers holds fewest.

    Members with the same subscription share a heap of (count, member id); an entry whose count
    is no longer true is dropped when it comes to the top.
    """

    def __init__(self, members: Mapping[str, Subscription]) -> None:
        self.counts = dict.fromkeys(members, 0)
        heaps: dict[frozenset[str], list[tuple[int, str]]] = {}
        for member in sorted(members):
            heaps.setdefault(members[member].topics, []).append((0, member))
        self._heaps = {member: heaps[members[member].topics] for member in members}
        self._heaps_of_topic: defaultdict[str, list[list[tuple[int, str]]]] = defaultdict(list)
        for topics, heap in heaps.items():
            for topic in topics:
                self._heaps_of_topic[topic].append(heap)

    def add(self, member: str, change: int) -> None:
        """Count partitions that a member got, or lost when `change` is negative."""
        self.counts[member] += change
        heappush(self._heaps[member], (self.counts[member], member))

    def least(self, topic: str) -> str:
        """Return the subscriber that holds fewest partitions, the first by id of several."""
        return min(self._top(heap) for heap in self._heaps_of_topic[topic])[1]

    def _top(self, heap: list[tuple[int, str]]) -> tuple[int, str]:
        while heap[0][0] != self.counts[heap[0][1]]:
            heappop(heap)
        return heap[0]
