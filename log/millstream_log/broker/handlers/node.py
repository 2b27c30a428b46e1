"""What this node is, and what it is not.

ApiVersions, DescribeCluster, UpdateFeatures, SaslHandshake, SaslAuthenticate (keys 18, 60, 57, 17,
36).

Invariants: what is listed is answered; every feature is final, and there is no authentication that
a PLAINTEXT listener could ask for.

Source: KIP-511 for the names of clients; the answers of Apache Kafka 4.3.
"""

from __future__ import annotations

import re

from ...errors import ErrorCode
from ...wire.apis import REQUESTS
from ...wire.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeature,
    SupportedFeature,
)
from ...wire.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ...wire.messages.metadata import OPERATIONS_UNKNOWN
from ...wire.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from ...wire.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from ...wire.messages.update_features import UpdateFeaturesRequest, UpdateFeaturesResponse
from ...wire.schema import Api
from ..host import Host
from .operations import CLUSTER_OPERATIONS

FEATURES = {"group.version": 1, "transaction.version": 2}
"""What clients look for before they use newer groups (KIP-848) and transactions (KIP-890)."""

_SOFTWARE_FROM = 3
_FEATURES_FROM_ZERO = 4  # before, clients do not understand a feature whose versions begin at 0
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")
_BROKERS, _CONTROLLERS = 1, 2


async def api_versions(host: Host, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """List the APIs, to clients that have a name."""
    software = (request.client_software_name, request.client_software_version)
    if request.version >= _SOFTWARE_FROM and not all(map(_SOFTWARE.fullmatch, software)):
        return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST, api_keys=[])
    features = FEATURES if request.version >= _FEATURES_FROM_ZERO else {}
    return ApiVersionsResponse(
        api_keys=[_listed(cls) for cls in REQUESTS.values()],
        supported_features=[
            SupportedFeature(name=name, min_version=0, max_version=level)
            for name, level in features.items()
        ],
        finalized_features_epoch=0,
        finalized_features=[
            FinalizedFeature(name=name, min_version_level=level, max_version_level=level)
            for name, level in FEATURES.items()
        ],
    )


def _listed(cls: type) -> ApiVersion:
    api: Api = cls.api  # type: ignore[attr-defined]
    return ApiVersion(
        api_key=api.key, min_version=api.versions.first, max_version=api.versions.last
    )


async def describe_cluster(host: Host, request: DescribeClusterRequest) -> DescribeClusterResponse:
    """Name this node, which is its own controller, to those who ask for brokers."""
    if request.endpoint_type != _BROKERS:
        return _mismatched(request.endpoint_type)
    node = host.image.node_id
    peer = request.peer
    return DescribeClusterResponse(
        cluster_id=host.image.cluster_id,
        controller_id=node,
        brokers=[
            DescribeClusterBroker(broker_id=node, host=peer.broker_host, port=peer.broker_port)
        ],
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS
            if request.include_cluster_authorized_operations
            else OPERATIONS_UNKNOWN
        ),
    )


def _mismatched(endpoint_type: int) -> DescribeClusterResponse:
    if endpoint_type == _CONTROLLERS:
        code = ErrorCode.MISMATCHED_ENDPOINT_TYPE
        message = "this endpoint is a broker's, the request is for one of a controller"
    else:
        code = ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        message = f"endpoint type {endpoint_type} is not known"
    return DescribeClusterResponse(
        error_code=code, error_message=message, cluster_id="", brokers=[]
    )


async def update_features(host: Host, request: UpdateFeaturesRequest) -> UpdateFeaturesResponse:
    """Refuse every update: no feature of this node can be raised or lowered."""
    refused = [
        update
        for update in request.feature_updates
        if FEATURES.get(update.feature) != update.max_version_level
    ]
    if not refused:
        return UpdateFeaturesResponse()
    first = refused[0]
    return UpdateFeaturesResponse(
        error_code=ErrorCode.INVALID_UPDATE_VERSION,
        error_message=f"feature {first.feature!r} cannot go to version {first.max_version_level}:"
        " no feature of this broker can be changed",
    )


async def sasl_handshake(host: Host, request: SaslHandshakeRequest) -> SaslHandshakeResponse:
    """Refuse: this listener is PLAINTEXT."""
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE, mechanisms=[])


async def sasl_authenticate(
    host: Host, request: SaslAuthenticateRequest
) -> SaslAuthenticateResponse:
    """Refuse: this listener is PLAINTEXT."""
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE,
        error_message="SaslAuthenticate on a PLAINTEXT listener, which asks for none",
    )
