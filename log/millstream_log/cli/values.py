r"""What bytes stand for: JSON, msgpack, text, and where all fail base64.

    b'{"a":1}'       {"a": 1}          JSON
    b"\x81\xa1a\x01"  {"a": 1}          msgpack
    b"EWR"           "EWR"             text
    b"\xff\x00"      {"base64": "/wA="}

Invariants: what comes out can be written as JSON. Printable UTF-8 is text before it is a bare
msgpack number: msgpack reads `a` as 97 and some short Cyrillic words as numbers too.
"""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ..model import Header

_from_json = msgspec.json.Decoder().decode
_from_msgpack = msgspec.msgpack.Decoder().decode
_to_json = msgspec.json.Encoder().encode

_JSON_STARTS = frozenset(bytes((code,)) for code in b'{["tfn-0123456789 \t\r\n')
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONTROLS = {code: f"\\x{code:02x}" for code in [*range(0x20), *range(0x7F, 0xA0)]}
_CONTROLS |= {9: "\\t", 10: "\\n", 13: "\\r", 0x2028: "\\u2028", 0x2029: "\\u2029"}


def read_bytes(data: bytes | None) -> Any:
    """Return what `data` stands for, as something JSON can hold; None for None."""
    if data is None:
        return None
    if data[:1] in _JSON_STARTS:
        try:
            return _from_json(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
    text = _text(data)
    if text is None or not text.isprintable():
        try:
            return _jsonable(_from_msgpack(data))
        except (msgspec.DecodeError, UnicodeDecodeError, TypeError, RecursionError):
            pass  # not msgpack, or msgpack that JSON cannot hold
    return _base64(data) if text is None else text


def read_header(data: bytes | None) -> Any:
    """Return a header's value: text where it is text, else base64; None for None."""
    if data is None:
        return None
    text = _text(data)
    return _base64(data) if text is None else text


def read_headers(headers: Sequence[Header]) -> list[list[Any]]:
    """Return headers as [name, value] pairs, in their order."""
    return [[name, read_header(value)] for name, value in headers]


def show_bytes(data: bytes | None) -> str:
    """Return `data` as one line for people: printable text as it is, all else as `read --json`."""
    if data is None:
        return "null"
    text = _text(data)
    if text is not None and text.isprintable():
        return text
    value = read_bytes(data)
    return one_line(value if type(value) is str else _to_json(value).decode())


def show_header(data: bytes | None) -> str:
    """Return a header's value as one line for people."""
    value = read_header(data)
    return one_line(value if type(value) is str else _to_json(value).decode())


def one_line(text: str) -> str:
    """Return `text` with its control characters escaped, so that a terminal obeys none."""
    return text.translate(_CONTROLS)


def show_time(timestamp_ms: int) -> str:
    """Return a time as ISO 8601 in UTC, with ms; the number where no calendar has it.

    >>> show_time(1357017420000)
    '2013-01-01T05:17:00.000Z'
    """
    if timestamp_ms < 0:
        return "-" if timestamp_ms == -1 else str(timestamp_ms)
    seconds, ms = divmod(timestamp_ms, 1000)
    try:
        return f"{_show_seconds(seconds)}.{ms:03d}Z"
    except OverflowError:
        return str(timestamp_ms)


@functools.lru_cache(maxsize=1 << 10)  # records that lie together have the same seconds
def _show_seconds(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


def _jsonable(value: Any) -> Any:
    """Return a decoded msgpack value with nothing left in it that JSON has no place for."""
    kind = type(value)
    if kind is dict:
        return {_name(name): _jsonable(item) for name, item in value.items()}
    if kind is list or kind is tuple:
        return [_jsonable(item) for item in value]
    if kind is bytes:
        return _base64(value)
    if kind is float and value - value != 0:  # NaN and the infinities
        return str(value)
    if kind is datetime:
        return value.isoformat()
    if isinstance(value, msgspec.msgpack.Ext):
        return {"type": value.code, **_base64(bytes(value.data))}
    return value


def _name(name: Any) -> str:
    if type(name) is str:
        return name
    return _to_json(_jsonable(name)).decode()
