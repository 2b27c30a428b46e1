"""What a frame may hold: random requests of every API at the bound of items, and one beyond."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wire_peers import OUR_VALUES, messages, our_layout

from millstream_log.errors import ProtocolError
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.frames import read_request, write_request
from millstream_log.wire.messages.api_versions import ApiVersionsRequest
from millstream_log.wire.primitives import STRING_BYTES_MAX, write_uvarint
from millstream_log.wire.request import Request
from millstream_log.wire.schema import fields_of

STEPS_PER_EXAMPLE = 100  # of a simulation: random messages of each API and version


def frame_of(request: Request[Any], version: int) -> memoryview:
    """Return a request's frame, without its size."""
    return memoryview(b"".join(write_request(request, version, 1, None)))[4:]


def items_of(message: Any, version: int) -> int:
    """Return how many items of arrays, and tagged fields, a message has on the wire."""
    count = 0
    cls: type = type(message)
    for field in fields_of(cls):
        value = getattr(message, field.name)
        if version not in field.versions or (field.tag >= 0 and value == field.default):
            continue
        count += field.tag >= 0
        parts = value or [] if field.is_array else [value]
        count += len(parts) if field.is_array else 0
        if field.struct is not None:
            count += sum(items_of(part, version) for part in parts if part is not None)
    return count


def check(cls: type[Request[Any]], version: int, examples: int) -> None:
    """Raise unless random requests may have as many items as they have, and no fewer."""

    @settings(max_examples=examples, database=None, suppress_health_check=list(HealthCheck))
    @given(messages(our_layout(cls, version), OUR_VALUES))
    def bounded(request: Any) -> None:
        raw, count = frame_of(request, version), items_of(request, version)
        assert count <= len(raw)
        assert read_request(raw, REQUESTS, count) == read_request(raw, REQUESTS)
        if count:
            with pytest.raises(ProtocolError, match=f"more than {count - 1} items"):
                read_request(raw, REQUESTS, count - 1)

    bounded()


@pytest.mark.parametrize("cls", REQUESTS.values(), ids=[c.api.name for c in REQUESTS.values()])
def test_every_item_of_a_request_counts(cls: type[Request[Any]], sim_steps: int) -> None:
    """Each item is counted once, at any depth, and a frame has no more items than bytes."""
    versions = cls.api.versions
    for version in range(versions.first, versions.last + 1):
        check(cls, version, max(sim_steps // STEPS_PER_EXAMPLE, 1))


@given(
    st.one_of(
        st.integers(0, 3 * STRING_BYTES_MAX),
        st.integers(STRING_BYTES_MAX - 2, STRING_BYTES_MAX + 2),
    )
)
def test_a_compact_string_is_as_long_as_a_classic_one(size: int) -> None:
    """Its length may be up to 32,767 bytes, and never more, though all of them have come."""
    head = frame_of(ApiVersionsRequest(), 3)[:-3]
    parts = [bytes(head)]
    write_uvarint(parts.append, size + 1)
    raw = memoryview(b"".join(parts) + b"n" * size + b"\1\0")
    if size <= STRING_BYTES_MAX:
        request = read_request(raw, REQUESTS).request
        assert isinstance(request, ApiVersionsRequest)
        assert request.client_software_name == "n" * size
    else:
        with pytest.raises(ProtocolError, match=f"a string of {size} bytes"):
            read_request(raw, REQUESTS)
