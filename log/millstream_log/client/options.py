"""The options of a consumer whose values are words, and what each stands for."""

from __future__ import annotations

from collections.abc import Iterable

from ..assignor.assignors import Assignor, assignor_named
from ..errors import InvalidConfigError
from ..wire.enums import OffsetSpec

RESETS = {"earliest": OffsetSpec.EARLIEST, "latest": OffsetSpec.LATEST, "none": None}
ISOLATION_LEVELS = {"read_uncommitted": 0, "read_committed": 1}


def check_one_of(name: str, value: str, known: Iterable[str]) -> None:
    """Raise InvalidConfigError for a value that is not among the known ones."""
    if value not in known:
        raise InvalidConfigError(f"{name}={value!r}: must be one of {', '.join(known)}")


def check_session(heartbeat_interval_ms: int, session_timeout_ms: int) -> None:
    """Raise InvalidConfigError for a session that ends between two heartbeats."""
    if heartbeat_interval_ms >= session_timeout_ms:
        raise InvalidConfigError(
            f"heartbeat_interval_ms={heartbeat_interval_ms}: must be below "
            f"session_timeout_ms={session_timeout_ms}"
        )


def assignors_of(strategy: Iterable[str | Assignor]) -> tuple[Assignor, ...]:
    """Return the assignors of `partition_assignment_strategy`. Raises InvalidConfigError."""
    names = [strategy] if isinstance(strategy, str) else strategy
    found = tuple(assignor_named(one) if isinstance(one, str) else one for one in names)
    if not found or not all(isinstance(one, Assignor) for one in found):
        raise InvalidConfigError(
            f"partition_assignment_strategy={strategy!r}: must be names of assignors"
        )
    return found
