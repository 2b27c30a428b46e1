from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

CSV = "carrier,delay,at\nUA,5,2013-01-01T05:00:00Z\nAA,NA,2013-01-01T06:00:00Z\nUA,-2,2013-01-02\n"


def test_csv_becomes_json_objects(cli: Cli, tmp_path: Path) -> None:
    """A CSV file becomes JSON objects with numbers, nulls, keys and times."""
    (tmp_path / "f.csv").write_text(CSV)
    words = ["--key", "carrier", "--timestamp", "at", "--null", "NA", "--partitions", "3"]
    (summary,) = cli("import", "f.csv", "flights", *words, "--json").rows
    assert summary["seconds"] >= 0
    assert (summary["topic"], summary["partitions"], summary["records"]) == ("flights", 3, 3)
    rows = sorted(cli("read", "flights", "--json").rows, key=lambda row: row["timestamp"])
    assert [row["key"] for row in rows] == ["UA", "AA", "UA"]
    assert [row["value"]["delay"] for row in rows] == [5, None, -2]
    assert rows[0]["timestamp"] == 1357016400000
    assert rows[0]["partition"] == rows[2]["partition"]


@pytest.mark.parametrize(
    ("name", "content", "values"),
    [
        ("a.log", b"x\ny\n", ["x", "y"]),
        ("a.jsonl", b'{"a":1}\n', [{"a": 1}]),
        ("a.ndjson.gz", gzip.compress(b'{"a":1}\n', mtime=0), [{"a": 1}]),
        ("a.TSV", b"a\tb\n1\tx\n", [{"a": 1, "b": "x"}]),
    ],
)
def test_the_name_tells_the_format(
    cli: Cli, tmp_path: Path, name: str, content: bytes, values: list[object]
) -> None:
    """The end of a file's name says what is in it, with .gz taken off."""
    (tmp_path / name).write_bytes(content)
    assert cli("import", name, "t").status == 0
    assert [row["value"] for row in cli("read", "t", "--json").rows] == values


def test_the_format_can_be_told(cli: Cli, tmp_path: Path) -> None:
    """--format wins over the name."""
    (tmp_path / "a.csv").write_text("a,b\n")
    assert cli("import", "a.csv", "t", "--format", "lines").status == 0
    assert [row["value"] for row in cli("read", "t", "--json").rows] == ["a,b"]


def test_what_it_makes_is_kept(cli: Cli, tmp_path: Path) -> None:
    """A topic that import makes keeps its records for good, unless a config says otherwise."""
    (tmp_path / "a.log").write_text("x\n")
    cli("import", "a.log", "t")
    assert cli("topics", "describe", "t", "--json").rows[0]["configs"] == {"retention.ms": "-1"}
    cli("import", "a.log", "u", "-c", "retention.ms=5000")
    assert cli("topics", "describe", "u", "--json").rows[0]["configs"] == {"retention.ms": "5000"}


def test_old_records_in_a_topic_that_forgets_are_announced(cli: Cli, tmp_path: Path) -> None:
    """Records older than the topic's retention are imported with a warning, once."""
    (tmp_path / "f.csv").write_text(CSV)
    cli("topics", "create", "week")
    outcome = cli("import", "f.csv", "week", "--timestamp", "at")
    assert outcome.status == 0
    assert outcome.err.count("keeps records for 7 days") == 1
    cli("topics", "create", "latest", "-c", "cleanup.policy=compact")
    assert cli("import", "f.csv", "latest", "--timestamp", "at", "--key", "carrier").err == ""


def test_lines_take_turns_over_partitions(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines without a key go to all partitions, and each partition keeps their order."""
    monkeypatch.setattr("millstream_log.cli.formats.CHUNK_BYTES", 64)
    (tmp_path / "a.log").write_text("".join(f"line {i:03}\n" for i in range(100)))
    cli("import", "a.log", "t", "--partitions", "3")
    rows = cli("read", "t", "--json").rows
    assert len({row["value"] for row in rows}) == 100
    for partition in range(3):
        values = [row["value"] for row in rows if row["partition"] == partition]
        assert values
        assert values == sorted(values)


def test_compression_shrinks_the_batches(cli: Cli, tmp_path: Path) -> None:
    """--compression is what the batches are compressed with."""
    (tmp_path / "a.log").write_text("the same again\n" * 100)
    cli("import", "a.log", "t", "--compression", "zstd")
    (batch,) = cli("dump", "t-0", "--json").rows
    assert batch["codec"] == "zstd"
    assert batch["size_bytes"] < 500


@pytest.mark.parametrize(
    ("name", "content", "words", "fault"),
    [
        ("a.csv", b"a,b\n1\n", [], "a.csv: line 2 has 1 cells, the header has 2"),
        ("a.csv", b"a\n1\n", ["--key", "b"], "a.csv: no column 'b'"),
        ("a.jsonl", b"{}\n", ["--key", "b"], "a.jsonl: line 1 has no field 'b'"),
        ("a.log", b"x\n", ["--key", "b"], "read as plain lines: say --format"),
        ("a.jsonl", b"{}\n", ["--null", "NA"], "--null and --text are for CSV"),
        ("a.gz", b"no gzip", [], "a.gz: Not a gzipped file"),
    ],
)
def test_a_bad_file_makes_no_topic(
    cli: Cli, tmp_path: Path, name: str, content: bytes, words: list[str], fault: str
) -> None:
    """A file that cannot be read as asked is refused in one line, and leaves no topic behind."""
    (tmp_path / name).write_bytes(content)
    outcome = cli("import", name, "t", *words)
    assert outcome.status == 1
    assert fault in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "data").exists()


def test_a_fault_further_on_tells_how_far_it_came(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a later line is bad, the error says how many records are in the log."""
    monkeypatch.setattr("millstream_log.cli.formats.CHUNK_BYTES", 16)
    (tmp_path / "a.jsonl").write_text('{"a":1}\n{"a":2}\n{"a":3}\nbad\n')
    outcome = cli("import", "a.jsonl", "t")
    assert outcome.status == 1
    assert "a.jsonl: line 4 is not JSON" in outcome.err
    assert "in the log by then: 2 records" in outcome.err
    assert len(cli("read", "t").out.splitlines()) == 2


def test_a_topic_that_is_there_keeps_its_shape(cli: Cli, tmp_path: Path) -> None:
    """Another partition count, or configs, for a topic that is there are refused."""
    (tmp_path / "a.log").write_text("x\n")
    cli("topics", "create", "t", "--partitions", "2")
    assert "has 2 partitions, not 3" in cli("import", "a.log", "t", "--partitions", "3").err
    assert "is there already" in cli("import", "a.log", "t", "-c", "retention.ms=1").err
    assert cli("import", "a.log", "t", "--partitions", "2").status == 0


def test_a_missing_file_is_named(cli: Cli) -> None:
    """A file that is not there is named, with the system's own word for it."""
    outcome = cli("import", "nope.csv", "t")
    assert outcome == (1, "", "millstream: nope.csv: No such file or directory\n")
