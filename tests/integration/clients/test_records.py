"""What one client writes every other client reads: codecs, keys, headers, nulls, times."""

from __future__ import annotations

import pytest
from foreign import disk
from foreign.client import Client, Row, Seen, Writing, write
from foreign.fixtures import CLIENTS, MARKS, GetClient, MakeTopic

from millstream_log.record.compress import Codec
from millstream_log.testing import RunningBroker

NOW = 1_700_000_000_000

pytestmark = MARKS


def rows_of(client: Client, count: int) -> list[Row]:
    """Return rows that compress well, with times where the client may set them."""
    return [
        Row(
            value=b"value %d " % number * 20,
            key=b"key %d" % number,
            headers=(("first", b"1"), ("second", b"2")),
            timestamp_ms=NOW + number if client.sets_time else None,
        )
        for number in range(count)
    ]


def as_written(found: list[Seen], writer: Client) -> list[Row]:
    """Return what was read without what the writer has not chosen."""
    if writer.sets_time:
        return [one.row for one in found]
    return [one.row._replace(timestamp_ms=None) for one in found]


@pytest.mark.parametrize("codec", [codec.name.lower() for codec in Codec])
@pytest.mark.parametrize("name", CLIENTS)
def test_each_reads_what_another_wrote(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, name: str, codec: str
) -> None:
    """Records come back as they were, with each codec, whoever wrote and whoever reads them."""
    writer, topic = get_client(name), make_topic()
    rows = rows_of(writer, 10)
    write(writer, served.bootstrap, topic, rows, Writing(codec))

    assert {batch.codec for batch in disk.batches(served, topic)} == {Codec[codec.upper()]}
    for reader in map(get_client, CLIENTS):
        found = reader.read(served.bootstrap, topic, len(rows))
        assert [one.offset for one in found] == list(range(10)), reader.name
        assert as_written(found, writer) == rows, reader.name


@pytest.mark.parametrize("name", CLIENTS)
def test_nulls_stay_nulls(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, name: str
) -> None:
    """What has no key, or no value, has none for every reader."""
    writer, topic = get_client(name), make_topic()
    rows = [Row(b"alone"), Row(None, b"tombstone")]
    write(writer, served.bootstrap, topic, rows)

    for reader in map(get_client, CLIENTS):
        found = reader.read(served.bootstrap, topic, len(rows))
        assert [one.row[:3] for one in found] == [row[:3] for row in rows], reader.name


@pytest.mark.parametrize("name", CLIENTS)
def test_headers_keep_their_order_and_their_twins(
    served: RunningBroker, make_topic: MakeTopic, get_client: GetClient, name: str
) -> None:
    """A header may come twice, and one may be empty."""
    writer, topic = get_client(name), make_topic()
    rows = [Row(b"v", b"k", (("twin", b"1"), ("twin", b"2"), ("empty", b"")))]
    write(writer, served.bootstrap, topic, rows)

    for reader in map(get_client, CLIENTS):
        found = reader.read(served.bootstrap, topic, 1)
        assert found[0].row.headers == rows[0].headers, reader.name


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_the_log_may_set_the_time(
    served: RunningBroker,
    make_topic: MakeTopic,
    get_client: GetClient,
    client: Client,
    codec: str,
) -> None:
    """Under LogAppendTime all records of a batch have the broker's time, for every reader."""
    topic = make_topic(message_timestamp_type="LogAppendTime")
    write(client, served.bootstrap, topic, rows_of(client, 5), Writing(codec))

    times = set()
    for reader in map(get_client, CLIENTS):
        for one in reader.read(served.bootstrap, topic, 5):
            times.add(one.row.timestamp_ms)
    assert len(times) == 1
    assert (times.pop() or 0) > NOW + 1000
