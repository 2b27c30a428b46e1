from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from millstream_log.broker.broker import Broker
from millstream_log.errors import ClosedError, ErrorCode, InvalidRequestError, StorageError
from millstream_log.group.records import OffsetKey, OffsetValue, decode_key, decode_value
from millstream_log.model import TopicPartition
from millstream_log.record.batch import decode
from millstream_log.record.builder import encode_columns
from millstream_log.testing import ManualClock, MemoryFiles
from millstream_log.wire.enums import ResourceType
from millstream_log.wire.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from millstream_log.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from millstream_log.wire.messages.describe_configs import ConfigResource, DescribeConfigsRequest
from millstream_log.wire.messages.describe_log_dirs import (
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
)
from millstream_log.wire.messages.fetch import (
    FetchPartition,
    FetchPartitionResponse,
    FetchRequest,
    FetchTopic,
)
from millstream_log.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from millstream_log.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from millstream_log.wire.messages.offset_commit import (
    OffsetCommitPartition,
    OffsetCommitRequest,
    OffsetCommitTopic,
)
from millstream_log.wire.messages.offset_fetch import OffsetFetchRequest
from millstream_log.wire.messages.produce import (
    ProducePartition,
    ProducePartitionResponse,
    ProduceRequest,
    ProduceTopic,
)
from millstream_log.wire.request import Request

CLOCK = ManualClock()


def run(
    scenario: Callable[[Broker], Awaitable[None]], files: MemoryFiles | None = None, **options: Any
) -> None:
    """Run a scenario on a broker over files in memory."""

    async def main() -> None:
        broker = await Broker.open(
            "/log", files=files or MemoryFiles(), clock=CLOCK, **{"flush": "os", **options}
        )
        try:
            async with asyncio.timeout(10):
                await scenario(broker)
        finally:
            await broker.close()

    asyncio.run(main())


async def create(broker: Broker, name: str = "t", partitions: int = 1, **configs: str) -> None:
    """Create a topic; underscores stand for dots."""
    settings = [
        CreatableTopicConfig(name=name.replace("_", "."), value=value)
        for name, value in configs.items()
    ]
    topic = CreatableTopic(name=name, num_partitions=partitions, configs=settings)
    (result,) = (await broker.handle(CreateTopicsRequest(topics=[topic]))).topics
    assert result.error_code is ErrorCode.NONE, result.error_message


def metadata_request(*names: str, may_create: bool = True) -> MetadataRequest:
    """Return a request that asks for these topics."""
    topics = [MetadataRequestTopic(name=name) for name in names]
    return MetadataRequest(topics=topics, allow_auto_topic_creation=may_create)


def produce_request(
    *values: bytes | None, index: int = 0, keys: list[bytes | None] | None = None
) -> ProduceRequest:
    """Return a request that appends one batch to topic t."""
    batch = encode_columns([CLOCK.now_ms()] * len(values), keys, list(values))
    parts = [ProducePartition(index=index, records=batch)]
    return ProduceRequest(topics=[ProduceTopic(name="t", partitions=parts)])


async def produce(broker: Broker, *values: bytes | None, **rest: Any) -> ProducePartitionResponse:
    """Append one batch to topic t."""
    response = await broker.handle(produce_request(*values, **rest))
    return response.topics[0].partitions[0]


def fetch_request(*offsets: int, wait_ms: int = 0, **rest: Any) -> FetchRequest:
    """Return a request that reads partition n of topic t from the n-th offset."""
    parts = [FetchPartition(index=n, fetch_offset=offset) for n, offset in enumerate(offsets)]
    topics = [FetchTopic(name="t", partitions=parts)]
    return FetchRequest(topics=topics, max_wait_ms=wait_ms, **rest)


async def fetch(broker: Broker, *offsets: int, **rest: Any) -> list[FetchPartitionResponse]:
    """Read topic t."""
    return (await broker.handle(fetch_request(*offsets, **rest))).topics[0].partitions


def straight(broker: Broker, request: Request[Any]) -> Any:
    """Return the answer of a call that must not suspend."""
    call = broker.handle(request)
    try:
        call.send(None)
    except StopIteration as end:
        return end.value
    call.close()
    raise AssertionError("the call was suspended")


@pytest.mark.parametrize("flush", ["os", "interval"])
def test_what_need_not_wait_runs_straight(flush: str) -> None:
    """A produce without a flush and a fetch that finds something never leave the caller."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        answer = straight(broker, produce_request(b"v")).topics[0].partitions[0]
        assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, 0)
        assert straight(broker, fetch_request(0, wait_ms=1000)).topics[0].partitions[0].records
        assert not straight(broker, fetch_request(1)).topics[0].partitions[0].records

    run(scenario, flush=flush)


def test_an_append_wakes_a_parked_fetch() -> None:
    """A long poll is answered by the append it waits for, not by its deadline."""

    async def scenario(broker: Broker) -> None:
        await create(broker, partitions=2)
        parked = asyncio.ensure_future(broker.handle(fetch_request(0, 0, wait_ms=60_000)))
        await asyncio.sleep(0)
        assert not parked.done()
        await produce(broker, b"v", index=1)
        empty, full = (await parked).topics[0].partitions
        assert not empty.records
        assert decode(full.records)[0].value == b"v"

    run(scenario)


def test_a_fetch_waits_for_its_min_bytes_and_then_takes_what_is_there() -> None:
    """One small append is not enough for a large min_bytes; the deadline is."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        request = fetch_request(0, wait_ms=60_000, min_bytes=150)
        parked = asyncio.ensure_future(broker.handle(request))
        await asyncio.sleep(0)
        await produce(broker, b"v")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not parked.done()
        await produce(broker, b"x" * 100)
        assert len((await parked).topics[0].partitions[0].records) > 150
        (late,) = await fetch(broker, 0, wait_ms=1, min_bytes=1 << 20)
        assert late.records

    run(scenario)


def test_closing_answers_what_is_parked() -> None:
    """A long poll does not hold up the end, and after it every call is a ClosedError."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        parked = asyncio.ensure_future(broker.handle(fetch_request(0, wait_ms=60_000)))
        await asyncio.sleep(0)
        await broker.close()
        await broker.close()
        assert (await parked).topics[0].partitions[0].records == b""
        with pytest.raises(ClosedError):
            await broker.handle(fetch_request(0))

    run(scenario)


def test_the_first_batch_comes_whole_and_the_bound_holds_for_the_rest() -> None:
    """max_bytes is exceeded by the first batch of an answer at most, over all partitions."""

    async def scenario(broker: Broker) -> None:
        await create(broker, partitions=3)
        for index in range(3):
            await produce(broker, b"x" * 1000, index=index)
        sizes = [len(p.records) for p in await fetch(broker, 0, 0, 0, max_bytes=10)]
        assert sizes[0] > 1000
        assert sizes[1:] == [0, 0]
        sizes = [len(p.records) for p in await fetch(broker, 0, 0, 0, max_bytes=2500)]
        assert [size > 1000 for size in sizes] == [True, True, False]

    run(scenario)


def test_errors_of_a_fetch_are_answered_at_once() -> None:
    """An unknown partition and an offset out of range do not wait for max_wait_ms."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        good, unknown = await fetch(broker, 0, 0, wait_ms=60_000)
        assert good.error_code is ErrorCode.NONE
        assert unknown.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        (beyond,) = await fetch(broker, 8, wait_ms=60_000)
        assert beyond.error_code is ErrorCode.OFFSET_OUT_OF_RANGE
        assert "8" in str(beyond.error_message)
        assert beyond.high_watermark == 0

    run(scenario)


def test_sessions_are_declined_and_full_fetches_answered() -> None:
    """A fetch that names all its partitions says so by its epoch; its session id is nothing."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        await produce(broker, b"a")
        for session_id, epoch in ((0, -1), (0, 0), (-1, -1), (7, 0)):
            asked = fetch_request(0, session_id=session_id, session_epoch=epoch)
            answer = await broker.handle(asked)
            assert (answer.error_code, answer.session_id) == (ErrorCode.NONE, 0)
            assert answer.topics[0].partitions[0].records
        answer = await broker.handle(fetch_request(session_id=7, session_epoch=1))
        assert answer.error_code is ErrorCode.FETCH_SESSION_ID_NOT_FOUND

    run(scenario)


def test_consumers_see_what_is_on_the_disk_and_no_more_under_ack() -> None:
    """While the disk has not answered, an appended record cannot be fetched."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        request = produce_request(b"v")
        request.acks = 0
        straight(broker, request)
        (before,) = await fetch(broker, 0)
        assert (before.high_watermark, before.records) == (0, b"")
        await produce(broker, b"w")
        (after,) = await fetch(broker, 0)
        assert after.high_watermark == 2

    run(scenario, flush="ack")


@pytest.mark.parametrize("flush", ["ack", "os"])
def test_a_full_disk_is_told_reading_goes_on_and_appending_resumes(flush: str) -> None:
    """KAFKA_STORAGE_ERROR reaches the producer, and room on the disk is all it takes to go on."""
    files = MemoryFiles()

    async def scenario(broker: Broker) -> None:
        await create(broker)
        await produce(broker, b"before")
        files.space_left = 10
        failed = await produce(broker, b"lost")
        assert failed.error_code is ErrorCode.KAFKA_STORAGE_ERROR
        (read,) = await fetch(broker, 0)
        assert [r.value for r in decode(read.records)] == [b"before"]
        files.heal()
        assert (await produce(broker, b"after")).base_offset == 1

    run(scenario, files, flush=flush)


def test_a_failed_flush_is_the_answer_of_those_that_waited_for_it() -> None:
    """Under ack, an fdatasync that fails is a StorageError, and the next one may work."""
    files = MemoryFiles()

    async def scenario(broker: Broker) -> None:
        await create(broker)
        await produce(broker, b"a")
        files.fail("sync", errno.EIO, path=".log")
        failed = await produce(broker, b"b")
        assert failed.error_code is ErrorCode.KAFKA_STORAGE_ERROR
        assert (await fetch(broker, 0))[0].high_watermark == 1
        assert (await produce(broker, b"c")).error_code is ErrorCode.NONE
        assert (await fetch(broker, 0))[0].high_watermark == 3

    run(scenario, files, flush="ack")


def test_a_topic_that_the_disk_refuses_leaves_nothing_behind() -> None:
    """After a failed creation the topic is not there, and it can be created later."""
    files = MemoryFiles()

    async def scenario(broker: Broker) -> None:
        files.fail("open", errno.EMFILE, path="t-1")
        topic = CreatableTopic(name="t", num_partitions=3)
        (result,) = (await broker.handle(CreateTopicsRequest(topics=[topic]))).topics
        assert result.error_code is ErrorCode.KAFKA_STORAGE_ERROR
        files.heal()
        everything = await broker.handle(MetadataRequest(topics=None))
        assert everything.topics == []
        await create(broker, partitions=3)
        assert (await produce(broker, b"v", index=1)).base_offset == 0

    run(scenario, files)


def test_records_without_key_are_refused_on_a_compacted_topic() -> None:
    """A null key cannot be compacted: INVALID_RECORD, and the answer says which records."""

    async def scenario(broker: Broker) -> None:
        await create(broker, cleanup_policy="compact")
        refused = await produce(broker, b"v", b"w", b"x", keys=[b"k", None, None])
        assert refused.error_code is ErrorCode.INVALID_RECORD
        assert [error.batch_index for error in refused.record_errors] == [1, 2]
        assert (await produce(broker, b"v", keys=[b"k"])).error_code is ErrorCode.NONE

    run(scenario)


def test_commits_are_records_in_kafkas_own_format() -> None:
    """What a group commits stands in __consumer_offsets as Kafka's tools read it."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        part = OffsetCommitPartition(index=0, committed_offset=5, committed_metadata="note")
        unknown = OffsetCommitPartition(index=9, committed_offset=5)
        topic = OffsetCommitTopic(name="t", partitions=[part, unknown])
        answer = await broker.handle(OffsetCommitRequest(group_id="g", topics=[topic]))
        assert [p.error_code for p in answer.topics[0].partitions] == [
            ErrorCode.NONE,
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ]
        parts = [FetchPartition(index=0, fetch_offset=0)]
        topics = [FetchTopic(name="__consumer_offsets", partitions=parts)]
        read = await broker.handle(FetchRequest(topics=topics, max_wait_ms=0))
        (record,) = decode(read.topics[0].partitions[0].records)
        assert decode_key(record.key or b"") == OffsetKey("g", "t", 0)
        now_ms = CLOCK.now_ms()
        assert decode_value(record.value or b"") == OffsetValue(5, -1, "note", now_ms)
        await broker.handle(
            OffsetCommitRequest(version=2, group_id="g", topics=[topic], retention_time_ms=100)
        )
        parts[0].fetch_offset = 1
        read = await broker.handle(FetchRequest(topics=topics, max_wait_ms=0))
        (record,) = decode(read.topics[0].partitions[0].records)
        assert decode_value(record.value or b"").expire_time_ms == now_ms + 100

    run(scenario)


def test_what_was_acknowledged_is_there_after_a_crash() -> None:
    """Under ack, records, topics and commits outlive a loss of power."""
    for seed in range(20):
        files = MemoryFiles(seed=seed)

        async def before(broker: Broker, files: MemoryFiles = files) -> None:
            await create(broker, retention_ms="77")
            await produce(broker, b"a", b"b")
            part = OffsetCommitPartition(index=0, committed_offset=1)
            topics = [OffsetCommitTopic(name="t", partitions=[part])]
            await broker.handle(OffsetCommitRequest(group_id="g", topics=topics))
            files.crash()

        async def after(broker: Broker) -> None:
            (read,) = await fetch(broker, 0)
            assert [r.value for r in decode(read.records)] == [b"a", b"b"]
            told = await broker.handle(OffsetFetchRequest(group_id="g"))
            assert told.topics[0].partitions[0].committed_offset == 1
            assert broker.host.image.topics["t"].configs == {"retention.ms": "77"}

        with contextlib.suppress(StorageError):  # what has lost its files cannot be closed well
            run(before, files, flush="ack")
        files.heal()
        run(after, files, flush="ack")


def test_a_reader_sees_what_a_writer_does_and_changes_nothing() -> None:
    """A read-only broker follows records, topics and commits, and refuses every write."""
    files = MemoryFiles()

    async def scenario(writer: Broker) -> None:
        await create(writer)
        reader = await Broker.open("/log", files=files, clock=CLOCK, read_only=True)
        await produce(writer, b"first")
        (read,) = await fetch(reader, 0)
        assert [r.value for r in decode(read.records)] == [b"first"]
        parked = asyncio.ensure_future(reader.handle(fetch_request(1, wait_ms=60_000)))
        await asyncio.sleep(0)
        await produce(writer, b"second")
        assert (await parked).topics[0].partitions[0].records
        part = OffsetCommitPartition(index=0, committed_offset=1)
        commit = OffsetCommitRequest(
            group_id="g", topics=[OffsetCommitTopic(name="t", partitions=[part])]
        )
        await writer.handle(commit)
        told = await reader.handle(OffsetFetchRequest(group_id="g"))
        assert told.topics[0].partitions[0].committed_offset == 1
        await create(writer, "u", 2)
        names = [t.name for t in (await reader.handle(MetadataRequest(topics=None))).topics]
        assert names == ["__consumer_offsets", "t", "u"]
        await refuses(reader, commit)
        await reader.close()

    async def refuses(reader: Broker, commit: OffsetCommitRequest) -> None:
        answer = await produce(reader, b"no")
        assert answer.error_code is ErrorCode.POLICY_VIOLATION
        assert "read-only" in str(answer.error_message)
        told = (await reader.handle(commit)).topics[0].partitions[0]
        assert told.error_code is ErrorCode.POLICY_VIOLATION
        (gone,) = (
            await reader.handle(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")]))
        ).topics
        assert gone.error_code is ErrorCode.POLICY_VIOLATION

    run(scenario, files)


def test_directories_without_a_metadata_file_are_taken_over() -> None:
    """A log whose metadata file was lost opens with the topics that its directories tell."""
    files = MemoryFiles()

    async def first(broker: Broker) -> None:
        await create(broker, partitions=2)
        await produce(broker, b"v", index=1)

    async def second(broker: Broker) -> None:
        (topic,) = (await broker.handle(metadata_request("t"))).topics
        assert len(topic.partitions) == 2
        assert (await fetch(broker, 0, 0))[1].records

    run(first, files)
    files.remove("/log/metadata.json")
    run(second, files)


def test_a_metadata_request_creates_what_may_be_created() -> None:
    """Auto creation follows the request, the config and the rules for names."""

    async def scenario(broker: Broker) -> None:
        for names, may, codes in (
            (["a"], True, [ErrorCode.NONE]),
            (["b"], False, [ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]),
            (["../x"], True, [ErrorCode.INVALID_TOPIC_EXCEPTION]),
        ):
            request = metadata_request(*names, may_create=may)
            topics = (await broker.handle(request)).topics
            assert [topic.error_code for topic in topics] == codes
        (made,) = (await broker.handle(metadata_request("a"))).topics
        assert len(made.partitions) == 3
        assert [part.leader_id for part in made.partitions] == [0, 0, 0]

    run(scenario, configs={"num.partitions": "3"})

    async def without(broker: Broker) -> None:
        (topic,) = (await broker.handle(metadata_request("a"))).topics
        assert topic.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION

    run(without, configs={"auto.create.topics.enable": "false"})


def test_a_topic_goes_by_its_id_too() -> None:
    """Metadata and DeleteTopics find a topic without its name; an id nobody has is told apart."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        topic_id = broker.host.topic("t").topic_id
        asked = [MetadataRequestTopic(topic_id=topic_id), MetadataRequestTopic(topic_id="f" * 32)]
        found, missing = (await broker.handle(MetadataRequest(topics=asked))).topics
        assert (found.name, found.topic_id, len(found.partitions)) == ("t", topic_id, 1)
        assert (missing.name, missing.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)
        named = [DeleteTopicState(topic_id="f" * 32), DeleteTopicState(topic_id=topic_id)]
        unknown, gone = (await broker.handle(DeleteTopicsRequest(topics=named))).topics
        assert (unknown.name, unknown.error_code) == (None, ErrorCode.UNKNOWN_TOPIC_ID)
        assert (gone.name, gone.error_code) == ("t", ErrorCode.NONE)
        assert broker.host.image.topics == {}

    run(scenario)


def test_old_versions_ask_for_topics_in_their_own_way() -> None:
    """Metadata 0 has an empty list for all topics, DeleteTopics below 6 a list of names."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        for version, names in ((0, ["t"]), (1, [])):
            answer = await broker.handle(MetadataRequest(topics=[], version=version))
            assert [topic.name for topic in answer.topics] == names
        (gone,) = (await broker.handle(DeleteTopicsRequest(topic_names=["t"]))).topics
        assert gone.error_code is ErrorCode.NONE

    run(scenario)


def test_log_dirs_are_described_for_the_partitions_asked_for() -> None:
    """What is not here is left out of the answer."""

    async def scenario(broker: Broker) -> None:
        await create(broker, partitions=3)
        asked = [
            DescribableLogDirTopic(name="t", partitions=[2, 9]),
            DescribableLogDirTopic(name="none", partitions=[0]),
        ]
        (result,) = (await broker.handle(DescribeLogDirsRequest(topics=asked))).results
        assert [(t.name, [p.index for p in t.partitions]) for t in result.topics] == [("t", [2])]

    run(scenario)


def test_numbers_of_configs_that_nobody_knows_are_refused() -> None:
    """A resource type or an operation that is not ours is INVALID_REQUEST, by its number."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        resource = ConfigResource(resource_type=16, resource_name="t")  # type: ignore[arg-type]
        request = DescribeConfigsRequest(resources=[resource])
        (described,) = (await broker.handle(request)).results
        assert described.error_code is ErrorCode.INVALID_REQUEST
        change = AlterableConfig(name="retention.ms", operation=9)  # type: ignore[arg-type]
        changes = AlterConfigsResource(
            resource_type=ResourceType.TOPIC, resource_name="t", configs=[change]
        )
        alter = IncrementalAlterConfigsRequest(resources=[changes])
        (altered,) = (await broker.handle(alter)).responses
        assert altered.error_code is ErrorCode.INVALID_REQUEST

    run(scenario)


def test_an_unknown_request_is_refused() -> None:
    """Something that no API takes is an InvalidRequestError."""

    async def scenario(broker: Broker) -> None:
        with pytest.raises(InvalidRequestError, match="int"):
            await broker.handle(3)  # type: ignore[arg-type]

    run(scenario)


def test_a_fetch_that_waits_on_a_deleted_topic_is_answered() -> None:
    """Deleting a topic wakes those that wait for it, with the error."""

    async def scenario(broker: Broker) -> None:
        await create(broker)
        parked = asyncio.ensure_future(broker.handle(fetch_request(0, wait_ms=60_000)))
        await asyncio.sleep(0)
        await broker.handle(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")]))
        answer = (await parked).topics[0].partitions[0]
        assert answer.error_code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert TopicPartition("t", 0) not in broker.host.partitions

    run(scenario)
