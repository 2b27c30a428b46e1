"""Where a consumer stands: assignment from metadata, positions from commits and ends.

    metadata -> assignment -> committed offset | end of the log -> position -> commit

Invariants: a position that somebody sought while it was being looked up is left alone; what is
committed is a position, and never what is only buffered.
"""

from __future__ import annotations

import asyncio
import logging

from ..errors import InvalidGroupIdError, LogError, OffsetOutOfRangeError
from ..model import OffsetAndMetadata, TopicPartition
from ..wire.enums import OffsetSpec
from .cluster import ClusterView
from .offsets import commit_offsets, fetch_committed, list_offsets
from .subscription import PartitionState, Subscription
from .transport import Transport

logger = logging.getLogger(__name__)


class Positions:
    """Keeps a subscription's assignment and positions up to date."""

    def __init__(
        self,
        subscription: Subscription,
        transport: Transport,
        cluster: ClusterView,
        *,
        group_id: str | None,
        reset: OffsetSpec | None,
        isolation_level: int,
        exclude_internal: bool,
        may_create: bool,
        max_age_ms: int,
        retry_backoff_ms: int,
        auto_commit_ms: int | None,
    ) -> None:
        self.reset = reset
        self._subscription = subscription
        self._transport = transport
        self._cluster = cluster
        self._group_id = group_id
        self._isolation_level = isolation_level
        self._exclude_internal = exclude_internal
        self._may_create = may_create
        self._max_age = max_age_ms / 1000
        self._retry_backoff = retry_backoff_ms / 1000
        self._auto_commit = None if auto_commit_ms is None else auto_commit_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._commit_due = self._loop.time() + (self._auto_commit or 0)
        self._metadata_due = 0.0
        self._metadata_version = -1
        self._settled_version = -1
        self._settling = asyncio.Lock()

    @property
    def are_settled(self) -> bool:
        """Whether nothing has changed since positions were last looked up."""
        return self._settled_version == self._subscription.version

    def group(self) -> str:
        """Return the group id; InvalidGroupIdError when there is none."""
        if self._group_id is None:
            raise InvalidGroupIdError("the consumer has no group_id")
        return self._group_id

    async def do_due(self) -> None:
        """Do what it is time for: the auto commit, metadata, positions not yet known."""
        now = self._loop.time()
        if self._auto_commit is not None and now >= self._commit_due:
            self._commit_due = now + self._auto_commit
            await self.commit_quietly()
        if not self.are_settled or self._metadata_is_due(now):
            await self.settle()

    async def settle(self) -> None:
        """Bring the assignment up to date and look up the positions that are missing."""
        async with self._settling:
            if self._metadata_is_due(self._loop.time()):
                await self._update_assignment()
            version = self._subscription.version
            states = self._subscription.assigned
            missing = {key: state for key, state in states.items() if state.position is None}
            if missing:
                await self._find(missing)
            self._settled_version = version

    async def settle_quietly(self) -> None:
        """Settle; an error is left for the next call, which meets it too and raises it."""
        try:
            await self.settle()
        except LogError as error:
            logger.debug("cannot find positions yet: %s", error)

    async def commit(self) -> None:
        """Commit every position that has moved since this consumer last committed it."""
        group_id = self.group()
        moved = {
            key: (state, OffsetAndMetadata(state.position, ""))
            for key, state in self._subscription.assigned.items()
            if state.position is not None and state.position != state.committed
        }
        if moved:
            offsets = {key: value for key, (_, value) in moved.items()}
            await commit_offsets(self._transport, group_id, offsets)
            for state, value in moved.values():
                state.committed = value.offset

    async def commit_quietly(self) -> None:
        """Commit; an error is logged, and the next time tries again."""
        try:
            await self.commit()
        except LogError as error:
            logger.warning("auto commit for group %s failed: %s", self._group_id, error)

    def _metadata_is_due(self, now: float) -> bool:
        subscription = self._subscription
        return subscription.is_subscribed and (
            now >= self._metadata_due or self._metadata_version != subscription.topics_version
        )

    async def _update_assignment(self) -> None:
        subscription = self._subscription
        version = subscription.topics_version
        by_name = subscription.pattern is None
        topics = await self._cluster.ask(
            sorted(subscription.topics) if by_name else None,
            may_create=by_name and self._may_create,
        )
        if version != subscription.topics_version:
            return  # subscribed anew meanwhile: the next call asks for that
        partitions = []
        complete = True
        for name, topic in topics.items():
            if topic.error_code:
                complete = False
                logger.debug("subscribed topic %s: %s", name, topic.error_message)
            elif subscription.wants(name, internal=topic.is_internal and self._exclude_internal):
                partitions += [TopicPartition(name, p.index) for p in topic.partitions]
        if partitions != list(subscription.assigned):
            subscription.replace(partitions)
        self._metadata_version = version
        self._metadata_due = self._loop.time() + (
            self._max_age if complete else self._retry_backoff
        )

    async def _find(self, missing: dict[TopicPartition, PartitionState]) -> None:
        unset = [key for key, state in missing.items() if state.reset is None]
        if self._group_id is not None and unset:
            committed = await fetch_committed(self._transport, self._group_id, unset)
            for key, found in committed.items():
                if missing[key].position is None:
                    missing[key].seek(found.offset)
                    missing[key].committed = found.offset
        ends: dict[TopicPartition, int] = {}
        for key, state in missing.items():
            if state.position is None:
                spec = state.reset if state.reset is not None else self.reset
                if spec is None:
                    raise OffsetOutOfRangeError(
                        f"{key}: nothing committed and auto_offset_reset is 'none'"
                    )
                ends[key] = int(spec)
        if ends:
            found_ends = await list_offsets(self._transport, ends, self._isolation_level)
            for key, end in found_ends.items():
                if missing[key].position is None:
                    missing[key].seek(end.offset)
