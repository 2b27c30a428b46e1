from __future__ import annotations

import collections
from typing import Any

import pytest

import millstream as ms
from millstream import F
from millstream.operators.aggregate import rank
from millstream.runtime.task import accumulator_type
from millstream.topology.node import AggregateNode

EVENTS: list[tuple[Any, int]] = [  # value of x, event time
    (5, 10), (None, 11), (2, 30), (9, 20), (2, 5), (9, 20),
]  # fmt: skip

CASES: list[tuple[str, Any, Any, Any]] = [
    # name, aggregate, answer for EVENTS, answer when x is None throughout
    ("count", ms.count(), 6, 2),
    ("count x", ms.count(F.x), 5, 0),
    ("sum", ms.sum(F.x), 27, 0),
    ("mean", ms.mean(F.x), 27 / 5, None),
    ("min", ms.min(F.x), 2, None),
    ("max", ms.max(F.x), 9, None),
    ("first", ms.first(F.x), 2, None),
    ("last", ms.last(F.x), 2, None),
    ("count_distinct", ms.count_distinct(F.x), 3, 0),
    ("top_k", ms.top_k(F.x, 2), [[2, 2], [9, 2]], []),
    ("top_k weight", ms.top_k(F.x, 1, weight=F.x), [[9, 18]], []),
    ("custom", ms.aggregate(F.x, init=list, add=lambda s, x: [*s, x], result=len), 6, 2),
]


def answers(aggregate: Any, events: list[tuple[Any, int]]) -> list[Any]:
    """Return what the aggregate says after each event, through a flow."""
    app = ms.App("a", log="memory://a")

    @app.stream("in")
    def flow(stream: Any) -> None:
        stream.group_by_key().agg(x=aggregate).to("out")

    found = []
    with app.test() as driver:
        for x, time in events:
            driver.send("in", {"x": x}, key="k", timestamp=time)
            found += driver.read("out")
    return [row["x"] for row in found]


@pytest.mark.parametrize(
    ("aggregate", "expected", "of_nothing"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_answers(aggregate: Any, expected: Any, of_nothing: Any) -> None:
    """Each aggregate gives its answer by event time, and None is not added."""
    assert answers(aggregate, EVENTS)[-1] == expected
    assert answers(aggregate, [(None, 1), (None, 2)])[-1] == of_nothing


def test_first_and_last_are_by_event_time() -> None:
    """Of equal event times, first keeps the one that came first and last the one that came last."""
    events = [("b", 10), ("c", 10), ("a", 9), ("d", 10), ("e", 9)]
    assert answers(ms.first(F.x), events) == ["b", "b", "a", "a", "a"]
    assert answers(ms.last(F.x), events) == ["b", "c", "c", "d", "d"]


def test_rank_takes_ties_by_the_value() -> None:
    """Equal weights stand in the order of their values."""
    assert rank({"/b": 2, "/a": 2, "/c": 1, "/d": 3}, 3) == [("/d", 3), ("/a", 2), ("/b", 2)]


def test_top_k_of_none_is_refused() -> None:
    """A top list has at least one place."""
    with pytest.raises(ms.TopologyError, match="top_k of 0: k is at least 1"):
        ms.top_k(F.x, 0)


@pytest.mark.parametrize("aggregate", [case[1] for case in CASES], ids=[c[0] for c in CASES])
def test_accumulators_begin_apart(aggregate: Any) -> None:
    """Two accumulators share nothing that can be changed in place."""
    node = AggregateNode((), ms.errors.Site("f", 1), "f", "s", (None,), {"x": aggregate})
    kind = accumulator_type(node)
    one, other = kind(), kind()
    for name in kind.__struct_fields__:
        if isinstance(getattr(one, name), set | dict | list):
            assert getattr(one, name) is not getattr(other, name)


class Basket(ms.Record):
    """A state of the user's own."""

    items: list[str] = []
    seen: set[str] = set()


def fill(basket: Basket, item: str) -> Basket:
    """Put an item in."""
    basket.items.append(item)
    basket.seen.add(item)
    return basket


@pytest.mark.parametrize("cached_max", [0, 100])
@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (ms.aggregate(F.x, init=Basket, add=fill, result=lambda b: [len(b.items), len(b.seen)]),
         [3, 2]),
        (ms.aggregate(F.x, init=set, add=lambda s, x: s | {x}, result=len), 2),
        (ms.aggregate(F.x, init=tuple, add=lambda s, x: (*s, x), result=len), 3),
        (ms.aggregate(F.x, init=dict, add=lambda s, x: {**s, x: 1}, result=len), 2),
        (ms.aggregate(F.x, init=lambda: 0, add=lambda s, x: s + 0.5), 1.5),
        (ms.count_distinct(ms.apply(lambda x: (x, 1), F.x)), 2),
        (ms.top_k(ms.apply(lambda x: (x, 1), F.x), 1), [[["a", 1], 2]]),
    ],
    ids=["record", "set", "tuple", "dict", "number", "distinct tuples", "top tuples"],
)  # fmt: skip
def test_states_survive_the_store(aggregate: Any, expected: Any, cached_max: int) -> None:
    """A state read back from its store is of the type it was written as."""
    app = ms.App("a", log="memory://a", cached_max=cached_max)

    @app.stream("in")
    def flow(stream: Any) -> None:
        stream.group_by_key().agg(x=aggregate).to("out")

    with app.test() as driver:
        for x in ("a", "b", "a"):
            driver.send("in", {"x": x}, key="k")
        assert driver.read("out")[-1]["x"] == expected


def test_a_state_that_cannot_be_read_back_is_refused() -> None:
    """A state of a type that a store would read back as another is refused when it is named."""
    with pytest.raises(ms.TopologyError, match="init makes a Counter, which a store cannot"):
        ms.aggregate(F.x, init=collections.Counter, add=lambda s, x: s)
