from __future__ import annotations

from typing import Any

import pytest

import millstream as ms
from millstream import F, L, R
from millstream.topology.plan import Plan


def counts(partitions: int) -> dict[str, int]:
    """Return the same partition count for every topic that the tests name."""
    return dict.fromkeys(("clicks", "users", "views", "out", "a", "b"), partitions)


def pageviews() -> ms.App:
    """Return an app with a join, a new key, a window and a sink."""
    app = ms.App("app", log="memory://plan")
    users = app.table("users")

    @app.stream("clicks")
    def views(clicks: Any) -> None:
        joined = clicks.join(users, on=F.user, into=ms.row(page=L.page, name=R.name))
        joined.group_by(F.page).window(ms.tumbling("1m")).agg(n=ms.count()).final().to("out")

    return app


def names(plan: Plan) -> list[tuple[str, int, list[str]]]:
    """Return name, partitions and topics of each subtopology."""
    return [(s.name, s.partitions, sorted(s.topics)) for s in plan.subtopologies]


def test_one_partition_needs_no_topic_between() -> None:
    """With one partition on both sides a new key costs nothing: all is one subtopology."""
    plan = pageviews().plan(counts(1))
    assert names(plan) == [("clicks", 1, ["clicks", "users"])]
    assert plan.internal == {}


def test_several_partitions_are_cut_at_each_new_key() -> None:
    """Each new key goes through an internal topic, and whoever writes it comes first."""
    plan = pageviews().plan(counts(4))
    assert names(plan) == [
        ("clicks", 4, ["clicks"]),
        ("views-users", 4, ["app-views-users-repartition", "users"]),
        ("views-page", 4, ["app-views-page-repartition"]),
    ]
    assert plan.internal == {
        "app-views-users-repartition": 4, "app-views-page-repartition": 4,
    }  # fmt: skip
    assert [plan.changelog(s) for s in plan.subtopologies] == [
        "app-clicks-changelog", "app-views-users-changelog", "app-views-page-changelog",
    ]  # fmt: skip
    assert [s.has_state for s in plan.subtopologies] == [True, True, True]


def test_a_repartition_has_the_partitions_of_the_table_it_goes_to() -> None:
    """A stream of 2 partitions meets a table of 6 in 6, and goes on from there in 6."""
    plan = pageviews().plan(counts(2) | {"users": 6})
    assert [(s.name, s.partitions) for s in plan.subtopologies] == [
        ("clicks", 2), ("views-users", 6), ("views-page", 6),
    ]  # fmt: skip


def test_an_unequal_join_names_both_topics_and_what_to_do() -> None:
    """A join by the stream's own key over unequal partition counts is refused by file and line."""
    app = ms.App("app", log="memory://plan")
    users = app.table("users")

    @app.stream("clicks")
    def flow(clicks: Any) -> None:
        clicks.filter(F.x).join(users).to("out")

    with pytest.raises(ms.TopologyError) as error:
        app.plan(counts(4) | {"users": 3})
    text = str(error.value)
    assert "test_plan.py:" in text
    for word in ("clicks has 4 partitions", "users has 3", "on="):
        assert word in text


def test_a_changed_key_is_repartitioned_before_a_join() -> None:
    """After select_key a join goes through a repartition of itself, on= or not."""
    app = ms.App("app", log="memory://plan")
    users = app.table("users")

    @app.stream("clicks")
    def flow(clicks: Any) -> None:
        clicks.select_key(F.user).join(users).to("out")

    assert app.plan(counts(2)).internal == {"app-flow-users-repartition": 2}


@pytest.mark.parametrize("verb", ["filter", "map_values", "select_key", "flat_map_values"])
def test_a_stream_that_nobody_consumes_is_named_by_line(verb: str) -> None:
    """A verb whose result is thrown away is an error that names file, line and verb."""
    app = ms.App("app", log="memory://plan")

    @app.stream("clicks")
    def flow(clicks: Any) -> None:
        clicks.to("out")
        getattr(clicks, verb)(lambda v: v)

    with pytest.raises(ms.TopologyError, match=rf"test_plan.py:\d+: nobody consumes .*{verb}"):
        app.describe()


def test_a_branch_that_nobody_consumes_is_an_error() -> None:
    """Of the branches, each one must go somewhere."""
    app = ms.App("app", log="memory://plan")

    @app.stream("clicks")
    def flow(clicks: Any) -> None:
        clicks.branch(slow=F.ms > 200, rest=True)["rest"].to("out")

    with pytest.raises(ms.TopologyError, match="nobody consumes"):
        app.plan()


def test_merged_inputs_of_several_partitions_share_tasks() -> None:
    """Merged topics are read by the same tasks, as many as the larger has partitions."""
    app = ms.App("app", log="memory://plan")

    @app.stream("a", "b")
    def flow(a: Any, b: Any) -> None:
        a.merge(b).to("out")

    assert names(app.plan(counts(1) | {"a": 4, "b": 2})) == [("a", 4, ["a", "b"])]


def test_flows_on_one_topic_run_together() -> None:
    """Two flows that read one topic are one subtopology, so it is read once."""
    app = ms.App("app", log="memory://plan")

    @app.stream("a")
    def first(events: Any) -> None:
        events.to("out")

    @app.stream("a")
    def second(events: Any) -> None:
        events.foreach(print)

    assert names(app.plan(counts(3))) == [("a", 3, ["a"])]


def test_one_name_for_two_stores_is_refused() -> None:
    """Two aggregates of one name are refused with the lines of both."""
    app = ms.App("app", log="memory://plan")

    @app.stream("a")
    def flow(events: Any) -> None:
        events.group_by_key().agg(n=ms.count())
        events.group_by(F.x).agg(n=ms.count())

    words = (
        r"test_plan.py:\d+: the store name 'flow-n' is taken by the aggregate"
        r" at .*test_plan.py:\d+"
    )
    with pytest.raises(ms.TopologyError, match=words):
        app.plan()


def test_repartition_topics_have_names_of_their_own() -> None:
    """Two repartitions by the same key in one flow go through two topics."""
    app = ms.App("app", log="memory://plan")

    @app.stream("a")
    def flow(events: Any) -> None:
        events.group_by(F.x).agg(n=ms.count())
        events.filter(F.x).group_by(F.x).agg(m=ms.count())

    assert sorted(app.plan(counts(2)).internal) == [
        "app-flow-x-2-repartition", "app-flow-x-repartition",
    ]  # fmt: skip


def test_one_app_may_be_planned_for_other_counts_meanwhile() -> None:
    """A plan stands on its own: planning again for other counts does not change it."""
    app = pageviews()
    four = app.plan(counts(4))
    before = names(four), four.internal, [s.has_state for s in four.subtopologies]
    app.plan(counts(1))
    assert (names(four), four.internal, [s.has_state for s in four.subtopologies]) == before
