"""Compress and decompress the records of a batch, never beyond a bound.

    gzip    RFC 1952, one member or several
    snappy  82 53 4e 41 50 50 59 00 | 00000001 00000001 | (int32 size, raw snappy block)...
            as Java producers frame it, 32 KiB of input a block; one raw block is read as well
    lz4     LZ4 frames; written with independent blocks of 64 KiB and no content size
    zstd    RFC 8878 frames

Invariants: what comes out is never longer than `size_max`, and no more than that is allocated
on the word of the compressed bytes alone; bad bytes raise CorruptRecordError.
Source: KIP-57 (lz4 frames), KIP-110 (zstd), KIP-390 (levels), snappy-java's stream format.
"""

from __future__ import annotations

import enum
import zlib
from typing import Any

from ..errors import CorruptRecordError
from .checksum import Buffer

SIZE_MAX = 128 << 20
"""Bytes that a batch may grow to, unless the caller says otherwise."""

_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK_BYTES = 32 << 10
_SNAPPY_GROWTH = 64  # a copy of 64 bytes takes at least two
_LZ4_GROWTH = 255  # one more byte of a length adds at most 255

_ZSTD_FRAME = 0xFD2FB528
_ZSTD_SKIPPABLE = 0x0184D2A5
_ZSTD_RLE = 1
_ZSTD_BLOCK_BYTES = 128 << 10  # no block holds more


class Codec(enum.IntEnum):
    """Compression codecs by the number they have in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4

    @classmethod
    def from_name(cls, name: str | None) -> Codec:
        """Return the codec that `compression_type` names. Raises ValueError.

        >>> Codec.from_name("lz4"), Codec.from_name(None)
        (<Codec.LZ4: 3>, <Codec.NONE: 0>)
        """
        if name is None:
            return cls.NONE
        try:
            return _NAMES[name]
        except KeyError:
            known = ", ".join(_NAMES)
            raise ValueError(f"compression type {name!r}, known are {known}") from None

    @property
    def label(self) -> str:
        """The name it has in configs: none, gzip, snappy, lz4, zstd."""
        return self.name.lower()


_NAMES = {codec.name.lower(): codec for codec in Codec}


def compress(codec: Codec, data: Buffer, level: int | None = None) -> bytes:
    """Return `data` compressed; `level` is the codec's own, None its fast default."""
    if codec is Codec.GZIP:
        gzip = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
        return gzip.compress(data) + gzip.flush()
    if codec is Codec.SNAPPY:
        return _compress_snappy(data)
    if codec is Codec.LZ4:
        import lz4.frame  # lazy: a log without lz4 never pays for it

        packed: bytes = lz4.frame.compress(
            data,
            compression_level=1 if level is None else level,
            block_size=lz4.frame.BLOCKSIZE_MAX64KB,
            block_linked=False,  # Java clients refuse frames whose blocks lean on each other
            store_size=False,
        )
        return packed
    if codec is Codec.ZSTD:
        import cramjam

        return bytes(cramjam.zstd.compress(data, 3 if level is None else level))
    return bytes(data)


def decompress(codec: Codec, data: Buffer, size_max: int = SIZE_MAX) -> bytes:
    """Return `data` decompressed, at most `size_max` bytes. Raises CorruptRecordError."""
    if codec is Codec.NONE:
        return bytes(data)
    return _READERS[codec](bytes(data), size_max)


def _decompress_gzip(data: bytes, size_max: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        member = zlib.decompressobj(31)
        try:
            part = member.decompress(data, size_max - size + 1)
        except zlib.error as error:
            raise CorruptRecordError(f"gzip: {error}") from None
        size += len(part)
        if size > size_max:
            raise _too_large("gzip", size_max)
        if not member.eof:
            raise CorruptRecordError(f"gzip: the stream breaks off after {len(data)} bytes")
        parts.append(part)
        data = member.unused_data
        if not data:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _compress_snappy(data: Buffer) -> bytes:
    import cramjam

    out = [_XERIAL_HEADER]
    with memoryview(data) as view:
        for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
            block = bytes(
                cramjam.snappy.compress_raw(bytes(view[start : start + _XERIAL_BLOCK_BYTES]))
            )
            out += (len(block).to_bytes(4, "big"), block)
    return b"".join(out)


def _decompress_snappy(data: bytes, size_max: int) -> bytes:
    import cramjam

    if not data.startswith(_XERIAL):
        return _snappy_block(cramjam, data, size_max)
    position, end = len(_XERIAL_HEADER), len(data)
    if position > end:
        raise CorruptRecordError(f"snappy: {end} bytes, the stream header has {position}")
    out: list[bytes] = []
    size = 0
    while position < end:
        length = int.from_bytes(data[position : position + 4], "big")
        position += 4
        if length > end - position:
            raise CorruptRecordError(
                f"snappy: block of {length} bytes, {max(end - position, 0)} left"
            )
        out.append(_snappy_block(cramjam, data[position : position + length], size_max - size))
        size += len(out[-1])
        position += length
    return out[0] if len(out) == 1 else b"".join(out)


def _snappy_block(cramjam: Any, block: bytes, size_max: int) -> bytes:
    try:
        size = cramjam.snappy.decompress_raw_len(block)
        if size > size_max or size > len(block) * _SNAPPY_GROWTH:
            raise CorruptRecordError(
                f"snappy: block of {len(block)} bytes grows to {size}, room for {size_max}"
            )
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise CorruptRecordError(f"snappy: {error}") from None


def _decompress_lz4(data: bytes, size_max: int) -> bytes:
    import lz4.frame

    parts: list[bytes] = []
    size = 0
    while True:
        reader = lz4.frame.LZ4FrameDecompressor()
        room = min(size_max - size + 1, len(data) * _LZ4_GROWTH)
        try:
            part = reader.decompress(data, room)
        except (RuntimeError, ValueError, EOFError) as error:
            raise CorruptRecordError(f"lz4: {error}") from None
        size += len(part)
        if size > size_max:
            raise _too_large("lz4", size_max)
        if not reader.eof:
            raise CorruptRecordError(f"lz4: the frame breaks off after {len(data)} bytes")
        parts.append(part)
        data = reader.unused_data or b""
        if not data:
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _decompress_zstd(data: bytes, size_max: int) -> bytes:
    import cramjam

    try:
        if _zstd_bound(data) <= size_max:
            return bytes(cramjam.zstd.decompress(data))
        # It may grow beyond the bound: give it that much room and no more.
        room = bytearray(size_max)
        size: int = cramjam.zstd.decompress_into(data, room)
        return bytes(memoryview(room)[:size])
    except cramjam.DecompressionError as error:
        raise CorruptRecordError(f"zstd, at most {size_max} bytes: {error}") from None


def _zstd_bound(data: bytes) -> int:
    """Return how many bytes zstd frames can grow to, from their blocks' headers alone.

    Frames and blocks that are broken count as nothing: the decoder stops there.
    """
    bound = position = 0
    end = len(data)
    while end - position >= 6:
        magic = int.from_bytes(data[position : position + 4], "little")
        if magic >> 4 == _ZSTD_SKIPPABLE:
            position += 8 + int.from_bytes(data[position + 4 : position + 8], "little")
            continue
        if magic != _ZSTD_FRAME:
            break
        flags = data[position + 4]
        single = flags >> 5 & 1
        size_bytes = (single, 2, 4, 8)[flags >> 6]
        position += 5 + (1 - single) + (0, 1, 2, 4)[flags & 3] + size_bytes
        last = 0
        while not last and position + 3 <= end:
            block = int.from_bytes(data[position : position + 3], "little")
            last, kind, size = block & 1, block >> 1 & 3, block >> 3
            position += 3 + (1 if kind == _ZSTD_RLE else size)
            bound += max(size, _ZSTD_BLOCK_BYTES)
        position += 4 * (flags >> 2 & 1)  # checksum of the content
    return bound


def _too_large(name: str, size_max: int) -> CorruptRecordError:
    return CorruptRecordError(f"{name}: grows beyond {size_max} bytes")


_READERS = {
    Codec.GZIP: _decompress_gzip,
    Codec.SNAPPY: _decompress_snappy,
    Codec.LZ4: _decompress_lz4,
    Codec.ZSTD: _decompress_zstd,
}
