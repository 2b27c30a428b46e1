"""Received bytes to frames, without a socket.

    room(scratch) -> where the next bytes go;  filled(count);  next_frame() ... ;  settle()

    nothing left over: bytes go into `scratch`, which all connections share, and frames are
    slices of it; what `settle` finds left moves into a buffer of this connection's own, which
    grows as bytes come

Invariants: memory goes with the bytes that came, never with the size that a frame announces; a
frame handed out may be changed in place, and holds good until the next call of `room`.
"""

from __future__ import annotations

import struct

from ..errors import ProtocolError

_SIZE = struct.Struct(">i")
_GROWTH = 4
_FIRST_BYTES = 4096
_EMPTY = memoryview(b"")


class Inbox:
    """What one connection has received and not yet taken."""

    __slots__ = ("_at", "_bytes_max", "_data", "_end", "_is_own")

    def __init__(self, frame_bytes_max: int) -> None:
        self._bytes_max = frame_bytes_max
        self._data = _EMPTY
        self._is_own = False
        self._at = 0  # where the next frame begins
        self._end = 0  # where the received bytes end

    @property
    def held_bytes(self) -> int:
        """Return the memory that is kept from one read to the next."""
        return len(self._data) if self._is_own else 0

    def room(self, scratch: memoryview) -> memoryview:
        """Return where to put the next bytes; all whole frames must have been taken."""
        if not self._is_own:
            self._data = scratch
            self._at = self._end = 0
        elif self._end == len(self._data):
            self._grow()
        return self._data[self._end :]

    def filled(self, count: int) -> None:
        """Take in `count` bytes that were put into `room`."""
        self._end += count

    def next_frame(self) -> memoryview | None:
        """Return the next frame, without its size; None when it is not whole yet.

        Raises:
            ProtocolError: the frame announces a size below zero or above the bound.
        """
        start = self._at + 4
        if start > self._end:
            return None
        size = self._announced()
        if start + size > self._end:
            return None
        self._at = start + size
        return self._data[start : self._at]

    def settle(self) -> None:
        """Free the scratch: what is left of it is copied, what is used up is let go."""
        if self._at == self._end:
            self._data = _EMPTY
            self._is_own = False
            self._at = self._end = 0
        elif not self._is_own or self._at > self._end // 2:
            self._data = memoryview(bytearray(self._data[self._at : self._end]))
            self._is_own = True
            self._at, self._end = 0, len(self._data)

    def _grow(self) -> None:
        held = self._end - self._at
        wanted = 4 + self._announced() if held >= 4 else _FIRST_BYTES
        grown = memoryview(bytearray(max(held + 1, min(wanted, _GROWTH * held + _FIRST_BYTES))))
        grown[:held] = self._data[self._at : self._end]
        self._data = grown
        self._at, self._end = 0, held

    def _announced(self) -> int:
        size: int = _SIZE.unpack_from(self._data, self._at)[0]
        if not 0 <= size <= self._bytes_max:
            raise ProtocolError(f"a frame of {size} bytes, allowed are 0 to {self._bytes_max}")
        return size
