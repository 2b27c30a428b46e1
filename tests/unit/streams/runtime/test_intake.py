from __future__ import annotations

import datetime
from typing import Any

import msgspec
import pytest

import millstream as ms
from millstream import F
from millstream.expressions import ALL
from millstream.runtime.checkpoint import MARK_KEY
from millstream.runtime.intake import Intake, reduced
from millstream.serde import json, msgpack
from millstream.topology.node import Topic

ONE_EAST = datetime.timezone(datetime.timedelta(hours=1))


class Click(ms.Record):
    page: str
    ts: int = 0
    user: str = ""


def opened(batch: Any, topic: Topic, *records: Any, used: Any = ALL) -> Any:
    """Return what an intake makes of these records."""
    return Intake(topic, used).open(batch(*records))


@pytest.mark.parametrize("codec", [json, msgpack])
def test_json_and_msgpack_are_read_alike(batch: Any, codec: Any) -> None:
    """A topic that names no codec reads both into its class."""
    chunk, bad = opened(batch, Topic("t", value=Click), ("a", codec.encode({"page": "/"}), 5))
    assert chunk.values == [Click("/")]
    assert (chunk.keys, chunk.times, bad) == (["a"], [5], [])


def test_mixed_codecs_in_one_batch(batch: Any) -> None:
    """A batch that holds both is read record by record."""
    records = [("a", codec.encode({"page": "/"}), 5) for codec in (json, msgpack, json)]
    chunk, bad = opened(batch, Topic("t", value=Click), *records)
    assert chunk.values == [Click("/")] * 3
    assert bad == []


def test_bad_records_are_told_apart_and_the_others_kept(batch: Any) -> None:
    """Each bad record comes with its bytes and the reason; the others keep their places."""
    chunk, bad = opened(
        batch,
        Topic("t", value=Click),
        ("a", {"page": "/1"}, 1),
        ("b", b"{broken", 2),
        ("c", {"page": 5}, 3),
        ("d", {"page": "/2"}, 4),
    )
    assert [value.page for value in chunk.values] == ["/1", "/2"]
    assert list(chunk.offsets) == [0, 3]
    assert chunk.times == [1, 4]
    assert [(r.offset, r.timestamp, r.key, r.value) for r in bad] == [
        (1, 2, b"b", b"{broken"), (2, 3, b"c", b"\x81\xa4page\x05"),
    ]  # fmt: skip
    assert "offset 2 of t cannot be read as Click: Expected `str`, got `int`" in str(bad[1].error)
    assert chunk.next_offset == 4


def test_null_values_are_no_error(batch: Any) -> None:
    """A null value is None, at its record's own time, and the chunk says that it has one."""
    topic = Topic("t", value=Click, timestamp=F.ts)
    chunk, bad = opened(batch, topic, ("a", None, 7), ("b", {"page": "/", "ts": 9}, 1))
    assert chunk.values == [None, Click("/", 9)]
    assert chunk.times == [7, 9]
    assert chunk.has_null
    assert bad == []


@pytest.mark.parametrize(
    ("timestamp", "expected"),
    [
        (F.ts, 5), (lambda v: v["ts"], 5), (F.ts * 1000, 5000),
        (lambda v: 5.9, 5),
        (lambda v: datetime.datetime(1970, 1, 1, 0, 0, 1), 1000),
        (lambda v: datetime.datetime(1970, 1, 1, 1, tzinfo=ONE_EAST), 0),
    ],
)  # fmt: skip
def test_event_times_are_milliseconds(batch: Any, timestamp: Any, expected: int) -> None:
    """A field, expression or callable gives the time: a number, or a datetime (UTC if bare)."""
    chunk, bad = opened(batch, Topic("t", timestamp=timestamp), ("a", {"ts": 5}, 99))
    assert (chunk.times, bad) == ([expected], [])
    assert all(type(time) is int for time in chunk.times)


@pytest.mark.parametrize(
    "timestamp",
    [lambda v: -1, lambda v: "5", lambda v: None, lambda v: 1 / 0, lambda v: float("nan"), F.gone],
    ids=["negative", "text", "none", "raises", "nan", "missing"],
)
def test_a_time_that_is_none_makes_a_bad_record(batch: Any, timestamp: Any) -> None:
    """An extractor that fails or gives no time >= 0 makes the record one that cannot be read."""
    chunk, bad = opened(batch, Topic("t", timestamp=timestamp), ("a", {"ts": 5}, 99))
    assert len(chunk) == 0
    assert [record.offset for record in bad] == [0]


def test_keys_are_decoded_as_the_topic_says(batch: Any) -> None:
    """Text by default, bytes or a JSON type when named; a null key is None."""
    for kind, key, expected in (
        (str, "é", "é"),
        (bytes, b"\xff", b"\xff"),
        (int, b"5", 5),
        (tuple[str, int], b'["a",1]', ("a", 1)),
        (str, None, None),
    ):
        chunk, bad = opened(batch, Topic("t", key=kind), (key, {}, 0))
        assert (chunk.keys, bad) == ([expected], [])


def test_a_bad_key_makes_a_bad_record(batch: Any) -> None:
    """Bytes that are not the key's type follow the same policy as a bad value."""
    chunk, bad = opened(batch, Topic("t", key=str), (b"\xff", {}, 0), ("ok", {}, 1))
    assert chunk.keys == ["ok"]
    assert [record.key for record in bad] == [b"\xff"]


def test_marks_are_not_events(batch: Any) -> None:
    """The marks that end a batch of an internal topic are left out, and passed by."""
    topic = Topic("r", key=Any, codec=msgpack, internal=True)
    packed = msgpack.encode({"x": 1})
    chunk, bad = opened(
        batch, topic, (msgpack.encode("a"), packed, 1), (MARK_KEY, b"m", 1), (MARK_KEY, b"n", 1)
    )
    assert (chunk.keys, chunk.values, bad) == (["a"], [{"x": 1}], [])
    assert chunk.next_offset == 3


def test_only_used_fields_are_decoded(batch: Any) -> None:
    """A field that nobody reads may even be of another type: it is not looked at."""
    topic = Topic("t", value=Click)
    chunk, bad = opened(batch, topic, ("a", {"page": "/", "ts": "x"}, 1), used=frozenset({"page"}))
    assert (chunk.values[0].page, bad) == ("/", [])
    with pytest.raises(AttributeError):
        chunk.values[0].ts  # noqa: B018  # that it is not there is what is tried


class Renamed(ms.Record, rename="camel"):
    user_name: str
    page_views: int = 3


class Checked(ms.Record):
    low: int
    high: int

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


def test_reduced_types_keep_names_and_defaults() -> None:
    """A reduced class reads the names and defaults of the whole one."""
    small = reduced(Renamed, frozenset({"page_views", "user_name"}))
    value = msgspec.json.decode(b'{"userName":"ann"}', type=small)
    assert (value.user_name, value.page_views) == ("ann", 3)


def test_what_cannot_be_reduced_is_left_as_it_is() -> None:
    """Classes whose layout or checks need every field are decoded whole."""

    class Array(ms.Record, array_like=True):
        a: int

    class Tagged(ms.Record, tag="t"):
        a: int

    for kind in (Checked, Array, Tagged, dict, Any):
        assert reduced(kind, frozenset()) is kind
    assert reduced(Click, ALL) is Click
