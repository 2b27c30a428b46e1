"""What topics there are, as consumer groups see them, and which of them an expression means.

Invariants: the hash of some topics changes when one of them comes, goes, is made anew or grows;
no topics have the hash 0.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..errors import BrokerError, ErrorCode


class TopicFacts(NamedTuple):
    """One topic."""

    topic_id: str  # 32 hex digits
    partitions: int


class Topics:
    """All topics of the log at one moment."""

    def __init__(self, facts: Mapping[str, TopicFacts] | None = None) -> None:
        self.facts: Mapping[str, TopicFacts] = facts or {}
        self.names = {fact.topic_id: name for name, fact in self.facts.items()}

    def matching(self, expression: str) -> tuple[str, ...]:
        """Return the topics whose whole name matches an expression that compiles, sorted."""
        pattern = re.compile(expression)
        return tuple(sorted(name for name in self.facts if pattern.fullmatch(name)))

    def ids(self, names: Iterable[str]) -> frozenset[str]:
        """Return the ids of those topics that exist."""
        return frozenset(self.facts[name].topic_id for name in names if name in self.facts)

    def hash(self, names: Iterable[str]) -> int:
        """Return 64 bits, signed, that stand for what there is of these topics."""
        digest = hashlib.blake2b(digest_size=8)
        found = sorted(name for name in names if name in self.facts)
        for name in found:
            digest.update(f"{name} {' '.join(map(str, self.facts[name]))}\n".encode())
        return int.from_bytes(digest.digest(), "big", signed=True) if found else 0


def check_expression(expression: str) -> None:
    """Raise BrokerError (INVALID_REGULAR_EXPRESSION) unless an expression compiles."""
    try:
        re.compile(expression)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"SubscribedTopicRegex {expression!r} is not a regular expression: {error}"
        raise BrokerError(message, ErrorCode.INVALID_REGULAR_EXPRESSION) from error
