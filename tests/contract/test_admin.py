"""What the admin client promises, whatever log is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from body import user_topics

from millstream_log import (
    Admin,
    Consumer,
    NewTopic,
    OffsetAndMetadata,
    Producer,
    TopicPartition,
)
from millstream_log.errors import (
    GroupIdNotFoundError,
    InvalidConfigError,
    InvalidPartitionsError,
    InvalidTopicError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

if TYPE_CHECKING:
    from body import Body

T0 = TopicPartition("t", 0)


def test_a_created_topic_is_described(body: Body) -> None:
    """Name, id, partitions and the configs that were set are told back."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            (made,) = await admin.create_topics([NewTopic("t", 3, 1, {"retention.ms": "1000"})])
            assert await user_topics(admin) == ["t"]
            (told,) = await admin.describe_topics(["t"])
            assert told == made
            assert (told.name, told.partitions, told.internal) == ("t", 3, False)
            assert told.configs == {"retention.ms": "1000"}
            assert len(told.topic_id) == 32

    body.run(scenario)


def test_a_name_is_taken_once_and_by_the_rules(body: Body) -> None:
    """Twice the same name, and a name outside the rules, are refused; the others are made."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            await admin.create_topics([NewTopic("t")])
            with pytest.raises(TopicAlreadyExistsError):
                await admin.create_topics([NewTopic("t"), NewTopic("u")])
            with pytest.raises(InvalidTopicError):
                await admin.create_topics([NewTopic("../x")])
            with pytest.raises(InvalidPartitionsError):
                await admin.create_topics([NewTopic("v", 0)])
            assert await user_topics(admin) == ["t", "u"]

    body.run(scenario)


def test_a_check_alone_makes_nothing(body: Body) -> None:
    """validate_only tells what would be, and leaves the log as it is."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            (told,) = await admin.create_topics([NewTopic("t", 2)], validate_only=True)
            assert told.partitions == 2
            assert await user_topics(admin) == []

    body.run(scenario)


def test_a_deleted_topic_is_gone_and_its_name_starts_anew(body: Body) -> None:
    """Records and committed offsets go with the topic; its namesake has another id."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            (first,) = await admin.create_topics([NewTopic("t")])
            await producer.send_and_wait("t", b"v")
            await admin.alter_consumer_group_offsets("g", {T0: 1})
            await admin.delete_topics(["t"])
            assert "t" not in await admin.list_topics()
            with pytest.raises(UnknownTopicOrPartitionError):
                await admin.delete_topics(["t"])
            (second,) = await admin.create_topics([NewTopic("t")])
            assert second.topic_id != first.topic_id
            assert (await producer.send_and_wait("t", b"v")).offset == 0
            assert await admin.list_consumer_group_offsets("g") == {}

    body.run(scenario)


def test_partitions_can_be_added_and_never_taken(body: Body) -> None:
    """The count goes up alone."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            await admin.create_topics([NewTopic("t", 2)])
            await admin.create_partitions({"t": 4})
            assert (await admin.describe_topics(["t"]))[0].partitions == 4
            for count in (4, 1):
                with pytest.raises(InvalidPartitionsError):
                    await admin.create_partitions({"t": count})

    body.run(scenario)


def test_configs_are_told_with_kafkas_defaults_and_can_be_changed(body: Body) -> None:
    """Every config has a value; set ones say so; None goes back to the default."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            await admin.create_topics([NewTopic("t")])
            before = (await admin.describe_configs(["t"]))["t"]
            assert before["retention.ms"].value == "604800000"
            assert before["retention.ms"].is_default
            assert before["cleanup.policy"].value == "delete"
            await admin.alter_configs({"t": {"retention.ms": "5", "segment.bytes": "2000000"}})
            await admin.alter_configs({"t": {"segment.bytes": None}})
            after = (await admin.describe_configs(["t"]))["t"]
            assert (after["retention.ms"].value, after["retention.ms"].is_default) == ("5", False)
            assert after["segment.bytes"].is_default

    body.run(scenario)


@pytest.mark.parametrize(
    ("configs", "message"),
    [
        ({"retention.mss": "1"}, r"did you mean retention\.ms"),
        ({"retention.ms": "long"}, "whole number"),
        ({"retention.ms": "-2"}, "at least -1"),
        ({"cleanup.policy": "shred"}, "compact, delete"),
        ({"message.timestamp.type": "Never"}, "CreateTime"),
        ({"min.cleanable.dirty.ratio": "1.5"}, "at most 1"),
    ],
)
def test_wrong_configs_are_refused_with_what_is_allowed(
    body: Body, configs: dict[str, str], message: str
) -> None:
    """A wrong name or value changes nothing, and our message helps to mend it."""
    said = message if body.ours else None  # Kafka has its own

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            with pytest.raises(InvalidConfigError, match=said):
                await admin.create_topics([NewTopic("t", 1, 1, configs)])
            await admin.create_topics([NewTopic("t")])
            with pytest.raises(InvalidConfigError, match=said):
                await admin.alter_configs({"t": {"retention.bytes": "9", **configs}})
            assert (await admin.describe_topics(["t"]))[0].configs == {}

    body.run(scenario)


def test_records_can_be_deleted_from_the_head(body: Body) -> None:
    """The log start moves up, to the end at most."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            for _ in range(4):
                await producer.send_and_wait("t", b"v")
            assert await admin.delete_records({T0: 3}) == {T0: 3}
            with pytest.raises(OffsetOutOfRangeError):
                await admin.delete_records({T0: 5})
            assert await admin.delete_records({T0: -1}) == {T0: 4}

    body.run(scenario)


def test_groups_are_listed_set_and_deleted(body: Body) -> None:
    """Committed offsets can be read, reset and forgotten from outside."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            await producer.send_and_wait("t", b"v")
            assert await admin.list_consumer_groups() == []
            await admin.alter_consumer_group_offsets("g", {T0: OffsetAndMetadata(1, "x")})
            await admin.alter_consumer_group_offsets("h", {T0: 0})
            assert [group for group, _ in await admin.list_consumer_groups()] == ["g", "h"]
            assert await admin.list_consumer_group_offsets("g") == {T0: OffsetAndMetadata(1, "x")}
            with pytest.raises(UnknownTopicOrPartitionError):
                await admin.alter_consumer_group_offsets("g", {TopicPartition("u", 0): 1})
            await admin.delete_consumer_groups(["g"])
            with pytest.raises(GroupIdNotFoundError):
                await admin.delete_consumer_groups(["g"])
            assert await admin.list_consumer_group_offsets("g") == {}
            async with Consumer("t", log=url, group_id="h") as consumer:
                assert (await consumer.getone()).offset == 0

    body.run(scenario)


def test_sizes_on_the_disk_are_told(body: Body) -> None:
    """describe_log_dirs gives the bytes of each partition."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            await producer.send_and_wait("t", b"x" * 5000)
            (sizes,) = (await admin.describe_log_dirs()).values()
            assert 5000 < sizes[T0] < 6000

    body.run(scenario)


def test_what_was_made_outlives_the_process(body: Body) -> None:
    """Topics, configs and records are there when the log is opened again."""
    if not body.durable:
        pytest.skip("a log in memory ends with its process")

    async def first(url: str) -> object:
        async with Admin(url) as admin, Producer(url) as producer:
            await admin.create_topics([NewTopic("t", 2, 1, {"retention.ms": "-1"})])
            await producer.send_and_wait("t", b"v", partition=1)
            return await admin.describe_topics()

    async def second(url: str) -> object:
        async with Admin(url) as admin, Consumer("t", log=url) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            assert ends == {T0: 0, TopicPartition("t", 1): 1}
            return await admin.describe_topics()

    assert body.run(first) == body.run(second)
