"""What a consumer reads, and how far it has come: pure state.

    topics | pattern | partitions by hand  ->  assignment: partition -> PartitionState

Invariants: `position` is the offset of the next record that the user will get, so it never counts
what is merely buffered; a seek drops the buffer; one of topics, pattern, assignment at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import InvalidRequestError
from ..model import Record, TopicPartition
from ..wire.enums import OffsetSpec
from .listener import ConsumerRebalanceListener


class Buffered:
    """Whole batches that were fetched and not yet handed out."""

    __slots__ = ("after", "begun", "data", "next_batch", "records", "taken")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.next_batch = 0  # byte position of the next batch to decode
        self.records: list[Record] = []  # of the batch before it
        self.taken = 0  # how many of them are handed out
        self.begun = 0  # byte position of the batch that `records` are of
        self.after = 0  # the offset that follows that batch

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left, decoded or not."""
        return self.taken >= len(self.records) and self.next_batch >= len(self.data)


class PartitionState:
    """How far one partition has been read."""

    __slots__ = (
        "buffer",
        "committed",
        "error",
        "fetched_ms",
        "held",
        "high_watermark",
        "last_stable_offset",
        "log_start_offset",
        "paused_by_user",
        "position",
        "reset",
        "started",
    )

    def __init__(self) -> None:
        self.position: int | None = None  # None: not known yet
        self.reset: OffsetSpec | None = None  # a seek to an end that is still to be looked up
        self.started: int | None = None  # the position that was found first
        self.committed: int | None = None  # what this consumer last committed
        self.paused_by_user = False
        self.held = False  # it has come or is to go, and the user has yet to be told
        self.buffer: Buffered | None = None
        self.high_watermark: int | None = None
        self.last_stable_offset: int | None = None
        self.log_start_offset: int | None = None
        self.fetched_ms: int | None = None
        self.error: Exception | None = None  # to be raised by the next call

    @property
    def paused(self) -> bool:
        """Whether nothing of it may be handed out."""
        return self.paused_by_user or self.held

    @property
    def has_uncommitted(self) -> bool:
        """Whether the position has moved since it was found, and was not committed."""
        return self.position not in (None, self.started, self.committed)

    def seek(self, offset: int) -> None:
        """Go to `offset`; what was buffered is dropped."""
        self.position = offset
        self.reset = None
        self.buffer = None
        self.error = None

    def seek_end(self, spec: OffsetSpec) -> None:
        """Go to an end of the log, which is looked up before the next read."""
        self.position = None
        self.reset = spec
        self.buffer = None
        self.error = None


class Subscription:
    """What a consumer reads."""

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None
        self.listener: ConsumerRebalanceListener | None = None
        self.matched: frozenset[str] = frozenset()  # topics that there are, as metadata told
        self.group_topics: frozenset[str] = frozenset()  # what the group reads, if this one leads
        self.by_hand = False
        self.assigned: dict[TopicPartition, PartitionState] = {}
        self.version = 0  # grows with every change that positions must be looked up for
        self.topics_version = 0  # grows with every change of topics or pattern

    @property
    def is_subscribed(self) -> bool:
        """Whether topics or a pattern decide on the assignment."""
        return bool(self.topics) or self.pattern is not None

    def subscribe(
        self,
        topics: Iterable[str],
        pattern: str | None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> None:
        """Read topics by name or by pattern, in place of those before."""
        names = frozenset([topics] if isinstance(topics, str) else topics)
        if bool(names) == (pattern is not None):
            raise InvalidRequestError("subscribe takes topics or a pattern, one of them")
        if self.by_hand:
            raise InvalidRequestError("partitions are assigned by hand; unsubscribe first")
        self.topics = names
        self.pattern = re.compile(pattern) if pattern is not None else None
        self.listener = listener
        self.version += 1
        self.topics_version += 1

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read exactly these partitions; those that stay keep their position."""
        if self.is_subscribed:
            raise InvalidRequestError("the consumer is subscribed to topics; unsubscribe first")
        self.by_hand = True
        self.replace(TopicPartition(*partition) for partition in partitions)

    def unsubscribe(self) -> None:
        """Read nothing."""
        self.topics = frozenset()
        self.pattern = None
        self.listener = None
        self.matched = frozenset()
        self.group_topics = frozenset()
        self.by_hand = False
        self.assigned = {}
        self.version += 1
        self.topics_version += 1

    def replace(self, partitions: Iterable[TopicPartition]) -> None:
        """Make these the assignment."""
        before = self.assigned
        self.assigned = {
            partition: before.get(partition) or PartitionState() for partition in partitions
        }
        self.version += 1

    def wants(self, topic: str, *, internal: bool) -> bool:
        """Whether a topic belongs to the subscription."""
        if self.pattern is not None:
            return not internal and self.pattern.match(topic) is not None
        return topic in self.topics

    def state(self, partition: TopicPartition) -> PartitionState:
        """Return the state of an assigned partition; InvalidRequestError for another."""
        state = self.assigned.get(partition)
        if state is None:
            raise InvalidRequestError(f"{TopicPartition(*partition)} is not assigned")
        return state

    def chosen(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """Return `partitions`, checked, or all assigned ones when none are named."""
        named = [TopicPartition(*partition) for partition in partitions]
        for partition in named:
            self.state(partition)
        return named or list(self.assigned)
