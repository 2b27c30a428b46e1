"""The admin client of aiokafka, which speaks old versions of the requests."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from foreign import aio
from foreign.client import Row, until_read, write
from foreign.fixtures import MARKS, MakeTopic

from millstream_log.testing import RunningBroker

EXISTS, UNKNOWN = 36, 3

pytestmark = MARKS


@asynccontextmanager
async def admin(served: RunningBroker) -> AsyncIterator[Any]:
    """Run an admin client for the time of a `with` block."""
    client = AIOKafkaAdminClient(bootstrap_servers=served.bootstrap)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def test_topics_come_grow_and_go(served: RunningBroker) -> None:
    """A topic is created once, described, given partitions and deleted once."""
    name = f"topic-{uuid.uuid4().hex[:8]}"

    async def main() -> None:
        async with admin(served) as client:
            for code in (0, EXISTS):
                created = await client.create_topics([NewTopic(name, 2, 1)])
                assert created.topic_errors[0][:2] == (name, code)
            grown = await client.create_partitions({name: NewPartitions(4)})
            assert grown.topic_errors[0][:2] == (name, 0)
            assert name in await client.list_topics()
            (described,) = await client.describe_topics([name])
            assert [one["leader"] for one in described["partitions"]] == [0] * 4
            for code in (0, UNKNOWN):
                deleted = await client.delete_topics([name])
                assert deleted.topic_error_codes[0] == (name, code)

    aio.run(main())


def test_configs_are_changed(served: RunningBroker, make_topic: MakeTopic) -> None:
    """A config that was set is told with its source."""
    name = make_topic()

    async def main() -> None:
        async with admin(served) as client:
            kind = ConfigResourceType.TOPIC
            await client.alter_configs([ConfigResource(kind, name, {"retention.ms": "5"})])
            asked = ConfigResource(kind, name, {"retention.ms": None})
            (found,) = await client.describe_configs([asked])
            (_, _, _, _, ((config, value, _, source, _, _),)) = found.resources[0]
            assert (config, value, source) == ("retention.ms", "5", 1)

    aio.run(main())


def test_records_are_deleted(served: RunningBroker, make_topic: MakeTopic) -> None:
    """The new start of the log is told."""
    name = make_topic()
    write(aio.Aiokafka(), served.bootstrap, name, [Row(b"v")] * 5)

    async def main() -> None:
        async with admin(served) as client:
            partition = TopicPartition(name, 0)
            assert await client.delete_records({partition: RecordsToDelete(2)}) == {partition: 2}

    aio.run(main())


def test_a_group_is_described(served: RunningBroker, make_topic: MakeTopic) -> None:
    """A group is listed, and described with its offsets, its members and its coordinator."""
    topic, group = make_topic(), f"group-{uuid.uuid4().hex[:8]}"
    write(aio.Aiokafka(), served.bootstrap, topic, [Row(b"v")] * 5)
    member = aio.Aiokafka().join(served.bootstrap, group, topic, limit=3)
    until_read(member, 3)

    async def main() -> None:
        async with admin(served) as client:
            assert (group, "consumer") in await client.list_consumer_groups()
            (described,) = await client.describe_consumer_groups([group])
            assert described.groups[0][:5] == (0, group, "Stable", "consumer", "range")
            offsets = await client.list_consumer_group_offsets(group)
            assert offsets[TopicPartition(topic, 0)].offset == 3
            assert await client.find_coordinator(group) == 0

    aio.run(main())
    member.leave()


def test_the_cluster_is_described(served: RunningBroker) -> None:
    """One node, at the address that was reached."""

    async def main() -> None:
        async with admin(served) as client:
            found = await client.describe_cluster()
            (node,) = found["brokers"]
            assert f"{node['host']}:{node['port']}" == served.bootstrap

    aio.run(main())
