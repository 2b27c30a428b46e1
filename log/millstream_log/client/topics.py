"""Which topics a subscription means just now, and how many partitions they have.

    names | pattern  ── metadata, asked for when it is due ──▶  counts, matched topics

Invariants: an answer for a subscription that has changed meanwhile is dropped.
"""

from __future__ import annotations

import asyncio
import logging

from ..model import TopicPartition
from .cluster import ClusterView
from .subscription import Subscription

logger = logging.getLogger(__name__)


class SubscribedTopics:
    """The topics of one subscription, as metadata last told."""

    def __init__(
        self,
        subscription: Subscription,
        cluster: ClusterView,
        *,
        exclude_internal: bool,
        may_create: bool,
        max_age_ms: int,
        retry_backoff_ms: int,
    ) -> None:
        self.counts: dict[str, int] = {}  # partitions of every topic that was asked for
        self._subscription = subscription
        self._cluster = cluster
        self._exclude_internal = exclude_internal
        self._may_create = may_create
        self._max_age = max_age_ms / 1000
        self._retry_backoff = retry_backoff_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._version = -1

    def are_due(self, now: float) -> bool:
        """Whether it is time to ask, because of age or because the subscription has changed."""
        subscription = self._subscription
        return subscription.is_subscribed and (
            now >= self._due or self._version != subscription.topics_version
        )

    async def ask(self) -> bool:
        """Ask, for what others of the group read too; return whether the answer still counts."""
        subscription = self._subscription
        version = subscription.topics_version
        by_name = subscription.pattern is None
        answers = await self._cluster.ask(
            sorted(subscription.topics | subscription.group_topics) if by_name else None,
            may_create=by_name and self._may_create,
        )
        if version != subscription.topics_version:
            return False
        matched = []
        complete = True
        self.counts = {}
        for name, topic in answers.items():
            if topic.error_code:
                complete = False
                logger.debug("subscribed topic %s: %s", name, topic.error_message)
                continue
            self.counts[name] = len(topic.partitions)
            if subscription.wants(name, internal=topic.is_internal and self._exclude_internal):
                matched.append(name)
        subscription.matched = frozenset(matched)
        self._version = version
        self._due = self._loop.time() + (self._max_age if complete else self._retry_backoff)
        return True

    def partitions(self) -> list[TopicPartition]:
        """Return all partitions of the topics that the subscription means."""
        return [
            TopicPartition(name, index)
            for name in sorted(self._subscription.matched)
            for index in range(self.counts[name])
        ]
