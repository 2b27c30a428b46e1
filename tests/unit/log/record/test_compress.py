from __future__ import annotations

import random

import cramjam
import lz4.frame
import pytest

from millstream_log.errors import CorruptRecordError
from millstream_log.record.compress import Codec, compress, decompress

PACKED = [codec for codec in Codec if codec]
TEXT = b"".join(b'{"user":%d}' % (i % 97) for i in range(12_000))


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("data", [b"", b"a", TEXT], ids=["empty", "byte", "text"])
def test_what_goes_in_comes_out(codec: Codec, data: bytes) -> None:
    """Every codec gives back what it was given, from any kind of buffer."""
    packed = compress(codec, data)
    assert decompress(codec, packed) == data
    assert decompress(codec, memoryview(packed)) == data
    assert decompress(codec, compress(codec, bytearray(data))) == data


@pytest.mark.parametrize("codec", PACKED)
def test_growth_is_bounded(codec: Codec) -> None:
    """A small stream that would grow beyond the bound is refused; at the bound it is not."""
    packed = compress(codec, bytes(1 << 20))
    assert len(decompress(codec, packed, 1 << 20)) == 1 << 20
    with pytest.raises(CorruptRecordError):
        decompress(codec, packed, (1 << 20) - 1)


@pytest.mark.parametrize("codec", PACKED)
def test_broken_streams_are_corrupt(codec: Codec) -> None:
    """Cut or spoilt streams give CorruptRecordError or other bytes, never another error."""
    chance = random.Random(codec)
    packed = compress(codec, TEXT[:3000])
    for cut in (1, 4, len(packed) // 2, len(packed) - 1):
        with pytest.raises(CorruptRecordError):
            decompress(codec, packed[:-cut])
    for _ in range(400):
        spoilt = bytearray(packed)
        for _ in range(chance.randrange(1, 5)):
            spoilt[chance.randrange(chance.choice((8, 30, len(packed))))] = chance.randrange(256)
        try:
            decompress(codec, spoilt, 1 << 20)
        except CorruptRecordError:
            continue


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (Codec.SNAPPY, b"\xff\xff\xff\xff\x0faaaa"),
        (Codec.SNAPPY, b"\x82SNAPPY\x00\x00\x00"),
        (Codec.SNAPPY, b"\x82SNAPPY\x00" + b"\x00\x00\x00\x01" * 2 + b"\x7f\xff\xff\xff"),
        (Codec.LZ4, lz4.frame.compress(b"a" * 99, store_size=True)[:6] + b"\xff" * 8 + b"\x00"),
        (Codec.GZIP, b"garbage"),
        (Codec.ZSTD, b"garbage"),
        (Codec.ZSTD, b""),
    ],
)
def test_lies_about_sizes_are_corrupt(codec: Codec, data: bytes) -> None:
    """A stream that announces more than it has is refused without making room for it."""
    with pytest.raises(CorruptRecordError):
        decompress(codec, data)


def test_snappy_is_framed_as_java_does() -> None:
    """Snappy streams open with snappy-java's header and hold blocks of 32 KiB of input."""
    packed = compress(Codec.SNAPPY, TEXT)
    assert packed[:16] == b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
    size = int.from_bytes(packed[16:20], "big")
    assert bytes(cramjam.snappy.decompress_raw(packed[20 : 20 + size])) == TEXT[: 32 << 10]


def test_raw_snappy_is_read() -> None:
    """A stream without framing, as some clients write it, is read as one block."""
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(TEXT))) == TEXT


def test_lz4_blocks_are_independent() -> None:
    """Java clients refuse frames with linked blocks."""
    info = lz4.frame.get_frame_info(compress(Codec.LZ4, TEXT))
    assert not info["block_linked"]
    assert info["block_size"] == 64 << 10


def test_streams_of_several_parts_are_read() -> None:
    """Several gzip members, lz4 frames or zstd frames, one behind the other are one stream."""
    for codec in (Codec.GZIP, Codec.LZ4, Codec.ZSTD):
        assert decompress(codec, compress(codec, b"one") + compress(codec, b"two")) == b"onetwo"


def test_names() -> None:
    """Codecs are found by the names configs use, and others are refused by name."""
    assert [Codec.from_name(codec.label) for codec in Codec] == list(Codec)
    assert Codec.from_name(None) is Codec.NONE
    with pytest.raises(ValueError, match="'lzo', known are none, gzip, snappy, lz4, zstd"):
        Codec.from_name("lzo")
