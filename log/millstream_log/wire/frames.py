"""Frames and their headers: which API, which version, and the message in it.

    request    size i32 | key i16 | version i16 | correlation i32 | client id str? | [tags] | body
    response   size i32 | correlation i32 | [tags] | body

    tags: in flexible versions; never in the response header of ApiVersions, which a client
    reads before it knows what the broker speaks. The client id keeps its int16 length.

Invariants: bytes after a request's body are ignored; an API or a version that is not ours is a
ProtocolError, but for ApiVersions, which then comes back with `unsupported` set.

Source: the Kafka protocol guide; KIP-482; KIP-511.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ProtocolError
from .codec import counting_reader, reader, writer
from .primitives import read_nullable_string, skip_tags
from .request import Request
from .schema import Api

API_VERSIONS = 18

_REQUEST = struct.Struct(">hhi")
_BAD_BYTES = (struct.error, IndexError, UnicodeDecodeError)
"""What is raised where a frame ends inside a field, or holds text that is none."""

_SIZE_AND_CORRELATION = struct.Struct(">ii")


class Frame(NamedTuple):
    """A request as it came."""

    api: Api
    version: int
    correlation_id: int
    client_id: str
    request: Request[Any]
    unsupported: bool = False  # ApiVersions of a version that is not ours


class _Items:
    """The items that a request may still have."""

    __slots__ = ("_left", "_max")

    def __init__(self, items_max: int) -> None:
        self._max = self._left = items_max

    def take(self, count: int) -> None:
        """Count items before they are read. Raises ProtocolError beyond the bound."""
        self._left -= count
        if self._left < 0:
            raise ProtocolError(
                f"more than {self._max} items of arrays and tagged fields in a request"
            )


def read_request(
    data: memoryview, classes: Mapping[int, type[Request[Any]]], items_max: int | None = None
) -> Frame:
    """Read one request, without its size; `classes` are the request classes by API key.

    An item takes a byte at the least: who bounds items need do so for frames with more bytes only.

    Raises:
        ProtocolError: the bytes are no request of an API and version that we speak, or its arrays
            and tagged fields have more than `items_max` items together.
    """
    try:
        key, version, correlation_id = _REQUEST.unpack_from(data)
        cls = classes.get(key)
        if cls is None:
            raise ProtocolError(f"API key {key} is not one of ours")
        api = cls.api
        if version not in api.versions:
            if key != API_VERSIONS:
                raise ProtocolError(
                    f"{api.name} version {version}, ours are {api.versions.first} to"
                    f" {api.versions.last}"
                )
            return Frame(api, 0, correlation_id, "", cls(), unsupported=True)
        flexible = version >= api.flexible
        client_id, at = read_nullable_string(data, _REQUEST.size)
        if items_max is None:
            if flexible:
                at = skip_tags(data, at)
            request, _ = reader(cls, version, flexible)(data, at)
        else:
            request = _read_counted(data, at, cls, version, items_max)
    except _BAD_BYTES as error:
        raise ProtocolError(
            f"a frame of {len(data)} bytes is broken or ends inside a field: {error}"
        ) from error
    return Frame(api, version, correlation_id, client_id or "", request)


def _read_counted(
    data: memoryview, at: int, cls: type[Request[Any]], version: int, items_max: int
) -> Request[Any]:
    """Read what stands behind a client id, up to so many items."""
    take = _Items(items_max).take
    flexible = version >= cls.api.flexible
    if flexible:
        at = skip_tags(data, at, take)
    request: Request[Any] = counting_reader(cls, version, flexible)(data, at, take)[0]
    return request


def write_response(api: Api, version: int, correlation_id: int, response: Any) -> list[bytes]:
    """Return the parts of a whole response, its size first."""
    flexible = version >= api.flexible
    parts = [b""]
    if flexible and api.key != API_VERSIONS:
        parts.append(b"\x00")
    writer(api.response, version, flexible)(parts.append, response)
    size = sum(map(len, parts)) + 4
    parts[0] = _SIZE_AND_CORRELATION.pack(size, correlation_id)
    return parts


def write_request(
    request: Request[Any], version: int, correlation_id: int, client_id: str | None
) -> list[bytes]:
    """Return the parts of a whole request, its size first."""
    api = request.api
    flexible = version >= api.flexible
    name = b"\xff\xff" if client_id is None else struct.pack(">h", len(client_id.encode()))
    parts = [b"", name + (client_id or "").encode() + (b"\x00" if flexible else b"")]
    writer(type(request), version, flexible)(parts.append, request)
    size = sum(map(len, parts)) + _REQUEST.size
    parts[0] = struct.pack(">i", size) + _REQUEST.pack(api.key, version, correlation_id)
    return parts


def read_response(data: memoryview, api: Api, version: int) -> tuple[int, Any]:
    """Read one response, without its size; return its correlation id and the message."""
    flexible = version >= api.flexible
    try:
        (correlation_id,) = struct.unpack_from(">i", data)
        at = 4
        if flexible and api.key != API_VERSIONS:
            at = skip_tags(data, at)
        response, _ = reader(api.response, version, flexible)(data, at)
    except _BAD_BYTES as error:
        raise ProtocolError(f"a response of {len(data)} bytes is broken: {error}") from error
    return correlation_id, response
