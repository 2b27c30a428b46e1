"""The two sparse indexes of a segment, and what every index has in common.

    .index      | relative offset u32 | position u32 |            8 bytes an entry
    .timeindex  | timestamp i64       | relative offset u32 |    12 bytes an entry

An offset entry names the last offset of a batch and the position where that batch begins. A
time entry names the largest timestamp so far and the last offset of the batch that holds it.
Offsets count from the segment's base offset. All numbers are big-endian.

Invariants:
    Offset entries rise strictly in both columns; time entries rise strictly in timestamp.
    The time entries up to any offset entry tell the largest timestamp up to its batch.
Source: files written by Apache Kafka 4.
"""

from __future__ import annotations

import struct
import sys
from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from typing import ClassVar

from ..errors import CorruptRecordError

OFFSET_ENTRY_BYTES = 8
TIME_ENTRY_BYTES = 12
NO_TIMESTAMP = -1

_TIME_ENTRY = struct.Struct(">qI")


class Index(ABC):
    """What every index knows of its file: how many entries it holds."""

    __slots__ = ("_offsets", "_saved")
    ENTRY_BYTES: ClassVar[int]
    _offsets: array[int]
    _saved: int

    def __len__(self) -> int:
        return len(self._offsets)

    @abstractmethod
    def encode(self, start: int = 0) -> bytes:
        """Return the entries from number `start` on as the file has them."""

    @property
    def is_saved(self) -> bool:
        """Tell whether the file holds every entry."""
        return self._saved == len(self._offsets)

    def saved(self) -> None:
        """Note that the file holds every entry."""
        self._saved = len(self._offsets)

    def forget_saved(self) -> None:
        """Note that the file may hold nothing."""
        self._saved = 0

    def unsaved(self) -> tuple[int, bytes]:
        """Return (position in the file, bytes) of the entries that the file lacks."""
        return self._saved * self.ENTRY_BYTES, self.encode(self._saved)


class OffsetIndex(Index):
    """Where batches begin, for some of them."""

    __slots__ = ("_positions", "base_offset", "entries_max")
    ENTRY_BYTES = OFFSET_ENTRY_BYTES

    def __init__(self, base_offset: int, bytes_max: int) -> None:
        self.base_offset = base_offset
        self.entries_max = bytes_max // OFFSET_ENTRY_BYTES
        self._offsets = array("I")
        self._positions = array("I")
        self._saved = 0  # entries that the file holds already

    @property
    def is_full(self) -> bool:
        """Tell whether no further entry fits."""
        return len(self._offsets) >= self.entries_max

    def append(self, last_offset: int, position: int) -> None:
        """Note that the batch which ends with `last_offset` begins at `position`."""
        self._offsets.append(last_offset - self.base_offset)
        self._positions.append(position)

    def floor(self, offset: int) -> int:
        """Return the position of the last indexed batch that ends at or before `offset`."""
        at = bisect_right(self._offsets, offset - self.base_offset)
        return self._positions[at - 1] if at else 0

    def ceiling(self, offset: int) -> int:
        """Return the position of the first indexed batch that ends at or after `offset`, or -1."""
        at = bisect_left(self._offsets, offset - self.base_offset)
        return self._positions[at] if at < len(self._positions) else -1

    def boundary(self, position: int) -> int:
        """Return the largest indexed position at or before `position`, 0 when none is."""
        at = bisect_right(self._positions, position)
        return self._positions[at - 1] if at else 0

    def last_position(self) -> int:
        """Return the position of the last entry, 0 when there is none."""
        return self._positions[-1] if self._positions else 0

    def last_offset(self) -> int:
        """Return the offset of the last entry, or one below the base offset."""
        return self.base_offset + self._offsets[-1] if self._offsets else self.base_offset - 1

    def cut(self, offset: int) -> None:
        """Forget entries at or beyond `offset`."""
        keep = bisect_left(self._offsets, max(offset - self.base_offset, 0))
        del self._offsets[keep:], self._positions[keep:]
        self._saved = min(self._saved, keep)

    def encode(self, start: int = 0) -> bytes:
        """Return the entries from number `start` on as the file has them."""
        both = array("I", bytes((len(self._offsets) - start) * OFFSET_ENTRY_BYTES))
        both[::2] = self._offsets[start:]
        both[1::2] = self._positions[start:]
        if sys.byteorder == "little":
            both.byteswap()
        return both.tobytes()

    def load(self, data: bytes, log_size: int) -> None:
        """Take the entries of a file. Raises CorruptRecordError when they cannot be right."""
        both = array("I", data[: len(data) // OFFSET_ENTRY_BYTES * OFFSET_ENTRY_BYTES])
        if sys.byteorder == "little":
            both.byteswap()
        offsets, positions = both[::2], both[1::2]
        while len(offsets) and not positions[-1] and not offsets[-1]:
            offsets.pop()  # preallocated and never filled
            positions.pop()
        if positions and positions[-1] >= log_size:
            raise CorruptRecordError(f"offset index points to {positions[-1]}, log has {log_size}")
        if not _rises(offsets) or not _rises(positions):
            raise CorruptRecordError("offset index does not rise")
        self._offsets, self._positions, self._saved = offsets, positions, len(offsets)


class TimeIndex(Index):
    """The largest timestamp so far, at some offsets."""

    __slots__ = ("_timestamps", "base_offset", "entries_max")
    ENTRY_BYTES = TIME_ENTRY_BYTES

    def __init__(self, base_offset: int, bytes_max: int) -> None:
        self.base_offset = base_offset
        self.entries_max = bytes_max // TIME_ENTRY_BYTES
        self._timestamps = array("q")
        self._offsets = array("I")
        self._saved = 0

    @property
    def is_full(self) -> bool:
        """Tell whether only the entry that closing the segment needs still fits."""
        return len(self._offsets) >= self.entries_max - 1

    def append(self, timestamp: int, offset: int) -> None:
        """Note that `timestamp` is the largest up to `offset`, unless an entry says so."""
        if timestamp > (self._timestamps[-1] if self._timestamps else NO_TIMESTAMP):
            self._timestamps.append(timestamp)
            self._offsets.append(offset - self.base_offset)

    def floor(self, timestamp: int) -> int:
        """Return an offset with no timestamp at or after `timestamp` before its batch."""
        at = bisect_right(self._timestamps, timestamp)
        return self.base_offset + self._offsets[at - 1] if at else self.base_offset

    def last(self) -> tuple[int, int]:
        """Return (timestamp, offset) of the last entry, (-1, base offset) when none is."""
        if not self._offsets:
            return NO_TIMESTAMP, self.base_offset
        return self._timestamps[-1], self.base_offset + self._offsets[-1]

    def cut(self, offset: int) -> None:
        """Forget entries at or beyond `offset`."""
        keep = bisect_left(self._offsets, max(offset - self.base_offset, 0))
        del self._offsets[keep:], self._timestamps[keep:]
        self._saved = min(self._saved, keep)

    def encode(self, start: int = 0) -> bytes:
        """Return the entries from number `start` on as the file has them."""
        pairs = zip(self._timestamps[start:], self._offsets[start:], strict=True)
        return b"".join([_TIME_ENTRY.pack(timestamp, offset) for timestamp, offset in pairs])

    def load(self, data: bytes, log_size: int) -> None:
        """Take the entries of a file. Raises CorruptRecordError when they cannot be right."""
        whole = data[: len(data) // TIME_ENTRY_BYTES * TIME_ENTRY_BYTES]
        entries = list(_TIME_ENTRY.iter_unpack(whole))
        while entries and entries[-1] == (0, 0):
            entries.pop()  # preallocated and never filled
        timestamps = array("q", [timestamp for timestamp, _ in entries])
        offsets = array("I", [offset for _, offset in entries])
        if not _rises(timestamps) or not _rises(offsets) or (entries and not log_size):
            raise CorruptRecordError("time index does not rise")
        self._timestamps, self._offsets, self._saved = timestamps, offsets, len(offsets)


def _rises(values: array[int]) -> bool:
    return all(map(int.__lt__, values, values[1:]))
