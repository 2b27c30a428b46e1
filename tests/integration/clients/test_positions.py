"""Where a client begins to read: earliest, latest, an offset, a time, what its group committed."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from foreign import confluent
from foreign.client import LATEST, Client, Row, Writing, until, until_read, write
from foreign.fixtures import CLIENTS, MARKS, GetClient, MakeTopic

from millstream_log.testing import RunningBroker

NOW = 1_700_000_000_000

pytestmark = MARKS


def numbered(count: int, *, since: int = 0) -> list[Row]:
    """Return rows one second apart."""
    numbers = range(since, since + count)
    return [Row(b"row %d " % number * 10, None, (), NOW + 1000 * number) for number in numbers]


def test_reads_from_an_offset(served: RunningBroker, make_topic: MakeTopic, client: Client) -> None:
    """A reader that begins in the middle of a compressed batch gets that offset first."""
    topic = make_topic()
    writer = confluent.Confluent()
    write(writer, served.bootstrap, topic, numbered(20), Writing("zstd"))

    for start in (0, 7, 19):
        found = client.read(served.bootstrap, topic, 1, start=start)
        assert [one.offset for one in found] == [start]


def test_reads_from_the_end(served: RunningBroker, make_topic: MakeTopic, client: Client) -> None:
    """A reader that begins at the end gets only what is written after it has come."""
    topic = make_topic()
    writer = confluent.Confluent().writer(served.bootstrap)
    writer.send(topic, numbered(10))
    with ThreadPoolExecutor(1) as other:
        reading = other.submit(client.read, served.bootstrap, topic, 1, start=LATEST)
        sent = 10

        def came() -> bool:
            nonlocal sent
            writer.send(topic, numbered(1, since=sent))
            sent += 1
            return reading.done()

        until(came, f"{client.name} gets a record at the end")
        first = reading.result()[0]
    assert 10 <= first.offset < sent


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_a_time_has_its_exact_offset(
    served: RunningBroker, make_topic: MakeTopic, client: Client, codec: str
) -> None:
    """The first record at or after a time is found, inside a compressed batch too."""
    topic = make_topic()
    writer = confluent.Confluent()
    for since in (0, 20, 40):
        write(writer, served.bootstrap, topic, numbered(20, since=since), Writing(codec))

    for time, offset in ((0, 0), (1, 1), (1000, 1), (1001, 2), (29_500, 30), (59_000, 59)):
        assert client.offset_at(served.bootstrap, topic, NOW + time) == offset
    nothing = client.offset_at(served.bootstrap, topic, NOW + 59_001)
    assert nothing in (-1, 60)  # kafkajs says the end where others say none


@pytest.mark.parametrize("turn", range(len(CLIENTS)))
def test_clients_go_on_where_another_stopped(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, turn: int
) -> None:
    """Members of five makes, one after the other, in one group, read each record once."""
    topic, group = make_topic(), uuid.uuid4().hex
    write(confluent.Confluent(), served.bootstrap, topic, numbered(50))
    names = CLIENTS[turn:] + CLIENTS[:turn]

    for begin, name in zip(range(0, 50, 10), names, strict=True):
        member = get_client(name).join(served.bootstrap, group, topic, limit=10)
        until_read(member, 10)
        member.leave()
        assert member.reads == [(0, offset) for offset in range(begin, begin + 10)], name


def test_offsets_outlive_the_broker(
    served: RunningBroker, make_topic: MakeTopic, client: Client
) -> None:
    """What a group has committed is known after the broker was stopped, and after a kill."""
    topic, group = make_topic(), uuid.uuid4().hex
    write(confluent.Confluent(), served.bootstrap, topic, numbered(15))
    reads = []
    for end in (served.stop, served.kill, None):
        member = client.join(served.bootstrap, group, topic, limit=5)
        until_read(member, 5)
        member.leave()
        reads += member.reads
        if end is not None:
            end()
            served.start()
    assert reads == [(0, offset) for offset in range(15)]
