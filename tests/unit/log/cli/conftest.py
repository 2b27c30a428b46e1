"""The command line in this process: its own working directory, stdin, and what it printed."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import pytest

from millstream_log.cli.main import main


class Outcome(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[Any]:
        """Return the JSON objects that it printed, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Return a call that runs `millstream` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MILLSTREAM_DEBUG", raising=False)

    def run(*words: str, stdin: bytes | TextIO = b"") -> Outcome:
        source = io.TextIOWrapper(io.BytesIO(stdin)) if isinstance(stdin, bytes) else stdin
        monkeypatch.setattr(sys, "stdin", source)
        capsys.readouterr()
        try:
            status = main(words)
        except SystemExit as end:
            status = int(end.code or 0)
        return Outcome(status, *capsys.readouterr())

    return run
