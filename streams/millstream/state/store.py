"""Stores of bytes: what a task's state is kept in, by key, in key order.

A store is a cache of what the changelog has committed. It keeps one text of its own, `meta`,
that changes together with the entries: the position in the changelog that they stand for.

Invariants: `write` is atomic with its meta; `scan(prefix)` is in byte order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

Change = tuple[bytes, bytes | None]
"""A key and its new value; None deletes it."""


class Store(Protocol):
    """What every body of a store can do."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        ...

    def write(self, changes: Iterable[Change], meta: bytes) -> None:
        """Apply changes and meta together."""
        ...

    def meta(self) -> bytes | None:
        """Return the meta last written; None in a new store."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose key starts with `prefix`, in byte order."""
        ...

    def wipe(self) -> None:
        """Forget everything, meta too."""
        ...

    def close(self) -> None:
        """Let go of the disk."""
        ...
