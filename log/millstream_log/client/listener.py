"""What a consumer tells its user about partitions that come and go."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol, runtime_checkable

from ..model import TopicPartition


@runtime_checkable
class ConsumerRebalanceListener(Protocol):
    """Hears of every rebalance; its methods may be coroutines, and the rebalance waits for them.

    Neither is called when the consumer stops or unsubscribes.
    """

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> Awaitable[None] | None:
        """Hear what goes, before it goes: nothing of it is handed out any more.

        What was handed out can still be committed, unless the group has thrown this member out.
        """
        ...

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> Awaitable[None] | None:
        """Hear what has come: nothing of it is handed out yet, and it can be sought."""
        ...
