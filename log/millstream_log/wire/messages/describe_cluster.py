"""DescribeCluster (key 60): the brokers of a cluster and its controller.

Versions: 0 flexible from the first; 1 brokers or controllers; 2 brokers that are fenced.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int8, Int32, String, api
from .metadata import OPERATIONS_UNKNOWN


class DescribeClusterBroker(msgspec.Struct, kw_only=True, gc=False):
    """Where a broker can be reached."""

    broker_id: Int32
    host: String
    port: Int32
    rack: Annotated[String | None, "null"] = None
    is_fenced: Annotated[Bool, "2+"] = False


class DescribeClusterResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 60."""

    throttle_time_ms: Int32 = 0
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "null"] = None
    endpoint_type: Annotated[Int8, "1+"] = 1  # 1 brokers, 2 controllers
    cluster_id: String
    controller_id: Int32 = -1
    brokers: list[DescribeClusterBroker]
    cluster_authorized_operations: Int32 = OPERATIONS_UNKNOWN  # a bit for each


class DescribeClusterRequest(Request[DescribeClusterResponse], kw_only=True, gc=False):
    """API key 60."""

    api: ClassVar[Api] = api(60, "DescribeCluster", "0-2", 0, DescribeClusterResponse)

    include_cluster_authorized_operations: Bool = False
    endpoint_type: Annotated[Int8, "1+"] = 1  # 1 brokers, 2 controllers
    include_fenced_brokers: Annotated[Bool, "2+"] = False
