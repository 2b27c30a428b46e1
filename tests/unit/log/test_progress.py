from __future__ import annotations

import io

import pytest

from millstream_log.progress import LINE_SECONDS, Progress


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


class Watch:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_quick_work_prints_nothing() -> None:
    """Away from a terminal, what is over before a line is due leaves none."""
    stream, watch = io.StringIO(), Watch()
    with Progress("work", 10, "rows", stream=stream, monotonic=watch) as progress:
        watch.now = LINE_SECONDS / 2
        progress.advance(10)
    assert stream.getvalue() == ""
    assert progress.done == 10


def test_long_work_prints_a_line_now_and_then() -> None:
    """Away from a terminal there is a line each few seconds, and one at the end."""
    stream, watch = io.StringIO(), Watch()
    with Progress("work", 4000, "rows", stream=stream, monotonic=watch) as progress:
        for _ in range(4):
            watch.now += LINE_SECONDS * 0.6
            progress.advance(1000)
    assert stream.getvalue().splitlines() == [
        "work: 2,000 of 4,000 rows (50 %)",
        "work: 4,000 of 4,000 rows (100 %)",
        "work: 4,000 rows in 7.2 s",
    ]


def test_a_total_may_be_unknown() -> None:
    """Without a total the lines say how much is done."""
    stream, watch = io.StringIO(), Watch()
    with Progress("work", None, "rows", stream=stream, monotonic=watch) as progress:
        watch.now = LINE_SECONDS
        progress.advance(7)
    assert stream.getvalue().splitlines()[0] == "work: 7 rows"


def test_work_that_failed_does_not_say_it_is_done() -> None:
    """After an error there is no last line."""
    stream, watch = io.StringIO(), Watch()
    progress = Progress("work", 9, "rows", stream=stream, monotonic=watch)

    def fail() -> None:
        with progress:
            watch.now = LINE_SECONDS
            progress.advance(3)
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert stream.getvalue() == "work: 3 of 9 rows (33 %)\n"


@pytest.mark.parametrize("total", [0, 5])
def test_quiet_work_is_quiet(total: int) -> None:
    """Asked to be quiet, or with nothing to do, it draws nothing, not even in a terminal."""
    stream = Terminal()
    with Progress("work", total, "rows", quiet=total > 0, stream=stream) as progress:
        progress.advance(total)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("total", "unit"), [(2048, "bytes"), (2048, "rows"), (None, "rows")])
def test_a_terminal_gets_a_bar(total: int | None, unit: str) -> None:
    """In a terminal a bar with the label is drawn."""
    stream = Terminal()
    with Progress("work [x]", total, unit, stream=stream) as progress:
        progress.advance(1024)
    assert "work [x]" in stream.getvalue()
