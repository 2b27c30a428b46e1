"""A batch that its user fills and sends as one: what `create_batch` returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..model import Header
from .accumulator import PendingBatch, record_size

Serializer = Callable[[Any], bytes | None]


class AppendedRecord(NamedTuple):
    """A record as it stands in its batch."""

    offset: int  # within the batch
    size: int  # bytes, an upper estimate
    timestamp: int  # ms


class BatchBuilder:
    """Collects records up to a size; `append` returns None when one does not fit."""

    def __init__(
        self,
        batch: PendingBatch,
        bytes_max: int,
        key_serializer: Serializer | None,
        value_serializer: Serializer | None,
    ) -> None:
        self.pending = batch
        self._bytes_max = bytes_max
        self._key_serializer = key_serializer
        self._value_serializer = value_serializer
        self._closed = False

    def append(
        self, *, timestamp: int | None, key: Any, value: Any, headers: Sequence[Header] = ()
    ) -> AppendedRecord | None:
        """Add a record (time in ms, None for now); None when closed or it does not fit."""
        if self._closed:
            return None
        key = self._key_serializer(key) if self._key_serializer else key
        value = self._value_serializer(value) if self._value_serializer else value
        size = record_size(key, value, headers)
        batch = self.pending
        if batch.count and batch.size + size > self._bytes_max:
            self._closed = True
            return None
        timestamp_ms = time.time_ns() // 1_000_000 if timestamp is None else int(timestamp)
        index = batch.append(timestamp_ms, key, value, headers, size)
        return AppendedRecord(index, size, timestamp_ms)

    def close(self) -> None:
        """Take no more records."""
        self._closed = True

    def record_count(self) -> int:
        """Return how many records are in the batch."""
        return self.pending.count

    def size(self) -> int:
        """Return the size of the batch in bytes, an upper estimate without compression."""
        return self.pending.size
