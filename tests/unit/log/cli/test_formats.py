from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from millstream_log.cli import formats
from millstream_log.cli.command import CommandError
from millstream_log.cli.formats import (
    Chunk,
    Csv,
    Fields,
    JsonLines,
    PlainLines,
    Source,
    key_of,
    lines_of,
    split_lines,
    time_of,
)


def read_csv(
    tmp_path: Path, content: str, fields: Fields | None = None, **rest: Any
) -> list[Chunk]:
    """Return the chunks of a CSV file with that text."""
    path = tmp_path / "rows.csv"
    path.write_bytes(content.encode())
    return list(Csv(fields or Fields(), **rest).read(Source(str(path))))


def rows_of(chunks: list[Chunk]) -> list[Any]:
    """Return all values, decoded."""
    return [json.loads(value) for chunk in chunks for value in chunk.values]


@pytest.mark.parametrize(
    ("data", "lines", "rest"),
    [
        (b"a\nb\n", [b"a", b"b"], b""),
        (b"a\r\nb\r\nc", [b"a", b"b"], b"c"),
        (b"\n\n", [b"", b""], b""),
        (b"", [], b""),
    ],
)
def test_lines_lose_their_ends_and_nothing_else(
    data: bytes, lines: list[bytes], rest: bytes
) -> None:
    """Whole lines come without LF or CR LF; what follows the last end is left over."""
    assert split_lines(data) == (lines, rest)


@pytest.mark.parametrize("name", ["lines.log", "lines.log.gz"])
def test_a_file_of_lines_comes_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Lines that lie across the edge of a read, and a last line without an end, are whole."""
    monkeypatch.setattr(formats, "CHUNK_BYTES", 7)
    lines = [b"one", b"", b"a longer line than one read", b"last"]
    data = b"\n".join(lines)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    source = Source(str(path))
    chunks = list(lines_of(source, PlainLines()))
    source.close()
    assert [line for chunk in chunks for line in chunk.values] == lines
    assert [chunk.line for chunk in chunks] == sorted(chunk.line for chunk in chunks)


def test_json_lines_keep_their_bytes() -> None:
    """A JSON line is the value as it stands; key and time are taken from its fields."""
    lines = [b'{ "k": "a", "t": 5 }', b"", b'{"t": 1.5, "k": null}', b'{"k": [1, 2], "t": "7"}']
    chunk = JsonLines(Fields("k", "t", "s")).convert(lines, 1)
    assert chunk.values == [line for line in lines if line]
    assert chunk.keys == [b"a", None, b"[1,2]"]
    assert chunk.timestamps == [5000, 1500, 7000]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"{", "line 12 is not JSON"),
        (b"\xff", "line 12 is not JSON"),
        (b"17", "line 12 is not a JSON object"),
        (b'{"a": 1}', "line 12 has no field 'k', its fields: a"),
    ],
)
def test_a_bad_line_is_named(line: bytes, fault: str) -> None:
    """What is no JSON, or lacks the key's field, is refused with the number of its line."""
    with pytest.raises(CommandError, match=fault):
        JsonLines(Fields("k")).convert([b'{"k": 1}', b"", line], 10)


@pytest.mark.parametrize(
    ("value", "unit", "ms"),
    [
        (1357017420, "s", 1357017420000),
        (1357017420.75, "s", 1357017420750),
        (1357017420999, "ms", 1357017420999),
        ("1357017420999999", "us", 1357017420999),
        (1357017420999999999, "ns", 1357017420999),
        (-1, "us", -1),
        ("2013-01-01T05:17:00Z", "ns", 1357017420000),
    ],
)
def test_times_count_their_unit(value: object, unit: str, ms: int) -> None:
    """A number counts the unit that was named, rounded down to ms; ISO text needs none."""
    assert time_of(value, Fields(timestamp="t", unit=unit), 1) == ms


@pytest.mark.parametrize("value", [None, "", "yesterday", True, [], float("nan"), float("inf")])
def test_what_is_no_time_is_refused(value: object) -> None:
    """Null, other text and other types are no times, and the message names line and field."""
    with pytest.raises(CommandError, match="line 3: no time in 't'"):
        time_of(value, Fields(timestamp="t"), 3)


@pytest.mark.parametrize(
    ("value", "key"), [("EWR", b"EWR"), (None, None), (5, b"5"), (["a", 1], b'["a",1]')]
)
def test_keys_are_text_or_json(value: object, key: bytes | None) -> None:
    """Text is its UTF-8, null the null key, and all else JSON."""
    assert key_of(value) == key


def test_csv_columns_have_one_type(tmp_path: Path) -> None:
    """A column is numbers where every cell is a canonical one; else all of it is text."""
    text = 'n,f,zip,mixed,t%\n1,1.50,007,12,"a ""b"""\n-20,2e-05,108,x,\n'
    first, second = rows_of(read_csv(tmp_path, text))
    assert first == {"n": 1, "f": 1.5, "zip": "007", "mixed": "12", "t%": 'a "b"'}
    assert second == {"n": -20, "f": 2e-05, "zip": "108", "mixed": "x", "t%": None}


def test_csv_types_come_from_the_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cell at the end that is no number makes text of its column from the beginning."""
    monkeypatch.setattr(formats, "CHUNK_ROWS", 2)
    chunks = read_csv(tmp_path, "a,b\n1,1\n2,2\n3,3\n4,four\n")
    assert len(chunks) == 2
    assert [row["b"] for row in rows_of(chunks)] == ["1", "2", "3", "four"]


def test_csv_numbers_keep_their_digits(tmp_path: Path) -> None:
    """A number is written as it stood in the file, and one beyond 64 bits is text."""
    (chunk,) = read_csv(tmp_path, "a,b\n10.357019999999999,123456789012345678901\n")
    assert chunk.values == [b'{"a":10.357019999999999,"b":"123456789012345678901"}']


def test_csv_nulls_and_text_can_be_named(tmp_path: Path) -> None:
    """`NA` may mean null and leave a column of numbers one; a column may be kept text."""
    chunks = read_csv(tmp_path, "a,b\nNA,1\n2,\n", nulls=["NA"], text=["b"])
    assert rows_of(chunks) == [{"a": None, "b": "1"}, {"a": 2, "b": None}]


def test_csv_gives_keys_and_times(tmp_path: Path) -> None:
    """Key and time are cells; a null cell is the null key."""
    (chunk,) = read_csv(tmp_path, "k,t\nEWR,2013-01-01\n,5\n", Fields("k", "t"))
    assert chunk.keys == [b"EWR", None]
    assert chunk.timestamps == [1356998400000, 5]


def test_csv_may_have_lines_inside_cells(tmp_path: Path) -> None:
    """A quoted cell may hold the end of a line, and a byte order mark is no part of a name."""
    chunks = read_csv(tmp_path, '\ufeffa,b\r\n"x\r\ny",1\r\n\r\n')
    assert rows_of(chunks) == [{"a": "x\r\ny", "b": 1}]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, the header has 2"),
        ("a,a\n1,2\n", "the header names a twice"),
        ('a\n"open\n', "is not CSV"),
        ("b\n1\n", "no column 'a': the header names b"),
    ],
)
def test_csv_faults_are_named(tmp_path: Path, text: str, fault: str) -> None:
    """A row of another width, a doubled name, an open quote or a missing column is refused."""
    with pytest.raises(CommandError, match=fault):
        read_csv(tmp_path, text, Fields("a"))


def test_an_empty_csv_has_no_rows(tmp_path: Path) -> None:
    """A file of nothing, and one of nothing but a header, hold no records."""
    assert read_csv(tmp_path, "") == []
    assert read_csv(tmp_path, "a,b\n") == []
