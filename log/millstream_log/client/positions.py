"""Where a consumer stands: positions from commits and ends, and their commits.

    assignment -> committed offset | end of the log -> position -> commit

A consumer that has no group to share with is given the assignment here: all that it subscribes to.

Invariants: a position that somebody sought while it was being looked up is left alone; what is
committed is a position, and never what is only buffered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping

from ..errors import (
    IllegalGenerationError,
    InvalidGroupIdError,
    LogError,
    OffsetOutOfRangeError,
)
from ..model import OffsetAndMetadata, TopicPartition
from ..wire.enums import OffsetSpec
from .membership import Membership
from .offsets import ANYBODY, commit_offsets, fetch_committed, list_offsets
from .subscription import PartitionState, Subscription
from .topics import SubscribedTopics
from .transport import Transport

logger = logging.getLogger(__name__)


class Positions:
    """Keeps a subscription's assignment and positions up to date."""

    def __init__(
        self,
        subscription: Subscription,
        transport: Transport,
        topics: SubscribedTopics | None,
        membership: Membership | None,
        *,
        group_id: str | None,
        reset: OffsetSpec | None,
        isolation_level: int,
        auto_commit_ms: int | None,
    ) -> None:
        self.reset = reset
        self._topics = topics  # to own all partitions of; None where a group shares them out
        self.in_work: dict[TopicPartition, int] = {}  # first offset of what was handed out last
        self._gone: dict[TopicPartition, PartitionState] = {}  # given up since the last commit
        self._subscription = subscription
        self._transport = transport
        self._membership = membership
        self._group_id = group_id
        self._isolation_level = isolation_level
        self._auto_commit = None if auto_commit_ms is None else auto_commit_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._commit_due = self._loop.time() + (self._auto_commit or 0)
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
            await self.commit_quietly(done_only=True)
        if not self.are_settled or (self._topics is not None and self._topics.are_due(now)):
            await self.settle()

    async def settle(self) -> None:
        """Bring the assignment up to date and look up the positions that are missing."""
        async with self._settling:
            topics = self._topics
            if topics is not None and topics.are_due(self._loop.time()) and await topics.ask():
                self.own_all(topics)
            while True:
                version = self._subscription.version
                states = self._subscription.assigned
                missing = {key: state for key, state in states.items() if state.position is None}
                if missing:
                    await self._find(missing)
                self._settled_version = version
                if self.are_settled:
                    return

    async def settle_quietly(self) -> None:
        """Settle; an error is left for the next call, which meets it too and raises it."""
        try:
            await self.settle()
        except LogError as error:
            logger.debug("cannot find positions yet: %s", error)

    async def commit(self, *, done_only: bool = False) -> None:
        """Commit every position that has moved since this consumer last committed it.

        `done_only` leaves out what was handed out last, which the user may still work on.
        """
        moved: dict[TopicPartition, OffsetAndMetadata] = {}
        for key, state in self._subscription.assigned.items():
            position = state.position
            if position is not None and done_only:
                position = min(position, self.in_work.get(key, position))
            if position is not None and position != state.committed:
                moved[key] = OffsetAndMetadata(position, "")
        await self._commit(moved)

    async def commit_these(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """Commit the given offsets. Raises IllegalGenerationError for what the group has taken."""
        subscription = self._subscription
        if self._membership is not None and subscription.is_subscribed:
            gone = offsets.keys() - subscription.assigned.keys()
            if gone:
                self._gone = {key: self._gone[key] for key in self._gone.keys() - gone}
                raise self._loss_of(gone)
        await self._commit(offsets)

    async def _commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        group_id, membership = self.group(), self._membership
        if not offsets:
            return
        states = {key: self._subscription.assigned.get(key) for key in offsets}
        committer = ANYBODY if membership is None else membership.committer
        try:
            await commit_offsets(self._transport, group_id, offsets, committer)
        except LogError as error:
            if membership is not None:
                membership.on_commit(committer, error.code)
            raise
        for key, state in states.items():
            if state is not None:
                state.committed = offsets[key].offset

    async def commit_quietly(self, *, done_only: bool = False) -> None:
        """Commit; an error is logged, and the next time tries again."""
        try:
            await self.commit(done_only=done_only)
        except LogError as error:
            logger.warning("auto commit for group %s failed: %s", self._group_id, error)

    def note_gone(self, going: Mapping[TopicPartition, PartitionState]) -> None:
        """Remember partitions that go: what was read of them may not have been committed."""
        self._gone |= going
        for state in going.values():
            state.buffer = None

    def check_loss(self) -> None:
        """Raise IllegalGenerationError, once, for what went before it was committed."""
        gone, self._gone = self._gone, {}
        lost = [key for key, state in gone.items() if state.has_uncommitted]
        if lost:
            raise self._loss_of(lost)

    def _loss_of(self, partitions: Iterable[TopicPartition]) -> IllegalGenerationError:
        names = ", ".join(f"{topic}-{index}" for topic, index in sorted(partitions))
        return IllegalGenerationError(
            f"commit of {names}: group {self._group_id!r} has taken it from this member, "
            "and its next owner reads on from the commit before"
        )

    def own_all(self, topics: SubscribedTopics) -> None:
        """Make everything that is subscribed to the assignment, now and from now on."""
        self._topics = topics
        partitions = topics.partitions()
        if partitions != list(self._subscription.assigned):
            self._subscription.replace(partitions)

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
        for state in missing.values():
            if state.started is None:
                state.started = state.position
