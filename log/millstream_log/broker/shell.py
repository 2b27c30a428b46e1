"""Runs a pure coordinator: its log is an internal topic, its clock and its timer are ours.

    handler -> shell.call(decide) -> Outcome -> append -> replay -> (flush) -> replies -> handler
    timer   -> machine.tick       -> Outcome -> ...
    open    -> every record of the topic -> machine.replay -> machine.after_load

Invariants: what is durable in the machine changes by replay alone; the records of one outcome for
one partition are one batch, on the disk whole or not at all; no reply leaves before its records
are as safe as the flush policy says; a ticket whose asker has gone is answered into the void; a
record that the machine cannot read is left out with a line in the log, and the others hold.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import struct
from collections.abc import Callable, Iterable
from typing import Any, Generic, Protocol, TypeVar

from ..errors import CorruptRecordError, LogError
from ..group.offsets import partition_for
from ..machine import LogRecord, Outcome, Ticket
from ..model import TopicPartition
from ..record.batch import BatchHeader, decode, decode_columns, iter_batches
from ..record.builder import encode_columns
from ..record.control import MarkerType, decode_marker
from .host import Host
from .partition import Partition

logger = logging.getLogger(__name__)

_LOAD_BYTES = 1 << 20
_ID_LENGTH = struct.Struct(">xxh")
_TICK_S = 0.001  # as Kafka's timers: what is due now waits for what comes at the same time


class Machine(Protocol):
    """A coordinator, as its shell sees it."""

    def replay(
        self,
        key: bytes | None,
        value: bytes | None,
        *,
        producer_id: int = -1,
        is_transactional: bool = False,
    ) -> None:
        """Take a record of the log into account."""
        ...

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """Take a marker of the log into account."""
        ...

    def tick(self, now_ms: int) -> Iterable[Outcome]:
        """Return what time alone brings about."""
        ...

    def deadline_ms(self) -> int | None:
        """Return when tick has something to do next."""
        ...

    def after_load(self, now_ms: int) -> Iterable[Outcome]:
        """Return what is to be done once the whole log has been replayed."""
        ...


M = TypeVar("M", bound=Machine)


class Shell(Generic[M]):
    """One machine on one internal topic."""

    def __init__(self, host: Host, topic: str, machine: M) -> None:
        self.machine = machine
        self._host = host
        self._topic = topic
        self._tickets = itertools.count(1)
        self._waiting: dict[Ticket, asyncio.Future[Any]] = {}
        self._loaded: dict[TopicPartition, int] = {}  # the next offset to replay
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ms: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_whole = True  # nothing of the topic had to be left out

    async def call(self, decide: Callable[[Ticket, int], Outcome]) -> Any:
        """Let the machine handle a request; return the reply, which may come much later.

        Raises:
            LogError: the records could not be written, and the machine had nothing to say to it.
        """
        ticket = next(self._tickets)
        reply = self._waiting[ticket] = asyncio.get_running_loop().create_future()
        try:
            await self.carry_out(decide(ticket, self._host.clock.now_ms()))
        except BaseException:
            self._waiting.pop(ticket, None)
            raise
        return reply.result() if reply.done() else await reply

    async def carry_out(self, outcome: Outcome) -> Outcome:
        """Do what the machine decided: append, replay, wait for the disk, reply.

        Returns what came of it: the outcome, or the one in its place when nothing was appended.

        Raises:
            LogError: nothing was appended, and the machine had nothing to say to it; or what was
                appended did not reach the disk, and whoever was to be answered is told that.
        """
        return await self._conclude(*self._try_to_write(outcome))

    async def _conclude(self, outcome: Outcome, written: list[Partition]) -> Outcome:
        """Do what is left when the records are appended. Raises LogError."""
        if written and self._host.flusher.must_wait:
            try:
                for partition in written:
                    await self._host.flusher.wait(partition)
            except LogError as error:
                self._fail(outcome, error)
                raise
        for ticket, reply in outcome.replies:
            waiting = self._waiting.pop(ticket, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(reply)
        self._arm()
        return outcome

    def _try_to_write(self, outcome: Outcome) -> tuple[Outcome, list[Partition]]:
        """Append and replay; return what came of it, and what to wait for."""
        if not outcome.records:
            return outcome, []
        try:
            return outcome, self._write(outcome)
        except LogError as error:
            if outcome.on_failure is None:
                raise
            logger.warning("cannot write to %s: %s", self._topic, error)
            return outcome.on_failure(error.code), []

    def _fail(self, outcome: Outcome, error: LogError) -> None:
        for ticket, _ in outcome.replies:
            waiting = self._waiting.pop(ticket, None)
            if waiting is not None and not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # its asker hears it one way or the other
        self._arm()

    def _write(self, outcome: Outcome) -> list[Partition]:
        """Append an outcome's records, one batch for each partition, and replay them."""
        host = self._host
        host.check_writable(f"write to {self._topic}")
        count = host.internal_topic(self._topic).partitions
        by_partition: dict[int, list[LogRecord]] = {}
        for record in outcome.records:
            by_partition.setdefault(partition_for(_id_of(record[0]), count), []).append(record)
        producer_id, producer_epoch = outcome.producer or (-1, -1)
        now_ms = host.clock.now_ms()
        written = []
        for index, records in by_partition.items():
            partition = host.partition(self._topic, index)
            batch = encode_columns(
                [now_ms] * len(records),
                [key for key, _ in records],
                [value for _, value in records],
                producer_id=producer_id,
                producer_epoch=producer_epoch,
                is_transactional=outcome.producer is not None,
            )
            result = partition.append(batch, now_ms, coordinator=True)
            for key, value in records:
                self.machine.replay(
                    key, value, producer_id=producer_id, is_transactional=producer_id >= 0
                )
            self._loaded[partition.topic_partition] = result.last_offset + 1
            written.append(partition)
        return written

    # -- loading

    def load(self) -> None:
        """Replay what has been appended to the topic since the last call."""
        topic = self._host.image.topics.get(self._topic)
        for index in range(topic.partitions if topic else 0):
            partition = self._host.partitions.get((self._topic, index))
            if partition is not None:
                self._load_partition(partition)

    def start(self) -> None:
        """Lead: do what is left over from before, and heed time from now on."""
        self.load()
        if not self._host.read_only:
            for outcome in self.machine.after_load(self._host.clock.now_ms()):
                self.spawn(outcome)
            self._arm()

    def refresh(self) -> None:
        """See what a writer in another process has appended (read-only logs)."""
        if self._host.read_only:
            self._host.refresh_topics()
            for (topic, _), partition in self._host.partitions.items():
                if topic == self._topic:
                    self._host.refresh_partition(partition)
            self.load()

    def noted(self, partition: TopicPartition, next_offset: int) -> None:
        """Take note of what somebody else appended and the machine has been told of."""
        self._loaded[partition] = next_offset

    def _load_partition(self, partition: Partition) -> None:
        log = partition.log
        key = partition.topic_partition
        position = max(self._loaded.get(key, 0), log.log_start_offset)
        while position < log.log_end_offset:
            data = log.read(position, _LOAD_BYTES)
            if not data:
                break
            for start, header in iter_batches(data):
                try:
                    self._replay(key, data, start, header)
                except CorruptRecordError as error:
                    self._leave_out(key, header.base_offset, error)
                position = header.next_offset
        self._loaded[key] = position

    def _replay(self, source: TopicPartition, data: bytes, start: int, header: BatchHeader) -> None:
        """Tell the machine of a batch. Raises CorruptRecordError when it cannot be opened."""
        machine = self.machine
        if header.is_control:
            for record in decode(data, start, header):
                marker = decode_marker(record)
                if marker is not None:
                    machine.end_transaction(header.producer_id, marker.type is MarkerType.COMMIT)
            return
        producer_id = header.producer_id if header.is_transactional else -1
        columns = decode_columns(data, start, header, timestamps=False)
        for offset, key, value in zip(columns.offsets, columns.keys, columns.values, strict=True):
            try:
                machine.replay(
                    key, value, producer_id=producer_id, is_transactional=header.is_transactional
                )
            except CorruptRecordError as error:
                self._leave_out(source, offset, error)

    def _leave_out(self, source: TopicPartition, offset: int, error: CorruptRecordError) -> None:
        """Go on without what cannot be read: one bad record must not cost all groups."""
        self._is_whole = False
        logger.error("left out what %s holds at offset %d: %s", source, offset, error)

    # -- time

    def _arm(self) -> None:
        """Set the timer to the machine's next deadline."""
        deadline_ms = self.machine.deadline_ms()
        if deadline_ms == self._timer_ms:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_ms = deadline_ms
        if deadline_ms is not None and not self._host.read_only:
            seconds = max(_TICK_S, (deadline_ms - self._host.clock.now_ms()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(seconds, self._tick)

    def _tick(self) -> None:
        self._timer = self._timer_ms = None
        for outcome in self.machine.tick(self._host.clock.now_ms()):
            self.spawn(outcome)
        self._arm()

    def append(self, outcomes: Iterable[Outcome]) -> None:
        """Append and replay what nobody waits for; what fails is logged."""
        for outcome in outcomes:
            try:
                self._write(outcome)
            except LogError as error:
                logger.warning("cannot write to %s: %s", self._topic, error)

    def spawn(self, outcome: Outcome) -> None:
        """Carry an outcome out beside whatever runs now, but for its records.

        They are written in this very step: what they say holds until the machine is asked again.
        """
        try:
            outcome, written = self._try_to_write(outcome)
        except LogError as error:
            logger.warning("cannot write to %s: %s", self._topic, error)
            return
        conclusion = self._conclude_quietly(outcome, written)
        task = asyncio.get_running_loop().create_task(conclusion)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _conclude_quietly(self, outcome: Outcome, written: list[Partition]) -> None:
        try:
            await self._conclude(outcome, written)
        except LogError as error:
            logger.warning("cannot write to %s: %s", self._topic, error)

    async def close(self) -> None:
        """Stop the timer; let what runs end; nobody waits for a reply any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for waiting in self._waiting.values():
            waiting.cancel()


def _id_of(key: bytes) -> str:
    """Return the group or transactional id of a record key: what follows its version."""
    (size,) = _ID_LENGTH.unpack_from(key)
    return key[_ID_LENGTH.size : _ID_LENGTH.size + size].decode()
