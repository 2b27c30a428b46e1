from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]


@pytest.fixture
def topic(cli: Cli) -> Cli:
    """Return the command line beside a topic of two partitions with 3 and 0 records."""
    cli("topics", "create", "t", "--partitions", "2")
    lines = b'{"at":1357000000000}\n{"at":1357000001000}\n{"at":1357000002000}\n'
    cli("topics", "alter", "t", "-c", "retention.ms=-1")
    cli("write", "t", "--timestamp", "at", stdin=lines)
    return cli


@pytest.mark.parametrize(
    ("to", "committed"),
    [
        ("earliest", [0, 0]),
        ("latest", [3, 0]),
        ("2", [2, 0]),
        ("1357000001000", [1, 0]),
        ("2012-01-01", [0, 0]),
        ("2020-01-01", [3, 0]),
    ],
)
def test_a_group_goes_where_it_is_told(topic: Cli, to: str, committed: list[int]) -> None:
    """A reset moves a group to an end, an offset, or a time; past the last record is the end."""
    assert topic("groups", "reset", "g", "--topic", "t", "--to", to).status == 0
    rows = topic("groups", "describe", "g", "--json").rows
    assert [row["committed"] for row in rows] == committed
    assert [row["lag"] for row in rows] == [3 - committed[0], 0]


def test_one_partition_is_reset_alone(topic: Cli) -> None:
    """With --partition the others keep what was committed, and what was before is shown."""
    topic("groups", "reset", "g", "--topic", "t", "--to", "latest")
    words = ["--topic", "t", "--partition", "0", "--to", "1", "--json"]
    outcome = topic("groups", "reset", "g", *words)
    assert outcome.rows == [
        {"group": "g", "topic": "t", "partition": 0, "before": 3, "committed": 1}
    ]
    rows = topic("groups", "describe", "g", "--json").rows
    assert [(row["partition"], row["committed"]) for row in rows] == [(0, 1), (1, 0)]


def test_groups_are_listed_with_their_lag(topic: Cli) -> None:
    """The list has every group with how far it is behind in all."""
    topic("groups", "reset", "late", "--topic", "t", "--to", "earliest")
    topic("groups", "reset", "done", "--topic", "t", "--to", "latest")
    assert topic("groups", "--json").rows == [
        {"group": "done", "topics": 1, "partitions": 2, "lag": 0},
        {"group": "late", "topics": 1, "partitions": 2, "lag": 3},
    ]
    assert topic("groups", "list").out.splitlines()[0].split() == [
        "group",
        "topics",
        "partitions",
        "lag",
    ]


def test_a_group_is_described(topic: Cli) -> None:
    """A description has a line for each partition, with the ends of the log beside it."""
    topic("groups", "reset", "g", "--topic", "t", "--to", "1")
    assert topic("groups", "describe", "g").out.splitlines() == [
        "topic  partition  committed  log start  log end  lag",
        "t              0          1          0        3    2",
        "t              1          0          0        0    0",
    ]


def test_a_first_reset_is_announced(topic: Cli) -> None:
    """Setting a group that had committed nothing says so, for the name may be a slip."""
    words = ["groups", "reset", "g", "--topic", "t", "--to", "latest"]
    assert "had committed nothing before" in topic(*words).err
    assert topic(*words).err == ""


def test_an_impossible_reset_changes_nothing(topic: Cli) -> None:
    """An offset that no partition holds is refused with what they hold."""
    topic("groups", "reset", "g", "--topic", "t", "--to", "1")
    outcome = topic("groups", "reset", "g", "--topic", "t", "--to", "9")
    assert outcome.status == 1
    assert "t-0 holds [0, 3)" in outcome.err
    assert topic("groups", "describe", "g", "--json").rows[0]["committed"] == 1


def test_an_unknown_group_is_refused(topic: Cli) -> None:
    """A group without commits is refused with those that have some."""
    topic("groups", "reset", "mine", "--topic", "t", "--to", "1")
    outcome = topic("groups", "describe", "mime")
    assert outcome.err == "millstream: group 'mime' has committed nothing: there is mine\n"
