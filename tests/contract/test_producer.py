"""What a producer promises, whatever log is behind it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from millstream_log import Admin, Consumer, NewTopic, Producer, Record, TopicPartition
from millstream_log.errors import (
    ClosedError,
    InvalidTopicError,
    MessageTooLargeError,
    UnknownTopicOrPartitionError,
)
from millstream_log.model import TimestampType

if TYPE_CHECKING:
    from body import Body


async def read_all(url: str, topic: str) -> list[Record]:
    """Read a topic from its start to its end."""
    async with Consumer(topic, log=url, auto_offset_reset="earliest") as consumer:
        ends = await consumer.end_offsets(consumer.assignment())
        records: list[Record] = []
        while any([await consumer.position(p) < end for p, end in ends.items()]):
            for batch in (await consumer.getmany(timeout_ms=1000)).values():
                records += batch
        return records


def test_what_is_sent_can_be_read(body: Body) -> None:
    """Key, value, time and headers of a record come back as they were sent."""

    async def scenario(url: str) -> None:
        async with Producer(url) as producer:
            sent = await producer.send_and_wait(
                "t", b"value", b"key", timestamp_ms=1234, headers=[("a", b"1"), ("a", None)]
            )
        assert (sent.topic, sent.partition, sent.offset) == ("t", 0, 0)
        assert sent.topic_partition == TopicPartition("t", 0)
        assert sent.timestamp == 1234
        assert sent.timestamp_type == TimestampType.CREATE_TIME
        (record,) = await read_all(url, "t")
        assert record == Record(
            "t",
            0,
            0,
            1234,
            TimestampType.CREATE_TIME,
            b"key",
            b"value",
            (("a", b"1"), ("a", None)),
        )

    body.run(scenario)


def test_null_and_empty_are_different(body: Body) -> None:
    """A null key or value comes back as None and an empty one as no bytes."""

    async def scenario(url: str) -> None:
        async with Producer(url) as producer:
            await producer.send_and_wait("t", None, b"k")
            await producer.send_and_wait("t", b"", None)
            await producer.send_and_wait("t", b"v", b"")
        assert [(r.key, r.value) for r in await read_all(url, "t")] == [
            (b"k", None),
            (None, b""),
            (b"", b"v"),
        ]

    body.run(scenario)


def test_order_is_kept_within_a_partition(body: Body) -> None:
    """Records of one partition stand in the order of their send calls, over many batches."""

    async def scenario(url: str) -> None:
        async with Producer(url, max_batch_size=200, linger_ms=1) as producer:
            futures = [await producer.send("t", str(n).encode(), partition=0) for n in range(500)]
            offsets = [(await future).offset for future in futures]
        assert offsets == list(range(500))
        assert [int(r.value) for r in await read_all(url, "t")] == list(range(500))

    body.run(scenario)


def test_many_senders_share_one_producer(body: Body) -> None:
    """Concurrent senders each get the offset at which their own record stands."""

    async def scenario(url: str) -> None:
        async with Producer(url) as producer:
            sent = await asyncio.gather(
                *(producer.send_and_wait("t", str(n).encode()) for n in range(64))
            )
        stands = {r.offset: int(r.value) for r in await read_all(url, "t")}
        assert [stands[metadata.offset] for metadata in sent] == list(range(64))

    body.run(scenario)


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_comes_back(body: Body, codec: str) -> None:
    """Compressed batches hold the same records."""

    async def scenario(url: str) -> None:
        async with Producer(url, compression_type=codec, linger_ms=5) as producer:
            for n in range(100):
                await producer.send("t", b"value %d" % n, b"key")
        assert [r.value for r in await read_all(url, "t")] == [b"value %d" % n for n in range(100)]

    body.run(scenario)


def test_serializers_make_bytes(body: Body) -> None:
    """Serializers run on key and value, deserializers on the way back."""

    async def scenario(url: str) -> None:
        async with Producer(
            url, key_serializer=str.encode, value_serializer=lambda v: json.dumps(v).encode()
        ) as producer:
            await producer.send_and_wait("t", {"a": 1}, "key")
        async with Consumer(
            "t",
            log=url,
            auto_offset_reset="earliest",
            key_deserializer=bytes.decode,
            value_deserializer=json.loads,
        ) as consumer:
            record = await consumer.getone()
        assert (record.key, record.value) == ("key", {"a": 1})

    body.run(scenario)


def test_a_value_that_is_no_bytes_is_refused_at_once(body: Body) -> None:
    """Without a serializer only bytes can be sent, and the message names what to give."""

    async def scenario(url: str) -> None:
        async with Producer(url) as producer:
            with pytest.raises(TypeError, match="value_serializer"):
                await producer.send("t", "text")

    body.run(scenario)


def test_keys_decide_on_the_partition(body: Body) -> None:
    """A key has one partition, the one that Java's client would choose; records tell it."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            await admin.create_topics([NewTopic("t", 10)])
            # From the test values of Java's client: murmur2("abc") = 479470107.
            assert (await producer.send_and_wait("t", b"", b"abc")).partition == 479470107 % 10
            assert (await producer.send_and_wait("t", b"", b"abc", partition=3)).partition == 3
            assert await producer.partitions_for("t") == set(range(10))

    body.run(scenario)


def test_a_batch_that_was_filled_by_hand_is_sent_whole(body: Body) -> None:
    """create_batch and send_batch put records of one batch side by side."""

    async def scenario(url: str) -> None:
        async with Producer(url, max_batch_size=400) as producer:
            batch = producer.create_batch()
            count = 0
            while batch.append(timestamp=7, key=None, value=b"n%03d" % count) is not None:
                count += 1
            assert batch.record_count() == count > 1
            future = await producer.send_batch(batch, "t", partition=0)
            assert (await future).offset == 0
        assert len(await read_all(url, "t")) == count

    body.run(scenario)


def test_columns_are_sent_in_whole_batches_and_in_order(body: Body) -> None:
    """send_columns cuts what is too large for a request and tells of the last record."""

    async def scenario(url: str) -> None:
        values = [b"%07d" % n for n in range(1000)]
        async with Producer(url, max_request_size=4096) as producer:
            await producer.send("t", b"before", partition=0)
            future = await producer.send_columns("t", 0, range(1000), values, values)
            await producer.send("t", b"after", partition=0)
            metadata = await future
        assert (metadata.offset, metadata.timestamp) == (1000, 999)
        records = await read_all(url, "t")
        assert [r.value for r in records] == [b"before", *values, b"after"]
        assert [r.key for r in records[1:-1]] == values
        assert [r.timestamp for r in records[1:-1]] == list(range(1000))

    body.run(scenario)


def test_a_record_above_the_request_size_is_refused_before_it_is_sent(body: Body) -> None:
    """MessageTooLargeError comes from send itself, and nothing is appended."""

    async def scenario(url: str) -> None:
        async with Producer(url, max_request_size=1000) as producer:
            with pytest.raises(MessageTooLargeError, match="1000"):
                await producer.send("t", b"x" * 1001)
            with pytest.raises(MessageTooLargeError, match="1000"):
                await producer.send_columns("t", 0, [0], None, [b"x" * 1001])
        assert await read_all(url, "t") == []

    body.run(scenario)


def test_a_batch_above_the_topics_bound_fails_with_its_error(body: Body) -> None:
    """The broker's MessageTooLargeError reaches the future of the record."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            await admin.create_topics([NewTopic("t", 1, 1, {"max.message.bytes": "500"})])
            with pytest.raises(MessageTooLargeError):
                await producer.send_and_wait("t", b"x" * 900)
            assert (await producer.send_and_wait("t", b"x")).offset == 0

    body.run(scenario)


def test_places_that_do_not_exist_are_refused(body: Body) -> None:
    """A wrong name and a partition that is not there fail at send."""

    async def scenario(url: str) -> None:
        async with Producer(url) as producer:
            with pytest.raises(InvalidTopicError):
                await producer.send("../x", b"v")
            with pytest.raises(UnknownTopicOrPartitionError, match="partition 5"):
                await producer.send("t", b"v", partition=5)

    body.run(scenario)


def test_stop_sends_what_waits(body: Body) -> None:
    """Leaving the producer settles every future, lingering or not."""

    async def scenario(url: str) -> None:
        producer = Producer(url, linger_ms=60_000)
        await producer.start()
        futures = [await producer.send("t", b"v") for _ in range(10)]
        await producer.stop()
        assert [future.result().offset for future in futures] == list(range(10))

    body.run(scenario)


def test_flush_waits_for_what_was_sent(body: Body) -> None:
    """After flush every future of a send before it is settled, in spite of a long linger."""

    async def scenario(url: str) -> None:
        async with Producer(url, linger_ms=60_000) as producer:
            future = await producer.send("t", b"v")
            assert not future.done()
            await producer.flush()
            assert future.done()
            await producer.flush()

    body.run(scenario)


def test_a_full_buffer_makes_send_wait(body: Body) -> None:
    """More than buffer_memory is sent without ever holding more than that."""

    async def scenario(url: str) -> None:
        async with Producer(url, buffer_memory=2000, linger_ms=60_000) as producer:
            for _ in range(100):
                await producer.send("t", b"x" * 300)
                assert producer.metrics()["buffered_bytes"] <= 2000 + 400
        assert len(await read_all(url, "t")) == 100

    body.run(scenario)


def test_the_log_can_set_the_time(body: Body) -> None:
    """Under LogAppendTime the record bears the log's time, and its sender hears of it."""

    async def scenario(url: str) -> None:
        async with Admin(url) as admin, Producer(url) as producer:
            configs = {"message.timestamp.type": "LogAppendTime"}
            await admin.create_topics([NewTopic("t", 1, 1, configs)])
            sent = await producer.send_and_wait("t", b"v", timestamp_ms=5)
            (record,) = await read_all(url, "t")
        assert sent.timestamp == record.timestamp > 1_600_000_000_000
        assert sent.timestamp_type == record.timestamp_type == TimestampType.LOG_APPEND_TIME

    body.run(scenario)


def test_a_producer_that_is_not_running_says_so(body: Body) -> None:
    """Before start and after stop, every call is a ClosedError."""

    async def scenario(url: str) -> None:
        producer = Producer(url)
        with pytest.raises(ClosedError, match="not started"):
            await producer.send("t", b"v")
        await producer.start()
        await producer.stop()
        await producer.stop()
        with pytest.raises(ClosedError, match="closed"):
            await producer.send("t", b"v")

    body.run(scenario)


@pytest.mark.parametrize("stored", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
def test_a_topic_has_its_own_codec(body: Body, stored: str) -> None:
    """Records come back whole from a topic that stores them in another codec than was sent."""
    values = [b"value %d" % number * 20 for number in range(50)]

    async def scenario(url: str) -> None:
        async with Admin(url) as admin:
            await admin.create_topics([NewTopic("t", topic_configs={"compression.type": stored})])
        async with Producer(url, compression_type="gzip") as producer:
            for value in values:
                await producer.send("t", value, b"key", timestamp_ms=1234)
        records = await read_all(url, "t")
        assert [record.value for record in records] == values
        assert {(record.key, record.timestamp) for record in records} == {(b"key", 1234)}

    body.run(scenario)
