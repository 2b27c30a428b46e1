from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hostile import CROWD_ITEMS, CROWDS
from hypothesis import given, settings
from hypothesis import strategies as st

from millstream_log.errors import ErrorCode, ProtocolError
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.frames import (
    read_request,
    read_response,
    write_request,
    write_response,
)
from millstream_log.wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from millstream_log.wire.messages.describe_topic_partitions import DescribeTopicPartitionsRequest
from millstream_log.wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from millstream_log.wire.messages.metadata import (
    MetadataRequest,
    MetadataRequestTopic,
    MetadataResponse,
)
from millstream_log.wire.request import LOCAL, Request
from millstream_log.wire.schema import VERSION_MAX

VERSIONS = {
    key: range(cls.api.versions.first, cls.api.versions.last + 1) for key, cls in REQUESTS.items()
}


def body(request: Request[Any], version: int, client_id: str | None = "c") -> bytes:
    """Return a request's frame without its size."""
    raw = b"".join(write_request(request, version, 7, client_id))
    assert struct.unpack_from(">i", raw) == (len(raw) - 4,)
    return raw[4:]


def read(raw: bytes) -> Any:
    """Read a request."""
    return read_request(memoryview(raw), REQUESTS)


def test_a_request_has_key_version_correlation_and_client() -> None:
    """The first bytes of a classic request are those of the protocol guide."""
    request = MetadataRequest(topics=[MetadataRequestTopic(name="t")])
    raw = body(request, 1)
    assert raw == bytes.fromhex("0003 0001 00000007 0001 63  00000001 0001 74")
    frame = read(raw)
    assert frame == (MetadataRequest.api, 1, 7, "c", request, False)
    assert (frame.request.version, frame.request.peer) == (VERSION_MAX, LOCAL)


def test_a_flexible_request_keeps_the_int16_before_its_client_id() -> None:
    """Only tagged fields come behind the client id; those that we do not know are skipped."""
    request = ApiVersionsRequest(client_software_name="n", client_software_version="v")
    raw = body(request, 3)
    assert raw == bytes.fromhex("0012 0003 00000007 0001 63 00  026e 0276 00")
    with_tags = raw[:11] + bytes.fromhex("01 09 02 ffff") + raw[12:]
    assert read(with_tags).request == request


def test_a_request_without_a_client_id_is_taken() -> None:
    """A null client id is an empty one."""
    assert read(body(ApiVersionsRequest(), 0, None)).client_id == ""
    assert read(body(ApiVersionsRequest(), 4, None)).client_id == ""


def test_bytes_behind_a_request_are_ignored() -> None:
    """Kafka takes such a request as well."""
    assert read(body(ApiVersionsRequest(), 0) + b"more").request == ApiVersionsRequest()


def test_an_absent_field_is_its_default() -> None:
    """A field of later versions does not travel in an earlier one."""
    part = ListOffsetsPartition(index=1, timestamp=-1, current_leader_epoch=9)
    request = ListOffsetsRequest(
        topics=[ListOffsetsTopic(name="t", partitions=[part])], isolation_level=1, timeout_ms=5
    )
    found = read(body(request, 2)).request
    assert (found.isolation_level, found.timeout_ms) == (1, 0)
    assert found.topics[0].partitions[0].current_leader_epoch == -1


def test_apiversions_of_a_version_to_come_is_told_apart() -> None:
    """It can still be answered, in version 0; its body is not looked at."""
    frame = read(struct.pack(">hhi", 18, 99, 7) + b"whatever")
    assert frame == (ApiVersionsRequest.api, 0, 7, "", ApiVersionsRequest(), True)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (struct.pack(">hhih", 999, 0, 7, -1), "API key 999"),
        (struct.pack(">hhih", 3, 99, 7, -1), "Metadata version 99, ours are 0 to 13"),
        (struct.pack(">hhih", 3, -1, 7, -1), "Metadata version -1"),
        (struct.pack(">hhih", 1, 3, 7, -1), "Fetch version 3, ours are 4 to 18"),
        (b"", "ends inside"),
        (struct.pack(">hhih", 3, 1, 7, -1), "ends inside"),
        (struct.pack(">hhih", 3, 1, 7, 9), "remain"),
        (struct.pack(">hhih", 60, 0, 7, -1) + b"\x00", "ends inside"),
    ],
)
def test_what_is_no_request_of_ours_is_refused(raw: bytes, message: str) -> None:
    """The error says which API, version or length it was."""
    with pytest.raises(ProtocolError, match=message):
        read(raw)


def test_a_response_has_its_correlation_id_and_tags_where_flexible() -> None:
    """The header of an answer grows a byte in flexible versions."""
    answer = MetadataResponse(topics=[], brokers=[], cluster_id="c", controller_id=1)
    api = MetadataRequest.api
    for version, tags in ((8, b""), (9, b"\x00")):
        raw = b"".join(write_response(api, version, 7, answer))
        assert struct.unpack_from(">ii", raw) == (len(raw) - 4, 7)
        assert raw[8:].startswith(tags + b"\x00\x00\x00\x00")
        assert read_response(memoryview(raw)[4:], api, version) == (7, answer)


def test_the_header_of_an_apiversions_answer_is_never_flexible() -> None:
    """A client reads it before it knows what we speak."""
    answer = ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        api_keys=[ApiVersion(api_key=18, min_version=0, max_version=4)],
    )
    raw = b"".join(write_response(ApiVersionsRequest.api, 3, 7, answer))[4:]
    assert raw == bytes.fromhex("00000007 0023 02 0012 0000 0004 00 00000000 00")
    assert read_response(memoryview(raw), ApiVersionsRequest.api, 3) == (7, answer)


def test_a_response_that_ends_early_is_refused() -> None:
    """A cut answer is an error of the protocol, not of Python."""
    answer = MetadataResponse(topics=[], brokers=[])
    raw = b"".join(write_response(MetadataRequest.api, 9, 7, answer))[4:]
    for end in range(len(raw)):
        with pytest.raises(ProtocolError):
            read_response(memoryview(raw)[:end], MetadataRequest.api, 9)


@settings(max_examples=1000, deadline=None)
@given(data=st.data())
def test_random_bytes_give_a_request_or_a_protocol_error(data: st.DataObject) -> None:
    """Whatever comes behind a header, no other error leaves the reader."""
    key = data.draw(st.sampled_from(sorted(REQUESTS)))
    version = data.draw(st.sampled_from(VERSIONS[key]))
    small = st.sampled_from([b"\x00", b"\x01", b"\x02", b"\xff", b"\x00\x01", b"\x00\x00\x00\x01"])
    rest = data.draw(st.one_of(st.binary(max_size=200), st.lists(small).map(b"".join)))
    try:
        frame = read(struct.pack(">hhih", key, version, 7, -1) + rest)
    except ProtocolError:
        return
    assert isinstance(frame.request, REQUESTS[key])


@given(st.binary(max_size=64))
def test_random_frames_give_a_request_or_a_protocol_error(raw: bytes) -> None:
    """The header is as little trusted as the rest."""
    try:
        assert read(raw).request is not None
    except ProtocolError:
        pass


@pytest.mark.parametrize("version", [0, 13])
def test_a_request_cut_anywhere_is_refused(version: int) -> None:
    """Every field is looked for, and missed where it is not."""
    raw = body(MetadataRequest(topics=[MetadataRequestTopic(name="topic")]), version)
    for end in range(len(raw)):
        with pytest.raises(ProtocolError):
            read(raw[:end])


def test_a_part_that_may_be_null_is_cut_like_any_other() -> None:
    """The byte that tells whether a part is there is missed as well."""
    raw = body(DescribeTopicPartitionsRequest(topics=[]), 0)
    for end in range(len(raw)):
        with pytest.raises(ProtocolError):
            read(raw[:end])


@pytest.mark.parametrize("version", [4, 9])
def test_all_items_of_a_request_count_against_one_bound(version: int) -> None:
    """As many as the bound are read like any others, one more is refused."""
    raw = body(metadata(10), version)
    assert read_request(memoryview(raw), REQUESTS, 10) == read(raw)
    with pytest.raises(ProtocolError, match="more than 9 items of arrays"):
        read_request(memoryview(raw), REQUESTS, 9)


def test_items_within_items_count_too() -> None:
    """Many small arrays are as much as a large one: a topic of two partitions is three items."""
    part = ListOffsetsPartition(index=0, timestamp=-1)
    request = ListOffsetsRequest(topics=[ListOffsetsTopic(name="t", partitions=[part] * 2)] * 3)
    raw = memoryview(body(request, 6))
    assert read_request(raw, REQUESTS, 9).request == request
    with pytest.raises(ProtocolError, match="more than 8 items of arrays"):
        read_request(raw, REQUESTS, 8)


def test_tagged_fields_of_the_header_count() -> None:
    """They come before the request, and take the same time."""
    raw = body(ApiVersionsRequest(), 3)
    crowd = memoryview(raw[:11] + b"\x03\x05\x00\x06\x00\x07\x00" + raw[12:])
    assert read_request(crowd, REQUESTS, 3).request == ApiVersionsRequest()
    with pytest.raises(ProtocolError, match="more than 2 items"):
        read_request(crowd, REQUESTS, 2)


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_is_refused_before_it_is_made(crowd: Callable[[int], bytes]) -> None:
    """Two million items that take six megabytes of a frame take no memory beyond it."""
    raw = memoryview(crowd(CROWD_ITEMS))[4:]
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match="more than 250000 items"):
            read_request(raw, REQUESTS, 250_000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20


def metadata(count: int) -> MetadataRequest:
    """Return a request for so many topics."""
    return MetadataRequest(topics=[MetadataRequestTopic(name="t")] * count)
