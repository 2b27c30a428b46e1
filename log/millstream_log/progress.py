"""How far a long piece of work has come: a bar in a terminal, now and then a line elsewhere.

    restoring flights-0  ━━━━━━━━╸━━━━━━  45,000 of 120,000 changes  0:00:03      terminal
    restoring flights-0: 45,000 of 120,000 changes (37 %)                         elsewhere

Invariants: everything goes to stderr; work that is over before the first line would be due
writes none; nothing here is imported or drawn until there is something to draw on.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, TextIO

LINE_SECONDS = 3.0
"""How long it takes until the first line, and from line to line, without a terminal."""


class Progress:
    """Shows how much of `total` is done; `total` None is not known, `unit` is its plural."""

    def __init__(
        self,
        label: str,
        total: int | None,
        unit: str,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.label = label
        self.total = total
        self.unit = unit
        self.done = 0
        self._stream = stream if stream is not None else sys.stderr
        self._quiet = quiet or total == 0
        self._monotonic = monotonic
        self._bar: Any = None
        self._lines = 0
        self._line_due = float("inf")

    def __enter__(self) -> Progress:
        self._begun = self._monotonic()
        if self._quiet:
            return self
        if self._stream.isatty():
            self._bar = _bar(self)
            self._bar.start()
        else:
            self._line_due = self._begun + LINE_SECONDS
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        elif self._lines and kind is None:
            seconds = self._monotonic() - self._begun
            self._write(f"{self.label}: {self.done:,} {self.unit} in {seconds:.1f} s")

    def advance(self, count: int) -> None:
        """Note that `count` more units are done."""
        self.done += count
        if self._bar is not None:
            self._bar.advance(self._bar.task_ids[0], count)
            return
        if self._line_due == float("inf"):
            return
        now = self._monotonic()
        if now >= self._line_due:
            self._line_due = now + LINE_SECONDS
            self._write(f"{self.label}: {self.amount()}")

    def amount(self) -> str:
        """Return how much is done, in words."""
        if self.total is None:
            return f"{self.done:,} {self.unit}"
        percent = 100 * self.done // self.total
        return f"{self.done:,} of {self.total:,} {self.unit} ({percent} %)"

    def _write(self, line: str) -> None:
        self._lines += 1
        self._stream.write(line + "\n")
        self._stream.flush()


def _bar(progress: Progress) -> Any:
    """Return rich's bar for it, not yet started; it leaves no trace when it stops."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        ProgressColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as RichProgress

    amount: list[ProgressColumn] = [DownloadColumn(), TransferSpeedColumn()]
    if progress.unit != "bytes":
        of_total = "{task.completed:,.0f} of {task.total:,.0f} {task.fields[unit]}"
        if progress.total is None:
            of_total = "{task.completed:,.0f} {task.fields[unit]}"
        amount = [TextColumn(of_total)]
    bar = RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *amount,
        TimeRemainingColumn(),
        console=Console(file=progress._stream),
        transient=True,
    )
    bar.add_task(progress.label, total=progress.total, unit=progress.unit)
    return bar
