"""The assignors by the names that `partition.assignment.strategy` and JoinGroup know them by."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple

from ..errors import InvalidConfigError
from .cooperative import assign as assign_cooperatively
from .members import GroupAssignment
from .protocol import (
    Claim,
    Subscription,
    encode_cooperative_user_data,
    encode_sticky_user_data,
)
from .range import assign as assign_ranges
from .roundrobin import assign as assign_in_turn
from .sticky import assign as assign_stickily

Assign = Callable[[Mapping[str, int], Mapping[str, Subscription]], GroupAssignment]


class RebalanceProtocol(enum.IntEnum):
    """What members do with their partitions while a group rebalances."""

    EAGER = 0  # give all of them up before joining
    COOPERATIVE = 1  # keep them, and give up what the new assignment leaves out


class Assignor(NamedTuple):
    """One way to share partitions out; a pure function of partition counts and members."""

    name: str
    protocols: tuple[RebalanceProtocol, ...]
    assign: Assign
    user_data: Callable[[Claim], bytes | None]  # what a member that holds this sends when it joins


def _no_user_data(claim: Claim) -> None:
    """Send nothing: the assignor forgets."""


_EAGER = (RebalanceProtocol.EAGER,)
_BOTH = (RebalanceProtocol.COOPERATIVE, RebalanceProtocol.EAGER)

ASSIGNORS = {
    assignor.name: assignor
    for assignor in (
        Assignor("range", _EAGER, assign_ranges, _no_user_data),
        Assignor("roundrobin", _EAGER, assign_in_turn, _no_user_data),
        Assignor("sticky", _EAGER, assign_stickily, encode_sticky_user_data),
        Assignor("cooperative-sticky", _BOTH, assign_cooperatively, encode_cooperative_user_data),
    )
}


def assignor_named(name: str) -> Assignor:
    """Return the assignor of this name. Raises InvalidConfigError."""
    try:
        return ASSIGNORS[name]
    except KeyError:
        known = ", ".join(ASSIGNORS)
        raise InvalidConfigError(f"assignor {name!r}, known: {known}") from None
