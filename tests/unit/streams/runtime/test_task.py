from __future__ import annotations

import json
from typing import Any

import pytest

import millstream as ms
from millstream import F
from millstream.runtime.fuse import NEVER
from millstream.runtime.task import Task

MINUTE = ms.tumbling(60)


def windowed(emit: str = "final", topics: tuple[str, ...] = ("in",), **options: Any) -> ms.App:
    """Return an app that counts by window."""
    app = ms.App("t", log="memory://t")

    @app.stream(*topics)
    def flow(first: Any, *others: Any) -> None:
        merged = first.merge(*others) if others else first
        counts = merged.group_by_key().window(MINUTE, **options).late("late").agg(n=ms.count())
        (counts.final() if emit == "final" else counts.current()).to("out")

    return app


def step(task: Task, *, commit: bool = False) -> list[tuple[str, Any, Any, int]]:
    """Process what is queued; return (topic, key, value, time) of what came out."""
    list(task.process({}))
    list(task.close_windows())
    if commit:
        task.emit_current()
        logged, _ = task.changes()
        task.store.write(logged, b"")
    return [
        (output.topic.name, key, value, time)
        for output, events in task.take_outputs()
        for key, value, time, _ in events
    ]


def counts(found: list[tuple[str, Any, Any, int]]) -> list[tuple[str, int, int]]:
    """Return (key, window, count) of the rows among outputs."""
    return [(key.key, key.start, value.n) for topic, key, value, _ in found if topic == "out"]


def test_stream_time_is_the_least_over_the_partitions(task_of: Any, batch: Any) -> None:
    """Stream time is the largest time of each input, then the least of these; idle ones apart."""
    task = task_of(windowed(topics=("a", "b")))
    assert task.stream_time == NEVER
    task.feed("a", batch(("k", 1, 100), ("k", 1, 90)))
    step(task)
    assert task.stream_time == NEVER
    task.feed("b", batch(("k", 1, 70)))
    step(task)
    assert task.stream_time == 70
    task.set_idle("b", True)
    assert task.stream_time == 100
    task.set_idle("b", False)
    assert task.stream_time == 70


def test_when_all_are_idle_stream_time_is_the_largest(task_of: Any, batch: Any) -> None:
    """A task whose partitions are all silent stands at the latest time it has seen."""
    task = task_of(windowed(topics=("a", "b")))
    task.feed("a", batch(("k", 1, 100)))
    step(task)
    for topic in ("a", "b"):
        task.set_idle(topic, True)
    assert task.stream_time == 100


@pytest.mark.parametrize("emit", ["final", "current"])
def test_what_an_idle_partition_let_close_stays_closed(task_of: Any, batch: Any, emit: str) -> None:
    """A partition that was idle and comes back with earlier times opens no window again."""
    task = task_of(windowed(emit, topics=("a", "b")))
    task.feed("b", batch(("k", 1, 10)))
    step(task, commit=True)
    task.set_idle("b", True)
    task.feed("a", batch(("k", 1, 20), ("k", 1, 300)))
    assert counts(step(task, commit=True)) == [("k", 0, 2)] + [("k", 300, 1)] * (emit != "final")
    task.set_idle("b", False)
    task.feed("b", batch(("k", 1, 30), ("k", 1, 130), ("k", 1, 290), base=1))
    found = step(task, commit=True)
    assert [time for topic, _, _, time in found if topic == "late"] == [30, 130, 290]
    assert task.stats.late == 3
    assert counts(found) == []


def test_every_record_moves_stream_time(task_of: Any, batch: Any) -> None:
    """A record that is filtered out, or whose key is null, moves stream time all the same."""
    app = ms.App("t", log="memory://t")

    @app.stream("in")
    def flow(events: Any) -> None:
        kept = events.filter(F != 0)
        kept.group_by_key().window(MINUTE).agg(n=ms.count()).final().to("out")

    task = task_of(app)
    task.feed("in", batch(("k", 1, 10)))
    assert step(task) == []
    task.feed("in", batch(("k", 0, 60), base=1))
    assert counts(step(task)) == [("k", 0, 1)]
    task.feed("in", batch(("k", 1, 70), (None, 1, 120), base=2))
    assert counts(step(task)) == [("k", 60, 1)]
    assert task.stats.skipped_null == 1


def test_a_late_event_is_sent_once_with_what_it_missed(task_of: Any, batch: Any) -> None:
    """A late event goes to `.late` once, with its headers and one that names the windows missed."""
    app = ms.App("t", log="memory://t")
    hopping = ms.hopping(60, 30)

    @app.stream("in")
    def flow(events: Any) -> None:
        grouped = events.group_by_key().window(hopping, grace=5).late("late")
        grouped.agg(n=ms.count()).final().to("out")

    with app.test() as driver:
        driver.send("in", 1, key="k", timestamp=200)
        driver.send("in", 2, key="k", timestamp=70, headers=[("own", b"x")])
        driver.send("in", 3, key="k", timestamp=165)  # one of its windows is still open
        driver.end()
        (event,) = driver.records("late")
        rows = {row["window_start_ms"]: row["n"] for row in driver.read("out")}
        assert driver.stats["late"] == 1
    assert (event.key, event.value, event.timestamp) == ("k", 2, 70)
    headers = dict(event.headers)
    assert headers["own"] == b"x"
    missed = json.loads(headers["millstream-late"] or b"")
    assert missed == {
        "aggregate": "flow-n", "windows": [[30, 90], [60, 120]], "grace_ms": 5, "stream_time": 200,
    }  # fmt: skip
    assert rows == {150: 2, 180: 1}


def test_a_final_row_has_the_largest_time_in_it(task_of: Any, batch: Any) -> None:
    """The time of an aggregate's row is the largest event time in it, not that of its window."""
    task = task_of(windowed())
    task.feed("in", batch(("k", 1, 50), ("k", 1, 20), ("k", 1, 200)))
    ((_, key, _, time),) = step(task)
    assert (key, time) == (ms.Windowed("k", 0, 60), 50)


def test_current_sends_each_key_once_a_commit(task_of: Any, batch: Any) -> None:
    """However many events a key has had, its row goes out once for each commit."""
    task = task_of(windowed("current"))
    task.feed("in", batch(("a", 1, 1), ("b", 1, 2), ("a", 1, 3)))
    assert step(task) == []
    assert counts(step(task, commit=True)) == [("a", 0, 2), ("b", 0, 1)]
    assert step(task, commit=True) == []


def test_a_window_that_closes_between_commits_is_not_forgotten(task_of: Any, batch: Any) -> None:
    """The last update of a `current()` window goes out when it closes, with what was added."""
    task = task_of(windowed("current"))
    task.feed("in", batch(("a", 1, 1)))
    step(task, commit=True)
    task.feed("in", batch(("a", 1, 2), ("a", 1, 100), base=1))
    assert counts(step(task)) == [("a", 0, 2)]
    assert counts(step(task, commit=True)) == [("a", 60, 1)]
    assert len(list(task.store.scan(b"\x00"))) == 1, "only the open window is kept"


def test_positions_are_what_was_processed(task_of: Any, batch: Any) -> None:
    """A position is the next offset of what was processed, not of what was fetched."""
    task = task_of(windowed(topics=("a", "b")))
    task.feed("a", batch(("k", 1, 10), ("k", 1, 50)))
    assert task.positions == {}
    list(task.process({}, horizon=20))
    assert task.positions == {"a/0": 1}
    list(task.process({}))
    assert task.positions == {"a/0": 2}


def nested(app: ms.App, *, inner: str = "final", size: int = 60) -> None:
    """Declare windows over the rows of windows."""

    @app.stream("in")
    def flow(events: Any) -> None:
        users = events.group_by(F.user).window(MINUTE, grace=30).agg(hits=ms.count())
        rows = users.final() if inner == "final" else users.current()
        sizes = (
            rows.group_by(F.hits).window(ms.tumbling(size)).agg(users=ms.count(), of=ms.max(F.hits))
        )
        sizes.final().to("out")  # fmt: skip


@pytest.mark.parametrize("size", [60, 120])
@pytest.mark.parametrize("partitions", [1, 4])
def test_windows_over_final_rows_lose_none(partitions: int, size: int) -> None:
    """Rows of windows just closed are in time for windows over them, on any partitions."""
    app = ms.App("t", log="memory://t", partitions=partitions)
    nested(app, size=size)
    with app.test() as driver:
        for i in range(40):
            user = f"u{i % 5 % (i // 20 + 2)}"
            driver.send("in", {"user": user}, key=user, timestamp=i * 10 - 25 * (i % 3 == 0) + 25)
        driver.end()
        rows = driver.read("out")
        assert driver.stats["late"] == 0
    assert sum(row["users"] * row["of"] for row in rows) == 40
    ends = [row["window_start_ms"] for row in rows]
    assert len({(row["window_start_ms"], row["hits"]) for row in rows}) == len(ends)


@pytest.mark.parametrize("partitions", [1, 4])
def test_windows_over_current_rows_close_too(partitions: int) -> None:
    """Windows over updates take those of the last commit too, also at the end of input."""
    app = ms.App("t", log="memory://t", partitions=partitions)

    @app.stream("in")
    def flow(events: Any) -> None:
        totals = events.group_by(F.user).agg(hits=ms.count())
        updates = totals.current().group_by(F.user).window(MINUTE).agg(updates=ms.count())
        updates.final().to("out")

    with app.test() as driver:
        for i in range(10):
            driver.send("in", {"user": "ann"}, timestamp=i * 30)
        driver.end()
        rows = driver.read("out")
        assert driver.stats["late"] == 0
    assert sorted((row["window_start_ms"], row["updates"]) for row in rows) == [
        (0, 2), (60, 2), (120, 2), (180, 2), (240, 2),
    ]  # fmt: skip
