"""What every test with foreign programs needs: an end to waiting, and the broker's side of it."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from millstream_log.testing import RunningBroker


@contextlib.contextmanager
def no_hang(seconds: int) -> Iterator[None]:
    """Fail what takes too long, at the line where it is."""

    def ring(_: int, __: FrameType | None) -> None:
        raise AssertionError(f"it hangs: {seconds} s are over")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def tell(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put what the brokers of a failed test said into its report."""
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            running = getattr(value, "broker", value)
            if isinstance(running, RunningBroker):
                report.sections.append(("the broker's stderr", running.said() or "nothing"))
