from __future__ import annotations

from collections.abc import Callable
from typing import Any

Cli = Callable[..., Any]


def test_a_topic_lives_and_dies(cli: Cli) -> None:
    """A topic that was created is listed with what it holds, until it is deleted."""
    assert cli("topics", "create", "t", "--partitions", "3").out == "created t (3 partitions)\n"
    cli("write", "t", stdin=b"a\nb\n")
    (row,) = cli("topics", "list", "--json").rows
    assert row.pop("size_bytes") > 0
    assert len(row.pop("topic_id")) == 32
    assert row == {"topic": "t", "partitions": 3, "records": 2, "internal": False}
    assert cli("topics", "delete", "t").status == 0
    assert cli("topics", "--json").rows == []


def test_a_list_is_a_table(cli: Cli) -> None:
    """Away from a terminal a list is aligned text with plain digits, names to the left."""
    cli("topics", "create", "short")
    cli("topics", "create", "a-long-name", "--partitions", "12")
    assert cli("topics").out.splitlines() == [
        "topic        partitions  records  bytes",
        "a-long-name          12        0      0",
        "short                 1        0      0",
    ]


def test_internal_topics_are_listed_when_asked_for(cli: Cli) -> None:
    """The log's own topics are shown with --internal alone."""
    cli("topics", "create", "t")
    cli("groups", "reset", "g", "--topic", "t", "--to", "latest")
    assert [row["topic"] for row in cli("topics", "list", "--json").rows] == ["t"]
    shown = [row["topic"] for row in cli("topics", "list", "--internal", "--json").rows]
    assert shown == ["__consumer_offsets", "t"]


def test_a_topic_is_described(cli: Cli) -> None:
    """A description shows the configs that were set and where each partition begins and ends."""
    cli("topics", "create", "t", "--partitions=2", "-c", "retention.ms=60000", "-c", "flush.ms = 9")
    cli("write", "t", stdin=b"a\nb\n")
    (found,) = cli("topics", "describe", "t", "--json").rows
    assert found["configs"] == {"flush.ms": "9", "retention.ms": "60000"}
    assert [part["log_end_offset"] for part in found["partitions"]] == [2, 0]
    assert [part["partition"] for part in found["partitions"]] == [0, 1]
    text = cli("topics", "describe", "t").out
    assert "  retention.ms=60000\n" in text
    assert "segment.bytes" not in text
    assert "  segment.bytes=" in cli("topics", "describe", "t", "--all").out


def test_a_topic_is_altered(cli: Cli) -> None:
    """Configs are set and go back to their defaults; partitions are added."""
    cli("topics", "create", "t", "-c", "retention.ms=5", "-c", "segment.ms=6")
    words = ["-c", "cleanup.policy=compact", "--unset", "segment.ms", "--partitions", "4"]
    assert cli("topics", "alter", "t", *words).status == 0
    (found,) = cli("topics", "describe", "t", "--json").rows
    assert found["configs"] == {"cleanup.policy": "compact", "retention.ms": "5"}
    assert len(found["partitions"]) == 4


def test_an_impossible_change_changes_nothing(cli: Cli) -> None:
    """When the partitions cannot be had, the configs of the same call stay as they were."""
    cli("topics", "create", "t", "--partitions", "2")
    outcome = cli("topics", "alter", "t", "--partitions", "1", "-c", "retention.ms=5")
    assert outcome.status == 1
    assert "2 partitions" in outcome.err
    assert cli("topics", "describe", "t", "--json").rows[0]["configs"] == {}


def test_faults_say_what_would_be_right(cli: Cli) -> None:
    """A wrong config, a wrong name and a slip of the pen are refused with what to do instead."""
    cli("topics", "create", "flights")
    assert "retention.ms" in cli("topics", "create", "t", "-c", "retention.msx=1").err
    assert "'../x'" in cli("topics", "create", "../x").err
    assert "topic 'flights' exists" in cli("topics", "create", "flights").err
    assert cli("topics", "describe", "fligths").err == (
        "millstream: no topic 'fligths': there is flights\n"
    )
    assert "nothing to alter" in cli("topics", "alter", "flights").err


def test_deleting_is_all_or_nothing(cli: Cli) -> None:
    """When one of the topics to delete is not there, none of them is deleted."""
    cli("topics", "create", "t")
    assert cli("topics", "delete", "t", "nope").status == 1
    assert [row["topic"] for row in cli("topics", "list", "--json").rows] == ["t"]
