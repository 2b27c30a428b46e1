"""`millstream read TOPIC`: print records, to the present end or on and on.

    0:1200 <tab> 2013-01-01T05:17:00.000Z <tab> EWR <tab> {"flight":1545,...}     for people
    {"topic":..,"partition":..,"offset":..,"timestamp":..,"key":..,"value":..,"headers":[..]}

Invariants: takes no lock and commits nothing; without --follow it prints what was there when it
began. Partitions take turns: the order within each is the log's, between them it is not. A bad
batch ends its own partition, with an error; the others are read on.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping, Sequence

import msgspec

from ..client.consumer import Consumer
from ..client.transport import Transport
from ..errors import CorruptRecordError
from ..model import Record, TopicPartition
from .command import (
    CommandError,
    Word,
    add_json,
    administered,
    find_partitions,
    natural,
    positive,
    read_only,
)
from .output import note, print_bytes
from .position import parse_position, resolve, sound_bounds_of
from .values import one_line, read_bytes, read_headers, show_bytes, show_header, show_time

RECORDS_MAX = 5_000
"""How many records are printed at once."""
WAIT_MS = 500

_encode = msgspec.json.Encoder().encode


def read_word() -> Word:
    """Return `read`."""
    return Word("read", "print the records of a topic", _arguments, _read)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="WHERE",
        type=parse_position,
        default="earliest",
        help="earliest (default), latest, an offset, or a time: ISO 8601 or epoch ms",
    )
    parser.add_argument("--partition", type=natural, metavar="N", help="this one alone")
    parser.add_argument("--max", type=positive, metavar="N", help="stop after N records")
    parser.add_argument("--follow", action="store_true", help="go on with what comes")
    add_json(parser)


class Printer:
    """Prints records until there are enough of them."""

    def __init__(self, *, as_json: bool, count_max: int | None) -> None:
        self._as_json = as_json
        self._left = count_max

    @property
    def is_done(self) -> bool:
        """Whether no more records are wanted."""
        return self._left == 0

    @property
    def wanted(self) -> int:
        """How many records to ask for next."""
        return RECORDS_MAX if self._left is None else min(self._left, RECORDS_MAX)

    def print(self, records: Sequence[Record]) -> None:
        """Print records, as many as are still wanted."""
        if self._left is not None:
            records = records[: self._left]
            self._left -= len(records)
        if self._as_json:
            print_bytes(b"".join([_encode(_object(record)) + b"\n" for record in records]))
        else:
            sys.stdout.write("".join([_line(record) for record in records]))


async def _read(args: argparse.Namespace) -> int:
    printer = Printer(as_json=args.json, count_max=args.max)
    async with administered(read_only(args.log)) as (transport, admin):
        partitions = await find_partitions(admin, args.topic, args.partition)
        bounds = await sound_bounds_of(transport, partitions)
        starts = await resolve(transport, args.start, bounds)
        if args.follow:
            async with _consumer(transport, starts) as consumer:
                await _follow(consumer, printer)
            return 0
        ends = {key: held.end for key, held in bounds.items() if starts[key] < held.end}
        status = 0 if len(bounds) == len(partitions) else 1
        try:
            async with _consumer(transport, starts) as consumer:
                await _read_to(consumer, starts, ends, printer)
        except CorruptRecordError:
            status = await _read_each(transport, starts, ends, printer)
    return status


async def _read_each(
    transport: Transport,
    starts: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
    printer: Printer,
) -> int:
    """Read each partition by itself, because one of them is bad; return the exit status."""
    status = 0
    for key, end in list(ends.items()):
        try:
            async with _consumer(transport, {key: starts[key]}) as consumer:
                await _read_to(consumer, starts, {key: end}, printer)
        except CorruptRecordError as error:
            sys.stdout.flush()
            note(f"{error}; {key} is read no further")
            status = 1
    return status


def _consumer(transport: Transport, starts: Mapping[TopicPartition, int]) -> Consumer:
    """Return a consumer of these partitions, from these offsets on."""
    consumer = Consumer(log=transport, auto_offset_reset="none", enable_auto_commit=False)
    consumer.assign(starts)
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    return consumer


async def _read_to(
    consumer: Consumer,
    starts: dict[TopicPartition, int],
    ends: dict[TopicPartition, int],
    printer: Printer,
) -> None:
    """Print records below `ends`; advance `starts` past them, and drop what came to its end."""
    while ends and not printer.is_done:
        found = await consumer.getmany(*ends, timeout_ms=WAIT_MS, max_records=printer.wanted)
        for partition, records in found.items():
            if records[-1].offset >= ends[partition]:  # appended since
                records = [record for record in records if record.offset < ends[partition]]
            printer.print(records)
        moved = False
        for partition, end in list(ends.items()):
            position = await consumer.position(partition)
            moved = moved or position > starts[partition]
            starts[partition] = position
            if position >= end:
                del ends[partition]
        if not moved and ends:
            places = ", ".join(f"{key} at offset {starts[key]}" for key in ends)
            raise CommandError(f"nothing comes before the end of the log: {places}")
        await asyncio.sleep(0)  # Ctrl-C gets its turn


async def _follow(consumer: Consumer, printer: Printer) -> None:
    """Print records as they come, until there are enough or somebody stops it."""
    while not printer.is_done:
        found = await consumer.getmany(timeout_ms=WAIT_MS, max_records=printer.wanted)
        for records in found.values():
            printer.print(records)
        sys.stdout.flush()
        await asyncio.sleep(0)  # Ctrl-C gets its turn


def _object(record: Record) -> dict[str, object]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": read_bytes(record.key),
        "value": read_bytes(record.value),
        "headers": read_headers(record.headers),
    }


def _line(record: Record) -> str:
    fields = [
        f"{record.partition}:{record.offset}",
        show_time(record.timestamp),
        show_bytes(record.key),
        show_bytes(record.value),
        *(f"{one_line(name)}={show_header(value)}" for name, value in record.headers),
    ]
    return "\t".join(fields) + "\n"
