"""A broker killed again and again under load, with clients that know nothing of it.

MILLSTREAM_KILLS=10 makes the run a short one; the moments are drawn from a seed.
"""

from __future__ import annotations

import os
import random
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest
from confluent_kafka import OFFSET_BEGINNING, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from kill_load import (
    PARTITIONS,
    SOURCE,
    TARGET,
    Processor,
    Promises,
    Reader,
    Worker,
    Writer,
    committed,
    consumer,
    place_of,
)

from millstream_log.testing import RunningBroker, broker

pytestmark = pytest.mark.integration

KILLS = int(os.environ.get("MILLSTREAM_KILLS", "100"))
WRITERS = 3
DRAIN_SECONDS = 60.0


@pytest.fixture
def running() -> Iterator[RunningBroker]:
    """Return a broker with both topics."""
    with broker() as started:
        admin = AdminClient({"bootstrap.servers": started.bootstrap})
        topics = [NewTopic(name, PARTITIONS, 1) for name in (SOURCE, TARGET)]
        for done in admin.create_topics(topics).values():
            done.result(10)
        yield started


def ends_of(bootstrap: str) -> dict[int, int]:
    """Return the end offsets of topic a."""
    reader = consumer(bootstrap, "ends")
    try:
        parts = [TopicPartition(SOURCE, index) for index in range(PARTITIONS)]
        return {p.partition: reader.get_watermark_offsets(p, timeout=30)[1] for p in parts}
    finally:
        reader.close()


def values_of(bootstrap: str, topic: str) -> dict[int, list[str]]:
    """Return all committed values of a topic by partition, in order."""
    reader = consumer(bootstrap, "values")
    found: dict[int, list[str]] = defaultdict(list)
    try:
        parts = [TopicPartition(topic, index) for index in range(PARTITIONS)]
        ends = {p.partition: reader.get_watermark_offsets(p, timeout=30)[1] for p in parts}
        reader.assign([TopicPartition(topic, p.partition, OFFSET_BEGINNING) for p in parts])
        deadline = time.monotonic() + DRAIN_SECONDS
        while any(p.offset < ends[p.partition] for p in reader.position(parts)):
            assert time.monotonic() < deadline, f"{topic} is not read to its end"
            for message in reader.consume(1000, 0.2):
                value = message.value()
                assert message.error() is None
                assert value is not None
                found[place_of(message)[0]].append(value.decode())
        return found
    finally:
        reader.close()


def kill_again_and_again(
    running: RunningBroker, promises: Promises, workers: list[Worker], chance: random.Random
) -> None:
    """Kill the broker and start it again, and look whether it keeps what it has promised."""
    looker = consumer(running.bootstrap, Reader.group)
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.1, 1.2))
            running.kill()
            running.start()
            promises.verify(looker)
            for worker in workers:
                worker.check()
    finally:
        looker.close()


def await_committed(
    bootstrap: str, group: str, ends: dict[int, int], workers: list[Worker]
) -> None:
    """Wait until a group has read topic a to its end."""
    looker = consumer(bootstrap, group)
    deadline = time.monotonic() + DRAIN_SECONDS
    while (found := committed(looker)) != ends:
        assert time.monotonic() < deadline, f"{group} stands at {found}, the ends are {ends}"
        for worker in workers:
            worker.check()
        time.sleep(0.1)
    looker.close()


def test_kills_lose_nothing_and_repeat_nothing(running: RunningBroker, sim_seed: int) -> None:
    """After any number of SIGKILLs every promise holds, and every client has found back."""
    where = running.bootstrap
    promises = Promises()
    writers = [Writer(where, f"writer-{number}") for number in range(WRITERS)]
    readers = [Reader(where, promises) for _ in range(2)]
    processor = Processor(where)
    workers: list[Worker] = [*writers, *readers, processor]
    for worker in workers:
        worker.start()
    try:
        kill_again_and_again(running, promises, workers, random.Random(sim_seed))
        for writer in writers:
            writer.finish()
        ends = ends_of(where)
        for group in (Reader.group, Processor.group):
            await_committed(where, group, ends, workers)
    finally:
        for worker in workers:
            worker.ended.set()
    for worker in workers:
        worker.finish()

    sent = sum(writer.sent for writer in writers)
    source, target = values_of(where, SOURCE), values_of(where, TARGET)
    assert sum(ends.values()) == sum(map(len, source.values())) == sent
    for index, values in source.items():
        for writer in writers:
            numbers = [int(v.split()[1]) for v in values if v.split()[0] == writer.name]
            assert numbers == list(range(index, writer.sent, PARTITIONS)), "lost, twice or moved"
        assert target[index] == values, "not exactly once, or not in order"
    everything = {(index, offset) for index, end in ends.items() for offset in range(end)}
    assert set.union(*(reader.read for reader in readers)) == everything
    assert "Traceback" not in running.said()
