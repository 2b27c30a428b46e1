"""ApiVersions (key 18): what this node speaks."""

from __future__ import annotations

from ...wire.apis import REQUESTS
from ...wire.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from ..host import Host


async def api_versions(host: Host, request: ApiVersionsRequest) -> ApiVersionsResponse:
    """Name every API and its versions."""
    return ApiVersionsResponse(
        api_keys=[
            ApiVersion(
                api_key=key,
                min_version=cls.api.versions.first,
                max_version=cls.api.versions.last,
            )
            for key, cls in REQUESTS.items()
        ]
    )
