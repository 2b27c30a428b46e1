from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import pytest

from millstream_log.errors import ErrorCode, ProtocolError
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.codec import bytes_min, counting_reader, reader, writer
from millstream_log.wire.schema import (
    Api,
    Bool,
    Bytes,
    Error,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    Records,
    String,
    UInt16,
    Uuid,
    fields_of,
)

ID = "00112233445566778899aabbccddeeff"
LONG = "x" * 32_768
APIS: list[Api] = [cls.api for cls in REQUESTS.values()]
EVERY_VERSION = [
    pytest.param(api, version, id=f"{api.name}-{version}")
    for api in APIS
    for version in range(api.versions.first, api.versions.last + 1)
]


class Fixed(msgspec.Struct, kw_only=True, frozen=True):
    flag: Bool = False
    tiny: Int8 = 0
    small: Int16 = 0
    port: UInt16 = 0
    error: Error = ErrorCode.NONE
    number: Int32 = 0
    big: Int64 = 0
    ratio: Float64 = 0.0
    topic_id: Uuid = ""


class Part(msgspec.Struct, kw_only=True, frozen=True):
    index: Int32 = 0


class Loose(msgspec.Struct, kw_only=True):
    name: String = ""
    rack: Annotated[String | None, "null"] = None
    raw: Bytes = b""
    maybe_raw: Annotated[Bytes | None, "null"] = None
    records: Records = msgspec.field(default_factory=bytearray)
    numbers: list[Int32] = []
    ids: list[Uuid] = []
    names: Annotated[list[String] | None, "null"] = []
    parts: list[Part] = []
    part: Annotated[Part | None, "null"] = None


class Versioned(msgspec.Struct, kw_only=True):
    old: Annotated[Int8, "0-1"] = -1
    new: Annotated[Int8, "2+"] = -2
    name: Annotated[String | None, "null 2+"] = None
    aside: int = 5  # not on the wire


class Tagged(msgspec.Struct, kw_only=True):
    index: Int8 = 0
    last: Annotated[String | None, "null tag 2"] = None
    first: Annotated[Int32, "tag 0"] = -1
    parts: Annotated[list[Part], "tag 300"] = []
    late: Annotated[Int8, "5+ tag 4"] = 0


def encoded(message: Any, version: int = 0, flexible: bool = False) -> bytes:
    """Return the bytes of a message."""
    parts: list[bytes] = []
    cls: type = type(message)
    writer(cls, version, flexible)(parts.append, message)
    return b"".join(parts)


def decoded(cls: type, data: bytes, version: int = 0, flexible: bool = False) -> Any:
    """Return the message in these bytes, all of which it takes."""
    message, end = reader(cls, version, flexible)(memoryview(data), 0)
    assert end == len(data)
    return message


FIXED = Fixed(
    flag=True,
    tiny=-2,
    small=-3,
    port=65_535,
    error=ErrorCode.UNKNOWN_SERVER_ERROR,
    number=-4,
    big=-5,
    ratio=0.5,
    topic_id=ID,
)
LOOSE = Loose(
    name="né",
    rack="r",
    raw=b"\x00",
    maybe_raw=b"",
    records=bytearray(b"batch"),
    numbers=[1, -1],
    ids=[ID, ""],
    names=["a", ""],
    parts=[Part(index=3)],
    part=Part(index=4),
)


def test_numbers_stand_side_by_side_in_network_order() -> None:
    """Fields of a fixed size have the bytes that Kafka's types have."""
    assert encoded(FIXED).hex(" ", -2) == (
        "01fe fffd ffff ffff ffff fffc ffff ffff ffff fffb 3fe0 0000 0000 0000 "
        "0011 2233 4455 6677 8899 aabb ccdd eeff"
    )
    assert decoded(Fixed, encoded(FIXED)) == FIXED


@pytest.mark.parametrize("flexible", [False, True])
def test_every_type_comes_back(flexible: bool) -> None:
    """A message read from its bytes is the message, in both ways to write lengths."""
    assert decoded(Loose, encoded(LOOSE, 0, flexible), 0, flexible) == LOOSE
    assert decoded(Loose, encoded(Loose(), 0, flexible), 0, flexible) == Loose()
    assert decoded(Fixed, encoded(FIXED, 0, flexible), 0, flexible) == FIXED


def test_lengths_are_int16_and_int32_or_one_varint() -> None:
    """A classic string has an int16 before it, a compact one its length and one."""
    assert encoded(Versioned(old=1, name="ab")) == b"\x01\x00\x02ab"
    assert encoded(Versioned(new=1, name="ab"), 2, True) == b"\x01\x03ab\x00"
    assert encoded(Versioned(new=1, name=None), 2, False) == b"\x01\xff\xff"
    assert encoded(Versioned(new=1, name=None), 2, True) == b"\x01\x00\x00"


def test_a_field_that_a_version_lacks_keeps_its_default() -> None:
    """It is not written, whatever it holds, and not read; a plain field never travels."""
    message = Versioned(old=1, new=2, name="", aside=9)
    assert encoded(message, 1) == b"\x01\x00\x00"
    assert decoded(Versioned, b"\x01\x00\x00", 1) == Versioned(old=1, name="")
    assert decoded(Versioned, b"\x02\x00\x00", 2) == Versioned(new=2, name="")


@pytest.mark.parametrize(
    ("cls", "data", "version", "flexible"),
    [
        (Versioned, b"\x01\xff\xff", 1, False),
        (Versioned, b"\x01\x00\x00", 1, True),
        (Loose, b"\x00\x00\xff\xff\xff\xff\xff\xff", 0, False),
    ],
)
def test_null_where_none_is_allowed_is_refused(
    cls: type, data: bytes, version: int, flexible: bool
) -> None:
    """Whether a field may be null depends on the version, as the notation says."""
    with pytest.raises(ProtocolError, match="null"):
        decoded(cls, data, version, flexible)


def test_tagged_fields_come_in_order_of_their_tags_unless_default() -> None:
    """Each is written with its tag and size behind the others, and left out when it is default."""
    assert encoded(Tagged(index=1), 0, True) == b"\x01\x00"
    message = Tagged(index=1, last="a", first=7, parts=[Part(index=2)], late=3)
    raw = bytes.fromhex("01 03 00 04 00000007 02 02 0261 ac02 06 02 00000002 00")
    assert encoded(message, 0, True) == raw
    assert decoded(Tagged, raw, 0, True) == Tagged(
        index=1, last="a", first=7, parts=[Part(index=2)]
    )


@pytest.mark.parametrize(("cls", "plain"), [(Tagged, Tagged(index=1)), (Part, Part(index=1))])
def test_a_tagged_field_that_nobody_knows_is_skipped(cls: type, plain: Any) -> None:
    """Newer peers may send more than we know, in any message."""
    unknown = encoded(plain, 0, True)[:-1] + bytes.fromhex("02 05 03 ffffff 8001 00")
    assert decoded(cls, unknown, 0, True) == plain


def test_a_tagged_list_that_did_not_come_belongs_to_its_message() -> None:
    """Two messages never share the list that stands for the default."""
    one, two = (decoded(Tagged, b"\x00\x00", 0, True) for _ in range(2))
    one.parts.append(Part(index=1))
    assert two.parts == []


def test_an_error_code_that_we_do_not_know_is_an_unknown_error() -> None:
    """A peer that is newer than we are does not break the reader."""
    raw = bytearray(encoded(Fixed()))
    raw[6:8] = b"\x70\x00"
    assert decoded(Fixed, bytes(raw)).error is ErrorCode.UNKNOWN_SERVER_ERROR


@pytest.mark.parametrize("flexible", [False, True])
def test_a_length_beyond_the_frame_is_refused_before_anything_is_allocated(flexible: bool) -> None:
    """However large the number is that stands before a field, it costs no memory."""
    huge = b"\xff\xff\xff\xff\x07" if flexible else b"\x7f\xff\xff\xff"
    whole = encoded(Loose(), 0, flexible)
    tracemalloc.start()
    try:
        for at in range(len(whole)):
            try:
                reader(Loose, 0, flexible)(memoryview(whole[:at] + huge + b"\x00" * 64), 0)
            except (ProtocolError, struct.error, IndexError):
                continue
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("name", "at"), [("names", -3), ("ids", -4), ("numbers", -5), ("records", -6)]
)
def test_an_array_or_records_must_fit_into_what_remains(name: str, at: int) -> None:
    """The count of an array is held against the bytes that its items need at the least."""
    whole = encoded(Loose(), 0, True)
    at += len(whole) - 1
    with pytest.raises(ProtocolError, match="remain"):
        reader(Loose, 0, True)(memoryview(whole[:at] + b"\x20" + whole[at + 1 :]), 0)


def test_a_tagged_field_must_end_within_the_frame() -> None:
    """Its size is checked before its bytes are looked at."""
    with pytest.raises(ProtocolError, match="127 bytes at byte 4, 4 remain"):
        decoded(Tagged, bytes.fromhex("01 01 00 7f 00000007"), 0, True)


def test_a_tagged_field_ends_where_it_says() -> None:
    """Else each of many tags could read all of the frame anew."""
    with pytest.raises(ProtocolError, match="4 bytes at byte 4, 3 remain"):
        decoded(Tagged, bytes.fromhex("01 01 00 03 00000007"), 0, True)


@pytest.mark.parametrize("size", [127, 128, 32_767])
def test_a_compact_string_may_be_as_long_as_a_classic_one(size: int) -> None:
    """Both forms hold the same strings."""
    message = Loose(name="x" * size, rack="x" * size, names=["x" * size])
    for flexible in (False, True):
        assert decoded(Loose, encoded(message, 0, flexible), 0, flexible) == message


@pytest.mark.parametrize("name", ["name", "rack", "names"])
def test_a_compact_string_longer_than_a_classic_one_is_refused(name: str) -> None:
    """Apache Kafka refuses it as well, whether or not it may be null."""
    allowed = LONG[:-1]
    message = Loose()
    setattr(message, name, [allowed] if name == "names" else allowed)
    whole = encoded(message, 0, True)
    longer = whole.replace(b"\x80\x80\x02" + allowed.encode(), b"\x81\x80\x02" + LONG.encode())
    with pytest.raises(ProtocolError, match="a string of 32768 bytes"):
        decoded(Loose, longer, 0, True)


@pytest.mark.parametrize("flexible", [False, True])
def test_a_string_that_nobody_would_read_is_not_written(flexible: bool) -> None:
    """Both forms of it have the same bound."""
    with pytest.raises(struct.error):
        encoded(Loose(name=LONG), 0, flexible)


def test_compact_bytes_and_arrays_may_be_longer() -> None:
    """Only strings have a bound of their own."""
    message = Loose(raw=LONG.encode(), maybe_raw=LONG.encode(), numbers=[1] * 32_768)
    assert decoded(Loose, encoded(message, 0, True), 0, True) == message


@pytest.mark.parametrize("flexible", [False, True])
def test_a_counting_reader_says_what_it_is_about_to_read(flexible: bool) -> None:
    """It hears of each array before its items, and reads the same message."""
    counts: list[int] = []
    whole = memoryview(encoded(LOOSE, 0, flexible))
    read = counting_reader(Loose, 0, flexible)(whole, 0, counts.append)
    assert read == reader(Loose, 0, flexible)(whole, 0)
    assert counts == [2, 2, 2, 1]


def test_a_counting_reader_counts_tagged_fields_known_or_not() -> None:
    """A block of nothing but tags takes time as well, and what is in a tagged field is counted."""
    counts: list[int] = []
    whole = encoded(Tagged(first=7, parts=[Part(index=2)]), 0, True)
    unknown = encoded(Part(index=1), 0, True)[:-1] + bytes.fromhex("02 05 00 06 00")
    counting_reader(Tagged, 0, True)(memoryview(whole), 0, counts.append)
    assert counts == [2, 1]
    counting_reader(Part, 0, True)(memoryview(unknown), 0, counts.append)
    assert counts == [2, 1, 2]


def structs(cls: type) -> Iterator[type]:
    """Yield a message class and those of its parts."""
    yield cls
    for field in fields_of(cls):
        if field.struct is not None:
            yield from structs(field.struct)


@pytest.mark.parametrize(("api", "version"), EVERY_VERSION)
def test_every_item_of_an_array_takes_bytes(api: Api, version: int) -> None:
    """Else the count of an array could not be held against what remains of the frame."""
    for root in (REQUESTS[api.key], api.response):
        for cls in structs(root):
            for field in fields_of(cls):
                if field.is_array and field.struct and version in field.versions:
                    assert bytes_min(field.struct, version, version >= api.flexible) > 0
