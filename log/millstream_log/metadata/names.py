"""Kafka's rules for the names of topics.

Invariants: a name that passes is safe as the name of a directory on every system, so nothing
below ever joins an unchecked name to a path.

Source: Kafka's documentation of `Topic` names; the lengths follow from file names of 255 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ..errors import InvalidTopicError

NAME_MAX = 249
OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
INTERNAL_TOPICS = frozenset({OFFSETS_TOPIC, TRANSACTIONS_TOPIC})
RESERVED_TOPICS = frozenset({"__cluster_metadata"})  # Kafka's controllers keep it to themselves

_LEGAL = re.compile(r"[a-zA-Z0-9._-]+\Z")


def check_name(name: object) -> str:
    """Return `name` when a topic may bear it; raise InvalidTopicError that says why not."""
    if not isinstance(name, str):
        raise InvalidTopicError(f"topic name {name!r} is not text")
    if not name:
        raise InvalidTopicError("topic name is empty")
    if name in (".", ".."):
        raise InvalidTopicError(f"topic name {name!r} is not allowed")
    if len(name) > NAME_MAX:
        raise InvalidTopicError(
            f"topic name {name[:40]!r}... has {len(name)} characters, at most {NAME_MAX}"
        )
    if not _LEGAL.match(name):
        raise InvalidTopicError(
            f"topic name {name!r} holds other characters than ASCII letters, digits, '.', '_', '-'"
        )
    return name


def check_collision(name: str, others: Iterable[str]) -> None:
    """Raise InvalidTopicError when another name differs from `name` by '.' and '_' alone."""
    folded = name.replace(".", "_")
    for other in others:
        if other != name and other.replace(".", "_") == folded:
            raise InvalidTopicError(
                f"topic name {name!r} collides with {other!r}: '.' and '_' count as the same"
            )
