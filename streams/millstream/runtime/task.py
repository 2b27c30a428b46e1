"""A task: one subtopology over one partition. Pure: no loop, no clock, no log of its own.

    feed ─▶ queues by partition ─▶ process: runs in event-time order ─▶ fused loop
                                       │                                  ├─▶ outputs
                                       ▼                                  └─▶ dirty state
                                  stream time ─▶ close windows ─▶ final rows
    commit: current rows ─▶ outputs;  dirty state ─▶ changes + checkpoint

The shell feeds it fetched batches, takes its outputs to the log, and writes its changes to the
changelog when it commits.

Invariants: stream time never moves back; every record taken from a queue has moved it; what
`changes` returns, with `checkpoint`, is the state after exactly the records below `positions`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..errors import ProcessingError, RecordError, StreamsError
from ..event import Windowed
from ..serde import Codec, encode_key, msgpack
from ..state.store import Change, Store
from ..state.tables import AggregateState, TableState
from ..topology.node import (
    FAIL,
    AggregateNode,
    Node,
    Policy,
    RepartitionNode,
    SinkNode,
    TableNode,
    Topic,
    source_topic,
)
from ..topology.plan import Plan, Subtopology
from ..topology.shape import Shapes, fields_used, union
from .blame import dead_letter_headers, processing_error
from .checkpoint import Checkpoint
from .fuse import NEVER, Fused, Fuser, slot_names
from .intake import Chunk, Columns, Headers, Intake
from .queues import Queues

FOREVER = 1 << 62
"""The stream time of a partition that holds nothing back."""

OutEvent = tuple[Any, Any, int, Any]
"""Key, value, event time, headers."""


class Stats:
    """What a task has counted."""

    __slots__ = ("failed", "late", "records_in", "records_out", "skipped_null")

    def __init__(self) -> None:
        self.records_in = 0
        self.records_out = 0
        self.late = 0
        self.skipped_null = 0
        self.failed = 0  # left out by a skip or dead-letter policy

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass
class Output:
    """Events on their way to one topic."""

    topic: Topic
    node: Node | None
    events: list[OutEvent] = field(default_factory=list)

    @property
    def is_outlet(self) -> bool:
        """Whether the topic is a repartition topic of the app's own."""
        return isinstance(self.node, RepartitionNode)


@dataclass
class Settings:
    """What a task takes from its app."""

    on_error: Policy = FAIL
    on_decode_error: Policy = FAIL
    cached_max: int = 100_000
    codec: Codec = msgpack


class Task:
    """One subtopology over partition `partition`."""

    def __init__(
        self,
        plan: Plan,
        subtopology: Subtopology,
        partition: int,
        store: Store,
        checkpoint: Checkpoint,
        settings: Settings,
    ) -> None:
        self.name = f"{subtopology.name}/{partition}"
        self.subtopology = subtopology
        self.partition = partition
        self.store = store
        self.stats = Stats()
        self.outputs: list[Output] = []
        self.queues = Queues()
        self._checkpoint = checkpoint
        self._settings = settings
        self._times: dict[str, int] = {}
        self._idle: set[str] = set()
        self._deletes: list[Change] = []
        self._dead: dict[str, Output] = {}
        self._states: dict[AggregateNode, AggregateState] = {}
        self._tables: dict[TableNode, TableState] = {}
        self._fused: dict[str, Fused] = {}
        self._intakes: dict[str, Intake] = {}
        self._rows: dict[AggregateNode, Fused] = {}
        self._above: dict[AggregateNode, AggregateNode | None] = {}  # whose rows it takes
        self._emitted = NEVER  # the stream time up to which rows of current() are out
        self._table_nodes: dict[str, list[TableNode]] = {}
        self._blame: Callable[[Exception], None] = _nobody  # whose event is in the loop
        self._build(plan, Shapes())

    # Building -----------------------------------------------------------------------------

    def _build(self, plan: Plan, shapes: Shapes) -> None:
        bindings: dict[Node, Any] = {}
        goes_on = self._settings.on_error.action != "fail"
        common = (shapes, bindings, self.stats, self._take_failure if goes_on else None)
        for node in self.subtopology.nodes:
            if isinstance(node, AggregateNode):
                bindings[node] = self._states[node] = self._aggregate_state(node)
                self._above[node] = aggregate_above(node)
            elif isinstance(node, TableNode):
                bindings[node] = self._tables[node] = self._table_state(node)
            elif isinstance(node, SinkNode | RepartitionNode) and node.topic is not None:
                bindings[node] = self._output(node.topic, node)
        for name, entries in self.subtopology.topics.items():
            fuser = Fuser(f"{plan.app} {name}", *common)
            fused = self._fused[name] = fuser.topic(entries)
            tables = [node for node in entries if isinstance(node, TableNode)]
            self._table_nodes[name] = tables
            used = None if tables else union(fields_used(node) for node in entries)
            self._intakes[name] = Intake(
                source_topic(entries[0]),
                used,
                self._settings.codec,
                with_keys="k" in fused.columns or bool(tables),
                with_values="v" in fused.columns or bool(tables),
            )
            key = f"{name}/{self.partition}"
            self._times[key] = self._checkpoint.times.get(key, NEVER)
        for node, state in self._states.items():
            fuser = Fuser(f"{plan.app} {node.name}", *common)
            self._rows[node] = fuser.rows(node)
            if node.late is not None:
                state.late_events = self._output(node.late, node)

    def _output(self, topic: Topic, node: Node | None) -> list[OutEvent]:
        output = Output(topic, node)
        self.outputs.append(output)
        return output.events

    def _aggregate_state(self, node: AggregateNode) -> AggregateState:
        record = self._checkpoint.store(node.name, node.schema)
        state = AggregateState(
            self.store,
            record.store_id,
            accumulator_type(node),
            node.windows,
            cached_max=self._settings.cached_max,
        )
        state.open = set(record.open)
        state.closed_before = record.closed_before
        return state

    def _table_state(self, node: TableNode) -> TableState:
        record = self._checkpoint.store(f"table {node.topic.name}", "table")
        intake = Intake(node.topic, None, self._settings.codec)
        return TableState(
            self.store,
            record.store_id,
            intake.decode_value,
            key=node.topic.key,
            cached_max=self._settings.cached_max,
        )

    @property
    def needs_keys(self) -> bool:
        """Whether anything looks at the keys of what the task reads."""
        setting_aside = (self._settings.on_error, self._settings.on_decode_error)
        policies = [intake.topic.on_decode_error for intake in self._intakes.values()]
        return (
            any(intake.needs_keys for intake in self._intakes.values())
            or any(p is not None and p.action == "dead_letter" for p in (*setting_aside, *policies))
        )  # fmt: skip

    @property
    def has_changes(self) -> bool:
        """Whether state has changed since the last commit."""
        return bool(self._deletes) or any(state.dirty for state in self._states.values())

    @property
    def fused(self) -> Iterable[Fused]:
        """Return the generated functions, for a description of the app."""
        return [*self._fused.values(), *self._rows.values()]

    @property
    def sources(self) -> Iterable[str]:
        """Return the topics the task reads."""
        return self._fused

    @property
    def table_topics(self) -> list[str]:
        """Return the topics the task keeps as tables."""
        return [topic for topic, nodes in self._table_nodes.items() if nodes]

    # Events in ----------------------------------------------------------------------------

    def feed(self, topic: str, columns: Columns) -> None:
        """Take one fetched batch of the task's partition of `topic`."""
        if not len(columns.offsets):
            return
        key = f"{topic}/{self.partition}"
        chunk, bad = self._intakes[topic].open(columns, self.partition)
        self.stats.records_in += len(chunk) + len(bad)
        for record in bad:
            if self._decode_policy(topic).action == "fail":
                raise record.error
        chunk.bad += bad
        if not self.queues.put(key, chunk):
            self._pass(key, chunk, chunk.next_offset)

    def table_rows(self, topic: str, columns: Columns, end: int) -> None:
        """Apply a batch below offset `end` to the tables of `topic` alone: a restore."""
        chunk, _ = self._intakes[topic].open(columns)
        stop = sum(offset < end for offset in chunk.offsets)
        self._update_tables(topic, chunk, 0, stop)

    def process(self, before: dict[str, int], horizon: int = FOREVER) -> Iterator[str]:
        """Take what is queued up to event time `horizon`; yield each run's partition when done.

        `before` names a partition's offset that no run may cross. Raises ProcessingError under
        the policy `fail`; everything up to the failed record is then done and counted.
        """
        while run := self.queues.next_run(before, horizon):
            key, chunk, start, stop = run
            topic = key.rpartition("/")[0]
            if self._table_nodes[topic]:
                self._update_tables(topic, chunk, start, stop)
            self._run(key, self._fused[topic], chunk, start, stop)
            self._pass(key, chunk, chunk.next_offset if stop == len(chunk) else chunk.offsets[stop])
            yield key

    def _pass(self, key: str, chunk: Chunk, position: int) -> None:
        """Note that a partition is done below `position`, bad records there set aside."""
        self._checkpoint.positions[key] = position
        while chunk.bad and chunk.bad[0].offset < position:
            bad = chunk.bad.pop(0)
            policy = self._decode_policy(key.rpartition("/")[0])
            self._set_aside(policy, bad.error, bad.key, bad.value, bad.timestamp, bad.headers)

    def _update_tables(self, topic: str, chunk: Chunk, start: int, stop: int) -> None:
        for node in self._table_nodes[topic]:
            table = self._tables[node]
            for i in range(start, stop):
                if chunk.keys[i] is None:
                    self.stats.skipped_null += 1
                else:
                    table.put(chunk.keys[i], chunk.raws[i], chunk.values[i])

    def _run(self, key: str, fused: Fused, chunk: Chunk, start: int, stop: int) -> None:
        whole = start == 0 and stop == len(chunk)
        times = chunk.times if whole else chunk.times[start:stop]
        others = self._others(key)
        own = self._times[key]
        after = max(own, chunk.latest if whole else max(times))
        earliest = chunk.earliest if whole else min(times)
        strict = chunk.has_null or not self._none_late(earliest, min(after, others))
        ticks = iter(times)
        columns = {"k": chunk.keys, "v": chunk.values, "r": chunk.raws}
        if "h" in fused.columns:
            columns["h"] = chunk.headers if chunk.headers is not None else [()] * len(chunk)
        rows = [
            ticks if c == "t" else columns[c] if whole else columns[c][start:stop]
            for c in fused.columns
        ]
        events = zip(*rows, strict=False)

        def blame(exc: Exception) -> None:
            done = len(times) - operator.length_hint(ticks)
            self._failed(fused, exc, key, chunk, start + done - 1)

        self._blame = blame
        while True:
            try:
                if strict:
                    fused.strict(events, own, others)
                else:
                    fused.fast(events)
                break
            except StreamsError:
                raise
            except Exception as exc:
                done = len(times) - operator.length_hint(ticks)
                own = max(own, *times[:done])
                self._times[key] = own
                blame(exc)
        self._times[key] = after

    def _none_late(self, earliest: int, stream_time: int) -> bool:
        """Tell whether no window of an event at `earliest` is closed at `stream_time`."""
        for node, state in self._states.items():
            if node.windows is not None:
                first = node.windows.starts(earliest)[-1]
                bound = node.windows.closed_before(stream_time, node.grace_ms)
                if first < bound or first < state.closed_before:
                    return False
        return True

    # Failures -----------------------------------------------------------------------------

    def _decode_policy(self, topic: str) -> Policy:
        return self._intakes[topic].topic.on_decode_error or self._settings.on_decode_error

    def _take_failure(self, exc: Exception) -> None:
        """Take what a branch of the loop has raised, so that the others go on."""
        self._blame(exc)

    def _failed(self, fused: Fused, exc: Exception, key: str, chunk: Chunk, i: int) -> None:
        offset = chunk.offsets[i]
        error = processing_error(exc, fused, key.rpartition("/")[0], self.partition, offset)
        if self._settings.on_error.action == "fail":
            self._checkpoint.positions[key] = offset
            raise error from exc
        raw_key = chunk.raw_keys[i] if chunk.raw_keys else None
        headers = chunk.headers[i] if chunk.headers is not None else ()
        self.set_aside(error, raw_key, chunk.raws[i], chunk.times[i], headers)

    def _row_failed(
        self, node: AggregateNode, exc: Exception, window: int, group: Any, accumulator: Any
    ) -> None:
        error = processing_error(exc, self._rows[node], node.name, self.partition, -1)
        error.topic = ""  # no one record is at fault
        error.__cause__ = exc
        size_ms = node.windows.size_ms if node.windows else 0
        key = Windowed(group, window, window + size_ms) if node.windows else group
        state = msgpack.encode(accumulator)
        self.set_aside(error, encode_key(key), state, accumulator.at, ())

    def set_aside(
        self,
        error: RecordError,
        key: bytes | None,
        value: bytes | None,
        time: int,
        headers: Headers,
    ) -> None:
        """Do what the app's policy says with an event or a result that failed."""
        self._set_aside(self._settings.on_error, error, key, value, time, headers)

    def _set_aside(
        self,
        policy: Policy,
        error: RecordError,
        key: bytes | None,
        value: bytes | None,
        time: int,
        headers: Headers,
    ) -> None:
        if policy.action == "fail":
            raise error
        self.stats.failed += 1
        if policy.action != "dead_letter":
            return
        output = self._dead.get(policy.topic)
        if output is None:
            output = self._dead[policy.topic] = Output(Topic(policy.topic), None)
            self.outputs.append(output)
        told = dead_letter_headers(error, self.partition)
        output.events.append((key, value, time, (*headers, *told)))

    # Time ---------------------------------------------------------------------------------

    def _others(self, key: str) -> int:
        """Return the least stream time of the other partitions that hold it back."""
        return min(
            (t for k, t in self._times.items() if k != key and k not in self._idle),
            default=FOREVER,
        )

    @property
    def stream_time(self) -> int:
        """Return the task's stream time: the least over its partitions that are not idle."""
        active = [t for k, t in self._times.items() if k not in self._idle]
        return min(active) if active else max(self._times.values(), default=NEVER)

    def set_idle(self, topic: str, is_idle: bool) -> None:
        """Say whether a partition of the task holds its stream time back no longer."""
        key = f"{topic}/{self.partition}"
        (self._idle.add if is_idle else self._idle.discard)(key)

    def close_windows(self, at_end: bool = False) -> Iterator[tuple[str, int]]:
        """Close what stream time has closed; yield aggregate and window as its rows are out.

        At the end of bounded input (`at_end`) every window of a `final()` aggregate closes;
        those of `current()` have sent all they have to say, and stay open for later input.
        """
        for node, state in self._states.items():
            if node.windows is None:
                continue
            bound = node.windows.closed_before(self._time_of(node), node.grace_ms)
            if at_end and node.emit == "final":
                bound = max(state.open, default=bound - 1) + 1
            for window in state.closable(bound):
                if node.emit == "final":
                    self._emit(node, window, state.window(window))
                    state.closed_before = max(state.closed_before, window + 1)
                elif window in state.dirty:
                    self._emit(node, window, state.dirty[window])
                self._deletes += state.drop(window)
                yield node.name, window
            # A partition that was idle may come back with an earlier time: closed stays closed.
            state.closed_before = max(state.closed_before, bound)

    def _time_of(self, node: AggregateNode) -> int:
        """Return the stream time at an aggregate.

        One that takes the rows of another goes only as far as those rows have come: rows of
        windows that are still open are yet to come, and are not late when they do.
        """
        above = self._above[node]
        if above is None:
            return self.stream_time
        return self._states[above].closed_before if above.emit == "final" else self._emitted

    def emit_current(self) -> None:
        """Send the rows of `current()` aggregates that were touched since the last commit."""
        for node, state in self._states.items():
            if node.emit == "current":
                for window, accumulators in state.touched():
                    self._emit(node, window, accumulators)
        self._emitted = self.stream_time

    def _emit(self, node: AggregateNode, window: int, accumulators: dict[Any, Any]) -> None:
        if not node.children:
            return
        fused = self._rows[node]
        pairs = list(accumulators.items())
        items = iter(pairs)
        now = self._states[node].closed_before if node.emit == "final" else self._emitted

        def blame(exc: Exception) -> None:
            self._row_failed(node, exc, window, *pairs[-operator.length_hint(items) - 1])

        self._blame = blame
        while True:
            try:
                fused.strict(items, window, now, FOREVER)
                return
            except StreamsError:
                raise
            except Exception as exc:
                blame(exc)

    # Commit -------------------------------------------------------------------------------

    def take_outputs(self) -> list[tuple[Output, list[OutEvent]]]:
        """Return what is to be sent since the last call, output by output."""
        taken = []
        for output in self.outputs:
            if output.events:
                taken.append((output, output.events[:]))
                output.events.clear()
                self.stats.records_out += len(taken[-1][1])
        return taken

    def changes(self) -> tuple[list[Change], list[Change]]:
        """Return what changed since the last call: for the changelog, and in tables alone."""
        logged = self._deletes
        self._deletes = []
        for node, state in self._states.items():
            try:
                logged = logged + state.commit()
            except Exception as exc:
                raise ProcessingError(
                    f"{type(exc).__name__}: {exc}, in the state of {node.name} at {node.site}",
                    operator=node.operator,
                    site=node.site,
                ) from exc
        tables = [change for table in self._tables.values() for change in table.commit()]
        return logged, tables

    def checkpoint(self, outlets: dict[str, int]) -> Checkpoint:
        """Return the checkpoint that belongs to the state as it is now."""
        checkpoint = self._checkpoint
        checkpoint.times = {k: t for k, t in self._times.items() if t != NEVER}
        checkpoint.outlets = outlets
        for node, state in self._states.items():
            record = checkpoint.store(node.name, node.schema)
            record.open = sorted(state.open)
            record.closed_before = state.closed_before
        return checkpoint

    @property
    def closed(self) -> dict[str, int]:
        """Return, by aggregate, the bound below which windows have sent their final rows."""
        return {
            node.name: state.closed_before
            for node, state in self._states.items()
            if node.emit == "final"
        }

    @property
    def positions(self) -> dict[str, int]:
        """Return the next offset of each partition, "topic/partition", that was processed."""
        return self._checkpoint.positions


def accumulator_type(node: AggregateNode) -> type[msgspec.Struct]:
    """Return the struct that holds an aggregate's slots and the largest event time `at`."""
    fields: list[tuple[str, Any, Any]] = []
    for names, aggregator in slot_names(node):
        slots = aggregator.slots()
        fields += [(n, slot.kind, slot.default) for n, slot in zip(names, slots, strict=True)]
    fields.append(("at", int, NEVER))
    return msgspec.defstruct("Accumulator", fields, array_like=True, gc=False)


def aggregate_above(node: Node) -> AggregateNode | None:
    """Return the aggregate whose rows come to `node` inside its subtopology, or None."""
    for parent in node.parents:
        if isinstance(parent, AggregateNode):
            return parent
        if not (isinstance(parent, RepartitionNode) and parent.topic is not None):
            above = aggregate_above(parent)
            if above is not None:
                return above
    return None


def _nobody(exc: Exception) -> None:
    raise AssertionError("nothing is in the loop") from exc
