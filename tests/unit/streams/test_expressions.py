from __future__ import annotations

import enum
import operator
from typing import Any

import pytest

import millstream as ms
from millstream import KEY, F, L, R
from millstream.expressions import ALL, LEFT, RIGHT, VALUE


class Click(ms.Record):
    page: str
    ms: int
    tags: list[str] = []


CLICK = Click("/home", 250, ["a", "b"])

PAIRS: list[tuple[Any, Any]] = [
    (F.page == "/home", lambda v: v.page == "/home"),
    (F.page != "/home", lambda v: v.page != "/home"),
    (F.ms < 250, lambda v: v.ms < 250),
    (F.ms <= 250, lambda v: v.ms <= 250),
    (F.ms > 100, lambda v: v.ms > 100),
    (F.ms >= 251, lambda v: v.ms >= 251),
    (F.ms + 1, lambda v: v.ms + 1),
    (1 + F.ms, lambda v: 1 + v.ms),
    (F.ms - 1, lambda v: v.ms - 1),
    (1 - F.ms, lambda v: 1 - v.ms),
    (F.ms * 2, lambda v: v.ms * 2),
    (2 * F.ms, lambda v: 2 * v.ms),
    (F.ms / 4, lambda v: v.ms / 4),
    (1000 / F.ms, lambda v: 1000 / v.ms),
    (F.ms // 7, lambda v: v.ms // 7),
    (1000 // F.ms, lambda v: 1000 // v.ms),
    (F.ms % 7, lambda v: v.ms % 7),
    (1000 % F.ms, lambda v: 1000 % v.ms),
    (-F.ms, lambda v: -v.ms),
    (~(F.ms > 100), lambda v: not v.ms > 100),
    ((F.ms > 100) & (F.page == "/"), lambda v: v.ms > 100 and v.page == "/"),
    ((F.ms > 900) | F.page, lambda v: v.ms > 900 or v.page),
    (F.tags[1], lambda v: v.tags[1]),
    (F["page"], lambda v: v.page),
    (F, lambda v: v),
    (ms.is_null(F.page), lambda v: v.page is None),
    (ms.is_in(F.page, ["/home", "/"]), lambda v: v.page in {"/home", "/"}),
    (ms.apply(len, F.page), lambda v: len(v.page)),
    (ms.apply(max, F.ms, 300), lambda v: max(v.ms, 300)),
]


@pytest.mark.parametrize(("expression", "function"), PAIRS, ids=[repr(e) for e, _ in PAIRS])
def test_an_expression_says_what_its_lambda_says(expression: Any, function: Any) -> None:
    """Called with a value, an expression gives the lambda's answer, of the same type."""
    assert expression(CLICK) == function(CLICK)
    assert type(expression(CLICK)) is type(function(CLICK))


@pytest.mark.parametrize(("expression", "function"), PAIRS, ids=[repr(e) for e, _ in PAIRS])
@pytest.mark.parametrize("kind", [Click, Any])
def test_compiled_into_the_loop_it_says_the_same(expression: Any, function: Any, kind: Any) -> None:
    """Inside a flow the compiled expression, the called one and the lambda agree."""
    answers = []
    for how in (expression, function):
        app = ms.App("same", log="memory://same")

        @app.stream(app.topic("in", value=kind))
        def flow(events: Any, how: Any = how) -> None:
            events.map_values(how).to("out")

        if kind is Any and how is function:
            continue  # a lambda written for a class reads no dict
        with app.test() as driver:
            driver.send("in", {"page": "/home", "ms": 250, "tags": ["a", "b"]})
            answers += driver.read("out")
    expected = function(CLICK)
    if isinstance(expected, Click):
        expected = {"page": "/home", "ms": 250, "tags": ["a", "b"]}
    assert all(answer == expected for answer in answers)
    assert answers


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("constant", "field"),
    [
        (Level.HIGH, 2), (Colour.RED, "red"), (2.5, 2.5), (float("inf"), 1e400), (-3, -3),
        (b"x", b"x"), (None, None), (True, True), ("it's \"so\"\n\\", "it's \"so\"\n\\"),
        ([1, 2], [1, 2]), (10**30, 10**30),
    ],
    ids=repr,
)  # fmt: skip
def test_any_constant_may_stand_in_an_expression(constant: Any, field: Any, task_of: Any) -> None:
    """A constant without a literal of its own, such as an enum's member, is compared as itself."""
    app = ms.App("c", log="memory://c")
    found: list[Any] = []

    @app.stream(app.topic("in", decode=lambda raw: {"x": field}))
    def flow(events: Any) -> None:
        events.filter(constant == F.x).foreach(found.append)

    with app.test() as driver:
        driver.send("in", b"?")
    assert found == [{"x": field}]


def test_and_and_or_stop_at_the_left_side_where_python_does(task_of: Any) -> None:
    """The right side of & and | is not reached when the left side has decided."""
    guarded = (F.n != 0) & (10 / F.n > 1)
    either = (F.n == 0) | (10 / F.n > 1)
    assert guarded({"n": 0}) is False
    assert either({"n": 0}) is True


def test_an_expression_has_no_truth() -> None:
    """`and`, `or`, `not`, `if` and chained comparisons are refused with the words to use."""
    for wrong in (
        lambda: bool(F.a),
        lambda: F.a and F.b,
        lambda: not F.a,
        lambda: 1 < F.a < 3,
        lambda: F.a in [F.b, F.c],
    ):
        with pytest.raises(TypeError, match="write & for and"):
            wrong()


def test_an_expression_is_no_sequence() -> None:
    """Iterating over a field, or asking what it contains, is refused: it would never end."""
    with pytest.raises(TypeError, match="not iterable"):
        iter(F.tags)
    with pytest.raises(TypeError):
        operator.contains(F.tags, "a")


def test_fields_names_what_is_read() -> None:
    """`__fields__` names the first step of each path, and ALL for the whole value."""
    assert (F.a.b + F.c).__fields__(VALUE) == frozenset({"a", "c"})
    assert F.__fields__(VALUE) is ALL
    assert ms.apply(len, F).__fields__(VALUE) is ALL
    assert (F.a == 1).__fields__(LEFT) == frozenset()
    both = ms.row(user=L.user, name=R.name, all=R)
    assert both.__fields__(LEFT) == frozenset({"user"})
    assert both.__fields__(RIGHT) is ALL
    assert KEY.__fields__(VALUE) == frozenset()


def test_an_expression_reads_as_it_was_written() -> None:
    """A description shows an expression in the user's own words."""
    assert repr((F.ms > 200) & ~F.bot) == "((F.ms > 200) and not(F.bot))"
    assert repr(ms.row(a=L.x, b=R.y)) == "row(a=L.x, b=R.y)"
    assert repr(ms.is_in(F.s, [404, 200])) == "is_in(F.s, {200, 404})"
    assert repr(F.tags[0]) == "F.tags[0]"


def test_the_key_is_there_too() -> None:
    """KEY in an expression is the event's key at that place."""
    app = ms.App("k", log="memory://k")

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(ms.row(k=KEY, twice=KEY + KEY)).to("out")

    with app.test() as driver:
        driver.send("in", 1, key="a")
        assert driver.read("out") == [{"k": "a", "twice": "aa"}]


def test_a_missing_field_is_found_when_the_app_is_built() -> None:
    """A field that the class does not have is refused with line, class and what it has."""
    app = ms.App("m", log="memory://m")

    @app.stream(app.topic("in", value=Click))
    def flow(events: Any) -> None:
        events.filter(F.pgae == "/").to("out")

    words = (
        r"test_expressions.py:\d+: Click has no field 'pgae'; it has page, ms,"
        r" tags"
    )
    with pytest.raises(ms.TopologyError, match=words):
        app.test().__enter__()
