"""Serdes: bytes to objects and back, as plain callables.

A codec is a pair of callables, so it fits wherever one is taken: aiokafka's
`value_serializer=` and `value_deserializer=`, a Faust codec (entry points below), a topic here.
JSON and msgpack are told apart by the first byte: JSON is ASCII, and a msgpack map, array, text
or large number starts above it.

Invariants: None is the null value in both directions; what `encode` wrote, `decode` reads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from .event import Windowed

Encode = Callable[[Any], bytes | None]
Decode = Callable[[bytes | None], Any]


class Codec(NamedTuple):
    """One way to write and read values: `encode(object)`, and `decoder(type)(bytes)`."""

    name: str
    encode: Callable[[Any], bytes]
    decoder: Callable[[Any], Callable[[bytes], Any]]


def _json_decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.json.Decoder(kind).decode


def _msgpack_decoder(kind: Any) -> Callable[[bytes], Any]:
    return msgspec.msgpack.Decoder(kind).decode


def _text_decoder(kind: Any) -> Callable[[bytes], Any]:
    return functools.partial(str, encoding="utf-8")


def _text_encode(value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError(f"the text codec takes str, not {type(value).__name__}")
    return value.encode()


def _raw_encode(value: Any) -> bytes:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError(f"the bytes codec takes bytes, not {type(value).__name__}")
    return bytes(value)


def _raw_decoder(kind: Any) -> Callable[[bytes], Any]:
    return bytes


json = Codec("json", msgspec.json.Encoder().encode, _json_decoder)
msgpack = Codec("msgpack", msgspec.msgpack.Encoder().encode, _msgpack_decoder)
text = Codec("text", _text_encode, _text_decoder)
raw = Codec("bytes", _raw_encode, _raw_decoder)

CUSTOM = "custom"
"""The name of a codec that a user's own `decode` makes."""

CODECS = {codec.name: codec for codec in (json, msgpack, text, raw)}


def is_json(data: bytes, prefer: Codec = msgpack) -> bool:
    """Tell whether an encoded value is JSON rather than msgpack.

    A msgpack value whose first byte is ASCII is a small integer of that one byte alone, so
    anything longer is JSON. One lone byte can be either: it is what `prefer` says.

    >>> is_json(b'{"a":1}'), is_json(msgpack.encode({"a": 1})), is_json(b"5")
    (True, False, False)
    """
    return data[0] < 0x80 if len(data) > 1 else prefer is json


def either_decoder(kind: Any, prefer: Codec = msgpack) -> Callable[[bytes], Any]:
    """Return a decoder that reads both JSON and msgpack into `kind`."""
    from_json, from_msgpack = _json_decoder(kind), _msgpack_decoder(kind)

    def decode(data: bytes) -> Any:
        return from_json(data) if is_json(data, prefer) else from_msgpack(data)

    return decode


# Keys ---------------------------------------------------------------------------------------


def encode_key(key: Any) -> bytes | None:
    """Write a key: text as UTF-8, bytes as they are, all else as JSON; None is the null key.

    A windowed key is the JSON array of the group's key columns and the window start in ms.

    >>> encode_key(Windowed("EWR", 60_000, 120_000))
    b'["EWR",60000]'
    """
    if key is None:
        return None
    kind = type(key)
    if kind is str:
        return key.encode()  # type: ignore[no-any-return]
    if kind is bytes:
        return key  # type: ignore[no-any-return]
    if kind is Windowed:
        group = key.key
        columns = group if type(group) is tuple else (group,)
        return json.encode((*columns, key.start))
    return json.encode(key)


_read_key = msgspec.msgpack.Decoder().decode


def decode_key(data: bytes) -> Any:
    """Read a key that the app itself wrote as msgpack; a composite key is a tuple again."""
    key = _read_key(data)
    return tuple(key) if type(key) is list else key


def key_decoder(kind: Any) -> Callable[[bytes], Any]:
    """Return the decoder of keys of type `kind`: str, bytes, or anything JSON can hold."""
    if kind is str:
        return functools.partial(str, encoding="utf-8")
    if kind is bytes:
        return bytes
    return _json_decoder(kind)


# Plain callables for other frameworks ----------------------------------------------------------


def msgpack_serializer(value: Any) -> bytes | None:
    """Write a value as msgpack; None stays None. Fits aiokafka's `value_serializer=`."""
    return None if value is None else msgpack.encode(value)


def json_serializer(value: Any) -> bytes | None:
    """Write a value as JSON; None stays None. Fits aiokafka's `value_serializer=`."""
    return None if value is None else json.encode(value)


def deserializer(kind: Any = Any) -> Callable[[bytes | None], Any]:
    """Return a reader of JSON or msgpack into `kind`. Fits aiokafka's `value_deserializer=`."""
    decode = either_decoder(kind)

    def read(data: bytes | None) -> Any:
        return None if data is None else decode(data)

    return read


def faust_msgpack() -> Any:
    """Return the Faust codec `millstream_msgpack`; Faust calls this when it needs its codecs."""
    return _faust_codec(msgpack)


def faust_json() -> Any:
    """Return the Faust codec `millstream_json`."""
    return _faust_codec(json)


def _faust_codec(codec: Codec) -> Any:
    from faust.serializers.codecs import Codec as FaustCodec

    decode = codec.decoder(Any)

    class MillstreamCodec(FaustCodec):
        """A Millstream codec under Faust's interface."""

        def _dumps(self, obj: Any) -> bytes:
            return codec.encode(obj)

        def _loads(self, s: bytes) -> Any:
            return decode(s)

    return MillstreamCodec()
