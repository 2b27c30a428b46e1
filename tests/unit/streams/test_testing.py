from __future__ import annotations

from typing import Any

import pytest

import millstream as ms
from millstream import F


class Click(ms.Record):
    page: str


def app_of(**options: Any) -> ms.App:
    """Return an app that counts pages by minute."""
    app = ms.App("t", log="./nowhere", **options)

    @app.stream(app.topic("clicks", value=Click))
    def flow(clicks: Any) -> None:
        clicks.group_by(F.page).window(ms.tumbling("1m")).agg(n=ms.count()).final().to("views")

    return app


def test_everything_is_done_when_send_returns() -> None:
    """What a record causes can be read as soon as it was sent, on several partitions too."""
    for partitions in (1, 3):
        with app_of(partitions=partitions).test() as driver:
            driver.send("clicks", {"page": "/"}, timestamp=0)
            assert driver.read("views") == []
            driver.send("clicks", {"page": "/x"}, timestamp=60_000)
            driver.end()
            rows = [(row["window_start_ms"], row["page"], row["n"]) for row in driver.read("views")]
            assert sorted(rows) == [(0, "/", 1), (60_000, "/x", 1)]


def test_time_stands_still_until_it_is_moved() -> None:
    """Without a timestamp a record has the manual clock's time, which only `advance` moves."""
    app = ms.App("t", log="memory://t")
    app.stream("in")(lambda events: events.to("out") and None)
    with app.test() as driver:
        for _ in range(2):
            driver.send("in", 10)
        driver.advance("2m")
        driver.send("in", 10)
        first, second, third = (event.timestamp for event in driver.records("out"))
    assert first == second
    assert third - first == 120_000


def test_advance_lets_silent_partitions_be_idle() -> None:
    """After the idle timeout a partition that says nothing holds windows back no longer."""
    app = ms.App("t", log="memory://t", idle_timeout="5s")

    @app.stream("a", "b")
    def flow(a: Any, b: Any) -> None:
        counts = a.merge(b).group_by_key().window(ms.tumbling(10)).agg(n=ms.count())
        counts.final().to("out")

    with app.test() as driver:
        driver.send("a", 10, key="k", timestamp=0)
        driver.send("a", 10, key="k", timestamp=20)
        driver.advance("4s")
        assert driver.read("out") == []
        driver.advance("1s")
        assert [row["window_start_ms"] for row in driver.read("out")] == [0]


def test_read_returns_each_record_once() -> None:
    """A second read returns what has come since the first, and `records` says all of it."""
    app = ms.App("t", log="memory://t")
    app.stream("in")(lambda events: events.to("out") and None)
    with app.test() as driver:
        driver.send("in", 10, key="a", timestamp=1, headers=[("h", b"x")])
        assert driver.read("out") == [10]
        driver.send("in", 20, key="b", timestamp=2)
        (event,) = driver.records("out")
        assert driver.read("out") == []
        assert driver.read("in") == [10, 20]
    assert (event.key, event.value, event.timestamp, event.headers) == ("b", 20, 2, ())
    assert (event.topic, event.partition, event.offset) == ("out", 0, 1)


def test_records_are_read_as_their_topic_says() -> None:
    """Values come back as the topic's class, null as None, bytes as bytes."""
    app = ms.App("t", log="memory://t")
    app.topic("out", value=Click)
    app.stream(app.topic("in", value=Click))(lambda clicks: clicks.to("out") and None)
    with app.test() as driver:
        driver.send("in", Click("/"))
        driver.send("in", {"page": "/2"})
        driver.send("in", b'{"page":"/3"}')
        driver.send("in", None, key="k")
        assert driver.read("out") == [Click("/"), Click("/2"), Click("/3"), None]


def test_one_app_can_be_tested_twice() -> None:
    """Each driver has a log of its own, which begins empty."""
    app = app_of()
    for _ in range(2):
        with app.test() as driver:
            driver.send("clicks", {"page": "/"}, timestamp=0)
            driver.end()
            assert [row["n"] for row in driver.read("views")] == [1]
            assert driver.stats["records_in"] == 1


def test_an_error_leaves_the_driver() -> None:
    """An error of the app is raised by the call that caused it, and the driver closes."""
    app = app_of()
    with pytest.raises(ms.DeserializationError):
        with app.test() as driver:
            driver.send("clicks", b"{")
    with pytest.raises(ms.TopologyError):
        with ms.App("t", log="memory://t").test():
            pass


def test_nothing_touches_the_disk(tmp_path: Any, monkeypatch: Any) -> None:
    """A driver makes no file, whatever log the app names."""
    monkeypatch.chdir(tmp_path)
    with app_of().test() as driver:
        driver.send("clicks", {"page": "/"}, timestamp=0)
    assert list(tmp_path.iterdir()) == []


def test_the_test_of_the_app_is_not_a_test() -> None:
    """Pytest does not take the driver's class for a class of tests."""
    from millstream.testing import TestDriver

    assert TestDriver.__test__ is False
