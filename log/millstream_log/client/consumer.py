"""The consumer: reads assigned partitions, remembers how far, commits for its group.

    assignment -> positions (seek | committed | reset) -> fetch -> records -> commit

A consumer with a group that subscribes shares the partitions of its topics with the other members
of the group; without one it reads all of them.

Invariants: what is committed was handed out before: `getmany` commits, when it is time, the
positions of the call before it, so a record may come again after a crash and is never skipped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from typing import Any

from ..assignor.assignors import Assignor
from ..errors import (
    ClosedError,
    CorruptRecordError,
    InvalidConfigError,
    InvalidRequestError,
    OffsetOutOfRangeError,
)
from ..model import OffsetAndMetadata, OffsetAndTimestamp, Record, TopicPartition
from ..record.columns import Columns
from ..wire.enums import OffsetSpec
from .cluster import ClusterView
from .fetcher import Deserializer, Fetcher
from .group_member import GroupMember
from .lifecycle import Client, Log
from .listener import ConsumerRebalanceListener
from .membership import MemberOptions, Membership
from .offsets import fetch_committed, list_offsets
from .options import ISOLATION_LEVELS, RESETS, assignors_of, check_one_of, check_session
from .positions import Positions
from .subscription import Subscription
from .topics import SubscribedTopics
from .transport import Transport

logger = logging.getLogger(__name__)


class Consumer(Client):
    """Reads records from a log; aiokafka's shape."""

    def __init__(
        self,
        *topics: str,
        log: Log = "./data",
        client_id: str = "millstream",
        group_id: str | None = None,
        group_instance_id: str | None = None,
        key_deserializer: Deserializer | None = None,
        value_deserializer: Deserializer | None = None,
        fetch_max_wait_ms: int = 500,
        fetch_max_bytes: int = 52_428_800,
        fetch_min_bytes: int = 1,
        max_partition_fetch_bytes: int = 1_048_576,
        retry_backoff_ms: int = 100,
        auto_offset_reset: str = "latest",
        enable_auto_commit: bool = True,
        auto_commit_interval_ms: int = 5_000,
        check_crcs: bool = True,
        metadata_max_age_ms: int = 5_000,
        partition_assignment_strategy: Iterable[str | Assignor] = ("range", "cooperative-sticky"),
        max_poll_interval_ms: int = 300_000,
        rebalance_timeout_ms: int | None = None,
        session_timeout_ms: int = 10_000,
        heartbeat_interval_ms: int = 3_000,
        max_poll_records: int | None = None,
        exclude_internal_topics: bool = True,
        isolation_level: str = "read_uncommitted",
        allow_auto_create_topics: bool = True,
    ) -> None:
        """Take the options; `start` opens the log.

        Length: a line for each of aiokafka's options, in its signature and where it is kept.
        """
        check_one_of("auto_offset_reset", auto_offset_reset, RESETS)
        check_one_of("isolation_level", isolation_level, ISOLATION_LEVELS)
        if max_poll_records is not None and max_poll_records < 1:
            raise InvalidConfigError(f"max_poll_records={max_poll_records}: must be at least 1")
        check_session(heartbeat_interval_ms, session_timeout_ms)
        super().__init__(log)
        self.client_id = client_id
        self.group_id = group_id
        self._reset = RESETS[auto_offset_reset]
        self._auto_commit = enable_auto_commit and group_id is not None
        self._auto_commit_interval_ms = auto_commit_interval_ms
        self._fetch_max_wait_ms = fetch_max_wait_ms
        self._retry_backoff_ms = retry_backoff_ms
        self._metadata_max_age_ms = metadata_max_age_ms
        self._max_poll_records = max_poll_records
        self._exclude_internal = exclude_internal_topics
        self._isolation_level = ISOLATION_LEVELS[isolation_level]
        self._may_create = allow_auto_create_topics
        self._member_options = MemberOptions(
            group_id=group_id or "",
            group_instance_id=group_instance_id,
            assignors=assignors_of(partition_assignment_strategy),
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms or session_timeout_ms,
        )
        self._member_timing = {
            "heartbeat_interval_ms": heartbeat_interval_ms,
            "max_poll_interval_ms": max_poll_interval_ms,
            "retry_backoff_ms": retry_backoff_ms,
        }
        self._member: GroupMember | None = None
        self._subscription = Subscription()
        self._fetcher_options: dict[str, Any] = {
            "key_deserializer": key_deserializer,
            "value_deserializer": value_deserializer,
            "fetch_min_bytes": fetch_min_bytes,
            "fetch_max_bytes": fetch_max_bytes,
            "max_partition_fetch_bytes": max_partition_fetch_bytes,
            "check_crcs": check_crcs,
        }
        self._background: set[asyncio.Task[None]] = set()
        self._changes: set[asyncio.Future[None]] = set()
        if topics:
            self._subscription.subscribe(topics, None)

    # -- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the log, join the group if there is one to join, and find where to read from."""
        transport = await self._open()
        self._loop = asyncio.get_running_loop()
        self._cluster = ClusterView(transport, self._metadata_max_age_ms)
        self._fetcher = Fetcher(
            self._subscription,
            transport,
            isolation_level=self._isolation_level,
            **self._fetcher_options,
        )
        topics = SubscribedTopics(
            self._subscription,
            self._cluster,
            exclude_internal=self._exclude_internal,
            may_create=self._may_create,
            max_age_ms=self._metadata_max_age_ms,
            retry_backoff_ms=self._retry_backoff_ms,
        )
        membership = None if self.group_id is None else Membership(self._member_options)
        self._positions = Positions(
            self._subscription,
            transport,
            topics if membership is None else None,
            membership,
            group_id=self.group_id,
            reset=self._reset,
            isolation_level=self._isolation_level,
            auto_commit_ms=self._auto_commit_interval_ms if self._auto_commit else None,
        )
        if membership is not None:
            self._member = GroupMember(
                membership,
                self._subscription,
                topics,
                self._positions,
                transport,
                group_id=self._member_options.group_id,
                auto_commit=self._auto_commit,
                changed=self._changed,
                **self._member_timing,
            )
        try:
            if self._member is not None:
                await self._member.start()
            await self._positions.settle()
        except BaseException:
            await self._leave()
            raise

    async def stop(self) -> None:
        """Commit when auto commit is on, leave the group, give the log back; twice is once."""
        if self._transport is None or self._closed:
            self._closed = True
            return
        try:
            if self._member is not None:
                await self._member.stop()
            if self._auto_commit:
                await self._positions.commit_quietly()
        finally:
            await self._leave()

    async def _leave(self) -> None:
        self._closed = True
        self._changed()
        for task in self._background:
            task.cancel()
        try:
            if self._member is not None:
                await self._member.stop()
                await self._member.leave()
        finally:
            await self._give_back()

    # -- what to read -------------------------------------------------------------------------

    def subscribe(
        self,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: ConsumerRebalanceListener | None = None,
    ) -> None:
        """Read topics by name or by a regular expression, in place of those before.

        `listener` hears of the partitions that the group takes from this consumer and gives it.
        """
        if listener is not None and not isinstance(listener, ConsumerRebalanceListener):
            raise InvalidRequestError(
                f"listener {listener!r} has no on_partitions_revoked and on_partitions_assigned"
            )
        self._subscription.subscribe(topics, pattern, listener)
        self._resubscribed()

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """Read exactly these partitions."""
        self._subscription.assign(partitions)
        self._changed()

    def unsubscribe(self) -> None:
        """Read nothing, and leave the group."""
        self._subscription.unsubscribe()
        self._resubscribed()

    def _resubscribed(self) -> None:
        if self._member is not None:
            self._member.wake()
        self._changed()

    def subscription(self) -> frozenset[str]:
        """Return the topics that are subscribed to."""
        subscription = self._subscription
        return subscription.topics if subscription.pattern is None else subscription.matched

    def assignment(self) -> frozenset[TopicPartition]:
        """Return the partitions that are read."""
        return frozenset(self._subscription.assigned)

    def pause(self, *partitions: TopicPartition) -> None:
        """Hand out nothing of these partitions until `resume`."""
        for partition in partitions:
            self._subscription.state(partition).paused_by_user = True

    def resume(self, *partitions: TopicPartition) -> None:
        """Read these partitions again."""
        for partition in partitions:
            self._subscription.state(partition).paused_by_user = False
        self._changed()

    def paused(self) -> frozenset[TopicPartition]:
        """Return the partitions that are paused."""
        assigned = self._subscription.assigned
        return frozenset(key for key, state in assigned.items() if state.paused_by_user)

    # -- records ------------------------------------------------------------------------------

    async def getone(self, *partitions: TopicPartition) -> Record:
        """Return the next record, of these partitions or of all; wait until there is one."""
        while True:
            found = await self._poll(partitions, None, 1)
            for records in found.values():
                return records[0]

    async def getmany(
        self, *partitions: TopicPartition, timeout_ms: int = 0, max_records: int | None = None
    ) -> dict[TopicPartition, list[Record]]:
        """Return what is there, by partition; wait up to `timeout_ms` when nothing is.

        Raises:
            OffsetOutOfRangeError: the position is gone and `auto_offset_reset` is "none".
            CorruptRecordError: a batch is bad; other partitions can be read on.
        """
        if max_records is not None and max_records < 1:
            raise InvalidConfigError(f"max_records={max_records}: must be at least 1")
        return await self._poll(partitions, timeout_ms, max_records or self._max_poll_records)

    def __aiter__(self) -> AsyncIterator[Record]:
        return self

    async def __anext__(self) -> Record:
        if self._closed:
            raise StopAsyncIteration
        try:
            return await self.getone()
        except ClosedError:
            if self._transport is not None:
                raise
            raise StopAsyncIteration from None

    async def getcolumns(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = 0,
        bytes_max: int = 4 << 20,
        max_batches: int | None = None,
        keys: bool = True,
        values: bool = True,
        timestamps: bool = True,
    ) -> dict[TopicPartition, list[Columns]]:
        """Return whole batches as columns; the fast road, no deserializer runs.

        Fetches up to `bytes_max` bytes at once. Columns not asked for come empty. A batch that
        begins before the position is cut to it.
        """
        options = {"keys": keys, "values": values, "timestamps": timestamps}

        def take(chosen: list[TopicPartition]) -> dict[TopicPartition, list[Columns]]:
            return self._fetcher.take_columns(chosen, max_batches, options)

        found = await self._wait_for(partitions, timeout_ms, take, bytes_max)
        if self._auto_commit:
            first = {key: columns[0].offsets[0] for key, columns in found.items()}
            self._positions.in_work = first
        return found

    async def _poll(
        self,
        partitions: tuple[TopicPartition, ...],
        timeout_ms: int | None,
        records_max: int | None,
    ) -> dict[TopicPartition, list[Record]]:
        def take(chosen: list[TopicPartition]) -> dict[TopicPartition, list[Record]]:
            return self._fetcher.take_records(chosen, records_max)

        found = await self._wait_for(partitions, timeout_ms, take, None)
        if self._auto_commit:
            self._positions.in_work = {key: records[0].offset for key, records in found.items()}
        return found

    def _wait_for(
        self,
        partitions: tuple[TopicPartition, ...],
        timeout_ms: int | None,
        take: Callable[[list[TopicPartition]], dict[TopicPartition, Any]],
        bytes_max: int | None,
    ) -> Coroutine[Any, Any, dict[TopicPartition, Any]]:
        reading = self._take_or_fetch(partitions, timeout_ms, take, bytes_max)
        return reading if self._member is None else self._member.poll(reading)

    async def _take_or_fetch(
        self,
        partitions: tuple[TopicPartition, ...],
        timeout_ms: int | None,
        take: Callable[[list[TopicPartition]], dict[TopicPartition, Any]],
        bytes_max: int | None,
    ) -> dict[TopicPartition, Any]:
        """Take what is buffered; else fetch; else wait for a fetch, a change or the time."""
        await self._ready()
        await self._heed_errors()
        chosen = self._readable(partitions)
        if found := take(chosen):
            return found
        deadline = None if timeout_ms is None else self._loop.time() + timeout_ms / 1000
        while True:
            await self._fetcher.fetch(chosen, 0, bytes_max=bytes_max)
            if found := take(chosen):
                return found
            if not await self._heed_errors():
                left = None if deadline is None else deadline - self._loop.time()
                if left is not None and left <= 0:
                    return {}
                await self._long_poll(chosen, left, bytes_max)
            await self._ready()
            chosen = self._readable(partitions)
            if found := take(chosen):
                return found

    async def _long_poll(
        self, chosen: list[TopicPartition], seconds: float | None, bytes_max: int | None
    ) -> None:
        """Let one fetch wait at the broker, until it answers or what is read changes."""
        bound = self._fetch_max_wait_ms / 1000
        seconds = bound if seconds is None else min(seconds, bound)
        change: asyncio.Future[None] = self._loop.create_future()
        self._changes.add(change)
        waiting: list[asyncio.Future[Any]] = [change]
        if chosen:
            wait_ms = max(1, round(seconds * 1000))
            fetch = self._fetcher.fetch(chosen, wait_ms, bytes_max=bytes_max)
            waiting.append(self._loop.create_task(fetch))
        try:
            # The fetch's own deadline ends the wait; the bound here is for a stuck transport.
            timeout = seconds if not chosen else None
            await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._changes.discard(change)
            change.cancel()
            for task in waiting[1:]:
                if not task.done():
                    task.cancel()
        for task in waiting[1:]:
            if task.done() and not task.cancelled():
                task.result()

    def _readable(self, partitions: tuple[TopicPartition, ...]) -> list[TopicPartition]:
        assigned = self._subscription.assigned
        if not partitions and not any(
            state.held or state.paused_by_user for state in assigned.values()
        ):
            return list(assigned)
        return [p for p in self._subscription.chosen(partitions) if not assigned[p].paused]

    async def _heed_errors(self) -> bool:
        """Raise what fetching or decoding met, or reset positions; return whether any was."""
        moved = False
        for partition, state in self._subscription.assigned.items():
            error = state.error
            if error is None:
                continue
            state.error = None
            if isinstance(error, OffsetOutOfRangeError) and self._reset is not None:
                logger.warning("%s: %s; going to %s", partition, error, self._reset.name)
                state.seek_end(self._reset)
                self._subscription.version += 1
                moved = True
            elif isinstance(error, CorruptRecordError):
                raise await self._fetcher.locate(partition, error)
            else:
                raise error
        return moved

    # -- positions ----------------------------------------------------------------------------

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Read on from `offset`."""
        if not isinstance(offset, int) or offset < 0:
            raise InvalidConfigError(f"seek to offset {offset!r}, must be at least 0")
        self._subscription.state(partition).seek(offset)
        self._changed()

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        """Read on from the log start."""
        await self._seek_end(partitions, OffsetSpec.EARLIEST)

    async def seek_to_end(self, *partitions: TopicPartition) -> None:
        """Read on with what comes from now."""
        await self._seek_end(partitions, OffsetSpec.LATEST)

    async def seek_to_committed(
        self, *partitions: TopicPartition
    ) -> dict[TopicPartition, int | None]:
        """Read on from what the group has committed; partitions without a commit stay."""
        transport = await self._ready()
        chosen = self._subscription.chosen(partitions)
        committed = await fetch_committed(transport, self._positions.group(), chosen)
        for partition, found in committed.items():
            self._subscription.state(partition).seek(found.offset)
        self._changed()
        return {p: committed[p].offset if p in committed else None for p in chosen}

    async def position(self, partition: TopicPartition) -> int:
        """Return the offset of the next record that will be handed out."""
        await self._ready()
        position = self._subscription.state(partition).position
        assert position is not None
        return position

    async def committed(self, partition: TopicPartition) -> int | None:
        """Return the offset that the group has committed, None for none."""
        transport = await self._ready()
        found = await fetch_committed(transport, self._positions.group(), [partition])
        return found[partition].offset if partition in found else None

    async def commit(
        self,
        offsets: Mapping[TopicPartition, int | tuple[int, str] | OffsetAndMetadata] | None = None,
    ) -> None:
        """Commit the given offsets, or the positions of all assigned partitions.

        Raises:
            IllegalGenerationError: the group took a partition before it was committed.
            RebalanceInProgressError, UnknownMemberIdError: it is taking, or took, all of them.
        """
        self._running()
        if self._member is not None:
            self._member.check()  # and no more: to join now would give up what is to be committed
        await self._positions.do_due()
        if offsets is None:
            await self._positions.commit()
            self._positions.check_loss()
            return
        await self._positions.commit_these(
            {
                TopicPartition(*key): OffsetAndMetadata(value, "")
                if isinstance(value, int)
                else OffsetAndMetadata(*value)
                for key, value in offsets.items()
            }
        )

    async def offsets_for_times(
        self, timestamps: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, OffsetAndTimestamp | None]:
        """Return, by partition, the first record at or after a time in ms; None for none."""
        transport = await self._ready()
        found = await list_offsets(transport, timestamps, self._isolation_level)
        return {key: value if value.offset >= 0 else None for key, value in found.items()}

    async def beginning_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int]:
        """Return the log start offsets."""
        return await self._ends(partitions, OffsetSpec.EARLIEST)

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the offsets that the next records will get, as far as consumers may see."""
        return await self._ends(partitions, OffsetSpec.LATEST)

    def highwater(self, partition: TopicPartition) -> int | None:
        """Return the high watermark that the last fetch told; None before the first."""
        return self._subscription.state(partition).high_watermark

    def last_stable_offset(self, partition: TopicPartition) -> int | None:
        """Return the last stable offset that the last fetch told; None before the first."""
        return self._subscription.state(partition).last_stable_offset

    def last_poll_timestamp(self, partition: TopicPartition) -> int | None:
        """Return when the partition was last fetched, in epoch ms; None before the first."""
        return self._subscription.state(partition).fetched_ms

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        """Return the partitions of a topic as known here; None when it is not known."""
        count = self._cluster.known(topic)
        return set(range(count)) if count else None

    async def topics(self) -> set[str]:
        """Return the topics that there are."""
        await self._ready()
        return {
            name
            for name, topic in (await self._cluster.ask(None)).items()
            if not (topic.is_internal and self._exclude_internal)
        }

    # -- behind it ----------------------------------------------------------------------------

    async def _ends(
        self, partitions: Iterable[TopicPartition], spec: OffsetSpec
    ) -> dict[TopicPartition, int]:
        transport = await self._ready()
        wanted = {TopicPartition(*partition): int(spec) for partition in partitions}
        found = await list_offsets(transport, wanted, self._isolation_level)
        return {key: value.offset for key, value in found.items()}

    async def _seek_end(self, partitions: tuple[TopicPartition, ...], spec: OffsetSpec) -> None:
        self._running()
        for partition in self._subscription.chosen(partitions):
            self._subscription.state(partition).seek_end(spec)
        self._subscription.version += 1
        await self._ready()
        self._changed()

    def _running(self) -> Transport:
        if self._transport is None:
            raise ClosedError(f"consumer is {'closed' if self._closed else 'not started'}")
        return self._transport

    def _changed(self) -> None:
        """Wake waiting fetches; settle new partitions now, as "latest" means from now on."""
        for change in self._changes:
            if not change.done():
                change.set_result(None)
        if self._transport is not None and not self._positions.are_settled:
            task = self._loop.create_task(self._positions.settle_quietly())
            self._background.add(task)
            task.add_done_callback(self._background.discard)

    async def _ready(self) -> Transport:
        """Do what is due before anything else; return the way to the log."""
        self._running()
        if self._member is not None and self._member.has_news():
            await self._member.heed()
        await self._positions.do_due()
        return self._running()
