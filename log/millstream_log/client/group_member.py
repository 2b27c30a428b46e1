"""Keeps a consumer a member of its group: joins, tells the listener, beats, leaves.

    run    give up ─▶ JoinGroup ─▶ SyncGroup ─▶ take what was given ─▶ sleep until woken
    beat   Heartbeat every heartbeat_interval_ms; an answer that moves the member wakes `run`

Eager members give up everything before they join, cooperative ones what a new assignment leaves
out, and then join once more, for those who get it.

Invariants: the partitions of a member change here and nowhere else; what goes is not handed out
any more while it is committed and the listener hears of it, what has come is not handed out
before the listener has heard of it; before a revocation nothing is committed on its own but what
the user is done with, which what the last call handed out is not.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, TypeVar

from ..errors import FencedInstanceIdError, LogError, PolicyViolationError
from ..model import TopicPartition
from .membership import Membership, MemberState
from .positions import Positions
from .subscription import Subscription
from .topics import SubscribedTopics
from .transport import Transport

logger = logging.getLogger(__name__)

T = TypeVar("T")


class GroupMember:
    """The membership of one consumer, in the background."""

    def __init__(
        self,
        membership: Membership,
        subscription: Subscription,
        topics: SubscribedTopics,
        positions: Positions,
        transport: Transport,
        *,
        group_id: str,
        heartbeat_interval_ms: int,
        max_poll_interval_ms: int,
        retry_backoff_ms: int,
        auto_commit: bool,
        changed: Callable[[], None],
    ) -> None:
        self._membership = membership
        self._subscription = subscription
        self._topics = topics
        self._positions = positions
        self._transport = transport
        self._group_id = group_id
        self._heartbeat_interval = heartbeat_interval_ms / 1000
        self._max_poll_interval = max_poll_interval_ms / 1000
        self._retry_backoff = retry_backoff_ms / 1000
        self._auto_commit = auto_commit
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: Exception | None = None  # for the next call to raise
        self._polls = 0  # calls for records that go on now
        self._last_poll = self._loop.time()  # when the last of them ended
        self._told_version = -1  # of the subscription that the group was told of
        self._told_topics: frozenset[str] = frozenset()
        self._shared: dict[str, int] | None = None  # partition counts that this leader shared out
        self._is_stale = False  # metadata has changed since then
        self._only_watches = False  # the log is read-only, and has no members

    async def start(self) -> None:
        """Join, when there is something to join for, and stay. Raises why it cannot."""
        self._tasks.append(self._loop.create_task(self._beat()))
        if self._must_join():
            await self._join()
        self._tasks.append(self._loop.create_task(self._run()))

    async def stop(self) -> None:
        """End what runs in the background; the group is not told."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def leave(self) -> None:
        """Tell the group that this member goes; static ones do not, as they are expected back."""
        request = self._membership.leave()
        if request is not None:
            try:
                await self._transport.send(request)
            except LogError as error:
                logger.info("group %s was not told of a leave: %s", self._group_id, error)

    def wake(self) -> None:
        """Have the background look at what has changed."""
        self._wake.set()

    async def poll(self, reading: Coroutine[Any, Any, T]) -> T:
        """Read for the user, who asks for records and so is done with those before."""
        if self._positions.in_work:
            self._positions.in_work = {}
        self._polls += 1
        try:
            return await reading
        finally:
            self._polls -= 1
            self._last_poll = self._loop.time()

    def check(self) -> None:
        """Raise what went wrong in the background, which is tried again."""
        failure, self._failure = self._failure, None
        if failure is not None:
            self._wake.set()
            raise failure

    def has_news(self) -> bool:
        """Whether there is something for `heed` to do."""
        return (
            self._failure is not None
            or self._must_join()
            or self._topics.are_due(self._loop.time())
        )

    async def heed(self) -> None:
        """Do as `check`, and join again if there is a reason to."""
        self.check()
        is_due = self._topics.are_due(self._loop.time())
        is_stable = self._membership.state is MemberState.STABLE
        if is_due and is_stable and await self._topics.ask():
            self._is_stale = self._has_changed()
        if self._must_join():
            self._wake.set()
            await asyncio.sleep(0)  # a join that waits for nobody is over after this

    # -- in the background --------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            try:
                await self._advance()
            except Exception as error:
                self._fail(error)
            await self._wake.wait()

    async def _advance(self) -> None:
        if not self._subscription.is_subscribed:
            await self.leave()
        elif self._is_idle():
            if self._membership.generation >= 0:
                logger.warning("no call for records in time: leaving group %s", self._group_id)
                await self._give_up(self._subscription.assigned)
                await self.leave()
        elif self._must_join():
            await self._join()

    async def _beat(self) -> None:
        while True:
            pause = self._heartbeat_interval
            if not self._polls and not self._is_idle():
                left = self._last_poll + self._max_poll_interval - self._loop.time()
                pause = min(pause, max(left, 0))
            await asyncio.sleep(pause)
            try:
                await self._beat_once()
            except LogError as error:
                if not error.retriable:
                    self._fail(error)
                    return
                logger.warning("no heartbeat for group %s: %s", self._group_id, error)

    async def _beat_once(self) -> None:
        request = self._membership.heartbeat_request()
        if request is None:
            return
        answer = await self._transport.send(request)
        self._membership.on_heartbeat(request, answer.error_code)
        if self._must_join() or self._is_idle():
            self._wake.set()

    def _fail(self, error: Exception) -> None:
        """Have the user's next call raise this, and one that waits at once."""
        self._failure = error
        self._changed()

    def _is_idle(self) -> bool:
        return not self._polls and self._loop.time() - self._last_poll >= self._max_poll_interval

    def _must_join(self) -> bool:
        if self._only_watches or not self._subscription.is_subscribed:
            return False
        return (
            self._membership.state is not MemberState.STABLE
            or self._told_version != self._subscription.topics_version
            or self._is_stale
        )

    def _has_changed(self) -> bool:
        """Whether metadata now tells something else than the group shares out."""
        shared, counts = self._shared, self._topics.counts
        return self._names() != self._told_topics or (
            shared is not None and shared != {topic: counts.get(topic, 0) for topic in shared}
        )

    def _names(self) -> frozenset[str]:
        subscription = self._subscription
        return subscription.topics if subscription.pattern is None else subscription.matched

    # -- joining ------------------------------------------------------------------------------

    async def _join(self) -> None:
        """Join until there is a part to take, or nothing to join for. Raises why it cannot."""
        await self._prepare()
        try:
            while not await self._try_once():
                if not self._subscription.is_subscribed:
                    return
                if self._membership.generation < 0 and self._subscription.assigned:
                    await self._give_up(self._subscription.assigned)
        except PolicyViolationError:
            # Who reads beside the writer has no say in its groups, and can share with nobody.
            logger.warning("the log is read-only: reading all, outside of group %s", self._group_id)
            self._only_watches = True
            self._positions.own_all(self._topics)
            return
        await self._take()

    async def _prepare(self) -> None:
        """Give up what must not be held while the group shares out anew."""
        membership, held = self._membership, self._subscription.assigned
        if not membership.is_cooperative:
            await self._give_up(held)
        elif membership.generation < 0:
            await self._give_up_some(held)
        else:
            wants = self._subscription.wants
            await self._give_up_some([p for p in held if not wants(p.topic, internal=False)])
        if membership.state is MemberState.FENCED:
            raise FencedInstanceIdError(
                f"another member of group {self._group_id!r} has taken this one's instance id"
            )

    async def _try_once(self) -> bool:
        """Join and sync; return whether the member has its part now."""
        membership = self._membership
        try:
            at_once = await self._send_join()
            if membership.state is MemberState.SYNCING:
                at_once = await self._send_sync()
        except LogError as error:
            if not error.retriable:
                raise
            logger.info("joining group %s again: %s", self._group_id, error)
            membership.rejoin()
            at_once = False
        if not at_once:
            await asyncio.sleep(self._retry_backoff)
        return membership.state is MemberState.STABLE

    async def _send_join(self) -> bool:
        version = self._subscription.topics_version
        if not await self._topics.ask():
            return True
        self._told_version, self._told_topics = version, self._names()
        self._is_stale = False
        request = self._membership.join_request(self._told_topics, self._subscription.assigned)
        return self._membership.on_join(await self._transport.send(request))

    async def _send_sync(self) -> bool:
        membership, topics = self._membership, self._topics
        wanted = self._subscription.group_topics = membership.group_topics
        if not wanted <= topics.counts.keys():
            await topics.ask()
        counts = topics.counts
        leads = bool(membership.members)
        self._shared = {topic: counts.get(topic, 0) for topic in wanted} if leads else None
        request = membership.sync_request(counts)
        return membership.on_sync(await self._transport.send(request))

    # -- what is held -------------------------------------------------------------------------

    async def _take(self) -> None:
        """Make what was given the assignment; give up what was not."""
        given = self._membership.partitions
        held = self._subscription.assigned
        gone = held.keys() - set(given)
        if gone:
            await self._give_up(gone)
        if self._told_version != self._subscription.topics_version:
            return  # that was for another subscription
        come = set(given) - self._subscription.assigned.keys()
        self._subscription.replace(given)
        states = [self._subscription.assigned[partition] for partition in come]
        for state in states:
            state.held = True
        await self._positions.settle_quietly()
        listener = self._subscription.listener
        if listener is not None:
            await self._tell(listener.on_partitions_assigned, come)
        for state in states:
            state.held = False
        self._changed()
        if gone:  # others wait for it
            self._membership.rejoin()
            self._wake.set()

    async def _give_up_some(self, partitions: Collection[TopicPartition]) -> None:
        if partitions:
            await self._give_up(partitions)

    async def _give_up(self, partitions: Collection[TopicPartition]) -> None:
        """Let partitions go; commit before, if that is on and the group would take it."""
        subscription = self._subscription
        going = {partition: subscription.assigned[partition] for partition in partitions}
        for state in going.values():
            state.held = True
        if self._auto_commit and self._membership.generation >= 0:
            await self._positions.commit_quietly(done_only=True)
        if subscription.listener is not None:
            await self._tell(subscription.listener.on_partitions_revoked, set(going))
        self._positions.note_gone(going)
        subscription.replace(
            partition
            for partition, state in subscription.assigned.items()
            if going.get(partition) is not state
        )
        self._changed()

    async def _tell(
        self,
        method: Callable[[set[TopicPartition]], Awaitable[None] | None],
        partitions: set[TopicPartition],
    ) -> None:
        try:
            result = method(partitions)
            if inspect.isawaitable(result):
                await result
        except Exception:  # the group does not wait for the user to mend it
            logger.exception("the rebalance listener of group %s failed", self._group_id)
