"""Messages to bytes and back: one reader and one writer for each class and version.

    schema.fields_of(cls)  ->  Python source for that version  ->  compiled, kept

    read(data, at)       -> message, where it ends
    read(data, at, take) -> the same, and `take` hears of every array and block of tags, or raises
    write(append, message)

Neighbouring fields of a fixed size become one `struct` call; the rest calls `primitives`; tagged
fields stand at the end, each by its tag and size.

Invariants: whatever the bytes, a reader raises what `primitives` says and no other error; it
allocates no more than the bytes that came can fill, and takes no byte for two items; a tagged
field that nobody knows is skipped, one that has its default is not written.

Source: the Kafka protocol guide, KIP-482; the layouts are the classes' own.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import ErrorCode
from . import primitives
from .primitives import STRING_BYTES_MAX, Take, Write
from .schema import Field, fields_of

Reader = Callable[[memoryview, int], tuple[Any, int]]
CountingReader = Callable[[memoryview, int, Take], tuple[Any, int]]
Writer = Callable[[Write, Any], None]

_FIXED = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "int64": "q",
    "float64": "d",
    "error": "h",
    "uuid": "16s",
}
_FROM_WIRE = {"uuid": "uuid_text({})", "error": "error_code({})"}
_TO_WIRE = {"uuid": "uuid_bytes({})"}
_TAKEN = {
    "string": "str(data[at:stop], 'utf-8')",
    "bytes": "bytes(data[at:stop])",
    "records": "data[at:stop]",
}


def error_code(value: int) -> ErrorCode:
    """Return the error code of a number, UNKNOWN_SERVER_ERROR for one not known here."""
    try:
        return ErrorCode(value)
    except ValueError:
        return ErrorCode.UNKNOWN_SERVER_ERROR


@functools.cache
def reader(cls: type, version: int, flexible: bool) -> Reader:
    """Return the function that reads a `cls` of this version."""
    return _compile(_ReaderSource(cls, version, flexible))


@functools.cache
def counting_reader(cls: type, version: int, flexible: bool) -> CountingReader:
    """Return the function that reads a `cls` of this version and counts what it holds."""
    return _compile(_CountingReaderSource(cls, version, flexible))


@functools.cache
def writer(cls: type, version: int, flexible: bool) -> Writer:
    """Return the function that writes a `cls` of this version."""
    return _compile(_WriterSource(cls, version, flexible))


@functools.cache
def bytes_min(cls: type, version: int, flexible: bool) -> int:
    """Return the fewest bytes that a `cls` of this version takes."""
    body = sum(_field_bytes_min(field, version, flexible) for field in _plain(cls, version))
    return body + (1 if flexible else 0)


def _field_bytes_min(field: Field, version: int, flexible: bool) -> int:
    if field.is_array or field.type in ("bytes", "records"):
        return 1 if flexible else 4
    if field.type == "string":
        return 1 if flexible else 2
    if field.struct is not None:
        if version in field.nullable:
            return 1
        return bytes_min(field.struct, version, flexible)
    return struct.calcsize(">" + _FIXED[field.type])


def _plain(cls: type, version: int) -> list[Field]:
    return [f for f in fields_of(cls) if f.tag < 0 and version in f.versions]


def _tagged(cls: type, version: int) -> list[Field]:
    return [f for f in fields_of(cls) if f.tag >= 0 and version in f.versions]


class _Run(NamedTuple):
    """Neighbouring fields of a fixed size."""

    fields: list[Field]

    @property
    def format(self) -> struct.Struct:
        return struct.Struct(">" + "".join(_FIXED[field.type] for field in self.fields))


def _runs(fields: Iterable[Field]) -> Iterator[_Run | Field]:
    """Yield the fields, those of a fixed size gathered."""
    run: list[Field] = []
    for field in fields:
        if field.type in _FIXED and not field.is_array:
            run.append(field)
            continue
        if run:
            yield _Run(run)
            run = []
        yield field
    if run:
        yield _Run(run)


class _Source:
    """Source text that grows line by line, and the names that it uses."""

    def __init__(self, cls: type, version: int, flexible: bool) -> None:
        self.cls = cls
        self.version = version
        self.flexible = flexible
        self.names: dict[str, Any] = {name: getattr(primitives, name) for name in _PRIMITIVES}
        self.names["error_code"] = error_code
        self._lines: list[str] = []
        self._indent = 0

    def line(self, text: str) -> None:
        self._lines.append("    " * self._indent + text)

    def deeper(self, text: str) -> None:
        self.line(text)
        self._indent += 1

    def back(self) -> None:
        self._indent -= 1

    def name(self, value: Any, hint: str) -> str:
        """Return a name under which the source finds `value`."""
        found = f"{hint}_{len(self.names)}"
        self.names[found] = value
        return found

    def build(self) -> None:
        """Write the lines."""
        raise NotImplementedError

    def text(self) -> str:
        return "\n".join(self._lines)


_PRIMITIVES = [name for name in vars(primitives) if name.startswith(("read_", "write_", "uuid_"))]
_PRIMITIVES += ["skip_tags", "not_null", "too_long", "string_too_long"]


class _ReaderSource(_Source):
    """The source of a reader: every field into a variable of its own, then the message."""

    arguments = "data, at"

    def build(self) -> None:
        self.names["cls"] = self.cls
        self.deeper(f"def run({self.arguments}):")
        known: list[str] = []
        for part in _runs(_plain(self.cls, self.version)):
            if isinstance(part, _Run):
                self._read_run(part)
                known += [field.name for field in part.fields]
            else:
                self._read_field(part)
                known.append(part.name)
        tagged = _tagged(self.cls, self.version)
        if tagged:
            self._read_tags(tagged)
            known += [field.name for field in tagged]
        elif self.flexible:
            self.line(f"at = skip_tags({self.arguments})")
        given = ", ".join(f"{name}=v_{name}" for name in known)
        self.line(f"return cls({given}), at")

    def _inner(self, cls: type) -> Callable[..., Any]:
        """Return the reader of a part."""
        return reader(cls, self.version, self.flexible)

    def _take(self, count: str) -> None:
        """Have `count` more items or tagged fields counted: nobody asks here."""

    def _read_run(self, run: _Run) -> None:
        form = run.format
        unpack = self.name(form.unpack_from, "unpack")
        self.line(f"{''.join(f'v_{field.name}, ' for field in run.fields)}= {unpack}(data, at)")
        self.line(f"at += {form.size}")
        for field in run.fields:
            if field.type in _FROM_WIRE:
                self.line(f"v_{field.name} = {_FROM_WIRE[field.type].format(f'v_{field.name}')}")

    def _read_field(self, field: Field) -> None:
        nullable = self.version in field.nullable
        target = f"v_{field.name}"
        if field.is_array:
            self._read_array(field, target, nullable)
        elif field.struct is not None:
            read = self.name(self._inner(field.struct), "read")
            if nullable:
                self._read_presence(target)
                self.deeper("else:")
            self.line(f"{target}, at = {read}({self.arguments})")
            if nullable:
                self.back()
        else:
            self._read_sized(field.type, target, nullable)

    def _read_sized(self, field_type: str, target: str, nullable: bool) -> None:
        """Read a string, bytes or records: the same in every message, so without a call."""
        if self.flexible:
            self.line("size = data[at]")
            self.deeper("if size < 128:")
            self.line("at += 1")
            self.back()
            self.deeper("else:")
            self.line("size, at = read_uvarint(data, at)")
            if field_type == "string":
                self.deeper(f"if size > {STRING_BYTES_MAX + 1}:")
                self.line("raise string_too_long(at, size - 1)")
                self.back()
            self.back()
            self.line("size -= 1")
        else:
            width = struct.Struct(">h" if field_type == "string" else ">i")
            self.line(f"size, = {self.name(width.unpack_from, 'unpack')}(data, at)")
            self.line(f"at += {width.size}")
        self.deeper("if size < 0:")
        if field_type == "records":
            self.line(f"{target} = data[at:at]")
        else:
            self.line(f"{target} = None" if nullable else "raise not_null(at)")
        self.back()
        self.deeper("else:")
        self.line("stop = at + size")
        self.deeper("if stop > len(data):")
        self.line("raise too_long(data, at, size)")
        self.back()
        self.line(f"{target} = {_TAKEN[field_type]}")
        self.line("at = stop")
        self.back()

    def _read_presence(self, target: str) -> None:
        self.line("at += 1")
        self.deeper("if data[at - 1] > 127:")
        self.line(f"{target} = None")
        self.back()

    def _read_array(self, field: Field, target: str, nullable: bool) -> None:
        compact = "compact_" if self.flexible else ""
        least = self._item_bytes_min(field)
        self.line(f"count, at = read_{compact}count(data, at, {least})")
        self.deeper("if count < 0:")
        if nullable:
            self.line(f"{target} = None")
        else:
            self.line("raise not_null(at)")
        self.back()
        self.deeper("else:")
        self._take("count")
        if field.type in _FIXED:
            self._read_fixed_items(field, target)
        else:
            self.line(f"{target} = []")
            self.deeper("for _ in range(count):")
            if field.struct is not None:
                read = self.name(self._inner(field.struct), "read")
                self.line(f"item, at = {read}({self.arguments})")
            else:
                self._read_sized(field.type, "item", False)
            self.line(f"{target}.append(item)")
            self.back()
        self.back()

    def _read_fixed_items(self, field: Field, target: str) -> None:
        unpack = self.name(struct.unpack_from, "unpack")
        code = _FIXED[field.type]
        if code == "16s":
            self.line(f"{target} = [uuid_text(bytes(data[at + 16 * i:at + 16 * i + 16]))")
            self.line("    for i in range(count)]")
        else:
            self.line(f"{target} = list({unpack}(f'>{{count}}{code}', data, at))")
        self.line(f"at += count * {struct.calcsize('>' + code)}")

    def _item_bytes_min(self, field: Field) -> int:
        if field.struct is not None:
            return bytes_min(field.struct, self.version, self.flexible)
        return _field_bytes_min(field._replace(is_array=False), self.version, self.flexible)

    def _read_tags(self, tagged: list[Field]) -> None:
        for field in tagged:
            # A list is made anew, or two messages would share it.
            default = "[]" if field.is_array else self.name(field.default, "default")
            self.line(f"v_{field.name} = {default}")
        self.line("tags, at = read_uvarint(data, at)")
        self._take("tags")
        self.deeper("for _ in range(tags):")
        self.line("tag, at = read_uvarint(data, at)")
        self.line("size, at = read_uvarint(data, at)")
        self.line("end = at + size")
        self.deeper("if end > len(data):")
        self.line("raise too_long(data, at, size)")
        self.back()
        for field in tagged:
            self.deeper(f"if tag == {field.tag}:")
            if field.type in _FIXED and not field.is_array:
                self._read_run(_Run([field]))
            else:
                self._read_field(field)
            # Else the next tag would read the same bytes again, and so each of very many.
            self.deeper("if at > end:")
            self.line("raise too_long(data[:end], end - size, at - end + size)")
            self.back()
            self.back()
        self.line("at = end")
        self.back()


class _CountingReaderSource(_ReaderSource):
    """The source of a reader that says how many items there will be before it makes them."""

    arguments = "data, at, take"

    def _inner(self, cls: type) -> Callable[..., Any]:
        return counting_reader(cls, self.version, self.flexible)

    def _take(self, count: str) -> None:
        self.line(f"take({count})")


class _WriterSource(_Source):
    """The source of a writer."""

    def build(self) -> None:
        self.deeper("def run(write, message):")
        for part in _runs(_plain(self.cls, self.version)):
            if isinstance(part, _Run):
                self._write_run(part, "write")
            else:
                self._write_field(part, "write")
        if self.flexible:
            self._write_tags(_tagged(self.cls, self.version))
        self.line("return None")

    def _write_run(self, run: _Run, write: str) -> None:
        pack = self.name(run.format.pack, "pack")
        values = (
            _TO_WIRE.get(field.type, "{}").format(f"message.{field.name}") for field in run.fields
        )
        self.line(f"{write}({pack}({', '.join(values)}))")

    def _write_field(self, field: Field, write: str) -> None:
        value = f"message.{field.name}"
        if field.is_array:
            self._write_array(field, value, write)
        elif field.struct is not None:
            self._write_struct(field, value, write)
        else:
            self.line(f"{self._sized(field.type)}({write}, {value})")

    def _sized(self, field_type: str) -> str:
        compact = "compact_" if self.flexible else ""
        return f"write_{compact}{'string' if field_type == 'string' else 'bytes'}"

    def _write_struct(self, field: Field, value: str, write: str) -> None:
        assert field.struct is not None
        inner = self.name(writer(field.struct, self.version, self.flexible), "inner")
        if self.version not in field.nullable:
            self.line(f"{inner}({write}, {value})")
            return
        self.deeper(f"if {value} is None:")
        self.line(f"{write}(b'\\xff')")
        self.back()
        self.deeper("else:")
        self.line(f"{write}(b'\\x01')")
        self.line(f"{inner}({write}, {value})")
        self.back()

    def _write_array(self, field: Field, value: str, write: str) -> None:
        compact = "compact_" if self.flexible else ""
        self.deeper(f"if {value} is None:")
        self.line(f"write_{compact}count({write}, -1)")
        self.back()
        self.deeper("else:")
        self.line(f"write_{compact}count({write}, len({value}))")
        self.deeper(f"for item in {value}:")
        if field.struct is not None:
            inner = self.name(writer(field.struct, self.version, self.flexible), "inner")
            self.line(f"{inner}({write}, item)")
        elif field.type in _FIXED:
            pack = self.name(struct.Struct(">" + _FIXED[field.type]).pack, "pack")
            self.line(f"{write}({pack}({_TO_WIRE.get(field.type, '{}').format('item')}))")
        else:
            self.line(f"{self._sized(field.type)}({write}, item)")
        self.back()
        self.back()

    def _write_tags(self, tagged: list[Field]) -> None:
        if not tagged:
            self.line("write(b'\\x00')")
            return
        self.line("blocks = []")
        for field in sorted(tagged, key=lambda field: field.tag):
            default = self.name(field.default, "default")
            self.deeper(f"if message.{field.name} != {default}:")
            self.line("block = []")
            if field.type in _FIXED and not field.is_array:
                self._write_run(_Run([field]), "block.append")
            else:
                self._write_field(field, "block.append")
            self.line(f"blocks.append(({field.tag}, b''.join(block)))")
            self.back()
        self.line("write_uvarint(write, len(blocks))")
        self.deeper("for tag, block in blocks:")
        self.line("write_uvarint(write, tag)")
        self.line("write_uvarint(write, len(block))")
        self.line("write(block)")
        self.back()


def _compile(source: _Source) -> Callable[..., Any]:
    source.build()
    title = f"<{source.cls.__name__} v{source.version}>"
    exec(compile(source.text(), title, "exec"), source.names)
    run: Callable[..., Any] = source.names["run"]
    return run
