"""What pytest gets from an installed Millstream: the fixture `millstream_broker`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .broker import RunningBroker, broker


@pytest.fixture
def millstream_broker() -> Iterator[RunningBroker]:
    """Run a real broker on loopback, in a process and a directory of its own."""
    with broker() as running:
        yield running
