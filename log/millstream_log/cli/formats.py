"""Files as records: plain lines, JSON lines, CSV.

    file -> chunk of lines or rows -> (keys, values, timestamps), column by column

Invariants: a line's bytes are its value as they stand, without the end of the line; a row
becomes one JSON object. The type of a CSV column is the same in all its rows: number where
every cell is one as JSON writes it (no 007, no +1), text otherwise; a number keeps its digits.
A fault names the line, and nothing behind it is taken.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

import msgspec

from .command import CommandError
from .position import iso_to_ms

CHUNK_BYTES = 1 << 20
CHUNK_ROWS = 4096

FORMATS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "json", ".ndjson": "json", ".json": "json"}
"""Format by the end of a file's name; all other files hold lines."""

UNITS = {"s": (1000, 1), "ms": (1, 1), "us": (1, 1000), "ns": (1, 1_000_000)}
"""Numerator and denominator that make ms of each unit."""

UNREADABLE = (gzip.BadGzipFile, EOFError, zlib.error)
"""What a file raises that is not the gzip it claims to be."""

_from_json = msgspec.json.Decoder().decode
_to_json = msgspec.json.Encoder().encode
_is_number = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?").fullmatch
"""18 digits before the point: what fits into 64 bits; longer ones are names, not numbers."""


class Chunk(NamedTuple):
    """Records in columns; None where all are null keys, or all have the present time."""

    line: int  # the line of the first one, from 1
    values: list[bytes]
    keys: list[bytes | None] | None = None
    timestamps: list[int] | None = None


class Fields(NamedTuple):
    """Which fields of a value are its key and its time."""

    key: str | None = None
    timestamp: str | None = None
    unit: str = "ms"


class LineFormat(Protocol):
    """Makes records of lines."""

    def convert(self, lines: list[bytes], first: int) -> Chunk:
        """Return the records of lines; `first` is the number of the first line."""
        ...


class PlainLines:
    """Each line is a value."""

    def convert(self, lines: list[bytes], first: int) -> Chunk:
        """Return the lines as they are."""
        return Chunk(first, lines)


class JsonLines:
    """Each line is a JSON document; its fields may give key and time."""

    def __init__(self, fields: Fields) -> None:
        self.fields = fields

    def convert(self, lines: list[bytes], first: int) -> Chunk:
        """Return the documents, unchanged; blank lines are left out."""
        fields = self.fields
        values: list[bytes] = []
        keys: list[bytes | None] = []
        timestamps: list[int] = []
        for number, line in enumerate(lines, first):
            if not line.strip():
                continue
            try:
                row = _from_json(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise CommandError(f"line {number} is not JSON: {error}") from error
            if fields.key is not None:
                keys.append(key_of(_field(row, fields.key, number)))
            if fields.timestamp is not None:
                value = _field(row, fields.timestamp, number)
                timestamps.append(time_of(value, fields, number))
            values.append(line)
        return Chunk(
            first,
            values,
            None if fields.key is None else keys,
            None if fields.timestamp is None else timestamps,
        )


class Source:
    """A file that is read once or twice; the end `.gz` is taken off its name and its bytes."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._raw: BinaryIO | None = None

    def open(self) -> BinaryIO:
        """Open the file for reading from its beginning."""
        self.close()
        self._raw = open(self.path, "rb", buffering=CHUNK_BYTES)  # noqa: SIM115 - `close` does
        return cast(BinaryIO, gzip.open(self._raw)) if self.path.endswith(".gz") else self._raw

    def size_bytes(self) -> int:
        """Return the size of the file as it is on the disk."""
        return os.path.getsize(self.path)

    def position(self) -> int:
        """Return how many bytes of the file, as it is on the disk, have been read."""
        return self._raw.tell() if self._raw is not None else 0

    def close(self) -> None:
        """Close the file; twice is once."""
        if self._raw is not None:
            self._raw.close()


def lines_of(source: Source, form: LineFormat) -> Iterator[Chunk]:
    """Yield the records of a file of lines."""
    file = source.open()
    number, rest = 1, b""
    while data := file.read(CHUNK_BYTES):
        lines, rest = split_lines(rest + data)
        if lines:
            yield form.convert(lines, number)
            number += len(lines)
    if rest:
        yield form.convert([rest], number)


def split_lines(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole lines in `data` without their ends (LF or CR LF), and what is left."""
    lines = data.split(b"\n")
    rest = lines.pop()
    if b"\r\n" in data:
        lines = [line.removesuffix(b"\r") for line in lines]
    return lines, rest


class Csv:
    """A CSV file with a header; the types of its columns come from a first pass over it."""

    def __init__(
        self,
        fields: Fields,
        *,
        delimiter: str = ",",
        nulls: Sequence[str] = (),
        text: Sequence[str] = (),
    ) -> None:
        self.fields = fields
        self.nulls = frozenset({"", *nulls})
        self.text = frozenset(text)
        self._delimiter = delimiter

    def read(self, source: Source) -> Iterator[Chunk]:
        """Yield the rows of a file as JSON objects."""
        names, numbers = self.types_of(source)
        self._check_fields(names)
        key, timestamp = self.fields.key, self.fields.timestamp
        row_of = _template(names)
        for line, rows in self._rows(source, names):
            columns = list(zip(*rows, strict=True))
            keys = timestamps = None
            if key is not None:
                cells = columns[names.index(key)]
                keys = [None if cell in self.nulls else cell.encode() for cell in cells]
            if timestamp is not None:
                cells = columns[names.index(timestamp)]
                timestamps = [
                    time_of(cell, self.fields, number) for number, cell in enumerate(cells, line)
                ]
            written = [self._written(*pair) for pair in zip(columns, numbers, strict=True)]
            values = [(row_of % row).encode() for row in zip(*written, strict=True)]
            yield Chunk(line, values, keys, timestamps)

    def types_of(self, source: Source) -> tuple[list[str], list[bool]]:
        """Return the names of the columns, and for each whether it holds numbers."""
        names: list[str] = []
        numbers: list[bool] = []
        for _, rows in self._rows(source, names):
            if not numbers:
                numbers = [name not in self.text for name in names]
            for i, column in enumerate(zip(*rows, strict=True)):
                if numbers[i]:
                    numbers[i] = all(map(_is_number, set(column) - self.nulls))
        return names, numbers or [False] * len(names)

    def _rows(self, source: Source, names: list[str]) -> Iterator[tuple[int, list[list[str]]]]:
        """Yield (line of the first, rows); fill `names` from the header when it is empty."""
        with io.TextIOWrapper(source.open(), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=self._delimiter, strict=True)
            try:
                header = next(reader, [])
                if len(set(header)) != len(header):
                    twice = sorted({name for name in header if header.count(name) > 1})
                    raise CommandError(f"the header names {', '.join(twice)} twice")
                names[:] = header
                while True:
                    line = reader.line_num + 1
                    rows = list(itertools.islice(filter(None, reader), CHUNK_ROWS))
                    if not rows:
                        return
                    if set(map(len, rows)) != {len(names)}:
                        raise _ragged(rows, len(names), line)
                    yield line, rows
            except (csv.Error, UnicodeDecodeError) as error:
                raise CommandError(f"line {reader.line_num} is not CSV: {error}") from error

    def _written(self, column: Sequence[str], is_number: bool) -> Sequence[str]:
        """Return the cells of a column as JSON; a number stands there as JSON already."""
        cells = set(column)
        nulls = cells & self.nulls
        if is_number and not nulls:
            return column
        written = {cell: cell if is_number else _to_json(cell).decode() for cell in cells}
        written |= dict.fromkeys(nulls, "null")
        return [written[cell] for cell in column]

    def _check_fields(self, names: list[str]) -> None:
        asked = [self.fields.key, self.fields.timestamp, *sorted(self.text)]
        for name in asked:
            if name is not None and name not in names:
                raise CommandError(f"no column {name!r}: the header names {', '.join(names)}")


def _template(names: Sequence[str]) -> str:
    """Return the JSON object of a row, with a `%s` for each cell."""
    fields = (_to_json(name).decode().replace("%", "%%") + ":%s" for name in names)
    return "{" + ",".join(fields) + "}"


def key_of(value: Any) -> bytes | None:
    """Return a field as a key: text as UTF-8, null as the null key, all else as JSON."""
    if value is None:
        return None
    return value.encode() if type(value) is str else _to_json(value)


def time_of(value: Any, fields: Fields, line: int) -> int:
    """Return a field as epoch ms: a number counts `fields.unit`, text may be ISO 8601 too."""
    try:
        if type(value) is str:
            if not value.lstrip("-").isdecimal():
                return iso_to_ms(value)
            value = int(value)
        if type(value) not in (int, float):
            raise ValueError(f"{value!r} is neither text nor number")
        by, over = UNITS[fields.unit]
        return int(value * by // over)
    except (ValueError, OverflowError) as error:
        raise CommandError(f"line {line}: no time in {fields.timestamp!r}: {error}") from error


def _field(row: Any, name: str, line: int) -> Any:
    if type(row) is not dict:
        raise CommandError(f"line {line} is not a JSON object, so it has no field {name!r}")
    try:
        return row[name]
    except KeyError:
        fields = ", ".join(map(str, row)) or "none"
        raise CommandError(f"line {line} has no field {name!r}, its fields: {fields}") from None


def _ragged(rows: list[list[str]], width: int, line: int) -> CommandError:
    at, row = next((i, row) for i, row in enumerate(rows) if len(row) != width)
    return CommandError(f"line {line + at} has {len(row)} cells, the header has {width}")
