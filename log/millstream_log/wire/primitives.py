"""Kafka's primitive types: readers that never pass the end, writers that append.

    classic   string: int16 length   bytes, records, array: int32 length     null: -1
    compact   an unsigned varint of length + 1                               null: 0
    uuid      16 bytes, here 32 hex digits; all zero is ""
    a string of either form has at most 32,767 bytes

Invariants: a length is checked against the bytes that remain before anything is taken or allocated;
`data` ends where the frame ends; what reaches past it is a ProtocolError, a struct.error or an
IndexError, and text that is not UTF-8 a UnicodeDecodeError: `frames` makes one error of them.

Source: the Kafka protocol guide; KIP-482 for the compact forms.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from ..errors import ProtocolError

Write = Callable[[bytes], None]
Take = Callable[[int], None]
"""Counts items of arrays and tagged fields as they are announced; raises when they are too many."""

STRING_BYTES_MAX = 32_767
"""What a classic string can have, and a compact one may."""

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_NO_UUID = bytes(16)
_VARINT_BYTES_MAX = 5
_SMALL = [bytes([value]) for value in range(128)]


def read_uvarint(data: memoryview, at: int) -> tuple[int, int]:
    """Return an unsigned varint of at most 32 bits and where it ends."""
    first = data[at]
    if first < 0x80:
        return first, at + 1
    value = shift = 0
    for end in range(at + 1, min(at + _VARINT_BYTES_MAX, len(data)) + 1):
        byte = data[end - 1]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, end
        shift += 7
    raise ProtocolError(f"varint at byte {at} does not end within the frame, or has no end")


def write_uvarint(write: Write, value: int) -> None:
    """Write an unsigned varint."""
    if value < 0x80:
        write(_SMALL[value])
        return
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    write(bytes(parts))


def _end(data: memoryview, at: int, size: int) -> int:
    if size > len(data) - at:
        raise too_long(data, at, size)
    return at + size


def too_long(data: memoryview, at: int, size: int) -> ProtocolError:
    """Return the error of a length that passes the end of the frame."""
    return ProtocolError(f"{size} bytes at byte {at}, {len(data) - at} remain")


def string_too_long(at: int, size: int) -> ProtocolError:
    """Return the error of a string that no classic length field could announce."""
    return ProtocolError(f"a string of {size} bytes at byte {at}, allowed {STRING_BYTES_MAX}")


def not_null(at: int) -> ProtocolError:
    """Return the error of a null that may not be."""
    return ProtocolError(f"null before byte {at}, where none is allowed")


def read_nullable_string(data: memoryview, at: int) -> tuple[str | None, int]:
    """Read a classic string or null."""
    (size,) = _I16.unpack_from(data, at)
    at += _I16.size
    if size < 0:
        return None, at
    end = _end(data, at, size)
    return str(data[at:end], "utf-8"), end


def read_count(data: memoryview, at: int, item_bytes_min: int) -> tuple[int, int]:
    """Read the length of an array, -1 for null; its items must fit into what remains."""
    (count,) = _I32.unpack_from(data, at)
    at += _I32.size
    _end(data, at, count * item_bytes_min)
    return max(count, -1), at


def read_compact_count(data: memoryview, at: int, item_bytes_min: int) -> tuple[int, int]:
    """Read the length of a compact array, -1 for null; its items must fit into what remains."""
    count, at = read_uvarint(data, at)
    _end(data, at, (count - 1) * item_bytes_min)
    return count - 1, at


def skip_tags(data: memoryview, at: int, take: Take | None = None) -> int:
    """Return where a block of tagged fields, known to nobody here, ends."""
    if not data[at]:
        return at + 1
    count, at = read_uvarint(data, at)
    if take is not None:
        take(count)
    for _ in range(count):
        _, at = read_uvarint(data, at)
        size, at = read_uvarint(data, at)
        at = _end(data, at, size)
    return at


def write_string(write: Write, value: str | None) -> None:
    """Write a string or null."""
    if value is None:
        write(b"\xff\xff")
        return
    raw = value.encode()
    write(_I16.pack(len(raw)) + raw)


def write_compact_string(write: Write, value: str | None) -> None:
    """Write a compact string or null; struct.error when it is too long, as for a classic one."""
    if value is None:
        write(b"\x00")
        return
    raw = value.encode()
    size = len(raw) + 1
    if size < 0x80:
        write(_SMALL[size] + raw)
    elif size > STRING_BYTES_MAX + 1:
        raise struct.error(f"a string of {len(raw)} bytes, allowed {STRING_BYTES_MAX}")
    else:
        write_uvarint(write, size)
        write(raw)


def write_bytes(write: Write, value: bytes | None) -> None:
    """Write bytes, or batches, or null; the buffer is handed on as it is."""
    if value is None:
        write(b"\xff\xff\xff\xff")
        return
    write(_I32.pack(len(value)))
    write(value)


def write_compact_bytes(write: Write, value: bytes | None) -> None:
    """Write compact bytes, or batches, or null; the buffer is handed on as it is."""
    if value is None:
        write(b"\x00")
        return
    write_uvarint(write, len(value) + 1)
    write(value)


def write_count(write: Write, count: int) -> None:
    """Write the length of an array, -1 for null."""
    write(_I32.pack(count))


def write_compact_count(write: Write, count: int) -> None:
    """Write the length of a compact array, -1 for null."""
    write_uvarint(write, count + 1)


def uuid_text(raw: bytes) -> str:
    """Return the hex digits of a uuid, nothing for the zero one."""
    return "" if raw == _NO_UUID else raw.hex()


def uuid_bytes(text: str) -> bytes:
    """Return the 16 bytes of a uuid."""
    return bytes.fromhex(text) if text else _NO_UUID
