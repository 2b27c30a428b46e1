from __future__ import annotations

import pytest

import millstream as ms
from millstream.windows import duration_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [("500ms", 500), ("10s", 10_000), ("1m30s", 90_000), ("2h", 7_200_000), ("1.5h", 5_400_000),
     ("1d", 86_400_000), (" 1 m ", 60_000), (250, 250), (0, 0), ("0s", 0)],
)  # fmt: skip
def test_durations_are_milliseconds(text: str | int, expected: int) -> None:
    """A duration is a count of milliseconds, or numbers with units that add up."""
    assert duration_ms(text) == expected


@pytest.mark.parametrize("text", ["", "5", "ten", "1w", "1m x", "-5s", "1m,2s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """A text that is not wholly a duration is refused with how to write one."""
    with pytest.raises(ms.TopologyError, match="write it like"):
        duration_ms(text)


@pytest.mark.parametrize("timestamp", [-1, 0, 1, 59_999, 60_000, 60_001, -60_000])
def test_tumbling_windows_part_the_time(timestamp: int) -> None:
    """Each time, also below 0, lies in one window, whose start is a multiple of the size."""
    (start,) = ms.tumbling("1m").starts(timestamp)
    assert start % 60_000 == 0
    assert start <= timestamp < start + 60_000


@pytest.mark.parametrize("timestamp", [-1, 0, 5, 9, 10, 29, 30, 31, -25])
def test_hopping_windows_are_all_that_hold_the_time(timestamp: int) -> None:
    """A time lies in all windows [start, start + size) with starts at multiples of advance."""
    windows = ms.hopping(30, 10)
    expected = [s for s in range(-100, 100, 10) if s <= timestamp < s + 30]
    assert sorted(windows.starts(timestamp)) == expected
    assert list(windows.starts(timestamp)) == expected[::-1]


def test_an_advance_that_does_not_divide_the_size() -> None:
    """Windows may overlap by a part of the advance: some times are in one window more."""
    windows = ms.hopping(25, 10)
    assert [list(windows.starts(t)) for t in (0, 4, 5, 9)] == [
        [0, -10, -20], [0, -10, -20], [0, -10], [0, -10],
    ]  # fmt: skip


def test_closed_is_end_at_or_before_stream_time_less_grace() -> None:
    """A window is closed exactly when its end is at or before stream time less grace."""
    windows = ms.tumbling(10)
    for stream_time in range(40):
        bound = windows.closed_before(stream_time, 5)
        for start in range(-20, 40, 10):
            assert (start < bound) == (start + 10 <= stream_time - 5)


@pytest.mark.parametrize(("size", "advance"), [(0, 0), (10, 0), (10, 11), (-5, -5), (10, -1)])
def test_an_advance_outside_the_size_is_refused(size: int, advance: int) -> None:
    """The advance lies in (0, size], and the message states both."""
    with pytest.raises(ms.TopologyError, match=rf"windows of {size} ms every {advance} ms"):
        ms.hopping(size, advance)


def test_a_grace_below_zero_is_refused() -> None:
    """A negative grace would close a window before its end, so it is refused."""
    app = ms.App("g", log="memory://g")
    with pytest.raises(ms.TopologyError, match=r"test_windows.py:\d+: .*grace"):

        @app.stream("in")
        def flow(events: ms.Any) -> None:  # type: ignore[name-defined]
            events.group_by_key().window(ms.tumbling("1m"), grace=-1)
