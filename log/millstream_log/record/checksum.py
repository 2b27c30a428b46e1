"""CRC-32C, whose package is imported at the first batch: its import takes 50 ms.

Invariants: none.
Source: RFC 3720, appendix B.4 (the Castagnoli polynomial).
"""

from __future__ import annotations

from collections.abc import Callable
from mmap import mmap

Buffer = bytes | bytearray | memoryview | mmap


def crc32c(data: Buffer) -> int:
    """Return the CRC-32C of `data`, unsigned."""
    return _crc32c(data)


def _load(data: Buffer) -> int:
    global _crc32c
    from crc32c import crc32c as loaded

    _crc32c = loaded
    return _crc32c(data)


_crc32c: Callable[[Buffer], int] = _load
