from __future__ import annotations

from typing import Any

import pytest

import millstream as ms
from millstream import F, L, R


class User(ms.Record):
    name: str
    age: int = 0


def run(build: Any, sent: list[tuple[Any, Any]], *topics: str, partitions: int = 1) -> Any:
    """Send (key, value) records to `in`; return (key, value) of what is in each topic."""
    app = ms.App("d", log="memory://d", partitions=partitions)
    app.stream("in")(build)
    with app.test() as driver:
        for key, value in sent:
            driver.send("in", value, key=key)
        found = [[(e.key, e.value) for e in driver.records(topic)] for topic in topics]
    return found[0] if len(topics) == 1 else found


EVENTS = [("a", {"n": 10}), ("b", {"n": 25}), (None, {"n": 30})]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda s: s.filter(F.n > 20).to("out"), [("b", {"n": 25}), (None, {"n": 30})]),
        (lambda s: s.filter_not(F.n > 20).to("out"), [("a", {"n": 10})]),
        (lambda s: s.filter_not(lambda v: v["n"] > 20).to("out"), [("a", {"n": 10})]),
        (lambda s: s.map_values(F.n).to("out"), [("a", 10), ("b", 25), (None, 30)]),
        (lambda s: s.map(lambda k, v: (v["n"], k)).to("out"),
         [("10", "a"), ("25", "b"), ("30", None)]),
        (lambda s: s.flat_map(lambda k, v: [(k, v["n"])] * (v["n"] // 10)).to("out"),
         [("a", 10), ("b", 25), ("b", 25), (None, 30), (None, 30), (None, 30)]),
        (lambda s: s.flat_map_values(lambda v: range(v["n"] // 10)).to("out"),
         [("a", 0), ("b", 0), ("b", 1), (None, 0), (None, 1), (None, 2)]),
        (lambda s: s.select_key(F.n).map_values(F.n).to("out"),
         [("10", 10), ("25", 25), ("30", 30)]),
        (lambda s: s.merge(s.filter(F.n > 28)).map_values(F.n).to("out"),
         [("a", 10), ("b", 25), (None, 30), (None, 30)]),
        (lambda s: s.map_values(ms.row(n=F.n, k=ms.KEY)).to("out"),
         [("a", {"n": 10, "k": "a"}), ("b", {"n": 25, "k": "b"}), (None, {"n": 30, "k": None})]),
    ],
    ids=["filter", "filter_not", "filter_not lambda", "map_values", "map", "flat_map",
         "flat_map_values", "select_key", "merge", "row"],
)  # fmt: skip
def test_verbs_on_single_events(build: Any, expected: Any) -> None:
    """Each verb puts out what its docstring says, in order, keys and null keys kept."""
    assert run(build, EVENTS, "out") == expected


def test_to_returns_the_stream() -> None:
    """A sink is no end: the stream goes on from it."""
    out, more = run(lambda s: s.to("out").map_values(F.n).to("more"), EVENTS, "out", "more")
    assert out == EVENTS
    assert more == [("a", 10), ("b", 25), (None, 30)]


def test_a_stream_is_immutable() -> None:
    """A verb leaves the stream it was called on as it was."""

    def build(events: Any) -> None:
        events.filter(F.n > 20).map_values(F.n).to("big")
        events.to("all")

    big, everything = run(build, EVENTS, "big", "all")
    assert [value for _, value in big] == [25, 30]
    assert everything == EVENTS


def test_branches_take_each_event_once() -> None:
    """An event goes to the first branch that takes it; `True` takes the rest."""

    def build(events: Any) -> None:
        branches = events.branch(small=F.n < 20, odd=lambda v: v["n"] % 2, rest=True)
        for name, branch in branches.items():
            branch.map_values(F.n).to(name)

    assert run(build, EVENTS, "small", "odd", "rest") == [[("a", 10)], [("b", 25)], [(None, 30)]]


def test_branches_without_a_rest_drop_what_none_takes() -> None:
    """An event for which no predicate holds is in no branch."""
    build = lambda s: s.branch(one=F.n == 10)["one"].map_values(F.n).to("out")  # noqa: E731  # one line says it
    assert run(build, EVENTS, "out") == [("a", 10)]


def test_peek_and_foreach_see_each_value() -> None:
    """`peek` passes on what it has shown, `foreach` ends."""
    seen: list[Any] = []

    def build(events: Any) -> None:
        events.peek(seen.append).map_values(F.n).to("out")
        events.map_values(F.n).foreach(seen.append)

    assert [value for _, value in run(build, EVENTS[:1], "out")] == [10]
    assert seen == [{"n": 10}, 10]


@pytest.mark.parametrize("partitions", [1, 4])
def test_joins_find_the_row_of_the_moment(partitions: int) -> None:
    """A join takes the table as it is when the event comes; a null row deletes."""
    app = ms.App("d", log="memory://d", partitions=partitions)
    users = app.table("users", value=User)

    @app.stream("in")
    def flow(events: Any) -> None:
        made = ms.row(n=L.n, name=R.name)
        events.join(users, on=F.user, into=made).to("inner")
        events.left_join(users, on=F.user, into=lambda e, u: [e["n"], u and u.name]).to("left")
        events.left_join(users, on=F.user).map_values(lambda pair: pair[1]).to("pairs")

    with app.test() as driver:
        for n, row in enumerate([None, User("Ann"), User("Anna"), None]):
            driver.send("users", row, key="u1")
            driver.send("in", {"user": "u1", "n": n}, key="k")
        driver.send("in", {"user": None, "n": 9}, key="k")
        assert driver.read("inner") == [{"n": 1, "name": "Ann"}, {"n": 2, "name": "Anna"}]
        # A null user has a partition of its own task's number, so the order is not one.
        assert sorted(driver.read("left")) == [
            [0, None], [1, "Ann"], [2, "Anna"], [3, None], [9, None],
        ]  # fmt: skip
        assert [row and row["name"] for row in driver.read("pairs")].count(None) == 3


def test_a_join_takes_a_table_alone() -> None:
    """A join with anything but a table names the line and what it was given."""
    app = ms.App("d", log="memory://d")
    words = r"test_stream.py:\d+: join takes a table.*not Stream"
    with pytest.raises(ms.TopologyError, match=words):

        @app.stream("in")
        def flow(events: Any) -> None:
            events.join(events)


def test_the_changed_key_is_the_key_of_the_join() -> None:
    """After select_key, a join without on= looks under the new key."""
    app = ms.App("d", log="memory://d", partitions=3)
    users = app.table("users", value=User)

    @app.stream("in")
    def flow(events: Any) -> None:
        events.select_key(F.user).join(users, into=R.name).to("out")

    with app.test() as driver:
        driver.send("users", User("Ann"), key="u1")
        driver.send("in", {"user": "u1"}, key="other")
        assert [(e.key, e.value) for e in driver.records("out")] == [("u1", "Ann")]


@pytest.mark.parametrize("partitions", [1, 4])
def test_values_cross_a_repartition_as_what_they_were(partitions: int) -> None:
    """A typed value is of its class after a new key too, whether it was mapped before or not."""

    def grow(user: User) -> User:
        return User(user.name, user.age + 1)

    app = ms.App("d", log="memory://d", partitions=partitions)
    kinds: list[Any] = []

    def age(user: Any) -> int:
        kinds.append(type(user))
        return int(user.age)

    @app.stream(app.topic("in", value=User))
    def flow(users: Any) -> None:
        for name, stream in (("raw", users), ("mapped", users.map_values(grow))):
            counted = stream.group_by(F.name)
            counted.agg(name=f"{name}-ages", oldest=ms.max(age))

    with app.test() as driver:
        driver.send("in", User("ann", 5))
    assert [kind.__name__ for kind in kinds] == ["User", "User"]


def test_wrong_words_are_told_by_line() -> None:
    """What is no predicate, grouping or aggregate is refused where it stands."""
    app = ms.App("d", log="memory://d")
    found: list[str] = []

    @app.stream("in")
    def flow(events: Any) -> None:
        wrongs: list[Any] = [
            lambda: events.group_by(),
            lambda: events.group_by_key().agg(),
            lambda: events.group_by_key().agg(n=len),
            lambda: events.group_by_key().count().final(),
            lambda: events.group_by(F.n).agg(n=ms.count()),
            lambda: events.group_by(window_start_ms=F.n).window(ms.tumbling(5)).agg(n=ms.count()),
            lambda: events.group_by(F.n, F.more.n).count(),
            lambda: events.group_by(F["a key"]).count(),
        ]
        for wrong in wrongs:
            with pytest.raises(ms.TopologyError, match=r"test_stream.py:\d+: ") as error:
                wrong()
            found.append(str(error.value).partition(": ")[2])

    assert found[0].startswith("group_by needs a column")
    assert found[1].startswith("agg needs at least one aggregate")
    assert "is no aggregate" in found[2]
    assert found[3].startswith("final() needs windows")
    assert "'a key' is no name for a row's column" in found.pop()
    for text, name in zip(found[4:], ("n", "window_start_ms", "n"), strict=True):
        assert f"two columns named {name!r}" in text


def test_one_aggregate_is_sent_one_way() -> None:
    """`final()` after `current()` would make its rows final too, so it is refused by line."""
    app = ms.App("d", log="memory://d")

    @app.stream("in")
    def flow(events: Any) -> None:
        counts = events.group_by_key().window(ms.tumbling(5)).agg(n=ms.count())
        counts.to("updates")
        with pytest.raises(ms.TopologyError, match=r"test_stream.py:\d+: .*current\(\) already"):
            counts.final()
        other = events.group_by_key().window(ms.tumbling(5)).agg(m=ms.count())
        other.final().to("finals")
        other.final().foreach(print)
        with pytest.raises(ms.TopologyError, match=r"test_stream.py:\d+: .*final\(\) already"):
            other.to("updates")
