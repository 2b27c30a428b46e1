from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millstream_log.cli.values import read_bytes, read_header, show_bytes, show_time


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (None, None),
        (b'{"a": [1, 2.5, null, true]}', {"a": [1, 2.5, None, True]}),
        (b"17", 17),
        (b'"text in JSON"', "text in JSON"),
        (b"EWR", "EWR"),
        (b"", ""),
        ("Žluťoučký".encode(), "Žluťoučký"),
        (b"\xff\xfe", {"base64": "//4="}),
    ],
)
def test_bytes_stand_for_json_then_text_then_base64(data: bytes | None, value: object) -> None:
    """A value reads as JSON where it is JSON, as text where it is text, else as base64."""
    assert read_bytes(data) == value


@pytest.mark.parametrize("value", [{"a": 1, "b": [None, "x"]}, [1, 2], 2.5, 300, -1000, True])
def test_msgpack_reads_as_json(value: object) -> None:
    """A value in msgpack reads as the same JSON."""
    assert read_bytes(msgspec.msgpack.encode(value)) == value


@pytest.mark.parametrize("text", ["a", "z", "~", "\u0440x", "д", "שלוםש"])
def test_printable_text_is_no_msgpack_number(text: str) -> None:
    """Short text that msgpack would read as a number or an extension stays text."""
    msgspec.msgpack.decode(text.encode(), strict=False)
    assert read_bytes(text.encode()) == text


def test_msgpack_that_json_cannot_hold_is_written_out() -> None:
    """Bytes, times, extensions, NaN and odd keys inside msgpack come as JSON that says so."""
    packed = msgspec.msgpack.encode(
        {
            "raw": b"\xff",
            "ext": msgspec.msgpack.Ext(7, b"\x00"),
            "when": datetime(2013, 1, 1, tzinfo=UTC),
            "nan": float("nan"),
            5: "five",
        }
    )
    assert read_bytes(packed) == {
        "raw": {"base64": "/w=="},
        "ext": {"type": 7, "base64": "AA=="},
        "when": "2013-01-01T00:00:00+00:00",
        "nan": "nan",
        "5": "five",
    }


@given(st.binary(max_size=40))
def test_all_bytes_can_be_printed(data: bytes) -> None:
    """Whatever the bytes are, they come out as JSON, and as one line without controls."""
    value = read_bytes(data)
    assert json.loads(msgspec.json.encode(value)) == value
    line = show_bytes(data)
    assert len(line.splitlines()) <= 1
    assert not any(ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 for letter in line)


@given(st.binary(max_size=40))
def test_headers_are_text_or_base64(data: bytes) -> None:
    """A header's value is never decoded further than to text, and no byte of it is lost."""
    value = read_header(data)
    if isinstance(value, str):
        assert value.encode() == data
    else:
        assert base64.b64decode(value["base64"]) == data


def test_a_terminal_obeys_no_record() -> None:
    """Control characters in a value are printed as escapes."""
    assert show_bytes(b"\x1b[2Jgone\tnow\n") == "\\x1b[2Jgone\\tnow\\n"


@pytest.mark.parametrize(
    ("timestamp_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (1357017420123, "2013-01-01T05:17:00.123Z"),
        (-1, "-"),
        (2**62, str(2**62)),
    ],
)
def test_times_are_iso_in_utc(timestamp_ms: int, text: str) -> None:
    """A time is ISO 8601 in UTC with ms; one that no calendar has is its number."""
    assert show_time(timestamp_ms) == text
