from __future__ import annotations

import traceback
from typing import Any

import pytest

import millstream as ms
from millstream import F, L, R


class Click(ms.Record):
    page: str
    user: str
    ms: int = 0


def source_of(build: Any, *, strict: bool = False, **options: Any) -> str:
    """Return the code of the loop over clicks that a flow is fused into."""
    app = ms.App("f", log="memory://f", **options)
    app.table("users")
    app.stream(app.topic("clicks", value=Click))(build)
    from millstream.runtime.launch import dry_tasks

    (fused,) = [
        fused
        for task in dry_tasks(app, app.plan())
        for fused in task.fused
        if fused.name == "f clicks"
    ]
    return fused.strict_source if strict else fused.source


def test_expressions_are_written_out() -> None:
    """A whole flow of expressions is one loop without a call for each event."""

    def flow(clicks: Any) -> None:
        views = clicks.filter(F.page != "/health").group_by(F.page).window(ms.tumbling("1m"))
        views.agg(n=ms.count(), slowest=ms.max(F.ms)).final().to("out")

    assert source_of(flow) == (
        "def process(events):\n"
        "    s2 = store_0.dirty\n"
        "    w3 = None\n"
        "    for v, t in events:\n"
        "        if (v.page != '/health'):\n"
        "            k1 = v.page\n"
        "            if k1 is None: _stats.skipped_null += 1\n"
        "            else:\n"
        "                w = t - t % 60000\n"
        "                if w != w3: d4 = s2[w]; w3 = w\n"
        "                a = d4[k1]\n"
        "                a.s0 += 1\n"
        "                x = v.ms\n"
        "                if x is not None and (a.s1 is None or x > a.s1): a.s1 = x\n"
        "                if t > a.at: a.at = t\n"
    )


def test_only_the_strict_body_asks_what_is_late() -> None:
    """What can be late or null is looked at in the strict body alone."""

    def flow(clicks: Any) -> None:
        clicks.group_by_key().window(ms.tumbling("1m")).agg(n=ms.count()).final().to("out")

    assert "late" not in source_of(flow)
    assert "_stats.late += 1" in source_of(flow, strict=True)
    assert "if v is None" not in source_of(flow)
    assert "if v is None: _stats.skipped_null += 1" in source_of(flow, strict=True)


def test_the_usual_loop_has_no_try() -> None:
    """Branches are kept apart only where a failed event is left out."""

    def flow(clicks: Any) -> None:
        clicks.to("a")
        clicks.to("b")

    assert "try" not in source_of(flow)
    assert source_of(flow, on_error=ms.skip()).count("try:") == 2


def test_a_traceback_shows_the_generated_line() -> None:
    """The generated code can be read in a traceback, line by line."""
    app = ms.App("f", log="memory://f")

    @app.stream(app.topic("in", value=Click))
    def flow(clicks: Any) -> None:
        clicks.map_values(F.ms // 0).to("out")

    with app.test() as driver, pytest.raises(ms.ProcessingError) as error:
        driver.send("in", Click("/", "u"))
    cause = error.value.__cause__
    assert cause is not None
    shown = "".join(traceback.format_exception(cause))
    assert "<millstream f in>" in shown
    assert "(v.ms // 0)" in shown


@pytest.mark.parametrize("kind", [Click, Any, Click | None])
def test_fields_are_read_as_the_type_allows(kind: Any) -> None:
    """A class, a dict and a type that is only known at run time give the same answers."""
    app = ms.App("f", log="memory://f")
    users = app.table("users", value=kind)

    @app.stream(app.topic("in", value=kind))
    def flow(clicks: Any) -> None:
        made = ms.row(page=L.page, other=R.page, same=R.user == L.user)
        clicks.filter(F.ms > 1).join(users, on=F.user, into=made).to("out")

    with app.test() as driver:
        driver.send("users", Click("/home", "ann"), key="ann")
        driver.send("in", Click("/", "ann", 5))
        driver.send("in", Click("/", "ann", 1))
        assert driver.read("out") == [{"page": "/", "other": "/home", "same": True}]


def test_nested_fields_are_read() -> None:
    """A path goes through classes, dicts and lists."""
    app = ms.App("f", log="memory://f")

    @app.stream(app.topic("in", value=Outer))
    def flow(events: Any) -> None:
        events.map_values(ms.row(a=F.inner.name, b=F.more.x, c=F.many[0].name)).to("out")

    with app.test() as driver:
        driver.send("in", Outer(Inner("a"), {"x": 1}, [Inner("c")]))
        assert driver.read("out") == [{"a": "a", "b": 1, "c": "c"}]


class Inner(ms.Record):
    name: str


class Outer(ms.Record):
    inner: Inner
    more: dict[str, int]
    many: list[Inner]
