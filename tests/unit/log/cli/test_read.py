from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from millstream_log.cli.main import main
from millstream_log.cli.read import Printer
from millstream_log.client.admin import Admin, NewTopic
from millstream_log.client.producer import Producer
from millstream_log.model import Record, TopicPartition
from millstream_log.record.batch import iter_batches

Cli = Callable[..., Any]
T0 = 1_357_000_000_000


@pytest.fixture
def numbers(cli: Cli, tmp_path: Path) -> Cli:
    """Return the command line beside a topic of two partitions, 10 records each, 1 s apart."""

    async def fill() -> None:
        log = str(tmp_path / "data")
        async with Admin(log) as admin, Producer(log) as producer:
            await admin.create_topics([NewTopic("n", 2, topic_configs={"retention.ms": "-1"})])
            for i in range(20):
                value = b'{"i":%d}' % i
                await producer.send_and_wait(
                    "n", value, b"k%d" % i, partition=i % 2, timestamp_ms=T0 + 1000 * (i // 2)
                )

    asyncio.run(fill())
    return cli


def damage(partition: Path, at: int) -> None:
    """Flip one bit of the sixth batch of a partition, `at` bytes into it."""
    path = partition / "00000000000000000000.log"
    data = bytearray(path.read_bytes())
    positions = [position for position, _ in iter_batches(data)]
    data[positions[5] + at] ^= 1
    path.write_bytes(data)


def places(outcome: Any) -> list[tuple[int, int]]:
    """Return partition and offset of the records that were printed."""
    assert outcome.status == 0, outcome.err
    return [(row["partition"], row["offset"]) for row in outcome.rows]


def test_json_has_exactly_seven_fields(cli: Cli, tmp_path: Path) -> None:
    """A record is one object of seven fields in one order; headers keep theirs, and doubles."""

    async def fill() -> None:
        async with Producer(str(tmp_path / "data")) as producer:
            headers = [("a", b"text"), ("b", b"\xff"), ("a", None)]
            await producer.send_and_wait("t", b'{ "v": 1 }', b"key", None, T0, headers)
            await producer.send_and_wait("t", None, None, None, T0 + 1)

    asyncio.run(fill())
    outcome = cli("read", "t", "--json")
    assert outcome.out == (
        '{"topic":"t","partition":0,"offset":0,"timestamp":1357000000000,"key":"key",'
        '"value":{"v":1},"headers":[["a","text"],["b",{"base64":"/w=="}],["a",null]]}\n'
        '{"topic":"t","partition":0,"offset":1,"timestamp":1357000000001,"key":null,'
        '"value":null,"headers":[]}\n'
    )
    assert cli("read", "t").out == (
        '0:0\t2013-01-01T00:26:40.000Z\tkey\t{ "v": 1 }\ta=text\tb={"base64":"/w=="}\ta=null\n'
        "0:1\t2013-01-01T00:26:40.001Z\tnull\tnull\n"
    )


def test_everything_is_read_once(numbers: Cli) -> None:
    """Without options every record comes once, and each partition's in order."""
    found = places(numbers("read", "n", "--json"))
    assert sorted(found) == [(p, offset) for p in (0, 1) for offset in range(10)]
    for partition in (0, 1):
        offsets = [offset for p, offset in found if p == partition]
        assert offsets == sorted(offsets)


@pytest.mark.parametrize(
    ("start", "first"),
    [
        ("earliest", 0),
        ("latest", 10),
        ("7", 7),
        ("10", 10),
        (str(T0 + 3000), 3),
        (str(T0 + 3001), 4),
        ("2013-01-01T00:26:45Z", 5),
        ("2030-01-01", 10),
    ],
)
def test_reading_starts_where_it_is_told(numbers: Cli, start: str, first: int) -> None:
    """An end, an offset and a time lead each partition to its first record from there on."""
    found = places(numbers("read", "n", "--json", "--from", start))
    assert sorted(found) == [(p, offset) for p in (0, 1) for offset in range(first, 10)]


def test_one_partition_and_a_bound(numbers: Cli) -> None:
    """A partition is read alone, and no more records come than were asked for."""
    words = ["read", "n", "--json", "--partition", "1", "--from", "4", "--max", "3"]
    assert places(numbers(*words)) == [(1, 4), (1, 5), (1, 6)]
    assert len(places(numbers("read", "n", "--json", "--max", "13"))) == 13


def test_an_offset_may_lie_in_some_partitions(numbers: Cli) -> None:
    """An offset beyond one partition leaves that one at its end; beyond all it is refused."""
    numbers("write", "n", stdin=b"one\nmore\n")  # both to one partition
    assert len(places(numbers("read", "n", "--json", "--from", "11"))) == 1
    outcome = numbers("read", "n", "--from", "13")
    assert outcome.status == 1
    assert "offset 13 is out of range: n-0 holds [0, 12); n-1 holds [0, 10)" in outcome.err


def test_a_deleted_head_is_passed_over(numbers: Cli, tmp_path: Path) -> None:
    """Reading from the beginning starts at the log start, when records before it are deleted."""

    async def cut() -> None:
        async with Admin(str(tmp_path / "data")) as admin:
            await admin.delete_records({TopicPartition("n", 0): 8})

    asyncio.run(cut())
    assert [o for p, o in places(numbers("read", "n", "--json")) if p == 0] == [8, 9]
    assert [o for p, o in places(numbers("read", "n", "--json", "--from", "2")) if p == 0] == [8, 9]


def test_a_bad_batch_ends_its_own_partition(numbers: Cli, tmp_path: Path) -> None:
    """Behind a bad batch nothing of its partition is read, and all of the others; status 1."""
    damage(tmp_path / "data" / "n-0", 70)
    outcome = numbers("read", "n", "--json")
    assert outcome.status == 1
    assert "n-0 is read no further" in outcome.err
    found = [(row["partition"], row["offset"]) for row in outcome.rows]
    assert [offset for partition, offset in found if partition == 1] == list(range(10))
    assert [offset for partition, offset in found if partition == 0] == list(range(5))
    assert len(found) == len(set(found))


def test_a_partition_that_cannot_be_opened_stands_alone(numbers: Cli, tmp_path: Path) -> None:
    """When one partition cannot be opened, the others are listed and read; status 1."""
    damage(tmp_path / "data" / "n-0", 16)  # no batch has this magic
    outcome = numbers("read", "n", "--json")
    assert outcome.status == 1
    found = [(row["partition"], row["offset"]) for row in outcome.rows]
    assert found == [(1, offset) for offset in range(10)]
    assert numbers("topics", "list", "--json").rows[0]["records"] == 10
    (part,) = numbers("topics", "describe", "n", "--json").rows[0]["partitions"]
    assert part["partition"] == 1


def test_wrong_places_are_refused(numbers: Cli) -> None:
    """A topic or a partition that is not there is refused with those that are."""
    assert numbers("read", "m").err == "millstream: no topic 'm': there is n\n"
    outcome = numbers("read", "n", "--partition", "2")
    assert outcome.err == "millstream: topic 'n' has no partition 2: it has 0 to 1\n"
    assert numbers("read", "n", "--from", "soon").status == 2
    assert numbers("read", "n", "--max", "0").status == 2


def test_an_empty_topic_reads_as_nothing(cli: Cli) -> None:
    """A topic without records prints nothing and ends well."""
    cli("topics", "create", "t", "--partitions", "3")
    assert cli("read", "t") == (0, "", "")


def test_reading_works_beside_a_writer(cli: Cli, tmp_path: Path) -> None:
    """Looking takes no lock: it works while another holds it; writing is refused, with a name."""

    async def hold() -> None:
        async with Producer(str(tmp_path / "data")) as producer:
            await producer.send_and_wait("t", b"one")
            await asyncio.to_thread(look)

    def look() -> None:
        assert [row["value"] for row in cli("read", "t", "--json").rows] == ["one"]
        assert cli("topics", "list", "--json").rows[0]["records"] == 1
        assert cli("groups").status == 0
        assert cli("dump", "--verify").status == 0
        for words in (["write", "t"], ["topics", "delete", "t"], ["topics", "create", "u"]):
            outcome = cli(*words, stdin=b"two\n")
            assert outcome.status == 1
            assert "is written by process" in outcome.err
            assert "stop that one first" in outcome.err

    asyncio.run(hold())


def test_following_prints_what_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With --follow records come that were appended after reading began, until --max is there."""
    log = str(tmp_path / "data")

    async def write() -> int:
        async with Producer(log) as producer:
            await producer.send_and_wait("t", b"before")
            loop, has_printed = asyncio.get_running_loop(), asyncio.Event()

            def print_and_tell(printer: Printer, records: Sequence[Record]) -> None:
                print_records(printer, records)
                loop.call_soon_threadsafe(has_printed.set)

            print_records = Printer.print
            monkeypatch.setattr(Printer, "print", print_and_tell)
            words = ["read", "t", "--log", log, "--follow", "--max", "2", "--json"]
            reading = asyncio.create_task(asyncio.to_thread(main, words))
            await has_printed.wait()
            await producer.send_and_wait("t", b"after")
            return await reading

    assert asyncio.run(write()) == 0
    values = [json.loads(line)["value"] for line in capsys.readouterr().out.splitlines()]
    assert values == ["before", "after"]
