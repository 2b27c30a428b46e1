"""Metadata (key 3): brokers, topics, and who leads which partition.

Versions: 0 an empty list asks for all topics; 1 null does, an empty list asks for none; and racks,
the controller, internal topics; 2 cluster id; 3 throttle time; 4 whether to create topics;
5 offline replicas; 7 leader epochs; 8 authorized operations; 9 flexible; 10 topic ids;
11 the cluster's authorized operations go to DescribeCluster; 12 topics asked for by id; 13 an
error of the whole answer.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..request import Request
from ..schema import Api, Bool, Error, Int32, String, Uuid, api

OPERATIONS_UNKNOWN = -(1 << 31)  # nobody asked which operations are allowed


class MetadataPartition(msgspec.Struct, kw_only=True, gc=False):
    """Who leads a partition and who holds it."""

    error_code: Error = ErrorCode.NONE
    index: Int32
    leader_id: Int32 = 0
    leader_epoch: Annotated[Int32, "7+"] = -1
    replicas: list[Int32] = []
    isr: list[Int32] = []
    offline_replicas: Annotated[list[Int32], "5+"] = []


class MetadataTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic and its partitions, in order of their index."""

    error_code: Error = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    name: Annotated[String | None, "null 12+"]  # None for an id that nobody knows
    topic_id: Annotated[Uuid, "10+"] = ""
    is_internal: Annotated[Bool, "1+"] = False
    partitions: list[MetadataPartition] = []
    topic_authorized_operations: Annotated[Int32, "8+"] = OPERATIONS_UNKNOWN  # a bit for each


class MetadataBroker(msgspec.Struct, kw_only=True, gc=False):
    """Where a broker can be reached; port 0 for an embedded log."""

    node_id: Int32
    host: String
    port: Int32
    rack: Annotated[String | None, "1+ null"] = None


class MetadataResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 3."""

    throttle_time_ms: Annotated[Int32, "3+"] = 0
    brokers: list[MetadataBroker]
    cluster_id: Annotated[String | None, "2+ null"] = None
    controller_id: Annotated[Int32, "1+"] = -1
    topics: list[MetadataTopic]
    cluster_authorized_operations: Annotated[Int32, "8-10"] = OPERATIONS_UNKNOWN
    error_code: Annotated[Error, "13+"] = ErrorCode.NONE


class MetadataRequestTopic(msgspec.Struct, kw_only=True, gc=False):
    """A topic by its name, or (12+) by its id."""

    topic_id: Annotated[Uuid, "10+"] = ""
    name: Annotated[String | None, "null 10+"] = None


class MetadataRequest(Request[MetadataResponse], kw_only=True, gc=False):
    """API key 3: None asks for all topics, an empty list for none."""

    api: ClassVar[Api] = api(3, "Metadata", "0-13", 9, MetadataResponse)

    topics: Annotated[list[MetadataRequestTopic] | None, "null 1+"] = None
    allow_auto_topic_creation: Annotated[Bool, "4+"] = True
    include_cluster_authorized_operations: Annotated[Bool, "8-10"] = False
    include_topic_authorized_operations: Annotated[Bool, "8+"] = False
