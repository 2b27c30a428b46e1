from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream_log.record.batch import assign
from millstream_log.record.builder import encode_columns
from millstream_log.record.compress import Codec
from millstream_log.record.control import Marker, MarkerType, encode_marker

Cli = Callable[..., Any]

SEGMENT = "00000000000000000000.log"


def batch(base_offset: int, *values: bytes, codec: Codec = Codec.NONE) -> bytearray:
    """Return a batch of those values, with the offset of its first record."""
    count = len(values)
    times = [1_357_000_000_000 + i for i in range(count)]
    data = encode_columns(times, [b"k"] * count, list(values), codec=codec)
    assign(data, 0, base_offset, 0)
    return data


SECOND = len(batch(0, b"a", b"b"))
THIRD = SECOND + len(batch(2, b"c"))
"""Where the batches begin."""


@pytest.fixture
def segment(cli: Cli, tmp_path: Path) -> Path:
    """Return a segment of three batches: two records, one, and three in lz4."""
    folder = tmp_path / "data" / "t-0"
    folder.mkdir(parents=True)
    path = folder / SEGMENT
    third = batch(3, b"d", b"e", b"f", codec=Codec.LZ4)
    path.write_bytes(batch(0, b"a", b"b") + batch(2, b"c") + third)
    return path


def flip(path: Path, position: int) -> None:
    """Change one bit of a file."""
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)


def test_a_segment_is_shown_batch_by_batch(cli: Cli, segment: Path) -> None:
    """Every batch is a row with its place, offsets, records, size, codec and time."""
    outcome = cli("dump", str(segment))
    assert outcome.status == 0
    header, *rows = [line.split() for line in outcome.out.splitlines()]
    assert header[0] == "position"
    assert [row[0] for row in rows] == ["0", str(SECOND), str(THIRD)]
    assert [row[1:4] for row in rows] == [
        ["[0,", "2)", "2"],
        ["[2,", "3)", "1"],
        ["[3,", "6)", "3"],
    ]
    assert rows[2][5:] == ["lz4", "2013-01-01T00:26:40.002Z", "-", "ok"]


def test_json_has_the_header_of_each_batch(cli: Cli, segment: Path) -> None:
    """In JSON a batch is one object with its header, and with its records when asked for."""
    rows = cli("dump", str(segment), "--json").rows
    assert [(row["base_offset"], row["last_offset"], row["records"]) for row in rows] == [
        (0, 1, 2),
        (2, 2, 1),
        (3, 5, 3),
    ]
    assert sum(row["size_bytes"] for row in rows) == segment.stat().st_size
    assert {row["fault"] for row in rows} == {None}
    assert "contents" not in rows[0]
    contents = cli("dump", str(segment), "--json", "--records").rows[2]["contents"]
    assert [record["value"] for record in contents] == ["d", "e", "f"]
    assert contents[0] == {
        "offset": 3,
        "timestamp": 1357000000000,
        "key": "k",
        "value": "d",
        "headers": [],
    }


def test_records_are_shown_beneath_their_batch(cli: Cli, segment: Path) -> None:
    """With --records every record follows its batch on a line of its own."""
    lines = cli("dump", str(segment), "--records").out.splitlines()
    assert lines[2:4] == [
        "  0\t2013-01-01T00:26:40.000Z\tk\ta",
        "  1\t2013-01-01T00:26:40.001Z\tk\tb",
    ]


def test_a_marker_is_recognised(cli: Cli, segment: Path) -> None:
    """The marker that ends a transaction is shown as what it is."""
    marker = encode_marker(
        Marker(MarkerType.ABORT, 1), timestamp_ms=5, producer_id=7, producer_epoch=2
    )
    assign(marker, 0, 6, 0)
    segment.write_bytes(segment.read_bytes() + marker)
    lines = cli("dump", str(segment), "--records").out.splitlines()
    assert "7/2/-1" in lines[-2]
    assert lines[-2].endswith("transactional control")
    assert lines[-1].endswith("abort marker")


def test_a_whole_log_is_verified(cli: Cli, segment: Path) -> None:
    """Verifying needs no name: it takes the log, and says of each file what is in it."""
    for words in (["dump", "--verify"], ["dump", "t-0", "--verify"], ["dump", "data", "--verify"]):
        outcome = cli(*words)
        assert outcome.status == 0
        assert outcome.out.endswith(
            f"t-0/{SEGMENT}: ok, 3 batches, 6 records, {segment.stat().st_size} bytes, "
            "offsets [0, 6)\n"
        )


@pytest.mark.parametrize("position", range(SECOND, THIRD))
def test_every_bit_flip_is_found(cli: Cli, segment: Path, position: int) -> None:
    """One bit that is wrong anywhere in a closed segment's batch, but for its epoch, is found."""
    segment.with_name("00000000000000000006.log").write_bytes(b"")
    flip(segment, position)
    outcome = cli("dump", str(segment), "--verify")
    if SECOND + 12 <= position < SECOND + 16:  # the leader epoch is outside the CRC and free
        assert outcome.status == 0
        return
    assert outcome.status == 1
    assert outcome.err.startswith(f"millstream: {segment}: position ")
    assert outcome.err.count("\n") == 1


def test_the_first_fault_is_placed(cli: Cli, segment: Path) -> None:
    """A bad CRC is stated with file, position and offset; the other files are checked too."""
    other = segment.parent.parent / "u-0"
    other.mkdir()
    (other / SEGMENT).write_bytes(batch(0, b"fine"))
    flip(segment, SECOND + 65)
    outcome = cli("dump", "--verify")
    assert outcome.status == 1
    assert f"{os.path.join('t-0', SEGMENT)}: position {SECOND}, offset 2: CRC 0x" in outcome.err
    assert "u-0" in outcome.out
    (row,) = cli("dump", "t-0", "--verify", "--json").rows
    assert (row["batches"], row["records"], row["offsets"]) == (1, 2, [0, 2])
    assert f"position {SECOND}, offset 2" in row["fault"]


def test_a_dump_goes_on_behind_a_bad_crc(cli: Cli, segment: Path) -> None:
    """A batch with a bad CRC is shown as bad without its records, and the next one follows."""
    flip(segment, SECOND + 65)
    rows = cli("dump", str(segment), "--json", "--records").rows
    assert [bool(row["fault"]) for row in rows] == [False, True, False]
    assert rows[1]["contents"] == []
    outcome = cli("dump", str(segment))
    assert outcome.status == 1
    assert [line.split()[-1] for line in outcome.out.splitlines()[1:]] == ["ok", "bad", "ok"]


@pytest.mark.parametrize("size", [SECOND + 1, SECOND + 61, THIRD - 1])
def test_a_torn_tail_is_a_fault(
    cli: Cli, segment: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    """A file that ends inside a batch is at fault there, and all before it is counted."""
    monkeypatch.setattr("millstream_log.cli.dump.TAIL_WAIT_SECONDS", 0)
    os.truncate(segment, size)
    outcome = cli("dump", str(segment), "--verify")
    assert outcome.status == 1
    assert f"position {SECOND}, offset 2: the file ends inside a batch" in outcome.err


def test_what_is_no_segment_is_refused(cli: Cli, segment: Path, tmp_path: Path) -> None:
    """A name that is not there, another file and an empty directory are refused."""
    assert "no such segment" in cli("dump", "nope").err
    (tmp_path / "a.index").write_bytes(b"")
    assert "a.index is no segment" in cli("dump", "a.index").err
    (tmp_path / "empty").mkdir()
    assert "empty holds no segments" in cli("dump", "empty").err


def test_an_empty_segment_is_whole(cli: Cli, segment: Path) -> None:
    """A file of no bytes holds no batches and no fault."""
    segment.write_bytes(b"")
    outcome = cli("dump", str(segment), "--verify")
    assert (outcome.status, outcome.err) == (0, "")
    assert "0 batches, 0 records, 0 bytes, offsets [0, 0)" in outcome.out
