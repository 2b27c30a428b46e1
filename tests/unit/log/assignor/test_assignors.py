"""Assignors by their names."""

from __future__ import annotations

import pytest
from assignments import named

from millstream_log.assignor.assignors import ASSIGNORS, RebalanceProtocol, assignor_named
from millstream_log.assignor.protocol import Claim
from millstream_log.errors import InvalidConfigError


def test_each_has_the_name_that_kafka_gives_it() -> None:
    """The names are what members of other makes send, and one of them can stay put."""
    assert list(ASSIGNORS) == ["range", "roundrobin", "sticky", "cooperative-sticky"]
    assert all(assignor_named(name).name == name for name in ASSIGNORS)
    cooperative = [
        name
        for name, assignor in ASSIGNORS.items()
        if RebalanceProtocol.COOPERATIVE in assignor.protocols
    ]
    assert cooperative == ["cooperative-sticky"]


def test_only_the_sticky_ones_remember() -> None:
    """Range and round robin send no user data."""
    claim = Claim(named("x-0"), 3)
    sends = {name: assignor.user_data(claim) is not None for name, assignor in ASSIGNORS.items()}
    assert sends == {
        "range": False,
        "roundrobin": False,
        "sticky": True,
        "cooperative-sticky": True,
    }


def test_an_unknown_name_is_refused() -> None:
    """The error names those that are known."""
    with pytest.raises(InvalidConfigError, match="'even', known: range, roundrobin"):
        assignor_named("even")
