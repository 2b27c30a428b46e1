"""Windows against their definitions, computed one record after the other with plain dicts."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import millstream as ms
from millstream import F
from millstream.runtime.launch import dry_tasks
from millstream.runtime.task import Task
from millstream.windows import Windows

Fed = tuple[str | None, int, int | None]
"""Key, event time, number; a number of None is a null value."""


class Reading(ms.Record):
    n: int


class Batch(NamedTuple):
    offsets: Sequence[int]
    timestamps: list[int]
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: None = None


class Answer(NamedTuple):
    """What came of a run: a row for each window and key, and the records that were late."""

    rows: dict[tuple[int, str], tuple[int, int, int]]  # count, sum, largest event time
    late: list[Fed]
    skipped_null: int


RECORDS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", None]) | st.just("a"),
        st.integers(0, 120),
        st.none() | st.integers(-9, 9),
    ),
    max_size=40,
)
WINDOWS = st.builds(ms.tumbling, st.integers(1, 30)) | st.integers(1, 30).flatmap(
    lambda size: st.builds(ms.hopping, st.just(size), st.integers(1, size))
)
GRACE = st.integers(0, 40)


def by_definition(
    records: Iterable[tuple[int, Fed]], windows: Windows, grace: int, partitions: int = 1
) -> Answer:
    """Compute the answer from the definitions alone, for records of numbered partitions."""
    seen = [-(10**9)] * partitions
    rows: dict[tuple[int, str], tuple[int, int, int]] = {}
    late: list[Fed] = []
    skipped = 0
    for partition, (key, time, number) in records:
        seen[partition] = max(seen[partition], time)
        stream_time = min(seen)
        if key is None or number is None:
            skipped += 1
            continue
        first = -200 - -200 % windows.advance_ms
        starts = [
            start
            for start in range(first, time + 1, windows.advance_ms)
            if start <= time < start + windows.size_ms
        ]
        still_open = [s for s in starts if not s + windows.size_ms <= stream_time - grace]
        if not still_open:
            late.append((key, time, number))
        for start in still_open:
            count, total, at = rows.get((start, key), (0, 0, -1))
            rows[start, key] = (count + 1, total + number, max(at, time))
    return Answer(rows, late, skipped)


def app_of(windows: Windows, grace: int, emit: str, *topics: str) -> ms.App:
    """Return an app that counts and adds up by window."""
    app = ms.App("w", log="memory://w")
    sources = [app.topic(name, value=Reading) for name in topics]

    @app.stream(*sources)
    def flow(first: Any, *others: Any) -> None:
        merged = first.merge(*others) if others else first
        windowed = merged.group_by_key().window(windows, grace=grace).late("late")
        rows = windowed.agg(n=ms.count(), total=ms.sum(F.n))
        (rows.final() if emit == "final" else rows.current()).to("out")

    return app


def task_of(app: ms.App) -> Task:
    """Return the app's one task, on a store in memory."""
    (task,) = dry_tasks(app, app.plan())
    return task


def batch_of(records: Sequence[Fed], base: int) -> Batch:
    """Return the columns of one batch."""
    return Batch(
        range(base, base + len(records)),
        [time for _, time, _ in records],
        [None if key is None else key.encode() for key, _, _ in records],
        [None if n is None else msgspec.json.encode({"n": n}) for _, _, n in records],
    )


def cut(records: Sequence[Fed], cuts: Iterable[int]) -> list[Sequence[Fed]]:
    """Return the records in pieces; `cuts` are places at which one ends."""
    places = sorted({0, len(records), *(c for c in cuts if c < len(records))})
    return [records[a:b] for a, b in itertools.pairwise(places)]


class Run:
    """Drives a task and gathers what it puts out."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.out: list[tuple[Any, Any, int]] = []
        self.late: list[Fed] = []
        self._next: dict[str, int] = {}

    def feed(self, topic: str, records: Sequence[Fed]) -> None:
        base = self._next.get(topic, 0)
        self.task.feed(topic, batch_of(records, base))
        self._next[topic] = base + len(records)

    def process(self, *, commit: bool = False, at_end: bool = False) -> None:
        for _ in self.task.process({}):
            pass
        list(self.task.close_windows(at_end=at_end))
        if commit:
            self.task.emit_current()
            logged, _ = self.task.changes()
            self.task.store.write(logged, b"meta")
        for output, events in self.task.take_outputs():
            if output.topic.name == "late":
                self.late += [(key, time, value.n) for key, value, time, _ in events]
            else:
                self.out += [(key, value, time) for key, value, time, _ in events]

    def answer(self, *, once: bool) -> Answer:
        """Return what came out; `once` says that a row may come only once."""
        rows: dict[tuple[int, str], tuple[int, int, int]] = {}
        for key, value, time in self.out:
            assert key.start == value.window_start_ms
            assert not (once and (key.start, key.key) in rows), "a final row came twice"
            rows[key.start, key.key] = (value.n, value.total, time)
        return Answer(rows, self.late, self.task.stats.skipped_null)


def run_one(
    records: Sequence[Fed],
    windows: Windows,
    grace: int,
    emit: str,
    cuts: Iterable[int] = (),
    *,
    commits: Iterable[int] = (),
    strict: bool = False,
) -> Run:
    """Run records of one partition in these batches, with a commit after some of them."""
    run = Run(task_of(app_of(windows, grace, emit, "in")))
    if strict:
        run.task._none_late = lambda *_: False  # type: ignore[method-assign]
    for i, piece in enumerate(cut(records, cuts)):
        run.feed("in", piece)
        run.process(commit=i in set(commits))
    run.process(at_end=True, commit=True)
    return run


@given(RECORDS, WINDOWS, GRACE)
def test_final_rows_are_those_of_the_definition(
    records: list[Fed], windows: Windows, grace: int
) -> None:
    """Each window and key goes out once, with every record that came before it was closed."""
    run = run_one(records, windows, grace, "final")
    expected = by_definition(((0, record) for record in records), windows, grace)
    assert run.answer(once=True) == expected
    assert run.task.stats.late == len(expected.late)


@given(RECORDS, WINDOWS, GRACE, st.lists(st.integers(0, 40)), st.lists(st.integers(0, 10)))
def test_the_last_current_rows_are_those_of_the_definition(
    records: list[Fed], windows: Windows, grace: int, cuts: list[int], commits: list[int]
) -> None:
    """Whenever it commits, the last update of each window and key is the definition's row."""
    run = run_one(records, windows, grace, "current", cuts, commits=commits)
    expected = by_definition(((0, record) for record in records), windows, grace)
    assert run.answer(once=False) == expected


@given(RECORDS, WINDOWS, GRACE, st.lists(st.integers(0, 40)), st.lists(st.integers(0, 10)))
def test_batches_of_any_cut_give_the_same(
    records: list[Fed], windows: Windows, grace: int, cuts: list[int], commits: list[int]
) -> None:
    """Final rows and late records do not depend on how the log has cut the records."""
    whole = run_one(records, windows, grace, "final").answer(once=True)
    cut = run_one(records, windows, grace, "final", cuts, commits=commits)
    assert cut.answer(once=True) == whole


@given(RECORDS, WINDOWS, GRACE, st.lists(st.integers(0, 40)))
@pytest.mark.parametrize("emit", ["final", "current"])
def test_fast_and_strict_bodies_give_the_same(
    emit: str, records: list[Fed], windows: Windows, grace: int, cuts: list[int]
) -> None:
    """The body without checks puts out exactly what the careful one does, in its order."""
    usual = run_one(records, windows, grace, emit, cuts)
    strict = run_one(records, windows, grace, emit, cuts, strict=True)
    # Each app makes a row class of its own, so the rows are compared as they read.
    assert repr(usual.out) == repr(strict.out)
    assert usual.late == strict.late
    assert usual.task.stats.as_dict() == strict.task.stats.as_dict()


@given(RECORDS, RECORDS, WINDOWS, GRACE)
def test_two_partitions_go_forward_together(
    left: list[Fed], right: list[Fed], windows: Windows, grace: int
) -> None:
    """Two inputs are taken in time order, and the one that is behind sets the stream time."""
    run = Run(task_of(app_of(windows, grace, "final", "left", "right")))
    for topic, records in (("left", left), ("right", right)):
        if records:
            run.feed(topic, records)
    run.process()
    run.process(at_end=True)
    expected = by_definition(in_time_order(left, right), windows, grace, partitions=2)
    answer = run.answer(once=True)
    assert answer.rows == expected.rows
    assert sorted(answer.late) == sorted(expected.late)


def in_time_order(left: list[Fed], right: list[Fed]) -> list[tuple[int, Fed]]:
    """Return both inputs in the order a task takes them: the earlier head first."""
    queues = [list(left), list(right)]
    taken: list[tuple[int, Fed]] = []
    at = 0
    while any(queues):
        other = 1 - at
        if not queues[at] or (queues[other] and not _goes_on(queues, at, bool(taken))):
            at = other
            if not queues[at]:
                continue
        taken.append((at, queues[at].pop(0)))
    return taken


def _goes_on(queues: list[list[Fed]], at: int, begun: bool) -> bool:
    mine, other = queues[at][0][1], queues[1 - at][0][1]
    return mine < other or (mine == other and (begun or at == 0))


# Expressions and lambdas --------------------------------------------------------------------

Pair = tuple[Any, Callable[[Any], Any]]


def _constant(n: int) -> Pair:
    return n, lambda value: n


def _field(name: str) -> Pair:
    return getattr(F, name), operator.attrgetter(name)


def _binary(function: Callable[[Any, Any], Any], left: Pair, right: Pair) -> Pair:
    if not isinstance(left[0], ms.expressions.Expr):
        left = (F.a, operator.attrgetter("a"))  # two constants make no expression
    return (
        function(left[0], right[0]),
        lambda value: function(left[1](value), right[1](value)),
    )


def _lazy(is_and: bool, left: Pair, right: Pair) -> Pair:
    if not isinstance(left[0], ms.expressions.Expr):
        left = (F.a, operator.attrgetter("a"))
    if is_and:
        return left[0] & right[0], lambda value: left[1](value) and right[1](value)
    return left[0] | right[0], lambda value: left[1](value) or right[1](value)


def _not(pair: Pair) -> Pair:
    if not isinstance(pair[0], ms.expressions.Expr):
        return pair
    return ~pair[0], lambda value: not pair[1](value)


FUNCTIONS = st.sampled_from(
    [operator.add, operator.sub, operator.mul, operator.floordiv, operator.mod, operator.truediv,
     operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
)  # fmt: skip
TREES = st.recursive(
    st.builds(_constant, st.integers(-5, 5)) | st.builds(_field, st.sampled_from(["a", "b"])),
    lambda inner: (
        st.builds(_binary, FUNCTIONS, inner, inner)
        | st.builds(_lazy, st.booleans(), inner, inner)
        | st.builds(_not, inner)
    ),
    max_leaves=8,
)


class Pairs(ms.Record):
    a: int
    b: int


def outcome(function: Callable[[], Any]) -> Any:
    """Return what a call gives, or the class of what it raises."""
    try:
        found = function()
    except Exception as error:
        cause = error.__cause__ if isinstance(error, ms.ProcessingError) else error
        return type(cause)
    return type(found), found


def through_task(how: Any, kind: Any, raw: bytes) -> Any:
    """Return what `map_values(how)` makes of a value inside a task."""
    app = ms.App("e", log="memory://e")

    @app.stream(app.topic("in", value=kind))
    def flow(events: Any) -> None:
        events.map_values(how).to("out")

    task = task_of(app)
    task.feed("in", Batch([0], [0], [None], [raw]))
    for _ in task.process({}):
        pass
    return task.take_outputs()[0][1][0][1]


@given(TREES, st.integers(-5, 5), st.integers(-5, 5))
def test_an_expression_and_the_same_lambda_give_the_same(tree: Pair, a: int, b: int) -> None:
    """Called, compiled for a class, and compiled for a dict: one answer, or one error."""
    expression, function = tree
    if not isinstance(expression, ms.expressions.Expr):
        return
    value = Pairs(a, b)
    raw = msgspec.json.encode(value)
    expected = outcome(lambda: function(value))
    assert outcome(lambda: expression(value)) == expected
    assert outcome(lambda: expression({"a": a, "b": b})) == expected
    assert outcome(lambda: through_task(expression, Pairs, raw)) == expected
    assert outcome(lambda: through_task(expression, Any, raw)) == expected
    assert outcome(lambda: through_task(function, Pairs, raw)) == expected
