"""Answers to bytes on a socket, in the order of the requests.

    request 1  [answer]     -+
    request 2  [answer]      +-> one sendmsg for all that is ready at the head
    request 3  (waits)      -+
    request 4  [answer]         stays behind request 3

Invariants: an answer leaves after those of all earlier requests; what the peer does not take
stays here as it is, never copied, and is counted whole until the last byte of it has gone: for so
long its memory is held.
"""

from __future__ import annotations

import itertools
import socket
from collections import deque

PARTS_MAX = 512
"""Buffers given to one system call; the systems' own bound is 1024."""

_JOINED_BYTES = 4096
"""Parts of so many bytes on average become one buffer: handing one over costs as much as a copy."""


class Slot:
    """The place of one answer in the row."""

    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts: list[bytes] | None = None  # None: not answered yet; empty: no answer is due


class Outbox:
    """The answers of one connection that have not left yet."""

    __slots__ = ("_begun_bytes", "_parts", "_slots", "_sock", "held_bytes")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._slots: deque[Slot] = deque()
        self._parts: deque[bytes] = deque()
        self._begun_bytes = 0  # of the first part, which the peer has taken already
        self.held_bytes = 0  # of answers that are there, whether it is their turn or not

    def __len__(self) -> int:
        """Return how many requests wait for their turn to be answered."""
        return len(self._slots)

    def reserve(self) -> Slot:
        """Return the place of the next request's answer."""
        slot = Slot()
        self._slots.append(slot)
        return slot

    def fill(self, slot: Slot, parts: list[bytes]) -> int:
        """Put an answer into its place; return its bytes."""
        size = sum(map(len, parts))
        slot.parts = [b"".join(parts)] if size <= _JOINED_BYTES * len(parts) else parts
        self.held_bytes += size
        return size

    def send(self) -> int:
        """Send what is ready and what the peer takes now; return the bytes that it took.

        Raises:
            OSError: the connection is broken.
        """
        slots, parts = self._slots, self._parts
        while slots and slots[0].parts is not None:
            parts.extend(slots.popleft().parts or ())
        total = 0
        while parts:
            some: list[bytes | memoryview] = list(itertools.islice(parts, PARTS_MAX))
            if self._begun_bytes:
                some[0] = memoryview(some[0])[self._begun_bytes :]
            try:
                sent = self._sock.sendmsg(some)
            except (BlockingIOError, InterruptedError):
                break
            total += sent
            self._drop(sent)
            if sent < sum(map(len, some)):
                break
        return total

    @property
    def is_blocked(self) -> bool:
        """Whether the peer has not taken all that it could have."""
        return bool(self._parts)

    def _drop(self, sent: int) -> None:
        parts = self._parts
        sent += self._begun_bytes
        while parts and sent >= len(parts[0]):
            size = len(parts.popleft())
            sent -= size
            self.held_bytes -= size
        self._begun_bytes = sent
