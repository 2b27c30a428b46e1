"""Three places at which a record may fail, and the three things that may then happen."""

from __future__ import annotations

import datetime
import decimal
import json
import re
from typing import Any

import pytest

import millstream as ms
from millstream import F


class Click(ms.Record):
    page: str
    n: int = 1


GOOD, BAD_BYTES = {"page": "/", "n": 1}, b'{"page": 5}'
DEAD = ms.dead_letter("dead")


def halves(value: Click) -> Any:
    """Fail for one page, in a line of this file."""
    if value.page == "/bad":
        raise ValueError("no such page")
    return value


def app_of(partitions: int = 1, **options: Any) -> ms.App:
    """Return an app with the topic `in` and nothing that reads it."""
    app = ms.App("p", log="memory://p", partitions=partitions, **options)
    app.topic("in", value=Click)
    app.topic("dead", value=bytes)
    return app


def headers_of(event: Any) -> dict[str, str]:
    """Return headers as text."""
    return {name: value.decode() for name, value in event.headers}


# Decoding -----------------------------------------------------------------------------------


def test_decode_fail_stops_the_app_at_the_record() -> None:
    """By default bytes that cannot be read stop the app: topic, partition and offset are named."""
    app = app_of()
    app.stream("in")(lambda events: events.to("out") and None)
    with app.test() as driver:
        driver.send("in", GOOD)
        with pytest.raises(ms.DeserializationError) as error:
            driver.send("in", BAD_BYTES)
    assert (error.value.topic, error.value.partition, error.value.offset) == ("in", 0, 1)
    assert "record at offset 1 of in-0 cannot be read as Click" in str(error.value)


@pytest.mark.parametrize("on_topic", [False, True])
def test_decode_skip_counts_and_goes_on(on_topic: bool) -> None:
    """Skipped bytes are counted; a topic's own policy goes before the app's."""
    app = app_of(on_decode_error=ms.fail() if on_topic else ms.skip())
    if on_topic:
        app.topic("in", value=Click, on_decode_error=ms.skip())
    app.stream("in")(lambda events: events.to("out") and None)
    with app.test() as driver:
        for value in (GOOD, BAD_BYTES, b"", GOOD):
            driver.send("in", value)
        assert len(driver.read("out")) == 2
        assert driver.stats["failed"] == 2
        assert driver.stats["records_in"] == 4


def test_decode_dead_letter_keeps_the_bytes_and_says_why() -> None:
    """A dead letter has the record's own bytes, time and headers, and headers that say why."""
    app = app_of(on_decode_error=DEAD)
    app.stream("in")(lambda events: events.to("out") and None)
    with app.test() as driver:
        driver.send("in", GOOD)
        driver.send("in", BAD_BYTES, key="k", timestamp=77, headers=[("own", b"1"), ("null", None)])
        (event,) = driver.records("dead")
    assert (event.key, event.value, event.timestamp) == ("k", BAD_BYTES, 77)
    assert event.headers[:2] == (("own", b"1"), ("null", None))
    told = headers_of(event._replace(headers=event.headers[2:]))
    assert told["millstream-topic"] == "in"
    assert told["millstream-partition"] == "0"
    assert told["millstream-offset"] == "1"
    assert told["millstream-operator"] == "source"
    assert "Expected `str`, got `int`" in told["millstream-error"]


def test_a_batch_of_bad_records_alone_is_passed_by(task_of: Any, batch: Any) -> None:
    """Records that were skipped are behind the position, also when nothing good came with them."""
    app = app_of(on_decode_error=DEAD)
    app.stream("in")(lambda events: events.to("out") and None)
    task = task_of(app)
    task.feed("in", batch(("a", BAD_BYTES, 1), ("b", BAD_BYTES, 2)))
    list(task.process({}))
    assert task.positions == {"in/0": 2}
    assert [len(events) for _, events in task.take_outputs()] == [2]
    task.feed("in", batch(("a", GOOD, 3), ("b", BAD_BYTES, 4), base=2))
    task.feed("in", batch(("c", BAD_BYTES, 5), base=4))
    list(task.process({}))
    assert task.positions == {"in/0": 5}


def test_a_bad_record_is_set_aside_when_its_turn_comes(task_of: Any, batch: Any) -> None:
    """What waits in the queue has had no effect yet, so that a restart does not repeat it."""
    app = app_of(on_decode_error=DEAD)
    app.topic("other", value=Click)

    @app.stream("in", "other")
    def flow(a: Any, b: Any) -> None:
        a.merge(b).to("out")

    task = task_of(app)
    task.feed("in", batch(("a", GOOD, 1), ("b", BAD_BYTES, 5), ("c", GOOD, 9)))
    task.feed("in", batch(("d", BAD_BYTES, 10), base=3))
    list(task.process({}, horizon=2))
    assert task.positions == {"in/0": 2}
    assert task.stats.failed == 1
    list(task.process({}))
    assert task.stats.failed == 2
    assert task.positions == {"in/0": 4}


# Processing ---------------------------------------------------------------------------------


def line_of(text: str) -> int:
    """Return the number of the one line of this file that ends with `text`."""
    with open(__file__, encoding="utf-8") as file:
        (number,) = [n for n, line in enumerate(file, 1) if line.rstrip().endswith(text)]
    return number


def test_an_exception_in_a_function_names_its_own_line() -> None:
    """A function that fails is told by the line inside it, with the record that did it."""
    app = app_of()

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(halves).to("out")

    with app.test() as driver:
        driver.send("in", GOOD)
        with pytest.raises(ms.ProcessingError) as error:
            driver.send("in", {"page": "/bad"})
    assert isinstance(error.value.__cause__, ValueError)
    assert (error.value.topic, error.value.partition, error.value.offset) == ("in", 0, 1)
    assert error.value.operator == "map_values"
    assert error.value.site == (__file__, line_of('raise ValueError("no such page")'))
    assert f"ValueError: no such page, in map_values at {error.value.site}" in str(error.value)
    assert "on in-0 offset 1" in str(error.value)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("how", ["expression", "lambda"])
def test_an_exception_names_the_line_that_wrote_it(how: str, strict: bool) -> None:
    """An expression is told by the line that has the verb, a lambda by its own line."""
    app = app_of()

    @app.stream("in")
    def flow(events: Any) -> None:
        rest = events.filter(F.n >= 0)
        if how == "expression":
            rest.map_values(100 // F.n).to("out")  # the expression
        else:
            function = lambda v: 100 // v.n  # noqa: E731  # the lambda, on a line of its own
            rest.map_values(function).to("out")

    words = "the expression" if how == "expression" else "the lambda, on a line of its own"
    with app.test() as driver:
        with pytest.raises(ms.ProcessingError, match="ZeroDivisionError") as error:
            driver.send("in", {"page": "/", "n": 0})
    assert error.value.site == (__file__, line_of(f"# {words}"))


@pytest.mark.parametrize("verb", ["filter", "select_key", "foreach", "group_by", "join", "agg"])
def test_every_operator_names_its_line(verb: str) -> None:
    """Whatever operator fails, the error names a line of the user's own file."""
    app = app_of()
    table = app.table("table", value=Click)

    @app.stream("in")
    def flow(events: Any) -> None:
        fails = F.page + 1
        if verb == "join":
            events.left_join(table, on=F.page, into=ms.row(x=ms.L.page + 1)).to("out")
        elif verb == "agg":
            events.group_by_key().agg(x=ms.sum(fails)).to("out")
        elif verb == "group_by":
            events.group_by(fails).count().to("out")
        elif verb == "foreach":
            events.foreach(fails)
        else:
            getattr(events, verb)(fails).to("out")

    with app.test() as driver:
        with pytest.raises(ms.ProcessingError, match=r"TypeError: .* at .*test_policies.py:\d+"):
            driver.send("in", GOOD, key="k")


def test_process_skip_counts_and_goes_on() -> None:
    """An event that fails is left out and counted; those before and after it are there."""
    app = app_of(on_error=ms.skip())

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(halves).to("out")

    with app.test() as driver:
        for page in ("/a", "/bad", "/b", "/bad"):
            driver.send("in", {"page": page})
        assert [value["page"] for value in driver.read("out")] == ["/a", "/b"]
        assert driver.stats["failed"] == 2


def test_process_skip_in_the_middle_of_a_batch(task_of: Any, batch: Any) -> None:
    """In one batch, exactly the events that fail are left out, first and last ones too."""
    app = app_of(on_error=ms.skip())

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(halves).to("out")

    pages = ["/bad", "/1", "/bad", "/bad", "/2", "/bad"]
    task = task_of(app)
    task.feed("in", batch(*(("k", {"page": page}, i) for i, page in enumerate(pages))))
    list(task.process({}))
    ((_, events),) = task.take_outputs()
    assert [(value.page, time) for _, value, time, _ in events] == [("/1", 1), ("/2", 4)]
    assert task.stats.failed == 4
    assert task.positions == {"in/0": 6}
    assert task.stream_time == 5


def test_process_dead_letter_says_where_and_why() -> None:
    """The dead letter is the record as it came, with the operator and the line in its headers."""
    app = app_of(on_error=DEAD)

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(halves).to("out")

    with app.test() as driver:
        driver.send("in", GOOD)
        raw = json.dumps({"page": "/bad", "more": [1]}).encode()
        driver.send("in", raw, key="k", timestamp=5, headers=[("own", b"1")])
        (event,) = driver.records("dead")
    assert (event.key, event.value, event.timestamp) == ("k", raw, 5)
    told = headers_of(event)
    assert told["own"] == "1"
    assert (told["millstream-topic"], told["millstream-offset"]) == ("in", "1")
    assert told["millstream-operator"] == "map_values"
    assert re.search(r"ValueError: no such page, in map_values at .*:\d+", told["millstream-error"])


@pytest.mark.parametrize("policy", [ms.skip(), DEAD])
def test_other_flows_do_not_lose_what_one_has_left_out(policy: Any) -> None:
    """An event that fails in one flow, or in one branch of it, still reaches the others."""
    app = app_of(on_error=policy)

    @app.stream("in")
    def fails(events: Any) -> None:
        events.map_values(halves).to("failing")
        events.to("beside")

    @app.stream("in")
    def other(events: Any) -> None:
        events.to("other")

    with app.test() as driver:
        for page in ("/a", "/bad", "/b"):
            driver.send("in", {"page": page})
        for topic in ("beside", "other"):
            assert [value["page"] for value in driver.read(topic)] == ["/a", "/bad", "/b"]
        assert [value["page"] for value in driver.read("failing")] == ["/a", "/b"]
        assert driver.stats["failed"] == 1


def test_the_rest_of_a_flat_map_goes_on() -> None:
    """Of the values a flat map makes, those that fail are left out and the others are not."""
    app = app_of(on_error=ms.skip())

    @app.stream("in")
    def flow(events: Any) -> None:
        numbers = events.flat_map_values(lambda v: [1, 0, 2])
        numbers.map_values(2 // F).to("out")
        events.flat_map(lambda k, v: [(k, 0), (k, 4)]).map_values(4 // F).to("out2")

    with app.test() as driver:
        driver.send("in", GOOD, key="k")
        assert driver.read("out") == [2, 1]
        assert driver.read("out2") == [1]
        assert driver.stats["failed"] == 2


@pytest.mark.parametrize("windows", [None, ms.tumbling(10), ms.hopping(20, 10)])
@pytest.mark.parametrize("page", ["/first", "/"])
def test_an_event_that_is_left_out_has_left_nothing_behind(windows: Any, page: str) -> None:
    """An event at which one aggregate fails counts in none of them, and begins no row."""
    app = app_of(on_error=ms.skip())

    @app.stream("in")
    def flow(events: Any) -> None:
        grouped = events.group_by(F.page)
        grouped = grouped if windows is None else grouped.window(windows, grace=100)
        grouped.agg(
            n=ms.count(), total=ms.sum(lambda v: 100 // v.n), odd=ms.sum(F.n),
            own=ms.aggregate(F.n, init=lambda: 0, add=lambda state, n: state + 100 // n),
        ).to("out")  # fmt: skip

    with app.test() as driver:
        driver.send("in", {"page": "/", "n": 2}, timestamp=1)
        before = driver.read("out")
        driver.send("in", {"page": page, "n": 0}, timestamp=2)
        assert driver.read("out") == []
        driver.send("in", {"page": "/", "n": 5}, timestamp=3)
        after = driver.read("out")
    assert [(row["n"], row["odd"], row["total"], row["own"]) for row in before] == [
        (1, 2, 50, 50)
    ] * len(before)
    assert [(row["n"], row["odd"], row["total"], row["own"]) for row in after] == [
        (2, 7, 70, 70)
    ] * len(before)


def test_rows_of_an_aggregate_follow_the_policy_too() -> None:
    """A row at which something fails is left out, counted, and set aside with its key."""
    app = app_of(on_error=DEAD)

    @app.stream("in")
    def flow(events: Any) -> None:
        events.group_by(F.page).count().map_values(100 // (F.count - 2)).to("out")

    with app.test() as driver:
        for _ in range(3):
            driver.send("in", GOOD)
        assert driver.read("out") == [-100, 100]
        (event,) = driver.records("dead")
        assert driver.stats["failed"] == 1
    assert event.key == "/"
    assert headers_of(event)["millstream-operator"] == "map_values"


def test_rows_that_fail_stop_the_app_by_default() -> None:
    """A row at which something fails stops the app, named by aggregate and line."""
    app = app_of()

    @app.stream("in")
    def flow(events: Any) -> None:
        events.group_by(F.page).count().map_values(1 // (F.count - 1)).to("out")

    with app.test() as driver:
        with pytest.raises(ms.ProcessingError, match=r"a row of flow-count") as error:
            driver.send("in", GOOD)
    assert error.value.site is not None
    assert error.value.site.file == __file__


# Producing ----------------------------------------------------------------------------------


def unwritable(app: ms.App) -> None:
    """Declare a flow whose second value cannot be written."""

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(lambda v: object() if v.n == 2 else v.n).to("out")


def test_produce_fail_names_topic_and_line() -> None:
    """A result that cannot be written stops the app, with the topic and the line of `to`."""
    app = app_of()
    unwritable(app)
    with app.test() as driver:
        driver.send("in", GOOD)
        words = (
            r"a result for out cannot be written: .*, in to at"
            r" .*test_policies.py:\d+"
        )
        with pytest.raises(ms.ProductionError, match=words):
            driver.send("in", {"page": "/", "n": 2})


def test_produce_skip_counts_and_goes_on() -> None:
    """A result that cannot be written is left out and counted."""
    app = app_of(on_error=ms.skip())
    unwritable(app)
    with app.test() as driver:
        for n in (1, 2, 3):
            driver.send("in", {"page": "/", "n": n})
        assert driver.read("out") == [1, 3]
        assert driver.stats["failed"] == 1


@pytest.mark.parametrize("partitions", [1, 4])
def test_produce_dead_letter_says_where_and_why(partitions: int) -> None:
    """A result that cannot be written is set aside as text, with topic, line and reason."""
    app = app_of(partitions, on_error=DEAD)
    unwritable(app)
    with app.test() as driver:
        driver.send("in", {"page": "/", "n": 2}, key="k", timestamp=5, headers=[("own", b"1")])
        (event,) = driver.records("dead")
        assert driver.stats["failed"] == 1
    assert (event.key, event.timestamp) == ("k", 5)
    assert event.value.startswith(b"<object object at ")
    told = headers_of(event)
    assert told["own"] == "1"
    assert told["millstream-topic"] == "out"
    assert told["millstream-operator"] == "to"
    assert re.search(r"cannot be written: .*test_policies.py:\d+", told["millstream-error"])


def test_a_key_that_cannot_cross_a_topic_is_told_by_line() -> None:
    """A new key that cannot be written to its repartition topic names the line of the group."""
    app = app_of(4)

    @app.stream("in")
    def flow(events: Any) -> None:
        events.group_by(lambda v: object()).count().to("out")

    with app.test() as driver, pytest.raises(ms.ProductionError, match=r"test_policies.py:\d+"):
        driver.send("in", GOOD)


def test_a_state_that_cannot_be_written_is_told_by_line() -> None:
    """A key or a state that cannot go to the store names the line of its aggregate."""
    for function, argument in ((lambda v: object(), F.n), (F.page, lambda v: object())):
        app = app_of()

        @app.stream("in")
        def flow(events: Any, function: Any = function, argument: Any = argument) -> None:
            events.group_by(function).agg(x=ms.last(argument))

        with app.test() as driver:
            with pytest.raises(ms.ProcessingError, match=r"test_policies.py:\d+"):
                driver.send("in", GOOD)


class Day(ms.Record):
    day: datetime.date
    price: decimal.Decimal


@pytest.mark.parametrize("aggregate", [ms.count_distinct(F.day), ms.last(F.price)])
def test_a_state_that_would_come_back_as_another_is_refused(aggregate: Any) -> None:
    """A value that a store would read back as text is refused at once, not after a restart."""
    app = ms.App("p", log="memory://p")

    @app.stream(app.topic("in", value=Day))
    def flow(events: Any) -> None:
        events.group_all().agg(x=aggregate)

    with app.test() as driver:
        with pytest.raises(ms.ProcessingError, match=r"come back .*ms\.apply\(str, F\.day\)"):
            driver.send("in", Day(datetime.date(2024, 1, 2), decimal.Decimal("1.5")))


def test_a_result_that_the_log_refuses_is_a_production_error() -> None:
    """A result larger than the log takes names the topic and the sizes."""
    app = app_of()

    @app.stream("in")
    def flow(events: Any) -> None:
        events.map_values(lambda v: "x" * (3 << 20)).to("out")

    with app.test() as driver, pytest.raises(ms.ProductionError, match=r"out"):
        driver.send("in", GOOD)
