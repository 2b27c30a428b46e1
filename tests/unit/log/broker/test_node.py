from __future__ import annotations

import pytest
from one_broker import PEER, ask

from millstream_log.broker.routes import HANDLERS
from millstream_log.errors import ErrorCode, InvalidConfigError
from millstream_log.testing import MemoryFiles
from millstream_log.wire.apis import REQUESTS
from millstream_log.wire.messages.api_versions import ApiVersionsRequest
from millstream_log.wire.messages.describe_cluster import DescribeClusterRequest
from millstream_log.wire.messages.metadata import OPERATIONS_UNKNOWN
from millstream_log.wire.messages.sasl_authenticate import SaslAuthenticateRequest
from millstream_log.wire.messages.sasl_handshake import SaslHandshakeRequest
from millstream_log.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest


def versions_request(name: str, version: str = "1", api_version: int = 3) -> ApiVersionsRequest:
    """Return what a client of this name asks."""
    return ApiVersionsRequest(
        version=api_version, client_software_name=name, client_software_version=version
    )


def test_every_api_that_is_listed_is_answered() -> None:
    """What ApiVersions offers has a handler, and what has a handler is offered."""
    (answer,) = ask(versions_request("probe"))
    assert [api.api_key for api in answer.api_keys] == list(REQUESTS)
    assert set(REQUESTS.values()) == set(HANDLERS)


@pytest.mark.parametrize(("name", "version"), [("", "1"), ("a-", "1"), ("a b", "1"), ("a", "")])
def test_a_client_without_a_proper_name_is_refused(name: str, version: str) -> None:
    """From version 3 on name and version must be words; before, nobody says them."""
    refused, old = ask(versions_request(name, version), versions_request(name, version, 2))
    assert (refused.error_code, refused.api_keys) == (ErrorCode.INVALID_REQUEST, [])
    assert old.error_code is ErrorCode.NONE
    assert old.api_keys


def test_the_cluster_is_this_node_at_the_address_that_was_reached() -> None:
    """One broker, which is the controller, where the client has found it."""
    plain, asked = ask(
        DescribeClusterRequest(peer=PEER),
        DescribeClusterRequest(peer=PEER, include_cluster_authorized_operations=True),
    )
    (broker,) = plain.brokers
    assert (broker.broker_id, broker.host, broker.port) == (0, "localhost", 9092)
    assert (plain.controller_id, broker.rack, broker.is_fenced) == (0, None, False)
    assert plain.cluster_authorized_operations == OPERATIONS_UNKNOWN
    assert asked.cluster_authorized_operations == 8096


@pytest.mark.parametrize(
    ("endpoint_type", "code"),
    [(2, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)],
)
def test_a_broker_is_no_controller_endpoint(endpoint_type: int, code: ErrorCode) -> None:
    """Who looks for controllers is told that this is the wrong door."""
    (answer,) = ask(DescribeClusterRequest(endpoint_type=endpoint_type))
    assert (answer.error_code, answer.brokers, answer.cluster_id) == (code, [], "")


def test_features_are_final() -> None:
    """Groups and transactions are of the newest kind; that they need not be, newer clients hear."""
    new, old = ask(versions_request("probe", api_version=4), versions_request("probe"))
    there = [("group.version", 0, 1), ("transaction.version", 0, 2)]
    assert [
        (feature.name, feature.min_version, feature.max_version)
        for feature in new.supported_features
    ] == there
    assert old.supported_features == []
    for answer in (new, old):
        assert [
            (feature.name, feature.min_version_level, feature.max_version_level)
            for feature in answer.finalized_features
        ] == [(name, high, high) for name, _, high in there]
        assert answer.finalized_features_epoch == 0


@pytest.mark.parametrize(
    ("updates", "code"),
    [
        ([("metadata.version", 20)], ErrorCode.INVALID_UPDATE_VERSION),
        ([("transaction.version", 1)], ErrorCode.INVALID_UPDATE_VERSION),
        ([("transaction.version", 2)], ErrorCode.NONE),
        ([("group.version", 0)], ErrorCode.INVALID_UPDATE_VERSION),
        ([], ErrorCode.NONE),
    ],
)
def test_no_feature_can_be_updated(updates: list[tuple[str, int]], code: ErrorCode) -> None:
    """What is there stays as it is; an update to that, or of nothing, is no error."""
    keys = [FeatureUpdateKey(feature=name, max_version_level=level) for name, level in updates]
    (answer,) = ask(UpdateFeaturesRequest(feature_updates=keys))
    assert answer.error_code is code


def test_a_plaintext_listener_does_not_authenticate() -> None:
    """SASL is out of place, as on a PLAINTEXT listener of Kafka's."""
    handshake, token = ask(
        SaslHandshakeRequest(mechanism="PLAIN"), SaslAuthenticateRequest(auth_bytes=b"x")
    )
    assert (handshake.error_code, handshake.mechanisms) == (ErrorCode.ILLEGAL_SASL_STATE, [])
    assert token.error_code is ErrorCode.ILLEGAL_SASL_STATE


def test_a_log_keeps_the_node_id_that_it_was_begun_with() -> None:
    """node.id decides on a new log, is not needed afterwards, and must not contradict it."""
    files = MemoryFiles()
    for configs in ({"node_id": "7"}, {}, {"broker_id": "7"}, {"broker_id": "-1"}):
        (answer,) = ask(DescribeClusterRequest(), files=files, **configs)
        assert answer.controller_id == 7
    with pytest.raises(InvalidConfigError, match="node 7"):
        ask(files=files, node_id="8")
    with pytest.raises(InvalidConfigError, match="differ"):
        ask(files=files, node_id="7", broker_id="8")
