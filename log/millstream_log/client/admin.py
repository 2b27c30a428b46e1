"""The admin client: topics, configs, groups, and what lies on the disk.

Invariants: a call over several things does what it can for each, then raises the error of the
first that failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..errors import ClosedError, ErrorCode, error_for
from ..model import OffsetAndMetadata, TopicDescription, TopicPartition
from ..wire.enums import AlterOp, ConfigSource, ResourceType
from ..wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from ..wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreatedTopicConfig,
    CreateTopicsRequest,
)
from ..wire.messages.delete_groups import DeleteGroupsRequest
from ..wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from ..wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from ..wire.messages.describe_cluster import DescribeClusterRequest
from ..wire.messages.describe_configs import ConfigEntry, ConfigResource, DescribeConfigsRequest
from ..wire.messages.describe_log_dirs import DescribeLogDirsRequest
from ..wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from ..wire.messages.list_groups import ListGroupsRequest
from ..wire.messages.metadata import MetadataTopic
from .cluster import ask_metadata
from .lifecycle import Client, Log
from .offsets import commit_offsets, fetch_committed
from .transport import Transport


class NewTopic(NamedTuple):
    """A topic to create; -1 stands for the log's default."""

    name: str
    num_partitions: int = -1
    replication_factor: int = 1
    topic_configs: Mapping[str, str] = {}


class Admin(Client):
    """Changes and describes a log; aiokafka's shape."""

    def __init__(self, log: Log = "./data", *, client_id: str = "millstream") -> None:
        super().__init__(log)
        self.client_id = client_id

    async def start(self) -> None:
        """Open the log."""
        await self._open()

    async def stop(self) -> None:
        """Give the log back; twice is once."""
        await self._give_back()

    async def close(self) -> None:
        """Do the same as `stop`, in aiokafka's word for it."""
        await self.stop()

    async def create_topics(
        self, new_topics: Iterable[NewTopic], *, validate_only: bool = False
    ) -> list[TopicDescription]:
        """Create topics, or only check them; return them as created."""
        wanted = list(new_topics)
        response = await self._running().send(
            CreateTopicsRequest(
                topics=[
                    CreatableTopic(
                        name=topic.name,
                        num_partitions=topic.num_partitions,
                        replication_factor=topic.replication_factor,
                        configs=[
                            CreatableTopicConfig(name=name, value=value)
                            for name, value in topic.topic_configs.items()
                        ],
                    )
                    for topic in wanted
                ],
                validate_only=validate_only,
            )
        )
        for result in response.topics:
            _raise(result.error_code, result.error_message, f"create {result.name!r}")
        return [
            TopicDescription(
                result.name,
                result.topic_id,
                result.num_partitions,
                _set_on_topic(result.configs or ()),
                False,
            )
            for result in response.topics
        ]

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics with their records."""
        response = await self._running().send(
            DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in topics])
        )
        for result in response.topics:
            _raise(result.error_code, result.error_message, f"delete {result.name!r}")

    async def list_topics(self) -> list[str]:
        """Return the names of all topics, sorted, internal ones included."""
        return list(await self._metadata(None))

    async def describe_topics(self, topics: Iterable[str] | None = None) -> list[TopicDescription]:
        """Describe these topics, or all."""
        found = await self._metadata(topics)
        for name, topic in found.items():
            _raise(topic.error_code, topic.error_message, f"topic {name!r}")
        configs = await self.describe_configs(list(found))
        return [
            TopicDescription(
                name,
                topic.topic_id,
                len(topic.partitions),
                _set_on_topic(configs[name].values()),
                topic.is_internal,
            )
            for name, topic in found.items()
        ]

    async def create_partitions(
        self, topic_partitions: Mapping[str, int], *, validate_only: bool = False
    ) -> None:
        """Raise topics to these partition counts, each in all."""
        response = await self._running().send(
            CreatePartitionsRequest(
                topics=[
                    CreatePartitionsTopic(name=name, count=count)
                    for name, count in topic_partitions.items()
                ],
                validate_only=validate_only,
            )
        )
        for result in response.topics:
            _raise(result.error_code, result.error_message, f"partitions of {result.name!r}")

    async def delete_records(
        self, records_to_delete: Mapping[TopicPartition, int]
    ) -> dict[TopicPartition, int]:
        """Delete what stands before an offset (-1: all); return the new log start offsets."""
        topics: dict[str, list[DeleteRecordsPartition]] = {}
        for (topic, index), offset in records_to_delete.items():
            topics.setdefault(topic, []).append(DeleteRecordsPartition(index=index, offset=offset))
        response = await self._running().send(
            DeleteRecordsRequest(
                topics=[
                    DeleteRecordsTopic(name=name, partitions=parts)
                    for name, parts in topics.items()
                ]
            )
        )
        found: dict[TopicPartition, int] = {}
        for answer in response.topics:
            for part in answer.partitions:
                key = TopicPartition(answer.name, part.index)
                _raise(part.error_code, part.error_message, f"delete records of {key}")
                found[key] = part.low_watermark
        return found

    async def describe_configs(self, topics: Sequence[str]) -> dict[str, dict[str, ConfigEntry]]:
        """Return every config of these topics, by topic and name, with value and source."""
        return await self._describe_configs(ResourceType.TOPIC, topics)

    async def describe_broker_configs(self) -> dict[str, ConfigEntry]:
        """Return every config of the broker, by name, with value and source."""
        cluster = await self._running().send(DescribeClusterRequest())
        name = str(cluster.controller_id)
        return (await self._describe_configs(ResourceType.BROKER, [name]))[name]

    async def alter_configs(self, configs: Mapping[str, Mapping[str, str | None]]) -> None:
        """Set configs of topics, those named and no others; None goes back to the default."""
        response = await self._running().send(
            IncrementalAlterConfigsRequest(
                resources=[
                    AlterConfigsResource(
                        resource_type=ResourceType.TOPIC,
                        resource_name=topic,
                        configs=[
                            AlterableConfig(
                                name=name,
                                operation=AlterOp.DELETE if value is None else AlterOp.SET,
                                value=value,
                            )
                            for name, value in changes.items()
                        ],
                    )
                    for topic, changes in configs.items()
                ]
            )
        )
        for result in response.responses:
            _raise(result.error_code, result.error_message, f"configs of {result.resource_name!r}")

    async def list_consumer_groups(self) -> list[tuple[str, str]]:
        """Return (group id, protocol type) of all groups; the type is empty without members."""
        response = await self._running().send(ListGroupsRequest())
        _raise(response.error_code, None, "list groups")
        return [(group.group_id, group.protocol_type) for group in response.groups]

    async def list_consumer_group_offsets(
        self, group_id: str, partitions: Iterable[TopicPartition] | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """Return what a group has committed, on these partitions or on all."""
        return await fetch_committed(self._running(), group_id, partitions)

    async def alter_consumer_group_offsets(
        self, group_id: str, offsets: Mapping[TopicPartition, int | OffsetAndMetadata]
    ) -> None:
        """Set what a group has committed."""
        await commit_offsets(
            self._running(),
            group_id,
            {
                key: OffsetAndMetadata(value, "") if isinstance(value, int) else value
                for key, value in offsets.items()
            },
        )

    async def delete_consumer_groups(self, group_ids: Iterable[str]) -> None:
        """Forget groups and what they have committed."""
        response = await self._running().send(DeleteGroupsRequest(groups=list(group_ids)))
        for result in response.results:
            _raise(result.error_code, result.error_message, f"delete group {result.group_id!r}")

    async def describe_log_dirs(
        self, topics: Iterable[str] | None = None
    ) -> dict[str, dict[TopicPartition, int]]:
        """Return, by directory, the size in bytes of each partition."""
        names = None if topics is None else set(topics)
        response = await self._running().send(DescribeLogDirsRequest())
        return {
            result.log_dir: {
                TopicPartition(topic.name, part.index): part.size_bytes
                for topic in result.topics
                if names is None or topic.name in names
                for part in topic.partitions
            }
            for result in response.results
        }

    async def _metadata(self, topics: Iterable[str] | None) -> dict[str, MetadataTopic]:
        return await ask_metadata(self._running(), topics, may_create=False)

    async def _describe_configs(
        self, kind: ResourceType, names: Iterable[str]
    ) -> dict[str, dict[str, ConfigEntry]]:
        response = await self._running().send(
            DescribeConfigsRequest(
                resources=[
                    ConfigResource(resource_type=kind, resource_name=name) for name in names
                ],
                include_documentation=True,
            )
        )
        for result in response.results:
            _raise(result.error_code, result.error_message, f"configs of {result.resource_name!r}")
        return {
            result.resource_name: {entry.name: entry for entry in result.configs}
            for result in response.results
        }

    def _running(self) -> Transport:
        if self._transport is None:
            raise ClosedError(f"admin is {'closed' if self._closed else 'not started'}")
        return self._transport


def _raise(code: ErrorCode, message: str | None, what: str) -> None:
    if code is not ErrorCode.NONE:
        raise error_for(code, message or what)


def _set_on_topic(configs: Iterable[ConfigEntry | CreatedTopicConfig]) -> dict[str, str]:
    return {
        entry.name: entry.value
        for entry in configs
        if entry.source == ConfigSource.TOPIC and entry.value is not None
    }
