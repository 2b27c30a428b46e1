from __future__ import annotations

import io
import sys

import pytest

from millstream_log.cli.output import print_json, print_table


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_table_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Text stands to the left, numbers to the right, and what is missing is a dash."""
    print_table(("name", "count"), [("a", 1000), ("bcdef", None)])
    assert capsys.readouterr().out == "name   count\na       1000\nbcdef      -\n"


def test_a_table_is_drawn_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal numbers have their thousands marked, and no cell is taken for markup."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "60")
    print_table(("name", "count"), [("[red]x", 1000)])
    assert "[red]x" in terminal.getvalue()
    assert "1,000" in terminal.getvalue()


def test_json_is_utf8_in_any_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON line is UTF-8 even where stdout would not take the letters."""
    raw = io.BytesIO()
    stdout = io.TextIOWrapper(raw, encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    print_json({"a": "ž"})
    stdout.flush()
    assert raw.getvalue() == '{"a":"ž"}\n'.encode()
    monkeypatch.undo()
