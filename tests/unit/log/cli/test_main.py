from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream_log.cli.main import main
from millstream_log.errors import LogError

Cli = Callable[..., Any]


class Shout:
    """A word of another package."""

    name = "shout"
    help = "say it aloud"

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("rest", nargs=argparse.REMAINDER)

    def run(self, args: argparse.Namespace) -> int:
        if self.error is not None:
            raise self.error
        print(*args.rest)
        return 3


class StreamsLikeError(Exception):
    """An error of the package that brings the word."""

    __module__ = "millstream.errors"


def test_an_extra_word_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    """A word that the caller brings gets what follows it, and its status is the result."""
    assert main(["shout", "app.py", "--log", "x"], extra=(Shout(),)) == 3
    assert capsys.readouterr().out == "app.py --log x\n"


def test_an_extra_word_never_loses_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """`--log` in front of a word that would not see it is refused."""
    with pytest.raises(SystemExit) as end:
        main(["--log", "x", "shout"], extra=(Shout(),))
    assert end.value.code == 2
    assert "--log goes behind" in capsys.readouterr().err


def test_no_word_shows_the_help(cli: Cli) -> None:
    """Without a command the words are listed, and the status says that nothing was done."""
    outcome = cli()
    assert outcome.status == 2
    for word in ("topics", "read", "write", "import", "groups", "dump"):
        assert word in outcome.out


def test_the_version_is_shown(cli: Cli) -> None:
    """`--version` prints the version of the distribution."""
    assert cli("--version").out.startswith("millstream ")


@pytest.mark.parametrize("words", [["nothing"], ["read"], ["topics", "create"]])
def test_wrong_words_end_with_2(cli: Cli, words: list[str]) -> None:
    """Words that argparse does not know end with status 2."""
    assert cli(*words).status == 2


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (LogError("fetch offset 8,\nlog end 5"), "fetch offset 8, log end 5\n"),
        (StreamsLikeError("no such Python file"), "no such Python file\n"),
        (FileNotFoundError(2, "No such file or directory", "a.csv"), "a.csv: No such file"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero (/"),
    ],
)
def test_an_error_is_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception, line: str
) -> None:
    """An error is one line on stderr with status 1, and an unforeseen one says where it arose."""
    assert main(["shout"], extra=(Shout(error),)) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("millstream: " + line)
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_debug_shows_the_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With MILLSTREAM_DEBUG=1 the traceback stands before the line."""
    monkeypatch.setenv("MILLSTREAM_DEBUG", "1")
    assert main(["shout"], extra=(Shout(LogError("no")),)) == 1
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C ends with status 130 and without a word."""
    assert main(["shout"], extra=(Shout(KeyboardInterrupt()),)) == 130
    assert not capsys.readouterr().err


def test_a_log_may_be_named_before_and_behind(cli: Cli) -> None:
    """`--log` counts in front of the words, between them, and behind them; the last one wins."""
    cli("topics", "create", "t", "--log", "here")
    for words in (
        ["--log", "here", "topics", "list"],
        ["topics", "--log", "here", "list"],
        ["topics", "list", "--log", "here"],
        ["--log", "nowhere", "topics", "--log", "here"],
    ):
        assert cli(*words, "--json").rows[0]["topic"] == "t"


@pytest.mark.parametrize(
    "words",
    [["topics"], ["read", "t"], ["groups"], ["groups", "reset", "g", "--topic=t", "--to=latest"]],
)
def test_looking_makes_nothing(cli: Cli, tmp_path: Path, words: list[str]) -> None:
    """Looking at a log that is not there is an error that names it, and does not make one."""
    outcome = cli(*words)
    assert (outcome.status, outcome.err) == (
        1,
        "millstream: no log at ./data: name the right one with --log\n",
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_reader_that_leaves_ends_it_quietly(cli: Cli, tmp_path: Path) -> None:
    """When the reader of a pipe leaves, the command ends like one that SIGPIPE ends: silent."""
    cli("write", "t", stdin=b"a line\n" * 50_000)
    code = "import sys; from millstream_log.cli.main import main; sys.exit(main(['read', 't']))"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()
        assert run.stderr.read() == b""
        assert run.wait() == 141
