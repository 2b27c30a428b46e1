"""The APIs about topics and configs: Metadata, Create, Delete, Partitions, Configs, LogDirs.

`topic_id` is 32 hex digits, or empty where the topic goes by its name.

Source: Kafka's message definitions (keys 3, 19, 20, 37, 32, 44, 35).
"""

from __future__ import annotations

import enum

import msgspec

from ..errors import ErrorCode
from .request import Request


class MetadataPartition(msgspec.Struct, kw_only=True, gc=False):
    """Who leads a partition and who holds it."""

    index: int
    error_code: ErrorCode = ErrorCode.NONE
    leader_id: int = 0
    leader_epoch: int = 0
    replicas: list[int] = msgspec.field(default_factory=list)
    isr: list[int] = msgspec.field(default_factory=list)
    offline_replicas: list[int] = msgspec.field(default_factory=list)


class MetadataTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic and its partitions, in order of their index."""

    name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None  # not on the wire
    topic_id: str = ""
    is_internal: bool = False
    partitions: list[MetadataPartition] = msgspec.field(default_factory=list)


class MetadataBroker(msgspec.Struct, kw_only=True, gc=False):
    """Where a broker can be reached; port 0 for an embedded log."""

    node_id: int
    host: str
    port: int
    rack: str | None = None


class MetadataResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 3."""

    topics: list[MetadataTopic]
    brokers: list[MetadataBroker]
    cluster_id: str = ""
    controller_id: int = 0
    throttle_time_ms: int = 0


class MetadataRequest(Request[MetadataResponse], kw_only=True, gc=False):
    """API key 3: None asks for all topics, an empty list for none."""

    topics: list[str] | None = None
    allow_auto_topic_creation: bool = True


class CreatableTopic(msgspec.Struct, kw_only=True, gc=False):
    """A topic to create; -1 stands for the broker's default."""

    name: str
    num_partitions: int = -1
    replication_factor: int = -1
    assignments: dict[int, list[int]] = msgspec.field(default_factory=dict)
    configs: dict[str, str | None] = msgspec.field(default_factory=dict)


class CreatableTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one topic."""

    name: str
    topic_id: str = ""
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None
    num_partitions: int = -1
    replication_factor: int = -1
    configs: list[ConfigEntry] = msgspec.field(default_factory=list)


class CreateTopicsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 19."""

    topics: list[CreatableTopicResult]
    throttle_time_ms: int = 0


class CreateTopicsRequest(Request[CreateTopicsResponse], kw_only=True, gc=False):
    """API key 19."""

    topics: list[CreatableTopic]
    timeout_ms: int = 30_000
    validate_only: bool = False


class DeletableTopicResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one topic."""

    name: str
    topic_id: str = ""
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None


class DeleteTopicsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 20."""

    topics: list[DeletableTopicResult]
    throttle_time_ms: int = 0


class DeleteTopicsRequest(Request[DeleteTopicsResponse], kw_only=True, gc=False):
    """API key 20."""

    topics: list[str]
    timeout_ms: int = 30_000


class CreatePartitionsTopic(msgspec.Struct, kw_only=True, gc=False):
    """Raise a topic to `count` partitions in all."""

    name: str
    count: int


class CreatePartitionsResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one topic."""

    name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None


class CreatePartitionsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 37."""

    topics: list[CreatePartitionsResult]
    throttle_time_ms: int = 0


class CreatePartitionsRequest(Request[CreatePartitionsResponse], kw_only=True, gc=False):
    """API key 37."""

    topics: list[CreatePartitionsTopic]
    timeout_ms: int = 30_000
    validate_only: bool = False


class ResourceType(enum.IntEnum):
    """What a config belongs to."""

    TOPIC = 2
    BROKER = 4


class ConfigSource(enum.IntEnum):
    """Where a config's value comes from."""

    TOPIC = 1
    STATIC_BROKER = 4
    DEFAULT = 5


class ConfigType(enum.IntEnum):
    """The type of a config's value."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


class ConfigEntry(msgspec.Struct, kw_only=True, gc=False):
    """One config as it holds now."""

    name: str
    value: str | None
    source: ConfigSource = ConfigSource.DEFAULT
    read_only: bool = False
    is_sensitive: bool = False
    config_type: ConfigType = ConfigType.UNKNOWN
    documentation: str | None = None

    @property
    def is_default(self) -> bool:
        """Whether nobody set it."""
        return self.source is ConfigSource.DEFAULT


class ConfigResource(msgspec.Struct, kw_only=True, gc=False):
    """A topic by name, or the broker by its id as text; None asks for all configs."""

    resource_type: ResourceType
    resource_name: str
    configuration_keys: list[str] | None = None


class DescribeConfigsResult(msgspec.Struct, kw_only=True, gc=False):
    """The configs of one resource, in order of name."""

    resource_type: ResourceType
    resource_name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None
    configs: list[ConfigEntry] = msgspec.field(default_factory=list)


class DescribeConfigsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 32."""

    results: list[DescribeConfigsResult]
    throttle_time_ms: int = 0


class DescribeConfigsRequest(Request[DescribeConfigsResponse], kw_only=True, gc=False):
    """API key 32."""

    resources: list[ConfigResource]
    include_synonyms: bool = False
    include_documentation: bool = False


class AlterOp(enum.IntEnum):
    """What to do with one config; APPEND and SUBTRACT are for lists."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class AlterableConfig(msgspec.Struct, kw_only=True, gc=False):
    """One change."""

    name: str
    operation: AlterOp = AlterOp.SET
    value: str | None = None


class AlterConfigsResource(msgspec.Struct, kw_only=True, gc=False):
    """All changes of one resource: they hold together or not at all."""

    resource_type: ResourceType
    resource_name: str
    configs: list[AlterableConfig]


class AlterConfigsResult(msgspec.Struct, kw_only=True, gc=False):
    """What came of one resource."""

    resource_type: ResourceType
    resource_name: str
    error_code: ErrorCode = ErrorCode.NONE
    error_message: str | None = None


class IncrementalAlterConfigsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 44."""

    responses: list[AlterConfigsResult]
    throttle_time_ms: int = 0


class IncrementalAlterConfigsRequest(
    Request[IncrementalAlterConfigsResponse], kw_only=True, gc=False
):
    """API key 44."""

    resources: list[AlterConfigsResource]
    validate_only: bool = False


class LogDirPartition(msgspec.Struct, kw_only=True, gc=False):
    """How large one partition is on disk."""

    index: int
    size_bytes: int
    offset_lag: int = 0


class LogDirTopic(msgspec.Struct, kw_only=True, gc=False):
    """One topic's partitions in a log directory."""

    name: str
    partitions: list[LogDirPartition]


class LogDirResult(msgspec.Struct, kw_only=True, gc=False):
    """One log directory."""

    log_dir: str
    topics: list[LogDirTopic]
    error_code: ErrorCode = ErrorCode.NONE


class DescribeLogDirsResponse(msgspec.Struct, kw_only=True, gc=False):
    """API key 35."""

    results: list[LogDirResult]
    throttle_time_ms: int = 0


class DescribeLogDirsRequest(Request[DescribeLogDirsResponse], kw_only=True, gc=False):
    """API key 35: None asks for every topic."""

    topics: list[str] | None = None
