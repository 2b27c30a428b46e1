"""`millstream import FILE TOPIC`: a whole file as records of a topic.

    flights.csv -> types of its columns -> rows -> JSON objects -> partitions by key
    access.log(.gz) -> lines as they are -> partitions in turn

Invariants: a topic that it makes keeps its records for good unless -c says otherwise, because
a file's times are mostly older than a week, and a week is what a log keeps by default.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import time
from collections.abc import Iterator

from ..client.admin import Admin, NewTopic
from ..client.producer import Producer
from ..errors import UnknownTopicOrPartitionError
from ..progress import Progress
from .command import CommandError, add_json, add_log, add_settings, administered, positive
from .formats import (
    FORMATS,
    UNREADABLE,
    Chunk,
    Csv,
    Fields,
    JsonLines,
    PlainLines,
    Source,
    lines_of,
)
from .output import counted, note, print_json
from .write import TopicWriter, add_fields, failed_after, fields_of

DAY_MS = 86_400_000


class ImportCommand:
    """Imports a file."""

    name = "import"
    help = "import a file: lines, JSON lines, CSV"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Say what the word takes."""
        add_log(parser)
        _arguments(parser)

    def run(self, args: argparse.Namespace) -> int:
        """Read the beginning, outside of any event loop so that Ctrl-C works; then import."""
        import asyncio

        begun = time.monotonic()
        with contextlib.closing(Source(args.file)) as source:
            chunks = _chunks(args, source)
            first = _first(chunks, args.file)
            writer = asyncio.run(_import(args, source, itertools.chain(first, chunks)))
        _report(args, writer, time.monotonic() - begun)
        return 0


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="may be gzipped, with a name in .gz")
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument(
        "--format",
        choices=("lines", "json", "csv", "tsv"),
        help="default: by the name: .csv, .tsv, .jsonl .ndjson .json, else lines",
    )
    add_fields(parser)
    parser.add_argument(
        "--null",
        metavar="TEXT",
        action="append",
        default=[],
        help="CSV: a cell that means null, besides the empty one (as NA)",
    )
    parser.add_argument(
        "--text",
        metavar="FIELD",
        action="append",
        default=[],
        help="CSV: a column that is text even where every cell looks like a number",
    )
    parser.add_argument(
        "--partitions", type=positive, help="how many, when the topic is made (else its default)"
    )
    parser.add_argument("--compression", choices=("gzip", "snappy", "lz4", "zstd"))
    add_settings(parser, "a topic config, when the topic is made")
    add_json(parser, "print the summary as one JSON object")


async def _import(args: argparse.Namespace, source: Source, chunks: Iterator[Chunk]) -> TopicWriter:
    """Send every chunk to the topic, which is made when it is not there."""
    async with administered(args.log) as (transport, admin):
        partitions, retention_ms = await _prepare(admin, args)
        async with Producer(transport, compression_type=args.compression) as producer:
            writer = TopicWriter(producer, args.topic, partitions)
            try:
                await _send(writer, chunks, source, retention_ms)
            except Exception as error:
                raise await failed_after(writer, args.file, error) from error
    return writer


def _first(chunks: Iterator[Chunk], path: str) -> list[Chunk]:
    """Return the first chunk, or none; so a file that cannot be read makes no topic."""
    try:
        return list(itertools.islice(chunks, 1))
    except (CommandError, *UNREADABLE) as error:
        raise CommandError(f"{path}: {error}") from error


def _chunks(args: argparse.Namespace, source: Source) -> Iterator[Chunk]:
    """Return what will read the file; raise CommandError for what its format cannot give."""
    name = args.file.removesuffix(".gz")
    form = args.format or FORMATS.get(os.path.splitext(name)[1].lower(), "lines")
    fields = fields_of(args)
    if form in ("csv", "tsv"):
        delimiter = "," if form == "csv" else "\t"
        return Csv(fields, delimiter=delimiter, nulls=args.null, text=args.text).read(source)
    if args.null or args.text:
        raise CommandError(f"--null and --text are for CSV, and {args.file} is read as {form}")
    if form == "json":
        return lines_of(source, JsonLines(fields))
    if fields != Fields(unit=fields.unit):
        raise CommandError(
            f"--key and --timestamp name fields, and {args.file} is read as plain lines: "
            "say --format json or csv"
        )
    return lines_of(source, PlainLines())


async def _prepare(admin: Admin, args: argparse.Namespace) -> tuple[int, int]:
    """Make the topic when it is not there; return its partition count and retention.ms."""
    configs = dict(args.configs)
    try:
        (topic,) = await admin.describe_topics([args.topic])
    except UnknownTopicOrPartitionError:
        new = NewTopic(args.topic, args.partitions or -1, 1, {"retention.ms": "-1", **configs})
        (topic,) = await admin.create_topics([new])
    else:
        if configs:
            raise CommandError(f"topic {topic.name!r} is there already: -c is for a new one")
        if args.partitions not in (None, topic.partitions):
            raise CommandError(
                f"topic {topic.name!r} has {topic.partitions} partitions, not {args.partitions}"
            )
    entries = (await admin.describe_configs([topic.name]))[topic.name]
    policy, retention = entries["cleanup.policy"].value, entries["retention.ms"].value
    is_deleted = "delete" in (policy or "").split(",")
    return topic.partitions, int(retention or -1) if is_deleted else -1


async def _send(
    writer: TopicWriter,
    chunks: Iterator[Chunk],
    source: Source,
    retention_ms: int,
) -> None:
    """Send every chunk; warn once of records that retention will take away again."""
    oldest_ms = time.time_ns() // 1_000_000 - retention_ms
    is_warned = retention_ms < 0
    read_bytes = 0
    with Progress(
        f"importing {os.path.basename(source.path)}", source.size_bytes(), "bytes"
    ) as progress:
        for chunk in chunks:
            if not is_warned and chunk.timestamps and min(chunk.timestamps) < oldest_ms:
                is_warned = True
                note(
                    f"topic {writer.topic!r} keeps records for {retention_ms / DAY_MS:g} days, and "
                    "some of these are older: they will be deleted (retention.ms=-1 keeps them)"
                )
            await writer.send(chunk)
            read_before, read_bytes = read_bytes, source.position()
            progress.advance(max(read_bytes - read_before, 0))
        await writer.finish()


def _report(args: argparse.Namespace, writer: TopicWriter, seconds: float) -> None:
    if args.json:
        print_json(
            {
                "topic": writer.topic,
                "partitions": writer.partitions,
                "records": writer.records,
                "value_bytes": writer.value_bytes,
                "seconds": round(seconds, 3),
            }
        )
        return
    rate = writer.records / max(seconds, 1e-9)
    print(
        f"imported {counted(writer.records, 'record')} ({counted(writer.value_bytes, 'byte')}) "
        f"into {writer.topic} ({counted(writer.partitions, 'partition')}) "
        f"in {seconds:.1f} s ({rate:,.0f}/s)"
    )
