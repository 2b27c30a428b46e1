"""What topics there are, as consumer groups see them, and which of them an expression means.

Invariants: the hash of some topics changes when one of them comes, goes, is made anew or grows;
no topics have the hash 0. What a member's expression costs is linear in the names: it is RE2's.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..errors import BrokerError, ErrorCode

_EXPRESSION_BYTES = 1 << 20  # at most, for a compiled expression


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
        pattern = _compiled(expression)
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
    _compiled(expression)


@functools.lru_cache(maxsize=128)
def _compiled(expression: str) -> Any:
    try:
        import re2  # only here: few groups subscribe so, and the core does not ask for it
    except ImportError as error:
        message = f"SubscribedTopicRegex {expression!r} needs RE2: pip install 'millstream[kafka]'"
        raise BrokerError(message, ErrorCode.INVALID_REGULAR_EXPRESSION) from error
    options = re2.Options()
    options.log_errors, options.max_mem = False, _EXPRESSION_BYTES
    try:
        return re2.compile(expression, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        why = error.args[0].decode() if isinstance(error, re2.error) else error
        message = f"SubscribedTopicRegex {expression!r} is not a regular expression: {why}"
        raise BrokerError(message, ErrorCode.INVALID_REGULAR_EXPRESSION) from error
