"""Windows: a timestamp to the windows that hold it. Pure arithmetic.

    tumbling(size)         |----|----|----|        every ts is in exactly one
    hopping(size, every)   |--------|
                               |--------|          every ts is in size / every of them

Invariants: a window is `[start, end)`, `start` is a multiple of the advance (below 0 too),
`end = start + size`; it is closed when `end <= stream_time - grace`.
Source: the time section of the semantics page in docs/concepts.md.
"""

from __future__ import annotations

import re

import msgspec

from .errors import TopologyError

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")

Duration = str | int
"""Text such as ``"10s"``, ``"1m30s"``, ``"1.5h"``, or a count of milliseconds."""


def duration_ms(duration: Duration) -> int:
    """Return a duration in milliseconds.

    >>> duration_ms("1m30s"), duration_ms(250)
    (90000, 250)

    Raises TopologyError when the text is not a duration.
    """
    if isinstance(duration, int):
        return duration
    text = duration.strip()
    total, position = 0.0, 0
    while match := _DURATION.match(text, position):
        total += float(match[1]) * _UNITS_MS[match[2]]
        position = match.end()
    if not text or position != len(text):
        raise TopologyError(f'duration {duration!r}: write it like "500ms", "10s", "1m30s", "2h"')
    return round(total)


class Windows(msgspec.Struct, frozen=True):
    """Windows of `size_ms`, one starting every `advance_ms`."""

    size_ms: int
    advance_ms: int

    def __post_init__(self) -> None:
        if self.size_ms <= 0 or not 0 < self.advance_ms <= self.size_ms:
            raise TopologyError(
                f"windows of {self.size_ms} ms every {self.advance_ms} ms: "
                "the advance must lie in (0, size]"
            )

    @property
    def is_tumbling(self) -> bool:
        """Whether each timestamp lies in exactly one window."""
        return self.size_ms == self.advance_ms

    def starts(self, timestamp_ms: int) -> range:
        """Return the starts of the windows that hold `timestamp_ms`, the latest first."""
        latest = timestamp_ms - timestamp_ms % self.advance_ms
        return range(latest, timestamp_ms - self.size_ms, -self.advance_ms)

    def closed_before(self, stream_time_ms: int, grace_ms: int) -> int:
        """Return the bound below which a window's start is closed at this stream time."""
        return stream_time_ms - grace_ms - self.size_ms + 1

    def __str__(self) -> str:
        if self.is_tumbling:
            return f"tumbling {self.size_ms} ms"
        return f"hopping {self.size_ms} ms every {self.advance_ms} ms"


def tumbling(size: Duration) -> Windows:
    """Return windows that follow one another without a gap.

    >>> list(tumbling("1m").starts(60_001))
    [60000]
    """
    size_ms = duration_ms(size)
    return Windows(size_ms, size_ms)


def hopping(size: Duration, every: Duration) -> Windows:
    """Return windows of `size` of which one starts every `every`.

    >>> list(hopping("60s", "30s").starts(60_001))
    [60000, 30000]
    """
    return Windows(duration_ms(size), duration_ms(every))
