"""The messages of kafka-python and of kio, and ours, in one form.

    layout(..)  ->  Layout: how to make one, and its places in wire order, tagged ones last
    messages(layout, values)  ->  Hypothesis' messages of that layout

Both peers come of Kafka's own definitions: kafka-python reads those of its package as it
runs, kio was generated from those of another release.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import importlib
import io
import types
import typing
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from hypothesis import strategies as st
from kio.schema.errors import ErrorCode as KioErrorCode
from kio.schema.index import api_key_map, schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from millstream_log.errors import ErrorCode
from millstream_log.wire.schema import ALL, Api, Field, fields_of

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads its schemas the old way
    from kafka.protocol.api_message import ApiMessage
    from kafka.protocol.schemas import BaseField

Values = Mapping[str, st.SearchStrategy[Any]]


class Place(NamedTuple):
    """One field, as whoever made the class calls it."""

    name: str
    type: str
    is_array: bool
    nullable: bool
    tag: int  # -1 for none
    inner: Layout | None  # of a struct
    default: Any = ...  # ... where it is nobody's business


class Layout(NamedTuple):
    """The fields of one class in one version."""

    make: Callable[..., Any]
    places: tuple[Place, ...]


def in_wire_order(places: Iterable[Place]) -> tuple[Place, ...]:
    """Return the places with the tagged ones last, by tag."""
    return tuple(sorted(places, key=lambda place: place.tag))


class Peer(Protocol):
    """Somebody else's messages."""

    name: str
    values: Values

    def find(self, api: Api, side: str, version: int) -> type | None:
        """Return the class of a message, None where the peer has none."""

    def layout(self, cls: type, version: int) -> Layout:
        """Return the fields of a class."""

    def encode(self, message: Any, version: int) -> bytes:
        """Return a message's bytes."""

    def decode(self, cls: type, version: int, data: bytes) -> Any:
        """Read a message of the peer's."""


def our_layout(cls: type, version: int, in_tag: bool = False) -> Layout:
    """Return the fields of a class of ours, with the defaults of those that may stay away."""
    return Layout(
        cls,
        in_wire_order(
            _our_place(field, version, in_tag)
            for field in fields_of(cls)
            if version in field.versions
        ),
    )


def _our_place(field: Field, version: int, in_tag: bool) -> Place:
    may_stay_away = in_tag or field.tag >= 0 or field.versions != ALL
    inner, default = None, field.default if may_stay_away else ...
    if field.struct is not None:
        is_one = not field.is_array
        inner = our_layout(field.struct, version, in_tag=is_one and field.tag >= 0)
        default = ... if is_one else default
    nullable = version in field.nullable
    return Place(field.name, field.type, field.is_array, nullable, field.tag, inner, default)


class KafkaPython:
    """kafka-python, which knows old versions too."""

    name = "kafka-python"

    def __init__(self) -> None:
        self._classes = {cls.__name__: cls for cls in ApiMessage.__subclasses__()}
        self.values: Values = {
            **_COMMON,
            "error": _CODES,
            "uuid": st.uuids(),
            "bitfield": st.sets(st.integers(0, 30)),
        }

    def find(self, api: Api, side: str, version: int) -> type | None:
        """Return the class of a message, None where the peer has none."""
        cls: Any = self._classes.get(api.name + side.capitalize())
        return cls if cls is not None and version <= cls.max_version else None

    def layout(self, cls: Any, version: int) -> Layout:
        """Return the fields of a class."""
        return self._layout(functools.partial(cls, version=version), cls._struct._fields, version)

    def _layout(
        self, make: Callable[..., Any], fields: Iterable[BaseField], version: int
    ) -> Layout:
        places = (self._place(field, version) for field in fields if field.for_version_q(version))
        return Layout(make, in_wire_order(places))

    def _place(self, field: BaseField, version: int) -> Place:
        is_struct = field.is_struct() or field.is_struct_array()
        inner = field.array_of._fields if field.is_struct_array() else field._fields
        return Place(
            field.name,
            "struct" if is_struct else field.type_str.removeprefix("[]"),
            field.is_array(),
            field.nullable_for_version_q(version),
            field.tag if field.tagged_field_q(version) else -1,
            self._layout(types.SimpleNamespace, inner, version) if is_struct else None,
            "" if field.type_str == "uuid" else _default(field),
        )

    def encode(self, message: Any, version: int) -> bytes:
        """Return a message's bytes."""
        return bytes(message.encode())

    def decode(self, cls: Any, version: int, data: bytes) -> Any:
        """Read a message of the peer's."""
        # not cls.decode: that of ApiVersions reads every error as version 0 (KIP-511)
        message = ApiMessage.decode.__func__(cls, data, version=version)
        message._header = None  # which encode asks after, and decode leaves unset
        return message


class Kio:
    """kio, whose fields have types of Python's: times, spans, error codes."""

    name = "kio"

    def __init__(self) -> None:
        spans = _MILLIS.map(lambda ms: datetime.timedelta(milliseconds=ms))
        times = _MILLIS.map(lambda ms: _EPOCH + datetime.timedelta(milliseconds=ms))
        self.values: Values = {
            **_COMMON,
            "tuple": st.nothing(),  # its arrays are tuples
            "error": _CODES,
            "error_code": _CODES.map(KioErrorCode),
            "uuid": st.uuids(),
            "timedelta_i32": spans,
            "timedelta_i64": spans,
            "datetime_i64": times,
        }

    def find(self, api: Api, side: str, version: int) -> type | None:
        """Return the class of a message, None where the peer has none."""
        name = api_key_map.get(api.key, "")
        try:
            path = schema_name_map[name][version][EntityType[side]]  # type: ignore[index]
        except KeyError:
            return None
        module, _, cls = path.partition(":")
        found: type = getattr(importlib.import_module(module), cls)
        return found

    def layout(self, cls: Any, version: int) -> Layout:
        """Return the fields of a class."""
        hints = typing.get_type_hints(cls)
        return Layout(
            cls,
            in_wire_order(
                self._place(field, hints[field.name], version) for field in dataclasses.fields(cls)
            ),
        )

    def _place(self, field: dataclasses.Field[Any], hint: Any, version: int) -> Place:
        hint, nullable = _without_none(hint)
        is_array = typing.get_origin(hint) is tuple
        item, _ = _without_none(typing.get_args(hint)[0]) if is_array else (hint, False)
        is_struct = dataclasses.is_dataclass(item)
        kind = "struct" if is_struct else field.metadata["kafka_type"]
        return Place(
            field.name,
            kind,
            is_array,
            nullable and (is_array or kind not in ("uuid", "datetime_i64")),  # None is 0 or -1
            field.metadata.get("tag", -1),
            self.layout(item, version) if is_struct else None,
        )

    def encode(self, message: Any, version: int) -> bytes:
        """Return a message's bytes."""
        with io.BytesIO() as out:
            entity_writer(type(message))(out, message)
            return out.getvalue()

    def decode(self, cls: Any, version: int, data: bytes) -> Any:
        """Read a message of the peer's."""
        message, size = entity_reader(cls)(data, 0)
        assert size == len(data)
        return message


def _without_none(hint: Any) -> tuple[Any, bool]:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint, False
    (kept,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
    return kept, True


def messages(layout: Layout, values: Values) -> st.SearchStrategy[Any]:
    """Return messages of this layout, every field given a value."""
    parts = {place.name: _value(place, values) for place in layout.places}
    return st.fixed_dictionaries(parts).map(lambda given: layout.make(**given))


def _value(place: Place, values: Values) -> st.SearchStrategy[Any]:
    if place.inner is not None:
        found = messages(place.inner, values)
    elif place.name.endswith("error_code") and place.type in ("error", "int16"):
        found = values["error"]
    elif place.type == "int64" and place.name.endswith("_ms"):
        found = values["millis"]
    else:
        found = values[place.type]
    if place.is_array:
        found = st.lists(found, max_size=2)
        found = found.map(tuple) if "tuple" in values else found
    # null records are read as empty ones
    return found | st.none() if place.nullable and place.type != "records" else found


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _default(field: BaseField) -> Any:
    return ... if field.is_struct() or field.type_str == "bitfield" else field.default


_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MILLIS = st.integers(0, 2**31 - 1)  # what a span or a time of kio's can hold in every field
_CODES = st.sampled_from([int(code) for code in ErrorCode])
_BYTES = st.binary(max_size=4) | st.just(bytes(200))  # 200: a compact length of two bytes
_COMMON: Values = {
    "bool": st.booleans(),
    **{f"int{bits}": _integers(bits) for bits in (8, 16, 32, 64)},
    "millis": _MILLIS,
    "uint16": st.integers(0, 2**16 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "string": st.text(max_size=4),
    "bytes": _BYTES,
    "records": _BYTES,
}
OUR_VALUES: Values = {
    **_COMMON,
    "error": st.sampled_from(ErrorCode),
    "records": _BYTES.map(bytearray),
    "uuid": st.uuids().map(lambda value: "" if value == uuid.UUID(int=0) else value.hex),
}
