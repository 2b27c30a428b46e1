"""Zigzag varints: the numbers inside a record.

    value    0   -1    1   -2    2 ...      zigzag: sign in the lowest bit
    number   0    1    2    3    4 ...      then 7 bits a byte, low bits first,
                                            high bit set on every byte but the last

Invariants: `encode` gives the shortest form; `read` takes at most 5 bytes (32 bits) and
`read_long` at most 10 (64 bits), and neither looks at `end` or beyond.
Source: Kafka's message format chapter; the encoding is that of Protocol Buffers.
"""

from __future__ import annotations

from ..errors import CorruptRecordError

TWO_BYTES = 8192
"""Values in [-TWO_BYTES, TWO_BYTES) take one or two bytes."""


def encode_raw(number: int) -> bytes:
    """Return an unsigned `number` as a varint, 7 bits a byte."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


RAW: list[bytes] = [
    *(bytes((low,)) for low in range(128)),
    *(bytes((low, high)) for high in range(1, 128) for low in range(128, 256)),
]
"""Varints of the unsigned numbers 0 to 16383."""
SMALL: list[bytes] = RAW[::2] + RAW[::-2]
"""Varints of 0 to 8191, then of -8192 to -1: a negative value is its own index."""


LOW = [(byte & 127) >> 1 for byte in range(256)]
HIGH = [byte << 6 for byte in range(256)]
"""A value of two bytes, not negative, is LOW[first] + HIGH[second]."""
SIGNED = [(byte >> 1) ^ -(byte & 1) for byte in range(128)]
"""Values of one byte."""


def encode(value: int) -> bytes:
    """Return a signed `value` as a zigzag varint.

    >>> encode(-1).hex(), encode(150).hex()
    ('01', 'ac02')
    """
    if -TWO_BYTES <= value < TWO_BYTES:
        return SMALL[value]
    return encode_raw(value * 2 if value >= 0 else -value * 2 - 1)


def size(value: int) -> int:
    """Return how many bytes `encode(value)` has."""
    number = value * 2 if value >= 0 else -value * 2 - 1
    return (number.bit_length() + 6) // 7 or 1


def read(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return (value of 32 bits, position behind it). Raises CorruptRecordError."""
    return _read(data, position, end, 32)


def read_long(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return (value of 64 bits, position behind it). Raises CorruptRecordError."""
    return _read(data, position, end, 64)


def _read(data: bytes, position: int, end: int, bits: int) -> tuple[int, int]:
    number = shift = 0
    start = position
    while position < end:
        byte = data[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            if number >> bits:
                break
            return (number >> 1) ^ -(number & 1), position
        shift += 7
        if shift >= bits:
            break
    else:
        raise CorruptRecordError(f"varint at byte {start} runs past the end at byte {end}")
    raise CorruptRecordError(f"varint at byte {start} is longer than {bits} bits")
