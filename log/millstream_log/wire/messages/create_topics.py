"""CreateTopics (key 19): create topics, or only check that they could be.

Versions: 1 checking alone, and error messages; 2 throttle time; 4 the broker's default counts;
5 flexible, the topic's configs in the answer; 6 may be refused by quota; 7 topic ids.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from ...errors import ErrorCode
from ..enums import ConfigSource
from ..request import Request
from ..schema import Api, Bool, Error, Int16, Int32, String, Uuid, api


class CreatableReplicaAssignment(msgspec.Struct, kw_only=True, gc=False):
    """Which brokers hold one partition, its leader first."""

    partition_index: Int32
    broker_ids: list[Int32]


class CreatableTopicConfig(msgspec.Struct, kw_only=True, gc=False):
    """One config of a topic to create."""

    name: String
    value: Annotated[String | None, "null"] = None


class CreatableTopic(msgspec.Struct, kw_only=True, gc=False):
    """A topic to create; -1 stands for the broker's default."""

    name: String
    num_partitions: Int32 = -1
    replication_factor: Int16 = -1
    assignments: list[CreatableReplicaAssignment] = []
    configs: list[CreatableTopicConfig] = []


class CreatedTopicConfig(msgspec.Struct, kw_only=True, gc=False):
    """One config of a topic as created."""

    name: String
    value: Annotated[String | None, "null"]
    read_only: Bool = False
    source: Annotated[ConfigSource, "int8"] = ConfigSource.DEFAULT
    is_sensitive: Bool = False


class CreatableTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one topic."""

    name: String
    topic_id: Annotated[Uuid, "7+"] = ""
    error_code: Error = ErrorCode.NONE
    error_message: Annotated[String | None, "1+ null"] = None
    topic_config_error_code: Annotated[Error, "5+ tag 0"] = ErrorCode.NONE  # why no configs came
    num_partitions: Annotated[Int32, "5+"] = -1
    replication_factor: Annotated[Int16, "5+"] = -1
    configs: Annotated[list[CreatedTopicConfig] | None, "5+ null"] = []


class CreateTopicsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 19."""

    throttle_time_ms: Annotated[Int32, "2+"] = 0
    topics: list[CreatableTopicResult]


class CreateTopicsRequest(Request[CreateTopicsResponse], kw_only=True, gc=False):
    """API key 19."""

    api: ClassVar[Api] = api(19, "CreateTopics", "0-7", 5, CreateTopicsResponse)

    topics: list[CreatableTopic]
    timeout_ms: Int32 = 30_000
    validate_only: Annotated[Bool, "1+"] = False
