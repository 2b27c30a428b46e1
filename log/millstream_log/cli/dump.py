"""`millstream dump SEGMENT`: what is in a segment file, batch by batch; and whether it is whole.

    position  offsets   records  bytes  codec  max time  producer  state  flags
    0         [0, 100)      100   4521  lz4    2013-...  -         ok

Invariants: files are read as they are, without the log, its lock or its indexes; every CRC is
compared; reading stops at a header that cannot be right, and the first fault decides the
exit status.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from typing import IO, NamedTuple

from ..errors import CorruptRecordError
from ..record.batch import (
    HEADER_BYTES,
    BatchHeader,
    BatchRecord,
    check,
    decode,
    read_header,
)
from ..record.control import decode_marker
from .command import LOG_DEFAULT, CommandError, add_json, add_log, directory_of
from .output import counted, note, print_json
from .values import one_line, read_bytes, read_headers, show_bytes, show_header, show_time

LOG_SUFFIX = ".log"
TAIL_WAITS, TAIL_WAIT_SECONDS = 20, 0.05
"""How long a file that is being written gets to complete its last batch."""


class Batch(NamedTuple):
    """A batch as it stands in a file; `fault` says what is wrong with it."""

    position: int
    header: BatchHeader
    data: bytes
    fault: str | None


class DumpCommand:
    """Shows and checks segment files."""

    name = "dump"
    help = "show what is in a segment file, or check it"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the word takes."""
        add_log(parser)
        parser.add_argument(
            "path",
            metavar="SEGMENT",
            nargs="?",
            help="a .log file, a partition (flights-0), or a directory of them (default: the log)",
        )
        parser.add_argument("--records", action="store_true", help="show the records too")
        parser.add_argument(
            "--verify", action="store_true", help="show nothing; check every CRC and record"
        )
        add_json(parser, "one JSON object for each batch")

    def run(self, args: argparse.Namespace) -> int:
        """Show or check every segment; return 1 when one of them has a fault."""
        paths = segments_at(args.path, args.log)
        is_good = True
        for path in paths:
            try:
                if args.verify:
                    is_good &= _verify(path, as_json=args.json)
                else:
                    is_good &= _dump(path, args, titled=len(paths) > 1)
            except FileNotFoundError:  # a running app may delete and compact meanwhile
                if path == args.path:
                    raise
                note(f"{path} has been deleted meanwhile")
        return 0 if is_good else 1


def segments_at(path: str | None, log: str = LOG_DEFAULT) -> list[str]:
    """Return the segment files at `path`, sorted; a name that is not here is sought in the log.

    Raises CommandError when there is none.
    """
    root = directory_of(log)
    if path is None:
        if root is None:
            raise CommandError(f"{log} is no directory: read segments where the broker keeps them")
        path = root
    elif not os.path.exists(path) and root is not None:
        path = os.path.join(root, path) if os.path.exists(os.path.join(root, path)) else path
    if os.path.isfile(path):
        if not path.endswith((LOG_SUFFIX, LOG_SUFFIX + ".deleted", LOG_SUFFIX + ".swap")):
            raise CommandError(f"{path} is no segment: name a {LOG_SUFFIX} file")
        return [path]
    if not os.path.isdir(path):
        raise CommandError(f"{path}: no such segment, partition or directory")
    found = []
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(
            name for name in folders if not name.endswith("-delete") and name[0] != "."
        )
        found += [
            os.path.join(folder, name)
            for name in sorted(names)
            if name.endswith(LOG_SUFFIX) and name.removesuffix(LOG_SUFFIX).isdecimal()
        ]
    if not found:
        raise CommandError(f"{path} holds no segments")
    return found


def batches_of(path: str) -> Iterator[Batch]:
    """Yield the batches of a segment file.

    Raises CorruptRecordError, naming file, position and offset, at bytes that are no batch.
    """
    position = 0
    offset = _base_offset(path)
    limit = _next_base(path)
    with open(path, "rb", buffering=1 << 20) as file:
        while True:
            head = _read(file, position, HEADER_BYTES)
            if not head:
                return
            if len(head) < HEADER_BYTES:
                raise _torn(path, position, offset, len(head), None)
            try:
                header = read_header(head)
            except CorruptRecordError as error:
                what = str(error).removeprefix("batch at byte 0: ")
                raise CorruptRecordError(f"{_place(path, position, offset)}: {what}") from error
            data = _read(file, position, header.size)
            if len(data) < header.size:
                raise _torn(path, position, offset, len(data), header.size)
            fault = _fault(header, data, offset, limit)
            yield Batch(position, header, data, fault)
            position += header.size
            offset = header.next_offset


def _base_offset(path: str) -> int:
    digits = os.path.basename(path).partition(".")[0]
    return int(digits) if digits.isdecimal() else 0


def _read(file: IO[bytes], position: int, size: int) -> bytes:
    """Read up to `size` bytes; wait a little while the file still grows there."""
    file.seek(position)
    data = file.read(size)
    waits = 0
    while 0 < len(data) < size and waits < TAIL_WAITS:
        length = os.fstat(file.fileno()).st_size
        if length < position + size and waits > 1 and length == position + len(data):
            break  # it does not grow: nobody is writing
        time.sleep(TAIL_WAIT_SECONDS)
        file.seek(position)
        data = file.read(size)
        waits += 1
    return data


def _next_base(path: str) -> int | None:
    """Return where the segment behind this one begins; None when there is none."""
    folder = os.path.dirname(path) or "."
    bases = [_base_offset(name) for name in os.listdir(folder) if name.endswith(LOG_SUFFIX)]
    return min((base for base in bases if base > _base_offset(path)), default=None)


def _fault(header: BatchHeader, data: bytes, expected: int, limit: int | None) -> str | None:
    """Return what is wrong with a batch that is there whole, or None.

    Its base offset is not in its CRC: it must lie in [expected, limit), where both are known.
    """
    try:
        check(data, 0, header)
    except CorruptRecordError as error:
        return str(error).partition("byte 0: ")[2] or str(error)
    if header.base_offset < expected:
        return f"base offset {header.base_offset}, {expected} or more must follow"
    if limit is not None and header.next_offset > limit:
        return f"it ends at offset {header.next_offset}, the next segment begins at {limit}"
    return None


def _place(path: str, position: int, offset: int) -> str:
    return f"{path}: position {position}, offset {offset}"


def _torn(path: str, position: int, offset: int, there: int, size: int | None) -> Exception:
    whole = f"{size} bytes" if size is not None else f"a header of {HEADER_BYTES} bytes"
    return CorruptRecordError(
        f"{_place(path, position, offset)}: the file ends inside a batch, "
        f"{there} bytes of {whole} are there"
    )


def _verify(path: str, *, as_json: bool) -> bool:
    """Check one file and say how it is; stop at its first fault."""
    batches = records = 0
    fault = None
    start = end = _base_offset(path)
    size_bytes = 0
    try:
        for batch in batches_of(path):
            at = _place(path, batch.position, batch.header.base_offset)
            if batch.fault:
                raise CorruptRecordError(f"{at}: {batch.fault}")
            try:
                found = decode(batch.data, 0, batch.header)
            except CorruptRecordError as error:
                raise CorruptRecordError(f"{at}: {error}") from error
            if not batches:
                start = batch.header.base_offset
            batches += 1
            records += len(found)
            end = batch.header.next_offset
            size_bytes = batch.position + batch.header.size
    except CorruptRecordError as error:
        fault = str(error)
    if as_json:
        print_json(
            {
                "file": path,
                "batches": batches,
                "records": records,
                "size_bytes": size_bytes,
                "offsets": [start, end],
                "fault": fault,
            }
        )
    elif fault is None:
        print(
            f"{path}: ok, {counted(batches, 'batch', 'batches')}, {counted(records, 'record')}, "
            f"{counted(size_bytes, 'byte')}, offsets [{start}, {end})"
        )
    if fault is not None:
        note(fault)
    return fault is None


def _dump(path: str, args: argparse.Namespace, *, titled: bool) -> bool:
    """Show one file; return whether it is whole."""
    is_good = True
    if not args.json:
        if titled:
            print(f"== {path}")
        print(_LINE.format(*_NAMES).rstrip())
    try:
        for batch in batches_of(path):
            if args.json:
                print_json(_described(path, batch, with_records=args.records))
            else:
                print(_line(batch))
                if args.records:
                    _print_records(batch)
            if batch.fault:
                is_good = False
                note(f"{_place(path, batch.position, batch.header.base_offset)}: {batch.fault}")
    except CorruptRecordError as error:
        note(str(error))
        return False
    return is_good


_NAMES = (
    "position",
    "offsets",
    "records",
    "bytes",
    "codec",
    "max time",
    "producer",
    "state",
    "flags",
)
_LINE = "{:<10}  {:<22}  {:>7}  {:>8}  {:<6}  {:<24}  {:<12}  {:<5}  {}"


def _line(batch: Batch) -> str:
    header = batch.header
    producer = "-"
    if header.producer_id >= 0:
        producer = f"{header.producer_id}/{header.producer_epoch}/{header.base_sequence}"
    fields = (
        batch.position,
        f"[{header.base_offset}, {header.next_offset})",
        header.count,
        header.size,
        _codec(header),
        show_time(header.max_timestamp),
        producer,
        "bad" if batch.fault else "ok",
        " ".join(_flags(header)),
    )
    return _LINE.format(*fields).rstrip()


def _flags(header: BatchHeader) -> list[str]:
    flags = []
    if header.timestamp_type:
        flags.append("LogAppendTime")
    if header.is_transactional:
        flags.append("transactional")
    if header.is_control:
        flags.append("control")
    if header.delete_horizon_ms is not None:
        flags.append(f"delete-horizon={show_time(header.delete_horizon_ms)}")
    if header.leader_epoch > 0:
        flags.append(f"epoch={header.leader_epoch}")
    return flags


def _codec(header: BatchHeader) -> str:
    try:
        return header.codec.name.lower()
    except CorruptRecordError:
        return f"?{header.attributes & 7}"


def _print_records(batch: Batch) -> None:
    for record in _records(batch):
        fields = [
            f"  {record.offset}",
            show_time(record.timestamp),
            *_contents(batch.header, record),
            *(f"{one_line(name)}={show_header(value)}" for name, value in record.headers),
        ]
        print("\t".join(fields))


def _contents(header: BatchHeader, record: BatchRecord) -> list[str]:
    if header.is_control:
        marker = decode_marker(record)
        return [f"{marker.type.name.lower()} marker" if marker else "control record"]
    return [show_bytes(record.key), show_bytes(record.value)]


def _records(batch: Batch) -> list[BatchRecord]:
    """Return the records; none of a batch whose bytes cannot be trusted."""
    return [] if batch.fault else decode(batch.data, 0, batch.header)


def _described(path: str, batch: Batch, *, with_records: bool) -> dict[str, object]:
    header = batch.header
    found: dict[str, object] = {
        "file": path,
        "position": batch.position,
        "base_offset": header.base_offset,
        "last_offset": header.last_offset,
        "records": header.count,
        "size_bytes": header.size,
        "codec": _codec(header),
        "timestamp_type": "LogAppendTime" if header.timestamp_type else "CreateTime",
        "base_timestamp": header.base_timestamp,
        "max_timestamp": header.max_timestamp,
        "leader_epoch": header.leader_epoch,
        "producer_id": header.producer_id,
        "producer_epoch": header.producer_epoch,
        "base_sequence": header.base_sequence,
        "is_transactional": header.is_transactional,
        "is_control": header.is_control,
        "delete_horizon_ms": header.delete_horizon_ms,
        "crc": header.crc,
        "fault": batch.fault,
    }
    if with_records:
        found["contents"] = [
            {
                "offset": record.offset,
                "timestamp": record.timestamp,
                "key": read_bytes(record.key),
                "value": read_bytes(record.value),
                "headers": read_headers(record.headers),
            }
            for record in _records(batch)
        ]
    return found
