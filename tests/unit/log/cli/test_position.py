from __future__ import annotations

import argparse

import pytest

from millstream_log.cli.position import Position, iso_to_ms, parse_position
from millstream_log.wire.enums import OffsetSpec


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("earliest", Position("earliest", end=OffsetSpec.EARLIEST)),
        ("latest", Position("latest", end=OffsetSpec.LATEST)),
        ("0", Position("0", offset=0)),
        ("99999999999", Position("99999999999", offset=99_999_999_999)),
        ("100000000000", Position("100000000000", time_ms=100_000_000_000)),
        ("2013-01-01", Position("2013-01-01", time_ms=1356998400000)),
    ],
)
def test_a_position_is_an_end_an_offset_or_a_time(text: str, position: Position) -> None:
    """A word is an end, a small number an offset, a large number and a date a time."""
    assert parse_position(text) == position


@pytest.mark.parametrize("text", ["", "soon", "-5", "2013-13-01", "1.5"])
def test_anything_else_is_refused(text: str) -> None:
    """What is no position is refused in words that say what would be one."""
    with pytest.raises(argparse.ArgumentTypeError, match="earliest, latest"):
        parse_position(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2013-01-01T05:17:00Z", 1357017420000),
        ("2013-01-01 05:17", 1357017420000),
        ("2013-01-01T00:17:00-05:00", 1357017420000),
        ("2013-01-01T05:17:00.9999Z", 1357017420999),
        ("1969-12-31T23:59:59.9999Z", -1),
    ],
)
def test_times_without_a_zone_are_utc_and_round_down(text: str, ms: int) -> None:
    """An ISO time becomes ms, rounded down; one without a zone is UTC."""
    assert iso_to_ms(text) == ms
