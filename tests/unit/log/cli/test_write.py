from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from millstream_log.client.partitioner import partition_for_key

Cli = Callable[..., Any]


def test_lines_become_records(cli: Cli) -> None:
    """Each line is a record's value, empty ones and a last one without an end included."""
    outcome = cli("write", "t", stdin=b"one\r\n\nthree")
    assert outcome.out == ""
    assert outcome.err == "millstream: topic 't' is new\nmillstream: wrote 3 records to t\n"
    rows = cli("read", "t", "--json").rows
    assert [row["value"] for row in rows] == ["one", "", "three"]
    assert {row["key"] for row in rows} == {None}


def test_a_known_topic_is_not_announced(cli: Cli) -> None:
    """A second write says only what it wrote."""
    cli("write", "t", stdin=b"1\n")
    assert cli("write", "t", stdin=b"2\n").err == "millstream: wrote 1 record to t\n"
    assert cli("write", "t").err == "millstream: wrote 0 records to t\n"


def test_json_lines_are_keyed_and_dated(cli: Cli) -> None:
    """A field is the key, which decides the partition as for all clients; one is the time."""
    cli("topics", "create", "t", "--partitions", "4")
    lines = b"".join(b'{"k":"key-%d","at":"2013-01-0%d"}\n' % (i, i) for i in range(1, 9))
    assert cli("write", "t", "--key", "k", "--timestamp", "at", stdin=lines).status == 0
    rows = cli("read", "t", "--json").rows
    assert len(rows) == 8
    for row in rows:
        assert row["key"] == row["value"]["k"]
        assert row["partition"] == partition_for_key(row["key"].encode(), 4)
        assert row["timestamp"] == 1356998400000 + 86_400_000 * (int(row["key"][4:]) - 1)


def test_a_line_that_is_not_json_stops_it(cli: Cli) -> None:
    """With --json a bad line is an error that names it and what is in the log already."""
    outcome = cli("write", "t", "--json", stdin=b'{"a":1}\n{oops\n')
    assert outcome.status == 1
    assert "stdin: line 2 is not JSON" in outcome.err
    assert "in the log by then: 0 records" in outcome.err
    assert cli("read", "t").out == ""


def test_a_line_too_long_is_named(cli: Cli) -> None:
    """A line that no batch can hold is an error that says which it was."""
    outcome = cli("write", "t", stdin=b"short\n" + b"x" * 2_000_000 + b"\n")
    assert outcome.status == 1
    assert "near line 2" in outcome.err
    assert "max_request_size" in outcome.err


def test_a_pipe_is_read_as_it_comes(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A descriptor is read to its end, and a line that came in two pieces is one record."""
    source, sink = os.pipe()
    os.write(sink, b"one\ntw")
    os.write(sink, b"o\n")
    os.close(sink)
    monkeypatch.setattr("millstream_log.cli.write.READ_BYTES", 5)
    with open(source) as stdin:
        cli("write", "t", stdin=stdin)
    assert [row["value"] for row in cli("read", "t", "--json").rows] == ["one", "two"]


def test_what_the_log_refuses_is_not_counted(cli: Cli, tmp_path: Path) -> None:
    """When the partition cannot be opened, the error says that nothing is in the log."""
    cli("write", "t", stdin=b"one\n")
    (segment,) = (tmp_path / "data" / "t-0").glob("*.log")
    segment.write_bytes(segment.read_bytes()[:16] + b"\x03" + segment.read_bytes()[17:])
    outcome = cli("write", "t", stdin=b"two\n")
    assert outcome.status == 1
    assert "magic 3" in outcome.err
    assert "in the log by then: 0 records" in outcome.err
