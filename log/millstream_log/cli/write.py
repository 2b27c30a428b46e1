"""`millstream write TOPIC`: what comes on stdin, line by line, as records.

    stdin -> a thread that reads -> whole lines -> records -> one partition, or by key

Invariants: lines are sent as they come, so it can stand at the end of a pipe; records with a
key go where every client of Kafka's family puts them; what was sent is in the log when it ends.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from ..client.admin import Admin
from ..client.partitioner import partition_for_key
from ..client.producer import Producer
from ..errors import LogError, MessageTooLargeError, UnknownTopicOrPartitionError
from .command import CommandError, Word, administered
from .formats import (
    UNITS,
    UNREADABLE,
    Chunk,
    Fields,
    JsonLines,
    LineFormat,
    PlainLines,
    split_lines,
)
from .output import counted, note

READ_BYTES = 1 << 18
FUTURES_MAX = 64
"""How many batches may be on their way before the first must have arrived."""


class TopicWriter:
    """Sends chunks of records to the partitions of one topic, and counts what has arrived."""

    def __init__(self, producer: Producer, topic: str, partitions: int) -> None:
        self.topic = topic
        self.partitions = partitions
        self.records = 0
        self.value_bytes = 0
        self._producer = producer
        self._turn = 0
        self._sent: deque[tuple[asyncio.Future[Any], int, int]] = deque()

    async def send(self, chunk: Chunk) -> None:
        """Send a chunk; without keys it goes whole to the partition whose turn it is.

        Raises CommandError for a record that is too large, else what the log raises.
        """
        if not chunk.values:
            return
        now = time.time_ns() // 1_000_000
        times = chunk.timestamps or [now] * len(chunk.values)
        try:
            if chunk.keys is None:
                await self._send(self._turn, times, None, chunk.values)
                self._turn = (self._turn + 1) % self.partitions
            else:
                await self._send_by_key(times, chunk.keys, chunk.values)
        except MessageTooLargeError as error:
            longest = max(range(len(chunk.values)), key=lambda i: len(chunk.values[i]))
            raise CommandError(f"near line {chunk.line + longest}: {error}") from error
        while len(self._sent) > FUTURES_MAX:
            await self._settle_one()

    async def finish(self) -> None:
        """Wait until everything is in the log. Raises the first error of a batch."""
        await self._producer.flush()
        while self._sent:
            await self._settle_one()

    async def give_up(self) -> None:
        """Wait for what was sent, and count what arrived; another error has come first."""
        while self._sent:
            try:
                await self._settle_one()
            except LogError:
                continue

    async def _settle_one(self) -> None:
        future, records, value_bytes = self._sent.popleft()
        await future
        self.records += records
        self.value_bytes += value_bytes

    async def _send_by_key(
        self, times: list[int], keys: list[bytes | None], values: list[bytes]
    ) -> None:
        parts: dict[int, tuple[list[int], list[bytes | None], list[bytes]]] = {}
        for timestamp, key, value in zip(times, keys, values, strict=True):
            index = self._turn if key is None else partition_for_key(key, self.partitions)
            part = parts.get(index)
            if part is None:
                part = parts[index] = ([], [], [])
            part[0].append(timestamp)
            part[1].append(key)
            part[2].append(value)
        for index, part in parts.items():
            await self._send(index, *part)
        self._turn = (self._turn + 1) % self.partitions

    async def _send(
        self,
        partition: int,
        times: list[int],
        keys: list[bytes | None] | None,
        values: list[bytes],
    ) -> None:
        future = await self._producer.send_columns(self.topic, partition, times, keys, values)
        self._sent.append((future, len(values), sum(map(len, values))))


def add_fields(parser: argparse.ArgumentParser) -> None:
    """Take the fields that give key and time."""
    parser.add_argument("--key", metavar="FIELD", help="the field that is the key")
    parser.add_argument(
        "--timestamp", metavar="FIELD", help="the field that is the time: ISO 8601, or a number"
    )
    parser.add_argument(
        "--timestamp-unit",
        choices=UNITS,
        default="ms",
        help="what a number counts since 1970 (default: ms)",
    )


def fields_of(args: argparse.Namespace) -> Fields:
    """Return what `add_fields` has taken."""
    return Fields(args.key, args.timestamp, args.timestamp_unit)


def write_word() -> Word:
    """Return `write`."""
    return Word("write", "write lines from stdin to a topic", _arguments, _write)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument(
        "--json",
        action="store_true",
        help="the lines are JSON, and are checked; --key and --timestamp mean this too",
    )
    add_fields(parser)


async def _write(args: argparse.Namespace) -> int:
    fields = fields_of(args)
    is_json = args.json or fields.key is not None or fields.timestamp is not None
    form: LineFormat = JsonLines(fields) if is_json else PlainLines()
    async with administered(args.log) as (transport, admin), Producer(transport) as producer:
        await say_if_new(admin, args.topic)
        partitions = len(await producer.partitions_for(args.topic))
        writer = TopicWriter(producer, args.topic, partitions)
        if sys.stdin is not None and sys.stdin.isatty():
            note("one record a line; Ctrl-D ends")
        try:
            number = 1
            async for lines in stdin_lines():
                await writer.send(form.convert(lines, number))
                number += len(lines)
            await writer.finish()
        except Exception as error:
            raise await failed_after(writer, "stdin", error) from error
    note(f"wrote {counted(writer.records, 'record')} to {args.topic}")
    return 0


async def say_if_new(admin: Admin, topic: str) -> None:
    """Tell the person when a topic is about to be made, for the name may be a slip."""
    try:
        await admin.describe_topics([topic])
    except UnknownTopicOrPartitionError:
        note(f"topic {topic!r} is new")


async def failed_after(writer: TopicWriter, source: str, error: Exception) -> Exception:
    """Return the error with how much is in the log; what was sent before it stays there."""
    await writer.give_up()
    if not isinstance(error, (CommandError, LogError, OSError, *UNREADABLE)):
        return error
    return CommandError(
        f"{source}: {error}; in the log by then: {counted(writer.records, 'record')}"
    )


async def stdin_lines() -> AsyncIterator[list[bytes]]:
    """Yield the lines of stdin as they come, some at a time.

    They are read in a thread that is left alone at the end: a read that waits for a person
    cannot be called off, and must not keep Ctrl-C waiting.
    """
    loop = asyncio.get_running_loop()
    read = _stdin_reader()
    wanted = threading.Semaphore(2)  # one block read ahead
    queue: asyncio.Queue[bytes | OSError] = asyncio.Queue()

    def work() -> None:
        data: bytes | OSError = b"-"
        while data:
            wanted.acquire()
            try:
                data = read()
            except OSError as error:
                data = error
            try:
                loop.call_soon_threadsafe(queue.put_nowait, data)
            except RuntimeError:
                return  # the loop has ended meanwhile
            if isinstance(data, OSError):
                return

    threading.Thread(target=work, name="millstream-stdin", daemon=True).start()
    rest = b""
    while data := await queue.get():
        if isinstance(data, OSError):
            raise data
        wanted.release()
        lines, rest = split_lines(rest + data)
        if lines:
            yield lines
    if rest:
        yield [rest]


def _stdin_reader() -> Callable[[], bytes]:
    """Return what reads the next bytes there are; from the descriptor, which needs no lock."""
    if sys.stdin is None:
        return lambda: b""
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, io.UnsupportedOperation, ValueError):
        buffer = sys.stdin.buffer
        return lambda: buffer.read(READ_BYTES)
    return lambda: os.read(descriptor, READ_BYTES)
