from __future__ import annotations

from typing import Any

import pytest

import millstream as ms
from millstream import F, L, R
from millstream.expressions import ALL
from millstream.topology.node import SourceNode
from millstream.topology.shape import Shapes, fields_used, shape_of_type


class Click(ms.Record):
    page: str
    user: str
    ms: int = 0


class User(ms.Record):
    name: str


def used(build: Any, partitions: int = 1, app: ms.App | None = None) -> frozenset[str] | None:
    """Return the fields of a click that a flow reads."""
    app = app or ms.App("s", log="memory://s")
    clicks = app.topic("clicks", value=Click)
    app.stream(clicks)(build)
    plan = app.plan(dict.fromkeys(("clicks", "users"), partitions))
    nodes = [n for n in plan.subtopologies[0].nodes if isinstance(n, SourceNode)]
    source = next(node for node in nodes if node.topic is clicks)
    return fields_used(source)


@pytest.mark.parametrize("partitions", [1, 4])
def test_only_fields_that_are_read_are_used(partitions: int) -> None:
    """Expressions name their fields, also through filters and groups; the rest is not decoded."""

    def flow(clicks: Any) -> None:
        clicks.filter(F.page != "/").group_by(F.user).agg(n=ms.count())

    assert used(flow, partitions) == frozenset({"page", "user"})


@pytest.mark.parametrize(
    "flow",
    [
        lambda s: s.filter(lambda v: v.page).group_by(F.user).agg(n=ms.count()),
        lambda s: s.to("out"),
        lambda s: s.foreach(print),
        lambda s: s.group_by(F.page).window(ms.tumbling(9)).late("late").agg(n=ms.count()),
        lambda s: s.map(lambda k, v: (k, v)).group_by_key().agg(n=ms.count()),
    ],
    ids=["lambda", "sink", "peek", "late", "map"],
)
def test_a_callable_or_a_sink_uses_all(flow: Any) -> None:
    """Whatever may look at the whole value has the whole value decoded."""
    assert used(flow) is ALL


def test_a_join_uses_what_it_takes_from_the_left() -> None:
    """Of the stream's value a join reads the L fields of its row, and its key."""
    app = ms.App("t", log="memory://t")
    users = app.table("users", value=User)

    def flow(clicks: Any) -> None:
        made = ms.row(page=L.page, name=R.name)
        clicks.join(users, on=F.user, into=made).group_by(F.name).agg(n=ms.count(F.page))

    assert used(flow, app=app) == frozenset({"page", "user"})


def test_shapes_follow_the_types() -> None:
    """A class has its fields, a dict its entries, and anything else is asked when it comes."""
    assert shape_of_type(Click).access == "struct"
    assert shape_of_type(Any).access == "mapping"
    assert shape_of_type(dict[str, int]).access == "mapping"
    assert shape_of_type(Click | None).access == "unknown"
    assert shape_of_type(int).access == "unknown"


def test_a_merge_keeps_a_shape_that_all_have() -> None:
    """Merged streams of one class keep it; of two classes the fields are asked for each event."""
    app = ms.App("s", log="memory://s")
    one = app.topic("one", value=Click)
    same, other = app.topic("same", value=Click), app.topic("other", value=User)
    found = {}

    @app.stream(one, same, other)
    def flow(a: Any, b: Any, c: Any) -> None:
        found["same"] = a.merge(b)
        found["mixed"] = a.merge(c)

    shapes = Shapes()
    assert shapes.of(found["same"]._node).kind is Click
    assert shapes.of(found["mixed"]._node).access == "unknown"


@pytest.mark.parametrize("partitions", [1, 4])
def test_no_field_is_lost_on_the_way_through_a_merge(partitions: int) -> None:
    """What is read after a merge and a new key is decoded before it, on any partition count."""
    app = ms.App("s", log="memory://s", partitions=partitions)
    one, two = app.topic("one", value=Click), app.topic("two", value=Click)

    @app.stream(one, two)
    def flow(a: Any, b: Any) -> None:
        a.merge(b).group_by(F.page).agg(time=ms.sum(F.ms), users=ms.count(F.user)).to("out")

    with app.test() as driver:
        driver.send(one, Click("/", "ann", 5), key="a")
        driver.send(two, Click("/", "bob", 7), key="b")
        assert driver.read("out")[-1] == {"page": "/", "time": 12, "users": 2}
