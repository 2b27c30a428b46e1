"""Which version of an API is spoken with a broker."""

from __future__ import annotations

import pytest

from millstream_log.errors import BrokerError, ErrorCode
from millstream_log.remote.versions import FILLED, Spoken
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest
from millstream_log.wire.messages.fetch import FetchRequest
from millstream_log.wire.messages.heartbeat import HeartbeatRequest
from millstream_log.wire.messages.metadata import MetadataRequest


def spoken(**ranges: tuple[int, int]) -> Spoken:
    """Return what a broker speaks that lists these APIs."""
    keys = {cls.api.name: key for key, cls in REQUESTS.items()}
    listed = [
        ApiVersion(api_key=keys[name], min_version=first, max_version=last)
        for name, (first, last) in ranges.items()
    ]
    return Spoken(ApiVersionsResponse(api_keys=listed))


def test_the_highest_version_that_both_know_is_used() -> None:
    """The lower of the two ends counts, and what our clients fill is an end too."""
    broker = spoken(Metadata=(0, 99), Heartbeat=(0, 2), Fetch=(4, 18))
    assert broker.version(MetadataRequest.api) == MetadataRequest.api.versions.last
    assert broker.version(HeartbeatRequest.api) == 2
    assert broker.version(FetchRequest.api) == 12


def test_a_version_that_we_cannot_fill_is_not_used() -> None:
    """A broker that is too old, too new or without the API is told by name and versions."""
    broker = spoken(DeleteTopics=(0, 4), Fetch=(13, 18))
    for api, message in (
        (DeleteTopicsRequest.api, "DeleteTopics: the broker speaks versions 0 to 4, we 6 to 6"),
        (FetchRequest.api, "Fetch: the broker speaks versions 13 to 18, we 4 to 12"),
        (HeartbeatRequest.api, "does not know Heartbeat"),
    ):
        with pytest.raises(BrokerError, match=message) as raised:
            broker.version(api)
        assert raised.value.code is ErrorCode.UNSUPPORTED_VERSION


def test_our_own_broker_is_spoken_to_in_what_it_has() -> None:
    """Every bound lies within the versions that we have layouts for."""
    for key, filled in FILLED.items():
        versions = REQUESTS[key].api.versions
        assert max(filled.first, versions.first) <= min(filled.last, versions.last)
