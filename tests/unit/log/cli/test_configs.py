"""`millstream configs` on a directory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Cli = Callable[..., Any]


def listed(cli: Cli, *words: str) -> dict[str, tuple[str | None, str]]:
    """Return value and source of the configs that a list shows."""
    rows = cli("configs", "list", "--json", *words).rows
    return {row["config"]: (row["value"], row["source"]) for row in rows}


def test_what_is_set_on_a_topic_is_listed(cli: Cli) -> None:
    """Those at their default are shown with --all alone, in order of name."""
    cli("topics", "create", "t", "-c", "retention.ms=5")
    assert listed(cli, "--topic", "t") == {"retention.ms": ("5", "topic")}
    everything = listed(cli, "--topic", "t", "--all")
    assert everything["cleanup.policy"] == ("delete", "default")
    assert list(everything) == sorted(everything)


def test_a_list_is_a_table_and_needs_no_word(cli: Cli) -> None:
    """`configs` alone is `configs list`."""
    cli("topics", "create", "t", "-c", "retention.ms=5")
    assert cli("configs", "--topic", "t").out.splitlines() == [
        "config        value  set by",
        "retention.ms  5      topic",
    ]


def test_topic_configs_are_set_and_unset(cli: Cli) -> None:
    """Many at once; the others stay as they are."""
    cli("topics", "create", "t", "-c", "segment.ms=9")
    outcome = cli("configs", "set", "--topic", "t", "retention.ms=5", "cleanup.policy=compact")
    assert outcome.out == "set retention.ms=5, cleanup.policy=compact for topic t\n"
    assert listed(cli, "--topic", "t").keys() == {"cleanup.policy", "retention.ms", "segment.ms"}
    outcome = cli("configs", "unset", "--topic", "t", "cleanup.policy", "segment.ms")
    assert outcome.out == "unset cleanup.policy, segment.ms for topic t\n"
    assert listed(cli, "--topic", "t") == {"retention.ms": ("5", "topic")}


def test_broker_configs_are_set_for_one_and_for_all(cli: Cli) -> None:
    """What is set on the one broker holds over what is set on all."""
    cli("topics", "create", "t")
    assert cli("configs", "set", "log.retention.ms=7", "--broker").out == (
        "set log.retention.ms=7 for all brokers\n"
    )
    assert listed(cli, "--broker")["log.retention.ms"] == ("7", "all brokers")
    assert cli("configs", "set", "log.retention.ms=8", "--broker", "0").status == 0
    assert listed(cli, "--broker", "0")["log.retention.ms"] == ("8", "broker")
    assert listed(cli, "--topic", "t", "--all")["retention.ms"][0] == "8"
    cli("configs", "unset", "log.retention.ms", "--broker=0")
    assert listed(cli, "--broker", "0")["log.retention.ms"] == ("7", "all brokers")


def test_a_wrong_config_is_refused_with_what_is_right(cli: Cli) -> None:
    """The call changes nothing, and one line says why."""
    cli("topics", "create", "t")
    outcome = cli("configs", "set", "--topic", "t", "segment.ms=9", "retention.mss=5")
    assert outcome.status == 1
    assert "did you mean retention.ms" in outcome.err
    assert listed(cli, "--topic", "t") == {}


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["list"], 1, "--topic NAME or --broker [ID]"),
        (["list", "--topic", "u"], 1, "no topic 'u': there is t"),
        (["set", "--topic", "u", "retention.ms=1"], 1, "no topic 'u'"),
        (["list", "--broker", "7"], 1, "there is no broker 7"),
        (["set", "--broker", "retention.ms=1"], 2, "put --broker behind it"),
        (["set", "--topic", "t", "retention.ms"], 2, "is not name=value"),
        (["list", "--topic", "t", "--broker"], 2, "not allowed with"),
    ],
)
def test_wrong_words_say_what_is_missing(
    cli: Cli, words: list[str], status: int, message: str
) -> None:
    """An owner that is not there, or none, ends with a line that helps."""
    cli("topics", "create", "t")
    outcome = cli("configs", *words)
    assert outcome.status == status
    assert message in outcome.err


def test_asking_makes_no_log(cli: Cli) -> None:
    """A directory that is not there is an error, also for a change."""
    for words in (["list"], ["set", "a=b"]):
        outcome = cli("--log", "nowhere", "configs", *words, "--broker")
        assert outcome.status == 1
        assert "no log at nowhere" in outcome.err
