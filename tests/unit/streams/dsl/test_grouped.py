from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import millstream as ms
from millstream import F

CLICKS = [
    {"page": page, "user": user, "ms": time}
    for page, user, time in [
        ("/a", "ann", 5), ("/b", "bob", 7), ("/a", "bob", 9), ("/a", "ann", 1), (None, "eve", 3),
    ]
]  # fmt: skip


def last_rows(build: Any, partitions: int, sent: list[Any] = CLICKS) -> dict[Any, Any]:
    """Return the last row under each key of `out`."""
    app = ms.App("g", log="memory://g", partitions=partitions)
    app.stream("in")(build)
    with app.test() as driver:
        for i, value in enumerate(sent):
            driver.send("in", value, key=f"k{i % 7}", timestamp=i * 10)
        driver.end()
        return {event.key: event.value for event in driver.records("out")}


@pytest.mark.parametrize("partitions", [1, 4])
def test_group_by_a_field(partitions: int) -> None:
    """Rows carry the key's column under the field's name; a null key is left out."""
    rows = last_rows(lambda s: s.group_by(F.page).agg(n=ms.count()).to("out"), partitions)
    assert rows == {"/a": {"page": "/a", "n": 3}, "/b": {"page": "/b", "n": 1}}


@pytest.mark.parametrize("partitions", [1, 4])
def test_group_by_several_columns(partitions: int) -> None:
    """Several columns make one key, a JSON array in the log, and stand in the rows by name."""
    rows = last_rows(lambda s: s.group_by(F.page, who=F.user).count().to("out"), partitions)
    assert rows['["/a","ann"]'] == {"page": "/a", "who": "ann", "count": 2}
    assert rows['["/a","bob"]'] == {"page": "/a", "who": "bob", "count": 1}
    assert rows['[null,"eve"]']["count"] == 1


@pytest.mark.parametrize("partitions", [1, 4])
def test_group_by_a_callable_has_no_name(partitions: int) -> None:
    """A callable's key is the record's key alone, unless it is given a name."""
    rows = last_rows(lambda s: s.group_by(lambda v: v["user"][0]).count().to("out"), partitions)
    assert rows == {"a": {"count": 2}, "b": {"count": 2}, "e": {"count": 1}}
    assert last_rows(lambda s: s.map_values(F.user).group_by(F).count().to("out"), partitions) == {
        "ann": {"count": 2}, "bob": {"count": 2}, "eve": {"count": 1},
    }  # fmt: skip
    named = last_rows(lambda s: s.group_by(i=lambda v: v["user"][0]).count().to("out"), partitions)
    assert named["a"] == {"i": "a", "count": 2}


@pytest.mark.parametrize("partitions", [1, 4])
def test_a_column_may_have_any_name_of_python(partitions: int) -> None:
    """A column called as a word of Python can be grouped by and read from the rows."""

    def build(events: Any) -> None:
        rows = events.map_values(ms.row(**{"from": F.user})).group_by(F["from"]).count()
        rows.map_values(ms.row(**{"class": F["from"], "n": F["count"]})).to("out")

    assert last_rows(build, partitions)["ann"] == {"class": "ann", "n": 2}


@pytest.mark.parametrize("partitions", [1, 4])
def test_group_all_is_one_group(partitions: int) -> None:
    """All events of all partitions come together in one row."""
    rows = last_rows(lambda s: s.group_all().agg(n=ms.count()).to("out"), partitions)
    assert rows == {"": {"n": 5}}


@pytest.mark.parametrize("partitions", [1, 4])
def test_group_by_key_after_a_new_key(partitions: int) -> None:
    """After select_key the events of the new key come together."""
    rows = last_rows(lambda s: s.select_key(F.user).group_by_key().count().to("out"), partitions)
    assert rows == {"ann": {"count": 2}, "bob": {"count": 2}, "eve": {"count": 1}}


@pytest.mark.parametrize("partitions", [1, 4])
def test_windowed_rows_say_their_window(partitions: int) -> None:
    """A windowed row has the window's start, under a key of group and start."""

    def build(events: Any) -> None:
        events.group_by(F.page).window(ms.tumbling(20)).agg(n=ms.count()).final().to("out")

    assert last_rows(build, partitions) == {
        '["/a",0]': {"window_start_ms": 0, "page": "/a", "n": 1},
        '["/b",0]': {"window_start_ms": 0, "page": "/b", "n": 1},
        '["/a",20]': {"window_start_ms": 20, "page": "/a", "n": 2},
    }


@pytest.mark.parametrize("partitions", [1, 4])
def test_rows_go_on_as_a_stream(partitions: int) -> None:
    """Rows can be grouped again, by a column of theirs, on any number of partitions."""

    def build(events: Any) -> None:
        totals = events.group_by(F.page, F.user).window(ms.tumbling(1000)).agg(n=ms.count())
        totals.final().group_by(F.page).agg(users=ms.count(), most=ms.max(F.n)).to("out")

    assert last_rows(build, partitions) == {
        "/a": {"page": "/a", "users": 2, "most": 2}, "/b": {"page": "/b", "users": 1, "most": 1},
    }  # fmt: skip


EVENTS = st.lists(
    st.fixed_dictionaries(
        {"page": st.sampled_from(["/a", "/b", None]), "user": st.sampled_from("xyz"),
         "ms": st.integers(0, 99)}
    ),
    max_size=12,
)  # fmt: skip


@given(EVENTS)
@settings(max_examples=15)
def test_four_partitions_give_what_one_gives(sent: list[Any]) -> None:
    """Repartitioned over four partitions, the last row of each key is what one partition gives."""

    def build(events: Any) -> None:
        grouped = events.filter(F.ms < 90).group_by(F.page)
        windowed = grouped.window(ms.hopping(40, 20), grace=15)
        windowed.agg(n=ms.count(), users=ms.count_distinct(F.user), t=ms.sum(F.ms)).final().to(
            "out"
        )

    assert last_rows(build, 4, sent) == last_rows(build, 1, sent)
