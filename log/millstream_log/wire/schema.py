"""The notation in which messages are laid down: a Struct whose annotations say how it travels.

    class FetchPartition(Struct, kw_only=True, gc=False):
        index: Int32                                              in every version
        current_leader_epoch: Annotated[Int32, "9+"] = -1         from version 9 on
        topic_id: Annotated[Uuid, "13+"] = ""
        rack: Annotated[String | None, "11+ null 11+"] = None     may be null
        epoch: Annotated[Int32, "12+ tag 0"] = -1                 a tagged field
        message: str | None = None                                not on the wire

    spec:  [versions] [null [versions]] [tag n]      versions:  3+   or   3-8   or   3

Invariants: fields travel in the order in which they stand; one that a version does not have
keeps its default; a plain type (no alias of this module, no spec) never leaves the process.

Source: the vocabulary of Kafka's message definitions.
"""

from __future__ import annotations

import functools
import types
import typing
from typing import Annotated, Any, NamedTuple

import msgspec

from ..errors import ErrorCode

Bool = Annotated[bool, "bool"]
Int8 = Annotated[int, "int8"]
Int16 = Annotated[int, "int16"]
UInt16 = Annotated[int, "uint16"]
Int32 = Annotated[int, "int32"]
Int64 = Annotated[int, "int64"]
Float64 = Annotated[float, "float64"]
Error = Annotated[ErrorCode, "error"]
Uuid = Annotated[str, "uuid"]  # 32 hex digits; empty for the zero id
String = Annotated[str, "string"]
Bytes = Annotated[bytes, "bytes"]
Records = Annotated[bytearray | memoryview, "records"]  # whole batches; null is empty

WIRE_TYPES = frozenset(
    [
        "bool",
        "int8",
        "int16",
        "uint16",
        "int32",
        "int64",
        "float64",
        "error",
        "uuid",
        "string",
        "bytes",
        "records",
    ]
)
VERSION_MAX = 32_767


class Versions(NamedTuple):
    """Versions from `first` to `last`, both included."""

    first: int
    last: int = VERSION_MAX

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.first <= version <= self.last


ALL = Versions(0)
NEVER = Versions(VERSION_MAX, -1)


class Api(NamedTuple):
    """One API: what is said of it in ApiVersions, and from where on it is flexible."""

    key: int
    name: str
    versions: Versions
    flexible: int = VERSION_MAX  # first version with compact lengths and tagged fields
    response: type = object  # the class of its answers


class Field(NamedTuple):
    """One field of a message as it travels."""

    name: str
    struct: type | None  # the class, where type is "struct"
    type: str  # one of WIRE_TYPES, or "struct"
    is_array: bool
    versions: Versions
    nullable: Versions
    tag: int  # -1 for a field that is not tagged
    default: Any


def api(key: int, name: str, versions: str, flexible: int, response: type) -> Api:
    """Return the description that a request class carries as its `api`."""
    return Api(key, name, _versions(versions), flexible, response)


@functools.cache
def fields_of(cls: type) -> tuple[Field, ...]:
    """Return the fields of a message class that travel, in their order."""
    hints = typing.get_type_hints(cls, include_extras=True)
    found = (
        _field(info.name, hints[info.name], _default(info)) for info in msgspec.structs.fields(cls)
    )
    return tuple(field for field in found if field is not None)


def _default(info: msgspec.structs.FieldInfo) -> Any:
    if info.default_factory is not msgspec.NODEFAULT:
        return info.default_factory()
    return None if info.default is msgspec.NODEFAULT else info.default


def _field(name: str, hint: Any, default: Any) -> Field | None:
    words, inner, is_array = _unwrap(hint)
    wire_type = next((word for word in words if word in WIRE_TYPES), "")
    is_struct = isinstance(inner, type) and hasattr(inner, "__struct_fields__")
    if not wire_type and not is_struct:
        return None
    versions, nullable, tag = ALL, NEVER, -1
    spec = [word for word in words if word not in WIRE_TYPES]
    while spec:
        word = spec.pop(0)
        if word == "tag":
            tag = int(spec.pop(0))
        elif word == "null":
            nullable = _versions(spec.pop(0)) if spec and spec[0][0].isdigit() else ALL
        else:
            versions = _versions(word)
    return Field(
        name,
        inner if is_struct else None,
        wire_type or "struct",
        is_array,
        versions,
        nullable,
        tag,
        default,
    )


def _unwrap(hint: Any) -> tuple[list[str], Any, bool]:
    """Return the words of all annotations, the innermost type, and whether it is an array."""
    words: list[str] = []
    is_array = False
    while True:
        origin = typing.get_origin(hint)
        if origin is Annotated:
            words = [w for text in hint.__metadata__ for w in text.split()] + words
            hint = hint.__origin__
        elif origin is list:
            is_array = True
            (hint,) = typing.get_args(hint)
        elif origin in (typing.Union, types.UnionType):
            hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
        else:
            return words, hint, is_array


def _versions(text: str) -> Versions:
    if text.endswith("+"):
        return Versions(int(text[:-1]))
    first, dash, last = text.partition("-")
    return Versions(int(first), int(last) if dash else int(first))
