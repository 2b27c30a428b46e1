"""Kafka's primitive types: readers that never pass the end, writers that append.

    classic   string: int16 length   bytes, records, array: int32 length     null: -1
    compact   an unsigned varint of length + 1                               null: 0
    uuid      16 bytes, here 32 hex digits; all zero is ""

Invariants: a reader checks a length against the bytes that remain before it takes or allocates
anything, and raises ProtocolError; `data` ends where the frame ends.

Source: the Kafka protocol guide; KIP-482 for the compact forms.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from ..errors import ProtocolError

Write = Callable[[bytes], None]

_I16 = struct.Struct(">h")
_I32 = struct.Struct(">i")
_NO_UUID = bytes(16)
_VARINT_BYTES_MAX = 5
_SMALL = [bytes([value]) for value in range(128)]


def read_uvarint(data: memoryview, at: int) -> tuple[int, int]:
    """Return an unsigned varint of at most 32 bits and where it ends."""
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


def _classic_length(data: memoryview, at: int, width: struct.Struct) -> tuple[int, int]:
    end = at + width.size
    if end > len(data):
        raise ProtocolError(f"length at byte {at} passes the end of the frame, {len(data)}")
    (size,) = width.unpack_from(data, at)
    if size < -1:
        raise ProtocolError(f"length at byte {at} is {size}")
    return size, end


def _length16(data: memoryview, at: int) -> tuple[int, int]:
    return _classic_length(data, at, _I16)


def _length32(data: memoryview, at: int) -> tuple[int, int]:
    return _classic_length(data, at, _I32)


def _compact_length(data: memoryview, at: int) -> tuple[int, int]:
    size, at = read_uvarint(data, at)
    return size - 1, at


def _end(data: memoryview, at: int, size: int) -> int:
    if size > len(data) - at:
        raise ProtocolError(f"{size} bytes at byte {at}, {len(data) - at} remain")
    return at + size


def _text(data: memoryview, at: int, end: int) -> str:
    try:
        return str(data[at:end], "utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError(f"text at byte {at} is not UTF-8") from error


def _not_null(at: int) -> ProtocolError:
    return ProtocolError(f"null at byte {at}, where none is allowed")


def read_string(data: memoryview, at: int) -> tuple[str, int]:
    """Read a string."""
    size, start = _length16(data, at)
    if size < 0:
        raise _not_null(at)
    end = _end(data, start, size)
    return _text(data, start, end), end


def read_nullable_string(data: memoryview, at: int) -> tuple[str | None, int]:
    """Read a string or null."""
    size, at = _length16(data, at)
    if size < 0:
        return None, at
    end = _end(data, at, size)
    return _text(data, at, end), end


def read_compact_string(data: memoryview, at: int) -> tuple[str, int]:
    """Read a compact string."""
    size, start = _compact_length(data, at)
    if size < 0:
        raise _not_null(at)
    end = _end(data, start, size)
    return _text(data, start, end), end


def read_compact_nullable_string(data: memoryview, at: int) -> tuple[str | None, int]:
    """Read a compact string or null."""
    size, at = _compact_length(data, at)
    if size < 0:
        return None, at
    end = _end(data, at, size)
    return _text(data, at, end), end


def read_bytes(data: memoryview, at: int) -> tuple[bytes, int]:
    """Read bytes."""
    size, start = _length32(data, at)
    if size < 0:
        raise _not_null(at)
    end = _end(data, start, size)
    return bytes(data[start:end]), end


def read_nullable_bytes(data: memoryview, at: int) -> tuple[bytes | None, int]:
    """Read bytes or null."""
    size, at = _length32(data, at)
    if size < 0:
        return None, at
    end = _end(data, at, size)
    return bytes(data[at:end]), end


def read_compact_bytes(data: memoryview, at: int) -> tuple[bytes, int]:
    """Read compact bytes."""
    size, start = _compact_length(data, at)
    if size < 0:
        raise _not_null(at)
    end = _end(data, start, size)
    return bytes(data[start:end]), end


def read_compact_nullable_bytes(data: memoryview, at: int) -> tuple[bytes | None, int]:
    """Read compact bytes or null."""
    size, at = _compact_length(data, at)
    if size < 0:
        return None, at
    end = _end(data, at, size)
    return bytes(data[at:end]), end


def read_records(data: memoryview, at: int) -> tuple[bytearray, int]:
    """Read record batches as bytes of their own; null is empty."""
    size, at = _length32(data, at)
    end = _end(data, at, max(size, 0))
    return bytearray(data[at:end]), end


def read_compact_records(data: memoryview, at: int) -> tuple[bytearray, int]:
    """Read compact record batches as bytes of their own; null is empty."""
    size, at = _compact_length(data, at)
    end = _end(data, at, max(size, 0))
    return bytearray(data[at:end]), end


def read_count(data: memoryview, at: int, item_bytes_min: int) -> tuple[int, int]:
    """Read the length of an array, -1 for null; its items must fit into what remains."""
    count, at = _length32(data, at)
    _end(data, at, max(count, 0) * item_bytes_min)
    return count, at


def read_compact_count(data: memoryview, at: int, item_bytes_min: int) -> tuple[int, int]:
    """Read the length of a compact array, -1 for null; its items must fit into what remains."""
    count, at = _compact_length(data, at)
    _end(data, at, max(count, 0) * item_bytes_min)
    return count, at


def skip_tags(data: memoryview, at: int) -> int:
    """Return where a block of tagged fields, known to nobody here, ends."""
    count, at = read_uvarint(data, at)
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
    """Write a compact string or null."""
    if value is None:
        write(b"\x00")
        return
    raw = value.encode()
    write_uvarint(write, len(raw) + 1)
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
