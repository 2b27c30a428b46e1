"""The worker: the loop that fetches, processes, sends and commits.

    consumer ─▶ task.feed ─▶ task.process ─▶ outbox ─▶ producer
                                  │ every commit interval
                                  ▼
        outputs acknowledged ─▶ changelog (changes + checkpoint, one batch) ─▶ store ─▶ offsets

Invariants: a commit's outputs are in the log before its checkpoint, and its checkpoint before
the store and the group's offsets. A crash between any two costs a replay, never an answer.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from millstream_log.client.admin import Admin
from millstream_log.client.consumer import Consumer
from millstream_log.client.producer import Producer
from millstream_log.client.transport import Transport
from millstream_log.clock import Clock
from millstream_log.model import OffsetAndMetadata, TopicPartition

from ..errors import StateStoreError
from ..state.store import Store
from ..topology.plan import Plan, Subtopology
from .checkpoint import CHECKPOINT_KEY, Checkpoint, encode_checkpoint
from .fuse import NEVER
from .outbox import Outbox
from .restore import Marks, find_marks, replay_changelog, replay_tables, write_meta
from .task import FOREVER, Settings, Task

logger = logging.getLogger(__name__)

COMMIT_TAG = "millstream"
"""Metadata of the app's own commits; a committed offset without it was set by a person."""
COMMIT_BYTES_MAX = 256 << 20
"""The largest changelog batch, and so the largest commit of one task."""

PURGE_INTERVAL_S = 30.0
"""How often what is done with is deleted from repartition topics."""
QUEUED_MAX = 200_000
"""Events of one partition that may wait for those of others."""

StoreMaker = Callable[[Subtopology, int], Store]


@dataclass
class WorkerOptions:
    """What a worker takes from its app; times in ms."""

    app: str
    settings: Settings
    commit_interval_ms: int
    idle_timeout_ms: int
    show: bool  # progress on the screen


@dataclass
class Report:
    """What a run did."""

    records_in: int = 0
    records_out: int = 0
    late: int = 0
    skipped_null: int = 0
    failed: int = 0
    commits: int = 0
    seconds: float = 0.0
    by_task: dict[str, dict[str, int]] = field(default_factory=dict)

    def add(self, task: Task) -> None:
        """Add a task's counts."""
        counts = task.stats.as_dict()
        self.by_task[task.name] = counts
        for name, value in counts.items():
            setattr(self, name, getattr(self, name) + value)


class Worker:
    """Runs all tasks of an app in one event loop."""

    def __init__(
        self,
        plan: Plan,
        partitions: dict[str, int],
        transport: Transport,
        make_store: StoreMaker,
        clock: Clock,
        options: WorkerOptions,
    ) -> None:
        self._plan = plan
        self._partitions = partitions
        self._transport = transport
        self._make_store = make_store
        self._clock = clock
        self._options = options
        self.tasks: list[Task] = []
        self._clients: tuple[Consumer | Producer, ...] = ()
        self._stores: list[Store] = []
        self._readers: dict[TopicPartition, Task] = {}
        self._marks: dict[str, Marks] = {}
        self._table_ends: dict[str, dict[str, int]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._at: dict[TopicPartition, int] = {}  # next offset to fetch
        self._last_data: dict[TopicPartition, float] = {}
        self._held: set[TopicPartition] = set()  # paused until others catch up
        self._stopping = False
        self.report = Report()

    # Start and stop -------------------------------------------------------------------------

    async def start(self) -> None:
        """Restore every task and stand at its positions."""
        self._producer = Producer(log=self._transport, acks="all")
        self._consumer = Consumer(
            log=self._transport,
            group_id=self._options.app,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        # What goes to the app's own topics is one batch, whatever its size: whole, or not there.
        self._log_producer = Producer(
            log=self._transport, acks="all", max_request_size=COMMIT_BYTES_MAX
        )
        self._clients = (self._consumer, self._producer, self._log_producer)
        for client in self._clients:
            await client.start()
        self._outbox = Outbox(
            self._producer, self._log_producer, self._partitions, self._options.settings
        )
        for subtopology in self._plan.subtopologies:
            for partition in range(subtopology.partitions):
                await self._start_task(subtopology, partition)
        await self._take_positions()

    async def _start_task(self, subtopology: Subtopology, partition: int) -> None:
        store = self._make_store(subtopology, partition)
        self._stores.append(store)
        changelog = TopicPartition(self._plan.changelog(subtopology), partition)
        show = self._options.show
        checkpoint, meta = Checkpoint(), None
        if changelog.topic in self._partitions:
            end = (await self._consumer.end_offsets([changelog]))[changelog]
            meta, checkpoint = await replay_changelog(
                self._transport, changelog, end, store, show=show
            )
        task = Task(self._plan, subtopology, partition, store, checkpoint, self._options.settings)
        self._marks[task.name] = Marks({})
        if meta is not None:
            await replay_tables(self._transport, task, meta, show=show)
            self._table_ends[task.name] = meta.tables
            self._marks[task.name] = await find_marks(
                self._transport, task, checkpoint, self._partitions
            )
            self._outbox.ends[task.name] = checkpoint.outlets
        self.tasks.append(task)
        for topic in task.sources:
            if partition < self._partitions[topic]:
                self._readers[TopicPartition(topic, partition)] = task

    async def _take_positions(self) -> None:
        """Stand where the checkpoints say, or where a person has reset the group to."""
        self._consumer.assign(list(self._readers))
        self._needs_keys = any(task.needs_keys for task in self.tasks)
        async with Admin(log=self._transport) as admin:
            committed = await admin.list_consumer_group_offsets(self._options.app)
        first = await self._consumer.beginning_offsets(list(self._readers))
        now = self._clock.monotonic()
        for source, task in self._readers.items():
            own = task.positions.get(_name(source))
            said = committed.get(source)
            if said is not None and (own is None or said.metadata != COMMIT_TAG):
                own = said.offset
            position = max(own or 0, first[source])
            self._consumer.seek(source, position)
            task.positions[_name(source)] = self._at[source] = position
            self._committed[source] = position if said is not None else -1
            self._last_data[source] = now

    def stop(self) -> None:
        """Ask the loop to commit and end."""
        self._stopping = True

    async def close(self) -> None:
        """Close clients and stores; what is not committed is replayed by the next start."""
        for client in self._clients:
            await client.stop()
        for store in self._stores:
            store.close()

    # The loop -------------------------------------------------------------------------------

    async def run(self, *, until_end: bool) -> None:
        """Process until asked to stop, or until all input there is now has been read."""
        begun = self._clock.monotonic()
        internal = self._plan.internal
        outside = [source for source in self._readers if source.topic not in internal]
        ends = await self._consumer.end_offsets(outside) if until_end else {}
        next_commit = begun + self._options.commit_interval_ms / 1000
        next_purge = begun + PURGE_INTERVAL_S
        closed = 0
        while not self._stopping:
            taken = await self.round(timeout_ms=0 if until_end else 100, ends=ends)
            await asyncio.sleep(0)  # a full log answers at once: let signals and acks have a turn
            if self._clock.monotonic() >= next_commit:
                await self.commit()
                if self._clock.monotonic() >= next_purge:
                    await self._purge()
                    next_purge = self._clock.monotonic() + PURGE_INTERVAL_S
                next_commit = self._clock.monotonic() + self._options.commit_interval_ms / 1000
            if until_end and not taken and await self._is_drained(ends):
                # Upstream closes first: its last rows are input of those further down.
                if closed == len(self._plan.subtopologies):
                    break
                await self._close_input(self._plan.subtopologies[closed])
                closed += 1
        await self.commit()
        await self._purge()
        self.report.seconds += self._clock.monotonic() - begun
        for task in self.tasks:
            self.report.add(task)

    async def round(self, *, timeout_ms: int, ends: dict[TopicPartition, int]) -> int:
        """Fetch once, process what can be, send what came out; return the events fetched."""
        batches = await self._consumer.getcolumns(timeout_ms=timeout_ms, keys=self._needs_keys)
        taken = 0
        now = self._clock.monotonic()
        for source, list_of_columns in batches.items():
            task = self._readers[source]
            for columns in list_of_columns:
                taken += len(columns.offsets)
                task.feed(source.topic, columns)
            self._last_data[source] = now
            self._at[source] = await self._consumer.position(source)
        self._note_idle(now, ends)
        for subtopology in self._plan.subtopologies:
            tasks = [task for task in self.tasks if task.subtopology is subtopology]
            horizon = self._horizon(tasks)
            for task in tasks:
                self._process(task, horizon)
            await self._outbox.dispatch()
        self._hold_back()
        return taken

    def _process(self, task: Task, horizon: int) -> None:
        """Process what is queued; after a crash, in steps that end where a mark does."""
        marks = self._marks[task.name]
        steps = marks.steps()
        for source in task.process(steps, horizon):
            if steps:
                position = task.positions[source]
                self._outbox.collect(task, partial(marks.covers_events, source, position))
                marks.pass_by(source, position)
                steps.clear()
                steps.update(marks.steps())
        self._outbox.collect(task)
        self._close_windows(task)

    def _close_windows(self, task: Task, at_end: bool = False) -> None:
        marks = self._marks[task.name]
        for aggregate, window in task.close_windows(at_end):
            if marks:
                self._outbox.collect(task, partial(marks.covers_window, aggregate, window))
        self._outbox.collect(task)

    def _horizon(self, tasks: list[Task]) -> int:
        """Return the event time up to which all these tasks may go now.

        Tasks of one subtopology go forward together, as far as the events are there for each:
        what they send to one repartition partition is then in order but for the disorder that
        the sources have, and no event is late because another task ran ahead.
        """
        horizon = FOREVER
        for task in tasks:
            for topic in task.sources:
                source = TopicPartition(topic, task.partition)
                if source not in self._readers:
                    continue
                high = self._consumer.highwater(source)
                if high is not None and self._at[source] >= high:
                    continue  # nothing more to wait for
                if task.queues.size(_name(source)) == 0:
                    return NEVER
                horizon = min(horizon, task.queues.latest(_name(source)))
        return horizon

    def _hold_back(self) -> None:
        """Stop fetching a partition whose events wait for those of others."""
        for source, task in self._readers.items():
            if task.queues.size(_name(source)) > QUEUED_MAX:
                self._consumer.pause(source)
                self._held.add(source)
            elif source in self._held:
                self._consumer.resume(source)
                self._held.discard(source)

    def _note_idle(self, now: float, ends: dict[TopicPartition, int]) -> None:
        """Let partitions that have nothing to say hold stream time back no longer."""
        patience = self._options.idle_timeout_ms / 1000
        for source, task in self._readers.items():
            waiting = task.queues.size(_name(source)) > 0
            finished = source in ends and self._at[source] >= ends[source]
            silent = now - self._last_data[source] >= patience
            task.set_idle(source.topic, not waiting and (finished or silent))

    async def _is_drained(self, ends: dict[TopicPartition, int]) -> bool:
        await self._outbox.flush()
        if not all(task.queues.is_empty for task in self.tasks):
            return False
        internal = [source for source in self._readers if source not in ends]
        targets = {**ends, **await self._consumer.end_offsets(internal)}
        return all(self._at[s] >= end for s, end in targets.items())

    async def has_input(self) -> bool:
        """Tell whether there is anything in the log that has not been processed."""
        return not await self._is_drained({})

    def partitions_of(self, topic: str) -> int:
        """Return a topic's partition count."""
        return self._partitions[topic]

    async def _close_input(self, subtopology: Subtopology) -> None:
        await self.commit()  # rows of current() are input of windows over them
        for task in self.tasks:
            if task.subtopology is subtopology:
                self._close_windows(task, at_end=True)
        await self.commit()

    # Commit ---------------------------------------------------------------------------------

    async def commit(self) -> None:
        """Make outputs, state and positions durable, in this order."""
        for task in self.tasks:
            task.emit_current()
            self._outbox.collect(task, replays=False)
        await self._outbox.dispatch()
        await self._outbox.flush()
        moved = {
            source: position
            for source, task in self._readers.items()
            if (position := task.positions.get(_name(source), 0)) != self._committed.get(source)
        }
        changed = {id(self._readers[source]) for source in moved}
        await asyncio.gather(
            *(self._commit_task(task) for task in self.tasks if task.subtopology.has_state
              and (id(task) in changed or task.has_changes))
        )  # fmt: skip
        if moved:
            await self._consumer.commit(
                {s: OffsetAndMetadata(position, COMMIT_TAG) for s, position in moved.items()}
            )
            self._committed.update(moved)
        self.report.commits += 1

    async def _purge(self) -> None:
        """Delete what lies in repartition topics below the committed positions.

        Called after a commit: every task's marks that still matter lie above its log ends.
        """
        done = {
            source: position
            for source, position in self._committed.items()
            if source.topic in self._plan.internal and position > 0
        }
        if done:
            async with Admin(log=self._transport) as admin:
                await admin.delete_records(done)

    async def _commit_task(self, task: Task) -> None:
        logged, tables = task.changes()
        checkpoint = task.checkpoint(self._outbox.ends.get(task.name, {}))
        encoded = encode_checkpoint(checkpoint)
        keys = [key for key, _ in logged]
        values = [value for _, value in logged]
        keys.append(CHECKPOINT_KEY)
        values.append(encoded)
        _check_commit_size(task, keys, values)
        now = [self._clock.now_ms()] * len(keys)
        changelog = self._plan.changelog(task.subtopology)
        future = await self._log_producer.send_columns(changelog, task.partition, now, keys, values)
        end = (await future).offset + 1
        ends = self._table_ends.setdefault(task.name, {})
        for topic in task.table_topics:
            key = f"{topic}/{task.partition}"
            ends[key] = checkpoint.positions.get(key, 0)
        try:
            task.store.write(chain(logged, tables), write_meta(end, encoded, ends))
        except StateStoreError:
            raise
        except Exception as exc:
            raise StateStoreError(
                f"the state store of {task.name} refused a commit: {exc}"
            ) from exc


def _name(source: TopicPartition) -> str:
    return f"{source.topic}/{source.partition}"


def _check_commit_size(
    task: Task, keys: Iterable[bytes | None], values: Iterable[bytes | None]
) -> None:
    size = sum(len(data) + 32 for data in chain(keys, values) if data is not None)
    if size > COMMIT_BYTES_MAX:
        raise StateStoreError(
            f"a commit of {task.name} holds {size} bytes of changes and may hold "
            f"{COMMIT_BYTES_MAX}; commit more often (commit_interval=)"
        )
