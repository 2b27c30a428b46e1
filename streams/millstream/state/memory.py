"""A store in memory; gone with the process."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator

from .store import Change


class MemoryStore:
    """A store in a dict, with its keys sorted when they are scanned."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._sorted: list[bytes] | None = []
        self._meta: bytes | None = None

    def get(self, key: bytes) -> bytes | None:
        """Return the value under a key, or None."""
        return self._entries.get(key)

    def write(self, changes: Iterable[Change], meta: bytes) -> None:
        """Apply changes and meta together."""
        entries = self._entries
        for key, value in changes:
            if value is None:
                if entries.pop(key, None) is not None:
                    self._sorted = None
            else:
                if key not in entries:
                    self._sorted = None
                entries[key] = value
        self._meta = meta

    def meta(self) -> bytes | None:
        """Return the meta last written; None in a new store."""
        return self._meta

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries whose key starts with `prefix`, in byte order."""
        if self._sorted is None:
            self._sorted = sorted(self._entries)
        keys = self._sorted
        for i in range(bisect.bisect_left(keys, prefix), len(keys)):
            if not keys[i].startswith(prefix):
                return
            yield keys[i], self._entries[keys[i]]

    def wipe(self) -> None:
        """Forget everything, meta too."""
        self._entries.clear()
        self._sorted = []
        self._meta = None

    def close(self) -> None:
        """Do nothing: there is no disk."""
